// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv4 table against binary search: builds images of hand-made ranges, loads them into the
 * kernel and asks at every range's edges and at random addresses. No wrong answer is allowed.
 */
/* link: sys/bpf_table.c */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/table_build.h"
#include "lib/table_check.h"
#include "sys/bpf_table.h"
#include <sekisho/table_v4.h>
#include <table_v4_probe.skel.h>
#include "slow.h"

#define BATCH 64
#define RANDOM_PROBES 50000
#define CLASSES 300 /* odd numbers of classes, more than a byte holds */

static struct table_v4_probe_bpf *probe;
static uint64_t random_state = 1;

static uint32_t random32(void)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return random_state >> 32;
}

/* A policy made by hand; ranges are added in any order. */
struct list {
	struct policy policy;
	size_t room;
};

static void add(struct list *list, uint32_t addr, int len, uint32_t class_id)
{
	struct policy *policy = &list->policy;
	uint32_t span = len ? (uint32_t)((1ull << (32 - len)) - 1) : UINT32_MAX;

	if (policy->n4 == list->room) {
		list->room = list->room * 2 + 64;
		policy->v4 = realloc(policy->v4, list->room * sizeof(*policy->v4));
		assert_non_null(policy->v4);
	}
	policy->v4[policy->n4++] = (struct policy_range4){ addr & ~span, addr | span, class_id };
}

static int by_first(const void *a, const void *b)
{
	uint32_t x = ((const struct policy_range4 *)a)->first,
		 y = ((const struct policy_range4 *)b)->first;

	return (x > y) - (x < y);
}

/* Sorts, drops what overlaps, merges neighbours of one class: what policy_flatten() promises. */
static void finish(struct list *list, uint32_t n_classes)
{
	struct policy *policy = &list->policy;
	size_t n = 0;

	qsort(policy->v4, policy->n4, sizeof(*policy->v4), by_first);
	for (size_t i = 0; i < policy->n4; i++) {
		struct policy_range4 range = policy->v4[i], *last = n ? &policy->v4[n - 1] : NULL;

		if (last && range.first <= last->last)
			continue;
		if (last && range.first == last->last + 1 && range.class_id == last->class_id)
			last->last = range.last;
		else
			policy->v4[n++] = range;
	}
	policy->n4 = n;
	policy->n_classes = n_classes;
	policy->classes = calloc(n_classes, sizeof(*policy->classes));
	assert_non_null(policy->classes);
	for (uint32_t i = 1; i < n_classes; i++)
		policy->classes[i].action = SEK_A_BLOCK;
}

static uint32_t expected(const struct policy *policy, uint32_t addr)
{
	size_t low = 0, high = policy->n4;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (policy->v4[middle].last < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < policy->n4 && policy->v4[low].first <= addr ? policy->v4[low].class_id : 0;
}

static void load(const struct table_image *image)
{
	__u32 slot = SEK_SEGMENTS_MAX; /* the probe reads the other half */

	assert_int_equal(
	    bpf_table_put(bpf_map__fd(probe->maps.sek_table), &slot, image->lines, image->n_lines),
	    0);
	assert_int_equal(slot, 0);
}

static uint32_t batch[BATCH];
static size_t n_batch, n_probes, n_wrong;

static void flush(const struct policy *policy)
{
	uint32_t answers[BATCH];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = batch, .data_size_in = sizeof(batch),
		    .data_out = answers, .data_size_out = sizeof(answers), .repeat = 1);

	assert_int_equal(
	    bpf_prog_test_run_opts(bpf_program__fd(probe->progs.table_v4_probe), &opts), 0);
	for (size_t i = 0; i < n_batch; i++) {
		uint32_t want = expected(policy, batch[i]);

		if (answers[i] != want && n_wrong++ < 10)
			print_message("address %08x: class %u, should be %u\n", batch[i],
				      answers[i], want);
	}
	n_probes += n_batch;
	n_batch = 0;
}

static void ask(const struct policy *policy, uint32_t addr)
{
	batch[n_batch++] = addr;
	if (n_batch == BATCH)
		flush(policy);
}

static void ask_all(const struct policy *policy)
{
	size_t step = policy->n4 / slow_share(40000) + 1;

	for (size_t i = 0; i < policy->n4; i += step) {
		const struct policy_range4 *range = &policy->v4[i];

		ask(policy, range->first);
		ask(policy, range->last);
		ask(policy, range->first - 1);
		ask(policy, range->last + 1);
		ask(policy, range->first + (range->last - range->first) / 3);
		ask(policy, range->first ^ 1u << (random32() & 31));
		ask(policy, (range->first & ~255u) | (random32() & 255));
	}
	for (int i = 0; i < (int)slow_share(RANDOM_PROBES); i++)
		ask(policy, random32());
	flush(policy);
}

/* Builds, checks, loads and asks; frees @list. */
static void run(struct list *list, uint32_t n_classes, uint32_t want_mode, uint64_t max_bytes)
{
	struct table_image image = { 0 };
	const struct sek_table_v4 *v4;
	const char *why = "";
	int r;

	finish(list, n_classes);
	assert_int_equal(table_build(&list->policy, 1, 42, &image), 0);
	r = table_check(image.lines, (size_t)image.n_lines * SEK_LINE_BYTES, &why);
	if (r < 0)
		fail_msg("check: %s", why);
	v4 = (const void *)((const char *)image.lines + SEK_TABLE_V4_LINE * SEK_LINE_BYTES);
	n_wrong = n_probes = 0;
	load(&image);
	ask_all(&list->policy);
	print_message(
	    "%zu ranges: %u lines (front %u), filter %u, buckets 2^%u, mode %u, nodes %u, descs %u, leaves %u, values %u; %zu probes\n",
	    list->policy.n4, image.n_lines, 8 + n_classes, v4->filter_mask + 1, v4->bucket_bits,
	    v4->rank_mode, v4->n_nodes, v4->n_descs, v4->n_leaves, v4->n_values, n_probes);
	assert_int_equal(n_wrong, 0);
	assert_int_equal(v4->rank_mode, want_mode);
	assert_true((uint64_t)((const struct sek_table_head *)image.lines)->v4_lines *
			SEK_LINE_BYTES <=
		    max_bytes);
	table_image_free(&image);
	free(list->policy.v4);
	free(list->policy.classes);
}

