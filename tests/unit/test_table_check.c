// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper's image check: a built image passes; every corruption of the head, of the IPv4
 * parameters and of the size is refused; random damage under a right checksum never crashes it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/table_build.h"
#include "lib/table_check.h"
#include <sekisho/table_v4.h>

#define RANGES 600
#define CLASSES 5
#define MUTATIONS 3000

static uint64_t random_state = 7;

static uint32_t random32(void)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return random_state >> 32;
}

/* Hosts, /24s, mixed and dense /24s, a /10: every area of the image is in use. */
static struct table_image build(void)
{
	static struct policy_range4 ranges[RANGES];
	struct sek_class classes[CLASSES] = { 0 };
	struct policy policy = {
		.classes = classes, .n_classes = CLASSES, .v4 = ranges, .n4 = RANGES
	};
	struct table_image image = { 0 };
	uint32_t at = 0x01000000;

	for (int i = 1; i < CLASSES; i++)
		classes[i].action = SEK_A_BLOCK;
	for (int i = 0; i < RANGES; i++) {
		uint32_t size = i % 3 ? 1 : i % 7 ? 256 : 1 << (i % 23);

		ranges[i] = (struct policy_range4){ at, at + size - 1, 1 + i % (CLASSES - 1) };
		at += size + (i > 200 && i < 400 ? 2 : 100000);
	}
	assert_int_equal(table_build(&policy, 1, 99, &image), 0);
	return image;
}

static size_t bytes_of(const struct table_image *image)
{
	return (size_t)image->n_lines * SEK_LINE_BYTES;
}

/* A copy of exactly the image's size, so that ASan sees one byte too far. */
static unsigned char *copy_of(const struct table_image *image)
{
	unsigned char *copy = malloc(bytes_of(image));

	assert_non_null(copy);
	return memcpy(copy, image->lines, bytes_of(image));
}

static void sign(unsigned char *copy, uint32_t lines)
{
	((struct sek_table_head *)copy)->checksum = table_checksum(copy, lines);
}

static void assert_refused(const unsigned char *copy, size_t bytes, const char *what, size_t at)
{
	const char *why = NULL;

	if (table_check(copy, bytes, &why) != -EBADMSG || !why)
		fail_msg("%s, byte %zu: not refused", what, at);
}

static void accepts_built(void **state)
{
	struct table_image image = build();
	unsigned char *copy = copy_of(&image);
	const struct sek_table_v4 *v4 = (const void *)(copy + SEK_TABLE_V4_LINE * SEK_LINE_BYTES);
	const char *why = "";

	if (table_check(copy, bytes_of(&image), &why) < 0)
		fail_msg("refused: %s", why);
	assert_true(v4->bucket_bits && v4->n_nodes && v4->n_descs && v4->n_leaves && v4->n_values);
	free(copy);
	table_image_free(&image);
}

/* A range in every /16 for the dense form, and buckets filled to .88, which takes evictions. */
static void accepts_dense(void **state)
{
	const size_t room = 65536 * 2;
	struct sek_class classes[3] = { { 0 },
					{ .action = SEK_A_BLOCK },
					{ .action = SEK_A_ALLOW } };
	struct policy policy = { .classes = classes, .n_classes = 3 };
	struct table_image image = { 0 };
	const struct sek_table_v4 *v4;
	const char *why = "";

	policy.v4 = calloc(room, sizeof(*policy.v4));
	assert_non_null(policy.v4);
	for (uint32_t i = 0; i < 65536; i++) {
		policy.v4[policy.n4++] = (struct policy_range4){ i << 16, i << 16 | 15, 1 + i % 2 };
		if (i < 58000)
			policy.v4[policy.n4++] =
			    (struct policy_range4){ i << 16 | 0x777, i << 16 | 0x777, 1 + i % 2 };
	}
	assert_int_equal(table_build(&policy, 1, 3, &image), 0);
	v4 = (const void *)((const char *)image.lines + SEK_TABLE_V4_LINE * SEK_LINE_BYTES);
	assert_int_equal(v4->rank_mode, SEK_V4_RANK_DENSE);
	assert_int_equal(v4->bucket_bits, 12);
	if (table_check(image.lines, bytes_of(&image), &why) < 0)
		fail_msg("refused: %s", why);
	free(policy.v4);
	table_image_free(&image);
}

static void refuses_head_damage(void **state)
{
	struct table_image image = build();
	unsigned char *copy = copy_of(&image);

	for (size_t at = 0; at < sizeof(struct sek_table_head); at++) {
		for (int bit = 0; bit < 8; bit++) {
			copy[at] ^= 1 << bit;
			assert_refused(copy, bytes_of(&image), "head", at);
			copy[at] ^= 1 << bit;
		}
	}
	free(copy);
	table_image_free(&image);
}

/* The same with a right checksum, for the fields that the check must understand. */
static void refuses_signed_head_damage(void **state)
{
	struct table_image image = build();
	unsigned char *copy = copy_of(&image);
	struct sek_table_head *head = (struct sek_table_head *)copy;

	for (size_t at = 0; at < offsetof(struct sek_table_head, prefixes_v4); at++) {
		if (at >= offsetof(struct sek_table_head, checksum) &&
		    at < offsetof(struct sek_table_head, class_base))
			continue; /* checksum, and the generation, which may be any */
		copy[at] ^= 0x80;
		head->checksum = table_checksum(copy, image.n_lines);
		assert_refused(copy, bytes_of(&image), "signed head", at);
		copy[at] ^= 0x80;
	}
	free(copy);
	table_image_free(&image);
}

