// SPDX-License-Identifier: GPL-2.0
/*
 * table_v6_check() on mutated images: it never reads outside them (ASan), and what it lets
 * through holds no class that does not exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "lib/table_build.h"
#include "lib/table_check.h"
#include <sekisho/table_v6.h>

#define CLASSES 5

static uint64_t rng = 7;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

/* Every kind of entry: short, /48, one /64, records, a tree over hi with one over lo. */
static void build_image(struct table_image *image)
{
	struct policy_prefix6 p[600];
	struct policy policy = {.n_classes = CLASSES, .v6 = p};
	struct sek_table_head *head;
	uint32_t base, i;

	for (i = 0; i < 600; i++) {
		uint64_t group = 0x20010db800000000 + ((uint64_t)i << 16);

		p[i] = (struct policy_prefix6){group, 0, 4, i % 3 ? 64 : 48, {}};
		if (i % 7 == 0)
			p[i] = (struct policy_prefix6){group, i, 3, 128, {}};
		if (i >= 300)
			p[i] = (struct policy_prefix6){0x2a00000000000000, i, 4, 128, {}};
		if (i == 0)
			p[i] = (struct policy_prefix6){0x2001000000000000, 0, 2, 16, {}};
	}
	policy.n6 = 600;
	memset(image, 0, sizeof(*image));
	assert_int_equal(table_image_add(image, SEK_TABLE_FIXED_LINES, &base), 0);
	assert_int_equal(table_v6_build(image, &policy, 1), 0);
	head = image->lines;
	head->lines = image->n_lines;
	head->n_classes = CLASSES;
}

static int check(const void *lines)
{
	const char *why = NULL;
	int r = table_v6_check(lines, lines, &why);

	assert_true(r ? why != NULL : why == NULL);
	return r;
}

static void test_fields(void **state)
{
	struct table_image image;
	struct sek_table_head *head;
	struct sek_table_v6 *par, good;
	uint64_t *bucket;

	build_image(&image);
	head = image.lines;
	par = (void *)((char *)image.lines + SEK_TABLE_V6_LINE * SEK_LINE_BYTES);
	good = *par;
	assert_int_equal(check(image.lines), 0);
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		change;                                                                            \
		assert_int_equal(check(image.lines), -EBADMSG);                                    \
		*par = good;                                                                       \
		assert_int_equal(check(image.lines), 0);                                           \
	} while (0)
	REFUSED(par->filter_base = 0);
	REFUSED(par->filter_mask = 2);
	REFUSED(par->filter_mask = UINT32_MAX);
	REFUSED(par->bucket_base = UINT32_MAX);
	REFUSED(par->k = SEK_V6_K_MIN - 1);
	REFUSED(par->k = SEK_V6_K_MAX + 1);
	REFUSED(par->k = SEK_V6_K_MAX);
	REFUSED(par->k++);
	REFUSED(par->k--);
	REFUSED(par->n_buckets *= 2);
	REFUSED(par->n_buckets = 0);
	REFUSED(par->s = 2);
	REFUSED(par->t = 1ull << 48 | 1);
	REFUSED(par->record_lines = UINT32_MAX);
	REFUSED(par->leaf_base = head->lines);
	REFUSED(par->node_lines = head->lines);
	REFUSED(par->short_ref = CLASSES);
	REFUSED(par->flags = 2);
	/* a class in each kind of line that is one too high */
	bucket = (uint64_t *)image.lines + par->bucket_base * 8ul + 7;
	*bucket = (uint64_t)SEK_V6_WHOLE << (13 + par->k) | CLASSES;
	assert_int_equal(check(image.lines), -EBADMSG);
	--*bucket;
	assert_int_equal(check(image.lines), 0);
	bucket = (uint64_t *)image.lines + par->record_base * 8ul;
	*bucket = CLASSES;
	assert_int_equal(check(image.lines), -EBADMSG);
	*bucket = 0;
	((uint32_t *)image.lines)[(par->leaf_base + 1) * 16ul - 1] = CLASSES;
	assert_int_equal(check(image.lines), -EBADMSG);
	table_image_free(&image);
}

static void test_mutations(void **state)
{
	struct table_image image;
	size_t bytes;
	uint8_t *copy;
	int round, i, refused = 0;

	build_image(&image);
	bytes = image.n_lines * (size_t)SEK_LINE_BYTES;
	copy = malloc(bytes);
	assert_non_null(copy);
	for (round = 0; round < 20000; round++) {
		struct sek_table_head *head = (void *)copy;

		memcpy(copy, image.lines, bytes);
		for (i = rnd() % 4; i >= 0; i--) {
			size_t at = rnd() % 2 ? rnd() % bytes
					      : rnd() % (SEK_TABLE_FIXED_LINES * SEK_LINE_BYTES);

			copy[at] = rnd() % 2 ? rnd() : copy[at] ^ 1ull << rnd() % 8;
		}
		head->lines = image.n_lines; /* the front has proven it and n_classes */
		head->n_classes = 1 + rnd() % CLASSES;
		refused += check(copy) != 0;
	}
	assert_true(refused > 0);
	free(copy);
	table_image_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