static uint32_t some_class(void)
{
	return 1 + random32() % (CLASSES - 1);
}

static void answers_empty(void **state)
{
	struct list list = { 0 };

	run(&list, 1, SEK_V4_RANK_NONE, 64);
}

static void answers_single(void **state)
{
	static const struct {
		uint32_t addr;
		int len;
	} rows[] = {
		{ 0, 32 },          { UINT32_MAX, 32 }, { 0xc0000201, 32 }, { 0, 1 },
		{ 0x80000000, 1 },  { 0, 0 },           { 0x0a000000, 8 },  { 0xc0000200, 24 },
		{ 0xc0000200, 25 }, { 0xc0000240, 26 }, { 0xc0000000, 16 }, { 0xc0000000, 18 },
		{ 0x40000000, 10 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct list list = { 0 };

		add(&list, rows[i].addr, rows[i].len, 1);
		run(&list, 2, rows[i].len == 32 ? SEK_V4_RANK_NONE : SEK_V4_RANK_SPARSE,
		    128 * 1024);
	}
}

static void answers_both_ends(void **state)
{
	struct list list = { 0 };

	add(&list, 0, 32, 4095);
	add(&list, UINT32_MAX, 32, 4094);
	run(&list, 4096, SEK_V4_RANK_SPARSE,
	    16384); /* no room for buckets: 2 hosts, 4096 classes */
}

static void answers_mixed(void **state)
{
	struct list list = { 0 };

	for (int i = 0; i < 1000; i++)
		add(&list, random32(), 8 + random32() % 25, some_class());
	run(&list, CLASSES, SEK_V4_RANK_SPARSE, 256 * 1024);
}

/* A short list of the usual kind is a short image: tens of kB. */
static void answers_small(void **state)
{
	struct list list = { 0 };

	for (int i = 0; i < 1000; i++)
		add(&list, random32(), i % 8 ? 32 : 24, 1 + i % 7);
	run(&list, 8, SEK_V4_RANK_SPARSE, 64 * 1024);
}

/* Every kind of /24: each last byte count, alternating classes, gaps. */
static void answers_dense_nets(void **state)
{
	struct list list = { 0 };

	for (uint32_t net = 0; net < 3000; net++) {
		uint32_t every = 1 + random32() % 20, base = 0x0b000000 + net * 256 * (1 + net % 3);

		for (uint32_t host = random32() % 4; host < 256; host += 1 + random32() % every)
			add(&list, base + host, 32, 1 + random32() % (1 + net % (CLASSES - 1)));
	}
	run(&list, CLASSES, SEK_V4_RANK_SPARSE, 8 << 20);
}

static void answers_clustered(void **state)
{
	struct list list = { 0 };

	for (int i = 0; i < (int)slow_share(100000);) {
		uint32_t net = random32() % 30000 * 40503 & 0xdfffff;

		for (int n = random32() % 40; n >= 0; n--, i++)
			add(&list, 0x01000000 + (net << 8 | (random32() & 255)), 32, some_class());
	}
	run(&list, CLASSES, SEK_V4_RANK_SPARSE, 8 << 20);
}

/* Enough /16s in use for the dense form; the mix of lengths of the speed measurements. */
static void answers_large(void **state)
{
	struct list list = { 0 };

	for (int i = 0; i < 1000000; i++) {
		uint32_t kind = random32() % 100;

		add(&list, random32(),
		    kind < 85   ? 32
		    : kind < 96 ? 24
				: 15 + (int)(random32() % 9),
		    some_class());
	}
	run(&list, CLASSES, SEK_V4_RANK_DENSE, 13 << 20);
}

/* So many that the filter is the fine one: a bit a /26. */
static void answers_millions(void **state)
{
	struct list list = { 0 };

	for (int i = 0; i < 2400000; i++)
		add(&list, random32(), i % 16 ? 32 : 22 + (int)(random32() % 10), some_class());
	add(&list, 0, 14, 5);
	run(&list, CLASSES, SEK_V4_RANK_DENSE, 48 << 20);
}

static void answers_lone_28s(void **state)
{
	struct list list = { 0 };

	for (int i = 0; i < 100000; i++)
		add(&list, random32(), 28, some_class());
	run(&list, CLASSES, SEK_V4_RANK_DENSE, 6 << 20);
}

static int load_probe(void **state)
{
	probe = table_v4_probe_bpf__open_and_load();
	return probe ? 0 : -1;
}

static int unload_probe(void **state)
{
	table_v4_probe_bpf__destroy(probe);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_empty),     cmocka_unit_test(answers_single),
		cmocka_unit_test(answers_both_ends), cmocka_unit_test(answers_mixed),
		cmocka_unit_test(answers_small),     cmocka_unit_test(answers_dense_nets),
		cmocka_unit_test(answers_clustered), cmocka_unit_test(answers_large),
		cmocka_unit_test(answers_millions),  cmocka_unit_test(answers_lone_28s),
	};

	return cmocka_run_group_tests(tests, load_probe, unload_probe);
}
