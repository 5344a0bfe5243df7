// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv6 lookup in the kernel against a naive longest match, for real images: at the edges of
 * prefixes, one bit beside them, near them and anywhere. Not one answer may differ.
 */
/* link: sys/bpf_table.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "table_v6_probe.skel.h"
#include "lib/table_build.h"
#include "lib/table_check.h"
#include "slow.h"
#include "sys/bpf_table.h"

#define PROBES 128 /* as in table_v6_probe.bpf.c */
#define CLASSES 3000

typedef struct policy_prefix6 p6;
static uint64_t rng = 42;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	return rng ^= rng << 17;
}

static uint64_t mask_hi(int len)
{
	return len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
}
static uint64_t mask_lo(int len)
{
	return len <= 64 ? 0 : ~0ull << (128 - len);
}

static int cmp(const void *a, const void *b)
{
	const p6 *x = a, *y = b;

	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->len - y->len;
}

/* Masks, sorts, makes unique. */
static size_t tidy(p6 *p, size_t n)
{
	size_t i, kept = 0;

	for (i = 0; i < n; i++) {
		p[i].hi &= mask_hi(p[i].len);
		p[i].lo &= mask_lo(p[i].len);
	}
	qsort(p, n, sizeof(*p), cmp);
	for (i = 0; i < n; i++)
		if (!kept || cmp(&p[kept - 1], &p[i]))
			p[kept++] = p[i];
	return kept;
}

/* The reference: the longest length whose prefix of the address is listed. */
static uint32_t reference(const p6 *p, size_t n, uint64_t hi, uint64_t lo)
{
	int len;

	for (len = 128; len > 0; len--) {
		p6 key = {.hi = hi & mask_hi(len), .lo = lo & mask_lo(len), .len = len};
		const p6 *found = n ? bsearch(&key, p, n, sizeof(*p), cmp) : NULL;

		if (found)
			return found->class_id;
	}
	return 0;
}

/* Packs of probes around the prefixes. */
static void pick(const p6 *p, size_t n, uint64_t *pair)
{
	const p6 *q = n ? &p[rnd() % n] : NULL;
	int bit;

	pair[0] = rnd();
	pair[1] = rnd();
	if (!q)
		return;
	switch (rnd() % 9) {
	case 0: /* first, last, before, behind */
	case 1:
		pair[0] = q->hi, pair[1] = q->lo;
		break;
	case 2:
		pair[0] = q->hi | ~mask_hi(q->len), pair[1] = q->lo | ~mask_lo(q->len);
		break;
	case 3:
		pair[0] = q->hi - (q->lo == 0), pair[1] = q->lo - 1;
		break;
	case 4:
		pair[1] = (q->lo | ~mask_lo(q->len)) + 1;
		pair[0] = (q->hi | ~mask_hi(q->len)) + (pair[1] == 0);
		break;
	case 5: /* one flipped bit */
		pair[0] = q->hi, pair[1] = q->lo;
		bit = rnd() % 128;
		pair[bit / 64] ^= 1ull << bit % 64;
		break;
	case 6: /* inside */
		pair[0] = q->hi | (pair[0] & ~mask_hi(q->len)),
		pair[1] = q->lo | (pair[1] & ~mask_lo(q->len));
		break;
	case 7: /* same /48, or same /32 */
		bit = rnd() & 1 ? 16 : 32;
		pair[0] = q->hi >> bit << bit | pair[0] >> (64 - bit);
		break;
	}
}

static void load_image(struct table_v6_probe_bpf *skel, const struct table_image *image)
{
	__u32 slot = SEK_SEGMENTS_MAX; /* the probe reads the other half */

	assert_int_equal(
	    bpf_table_put(bpf_map__fd(skel->maps.sek_table), &slot, image->lines, image->n_lines),
	    0);
	assert_int_equal(slot, 0);
}

static void build_image(const p6 *p, size_t n, struct table_image *image)
{
	struct policy policy = {.n_classes = CLASSES, .v6 = (p6 *)p, .n6 = n};
	struct sek_table_head *head;
	const char *why = "";
	uint32_t base;

	memset(image, 0, sizeof(*image));
	assert_int_equal(table_image_add(image, SEK_TABLE_FIXED_LINES, &base), 0);
	assert_int_equal(table_v6_build(image, &policy, rnd()), 0);
	head = image->lines;
	head->lines = image->n_lines;
	head->n_classes = CLASSES;
	if (table_v6_check(image->lines, head, &why))
		fail_msg("check: %s", why);
	print_message("%zu prefixes: %u lines, %.1f bytes a prefix\n", n, head->v6_lines,
		      n ? head->v6_lines * 64. / n : 0);
}