static void refuses_v4_parameters(void **state)
{
	struct table_image image = build();
	unsigned char *copy = copy_of(&image), *line = copy + SEK_TABLE_V4_LINE * SEK_LINE_BYTES;

	for (size_t at = 0; at < sizeof(struct sek_table_v4); at++) {
		if (at >= offsetof(struct sek_table_v4, mul_s) &&
		    at < offsetof(struct sek_table_v4, rank_mode))
			continue; /* multipliers may be any: they choose a line, the mask bounds it */
		line[at] ^= 0x80;
		sign(copy, image.n_lines);
		assert_refused(copy, bytes_of(&image), "v4 parameters", at);
		line[at] ^= 0x80;
	}
	free(copy);
	table_image_free(&image);
}

/* One record of each kind with a class or an index one too high. */
static void refuses_v4_contents(void **state)
{
	struct table_image image = build();
	unsigned char *copy = copy_of(&image);
	uint64_t *words = (uint64_t *)copy;
	struct sek_table_v4 v4;
	struct {
		const char *name;
		size_t word;
		uint64_t value;
	} rows[6];

	memcpy(&v4, copy + SEK_TABLE_V4_LINE * SEK_LINE_BYTES, sizeof(v4));
	rows[0].name = "slot", rows[0].word = v4.bucket_base * 8ul, rows[0].value = CLASSES;
	rows[1].name = "rank", rows[1].word = v4.rank_base * 8ul + 7, rows[1].value = v4.n_nodes;
	rows[2].name = "node", rows[2].word = v4.node_base * 8ul, rows[2].value = v4.n_descs;
	rows[3].name = "class", rows[3].word = v4.desc_base * 8ul,
	rows[3].value = (uint64_t)CLASSES << 24;
	rows[4].name = "leaf", rows[4].word = v4.desc_base * 8ul,
	rows[4].value = 1 | (uint64_t)v4.n_leaves << 8;
	rows[5].name = "value", rows[5].word = v4.value_base * 8ul, rows[5].value = CLASSES;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t was = words[rows[i].word];

		words[rows[i].word] = rows[i].value;
		sign(copy, image.n_lines);
		assert_refused(copy, bytes_of(&image), rows[i].name, rows[i].word * 8);
		words[rows[i].word] = was;
	}
	free(copy);
	table_image_free(&image);
}

static void refuses_classes(void **state)
{
	static const struct sek_class rows[] = {
		{ .action = SEK_A_NONE },
		{ .action = SEK_A_MAX },
		{ .action = SEK_A_BLOCK, .flags = 2 },
		{ .action = SEK_A_BLOCK, .counter = SEK_CLASSES_MAX },
		{ .action = SEK_A_BLOCK, .winner = SEK_LISTS_MAX },
	};
	struct table_image image = build();
	unsigned char *copy = copy_of(&image);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memcpy(copy + (SEK_TABLE_FIXED_LINES + 2) * SEK_LINE_BYTES, &rows[i],
		       sizeof(rows[i]));
		sign(copy, image.n_lines);
		assert_refused(copy, bytes_of(&image), "class row", i);
	}
	free(copy);
	table_image_free(&image);
}

static void refuses_truncated(void **state)
{
	struct table_image image = build();
	unsigned char *copy;

	for (uint32_t lines = 0; lines < image.n_lines; lines += 1 + lines / 16) {
		copy = malloc((size_t)lines * SEK_LINE_BYTES + 1);
		assert_non_null(copy);
		memcpy(copy, image.lines, (size_t)lines * SEK_LINE_BYTES);
		assert_refused(copy, (size_t)lines * SEK_LINE_BYTES, "cut", lines);
		if (lines) {
			((struct sek_table_head *)copy)->lines = lines;
			sign(copy, lines);
			assert_refused(copy, (size_t)lines * SEK_LINE_BYTES, "cut and signed",
				       lines);
		}
		free(copy);
	}
	copy = copy_of(&image);
	assert_refused(copy, bytes_of(&image) - 1, "one byte short", 0);
	free(copy);
	table_image_free(&image);
}

static void survives_mutation(void **state)
{
	struct table_image image = build();
	unsigned char *copy = copy_of(&image);
	size_t words = bytes_of(&image) / 8;

	for (int i = 0; i < MUTATIONS; i++) {
		size_t at = i % 2 ? random32() % words : random32() % (SEK_TABLE_FIXED_LINES * 8);
		uint64_t *word = (uint64_t *)copy + at, was = *word;
		const char *why = NULL;
		int r;

		*word = i % 3 ? was ^ 1ull << (random32() & 63) : (uint64_t)random32() << 32 | random32();
		sign(copy, image.n_lines);
		r = table_check(copy, bytes_of(&image), &why);
		assert_true(r == 0 || (r == -EBADMSG && why));
		*word = was;
	}
	free(copy);
	table_image_free(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_built),
		cmocka_unit_test(accepts_dense),
		cmocka_unit_test(refuses_head_damage),
		cmocka_unit_test(refuses_signed_head_damage),
		cmocka_unit_test(refuses_v4_parameters),
		cmocka_unit_test(refuses_v4_contents),
		cmocka_unit_test(refuses_classes),
		cmocka_unit_test(refuses_truncated),
		cmocka_unit_test(survives_mutation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
