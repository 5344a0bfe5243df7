// SPDX-License-Identifier: GPL-2.0
/*
 * What lists share, against a map with a byte for each address of a small space: random lists whose entries lie inside one
 * another, touch and repeat none; both ends of the space; sizes by class over a flattened policy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/overlap.h"

#define SPACE 256u /* addresses of the last 8 bits */
#define LIST_MAX 24

static uint32_t state32 = 2463534242u;

static uint32_t random32(void)
{
	state32 ^= state32 << 13;
	state32 ^= state32 >> 17;
	return state32 ^= state32 << 5;
}

/* A sorted list without repeats, in 198.51.100.0/24 and, the same, in 2001:db8::/120. */
static size_t random_list(struct prefix4 *v4, struct prefix6 *v6)
{
	size_t n = random32() % LIST_MAX, i, kept = 0;

	for (i = 0; i < n; i++) {
		uint8_t len = 24 + random32() % 9;
		uint32_t mask = len == 32 ? ~0u : ~(~0u >> len);

		v4[i] = (struct prefix4){ .addr = (0xc6336400 | random32() % SPACE) & mask, .len = len };
	}
	qsort(v4, n, sizeof(*v4), prefix4_compare);
	for (i = 0; i < n; i++) {
		if (!kept || prefix4_compare(&v4[kept - 1], &v4[i]))
			v4[kept++] = v4[i];
	}
	for (i = 0; i < kept; i++)
		v6[i] = (struct prefix6){ .hi = 0x20010db800000000, .lo = v4[i].addr & 0xff, .len = v4[i].len + 96 };
	return kept;
}

static void paint(const struct prefix4 *v4, size_t n, bool map[SPACE])
{
	size_t i, k;

	memset(map, 0, SPACE * sizeof(map[0]));
	for (i = 0; i < n; i++) {
		for (k = 0; k < 1u << (32 - v4[i].len); k++)
			map[(v4[i].addr & 0xff) + k] = true;
	}
}

static struct overlap naive(const struct prefix4 *a, size_t n_a, const struct prefix4 *b, size_t n_b)
{
	struct overlap sum = { .entries = n_a };
	bool map_a[SPACE], map_b[SPACE];
	size_t i, k;

	paint(a, n_a, map_a);
	paint(b, n_b, map_b);
	for (i = 0; i < SPACE; i++) {
		sum.size += map_a[i];
		sum.other_size += map_b[i];
		sum.both += map_a[i] && map_b[i];
	}
	for (i = 0; i < n_a; i++) {
		size_t size = 1u << (32 - a[i].len), held = 0;

		for (k = 0; k < size; k++)
			held += map_b[(a[i].addr & 0xff) + k];
		sum.entries_touched += held > 0;
		sum.entries_inside += held == size;
	}
	return sum;
}

static void assert_same(const struct overlap *one, const struct overlap *other, double unit)
{
	assert_int_equal(one->entries, other->entries);
	assert_int_equal(one->entries_inside, other->entries_inside);
	assert_int_equal(one->entries_touched, other->entries_touched);
	assert_true(one->size == other->size * unit);
	assert_true(one->other_size == other->other_size * unit);
	assert_true(one->both == other->both * unit);
}

static void test_random_lists_agree_with_a_map(void **state)
{
	struct prefix4 a4[LIST_MAX], b4[LIST_MAX];
	struct prefix6 a6[LIST_MAX], b6[LIST_MAX];
	unsigned round, shared = 0;

	for (round = 0; round < 3000; round++) {
		size_t n_a = random_list(a4, a6), n_b = random_list(b4, b6);
		struct overlap want = naive(a4, n_a, b4, n_b), got4, got6;

		overlap4(a4, n_a, b4, n_b, &got4);
		overlap6(a6, n_a, b6, n_b, &got6);
		assert_same(&got4, &want, 1);
		assert_same(&got6, &want, ldexp(1, -64));
		shared += want.both > 0 && want.entries_inside < want.entries_touched;
	}
	assert_true(shared > 300); /* the rows are not all of the easy kind */
}

static void test_the_ends_of_the_space(void **state)
{
	static const struct prefix4 all4[] = { { .addr = 0, .len = 1 }, { .addr = 0x80000000, .len = 1 } };
	static const struct prefix4 ends4[] = { { .addr = 0, .len = 32 }, { .addr = 0xffffffff, .len = 32 } };
	static const struct prefix6 all6[] = { { .hi = 0, .len = 1 }, { .hi = 1ull << 63, .len = 1 } };
	static const struct prefix6 ends6[] = { { .hi = 0, .len = 128 }, { .hi = ~0ull, .lo = ~0ull, .len = 128 } };
	struct overlap got;

	overlap4(all4, 2, ends4, 2, &got);
	assert_true(got.size == 4294967296.0 && got.other_size == 2 && got.both == 2);
	assert_int_equal(got.entries_touched, 2);
	assert_int_equal(got.entries_inside, 0);
	overlap4(ends4, 2, all4, 2, &got);
	assert_int_equal(got.entries_inside, 2);
	overlap6(all6, 2, ends6, 2, &got);
	assert_true(got.size == ldexp(1, 64) && got.both == ldexp(2, -64));
	overlap6(ends6, 2, all6, 2, &got);
	assert_int_equal(got.entries_inside, 2);
	overlap4(NULL, 0, ends4, 2, &got);
	assert_true(got.size == 0 && got.other_size == 2 && got.both == 0);
}

/* What the policy leaves out where it flattens is not measured either: these lists lie in public space. */
static void test_sums_by_class_agree_with_a_map(void **state)
{
	struct prefix4 v4[3][LIST_MAX];
	struct prefix6 v6[3][LIST_MAX];
	bool map[3][SPACE];
	unsigned round, a, b, i;

	for (round = 0; round < 500; round++) {
		struct policy_list lists[3] = { { .id = 3, .action = SEK_A_BLOCK }, { .id = 70, .action = SEK_A_MONITOR }, { .id = 255, .action = SEK_A_BLOCK } };
		struct overlap_class *classes;
		struct policy *policy;

		for (a = 0; a < 3; a++) {
			lists[a].n4 = lists[a].n6 = random_list(v4[a], v6[a]);
			lists[a].v4 = v4[a];
			lists[a].v6 = v6[a];
			paint(v4[a], lists[a].n4, map[a]);
		}
		assert_int_equal(policy_flatten(lists, 3, &policy), 0);
		assert_int_equal(overlap_classes(policy, &classes), 0);
		for (a = 0; a < 3; a++) {
			struct overlap_sums shared = overlap_shared(classes, policy->n_classes, lists[a].id);
			unsigned others = 0;

			for (i = 0; i < SPACE; i++)
				others += map[a][i] && (map[(a + 1) % 3][i] || map[(a + 2) % 3][i]);
			assert_true(shared.v4 == others && shared.v6 == ldexp(others, -64));
			for (b = 0; b < 3; b++) {
				struct overlap_sums sums = overlap_both(classes, policy->n_classes, lists[a].id, lists[b].id);
				unsigned both = 0;

				for (i = 0; i < SPACE; i++)
					both += map[a][i] && map[b][i];
				assert_true(sums.v4 == both);
				assert_true(sums.v6 == ldexp(both, -64));
			}
		}
		free(classes);
		policy_free(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_lists_agree_with_a_map),
		cmocka_unit_test(test_the_ends_of_the_space),
		cmocka_unit_test(test_sums_by_class_agree_with_a_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