static void compare(const p6 *p, size_t n, int rounds)
{
	static struct table_v6_probe_bpf *skel;
	struct table_image image;
	uint64_t in[PROBES * 2], out[PROBES * 2];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = sizeof(in),
		    .data_out = out, .data_size_out = sizeof(out));
	int i;

	if (!skel)
		skel = table_v6_probe_bpf__open_and_load();
	assert_non_null(skel);
	build_image(p, n, &image);
	load_image(skel, &image);
	while (rounds--) {
		for (i = 0; i < PROBES; i++)
			pick(p, n, in + 2 * i);
		run.data_size_out = sizeof(out);
		assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.probe), &run),
				 0);
		assert_int_equal(run.retval, 2); /* XDP_PASS */
		for (i = 0; i < PROBES; i++)
			if (out[2 * i + 1] != reference(p, n, in[2 * i], in[2 * i + 1]))
				fail_msg("%016lx %016lx: kernel %lu, reference %u", in[2 * i],
					 in[2 * i + 1], out[2 * i + 1],
					 reference(p, n, in[2 * i], in[2 * i + 1]));
	}
	table_image_free(&image);
}

static void test_empty(void **state)
{
	compare(NULL, 0, 20);
}

static void test_single(void **state)
{
	static const p6 rows[] = {
	    {0x20010db800000000, 0x1, 7, 128, {}},
	    {0x8000000000000000, 0, 7, 1, {}},
	    {0, 0, 7, 1, {}},
	    {0, 0, CLASSES - 1, 128, {}},
	    {~0ull, ~0ull, CLASSES - 1, 128, {}},
	    {0x20010db800000000, 0, 1, 16, {}},
	    {0x20010db800000000, 0, 1, 32, {}},
	    {0x20010db800000000, 0, 1, 33, {}},
	    {0x20010db800000000, 0, 1, 47, {}},
	    {0x20010db800010000, 0, 1, 48, {}},
	    {0x20010db800010000, 0, 1, 49, {}},
	    {0x20010db800010003, 0, 1, 64, {}},
	    {0x20010db800010003, 0, 2999, 64, {}},
	    {0x20010db800010003, 1ull << 63, 1, 65, {}},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p6 p = rows[i];

		compare(&p, tidy(&p, 1), 10);
	}
}

/* Nested and mixed: each prefix is random, or lies in or around an earlier one; a tenth are holes.
 */
static void mixed(size_t n, int len_min, int rounds)
{
	p6 *p = calloc(n, sizeof(*p));
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++) {
		uint64_t bit = rnd() % 128;

		p[i].len = len_min + rnd() % (129 - len_min);
		p[i].class_id = rnd() % 10 ? 1 + rnd() % (CLASSES - 1) : 0;
		p[i].hi = rnd();
		p[i].lo = rnd();
		if (i && rnd() % 4) {
			const p6 *near = &p[rnd() % i];

			p[i].hi = near->hi, p[i].lo = near->lo;
			if (rnd() & 1)
				*(bit < 64 ? &p[i].hi : &p[i].lo) ^= 1ull << bit % 64;
		}
	}
	n = tidy(p, n);
	compare(p, n, rounds);
	free(p);
}

static void test_mixed(void **state)
{
	int i;

	for (i = 0; i < 20; i++)
		mixed(1 + rnd() % 40, i % 2 ? 1 : 44, 10);
	for (i = 0; i < 5; i++)
		mixed(1000, 1 + 10 * i, 40);
	mixed(slow_share(100000), 1, slow_share(300));
	mixed(slow_share(100000), 33, slow_share(300));
}

/* Long lists as feeds have them, in 300 /32s; and all in one /32, /48 or /64. */
static void test_dense(void **state)
{
	static const struct {
		size_t n;
		int base_len, len, spread;
	} rows[] = {
	    {1000000, 32, 64, 300}, {1000000, 32, 128, 1}, {1000000, 32, 64, 1},
	    {60000, 48, 64, 1},     {100000, 64, 128, 1},  {100000, 48, 128, 1},
	    {60000, 32, 48, 1},     {200000, 16, 47, 1},   {5000, 8, 24, 1},
	};
	p6 *p = calloc(1000000, sizeof(*p));
	size_t i, j, n;

	assert_non_null(p);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (j = 0; j < slow_share(rows[i].n); j++) {
			uint64_t hi = 0x2a00000000000000 + ((rnd() % rows[i].spread) << 32);

			p[j] = (p6){hi | (rnd() & ~mask_hi(rows[i].base_len)),
				    rnd(),
				    1 + rnd() % 5,
				    rows[i].len,
				    {}};
		}
		n = tidy(p, slow_share(rows[i].n));
		compare(p, n, slow_share(100));
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_single),
	    cmocka_unit_test(test_mixed),
	    cmocka_unit_test(test_dense),
	};

	libbpf_set_print(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

