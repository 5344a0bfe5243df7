// SPDX-License-Identifier: GPL-2.0
/* Random small lists against a naive answer at every edge and its neighbours, both families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/policy.h"

#define LISTS 6
#define PER_LIST 12

static struct prefix6 v6[LISTS][PER_LIST];
static struct prefix4 v4[LISTS][PER_LIST];
static struct policy_list lists[LISTS];

static int order(const void *left, const void *right)
{
	const struct prefix6 *a = left, *b = right;

	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->len - b->len;
}

/* All in bits 16..31 of the IPv4 address; IPv6 the same shifted into hi. */
static void make(unsigned seed)
{
	static const uint32_t bases[] = { 0x0a000000, 0xac000000, 0xc0000000, 0x64000000 };

	srand(seed);
	memset(lists, 0, sizeof(lists));
	for (unsigned i = 0; i < LISTS; i++) {
		size_t n = 0;

		for (unsigned j = 0; j < PER_LIST; j++) {
			unsigned len = 6 + (unsigned)rand() % 11;
			uint32_t addr = (bases[rand() % 4] | (uint32_t)(rand() & 0x1ff) << 16) &
					~0u << (32 - len);

			v6[i][j] =
			    (struct prefix6){ .hi = (uint64_t)addr << 32, .len = (uint8_t)len };
		}
		qsort(v6[i], PER_LIST, sizeof(v6[i][0]), order);
		for (unsigned j = 0; j < PER_LIST; j++)
			if (!j || order(&v6[i][j], &v6[i][n - 1]))
				v6[i][n++] = v6[i][j];
		for (size_t j = 0; j < n; j++)
			v4[i][j] = (struct prefix4){ .addr = (uint32_t)(v6[i][j].hi >> 32),
						     .len = v6[i][j].len };
		lists[i] = (struct policy_list){ .id = (uint16_t)(i * 50),
						 .action = (enum sek_action)(1 + rand() % 3),
						 .keep_private = rand() & 1,
						 .v4 = v4[i],
						 .n4 = n,
						 .v6 = v6[i],
						 .n6 = n };
	}
}

static int naive(uint32_t addr, int family, uint64_t *set)
{
	static const int strength[] = { 0, 3, 2, 1 };
	struct prefix host =
	    family == 4 ? prefix_of4(addr, 32) : prefix_of6((uint64_t)addr << 32, 0, 128);
	bool is_private = policy_is_private(&host);
	int best = -1, best_key = -1;

	memset(set, 0, 32);
	for (int i = 0; i < LISTS; i++) {
		if (is_private && !lists[i].keep_private && lists[i].action != SEK_A_ALLOW)
			continue;
		for (size_t j = 0; j < lists[i].n4; j++) {
			int key = strength[lists[i].action] * 1000 + v4[i][j].len;

			if ((addr ^ v4[i][j].addr) >> (32 - v4[i][j].len))
				continue;
			set[lists[i].id / 64] |= 1ull << (lists[i].id & 63);
			if (key > best_key) {
				best_key = key;
				best = lists[i].id;
			}
		}
	}
	return best;
}

static uint32_t answer(const struct policy *policy, uint32_t addr, int family)
{
	uint32_t class_id = 0;

	for (size_t i = 0; family == 4 && i < policy->n4; i++)
		if (addr >= policy->v4[i].first && addr <= policy->v4[i].last)
			return policy->v4[i].class_id;
	for (size_t i = 0; family == 6 && i < policy->n6;
	     i++) /* sorted: the last that holds it is the longest */
		if (((uint64_t)addr << 32 ^ policy->v6[i].hi) >> (64 - policy->v6[i].len) == 0)
			class_id = policy->v6[i].class_id;
	return class_id;
}

static void test_random(void **state)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		struct policy *policy;

		make(seed);
		assert_int_equal(policy_flatten(lists, LISTS, &policy), 0);
		for (unsigned k = 0; k < 2 * LISTS * PER_LIST * 4; k++) {
			int family = k & 1 ? 4 : 6;
			struct prefix4 p = v4[k / 8 % LISTS][k / 8 / LISTS];
			uint32_t first = p.addr, last = p.addr | (p.len < 32 ? ~0u >> p.len : 0);
			uint32_t addr[] = { first, first - 1, last, last + 1 }, class_id;
			uint64_t set[4];
			int winner = naive(addr[k / 2 % 4], family, set);

			class_id = answer(policy, addr[k / 2 % 4], family);
			if ((winner < 0) != (class_id == 0))
				fail_msg("seed %u family %d addr %x: %d, class %u", seed, family,
					 addr[k / 2 % 4], winner, class_id);
			if (winner < 0)
				continue;
			assert_int_equal(policy->classes[class_id].winner, winner);
			assert_memory_equal(policy->classes[class_id].lists, set, sizeof(set));
		}
		policy_free(policy);
	}
}

/* What lies inside a prefix of its own list adds no answer, and is counted all the same. */
static void test_nested(void **state)
{
	static const struct prefix4 in4[] = { { .addr = 0x01020000, .len = 16 }, { .addr = 0x01020300, .len = 24 },
					      { .addr = 0x01020304, .len = 32 }, { .addr = 0x01030000, .len = 16 } };
	static const struct prefix6 in6[] = { { .hi = 0x20010db800000000, .len = 32 }, { .hi = 0x20010db800010000, .len = 48 },
					      { .hi = 0x20010db800010000, .lo = 1, .len = 128 } };
	struct policy_list list = { .id = 7, .action = SEK_A_BLOCK, .v4 = in4, .n4 = 4, .v6 = in6, .n6 = 3 };
	struct policy *policy;

	assert_int_equal(policy_flatten(&list, 1, &policy), 0);
	assert_int_equal(policy->prefixes_v4, 4);
	assert_int_equal(policy->prefixes_v6, 3);
	assert_int_equal(policy->n4, 1);
	assert_int_equal(policy->v4[0].first, 0x01020000);
	assert_int_equal(policy->v4[0].last, 0x0103ffff);
	assert_int_equal(policy->n6, 1);
	assert_int_equal(policy->v6[0].len, 32);
	policy_free(policy);
}

static void test_coverage(void **state)
{
	struct prefix4 p[] = { { .addr = 0xe0000000, .len = 3 } };
	struct prefix6 q[] = { { .hi = 0x2000ull << 48, .len = 4 },
			       { .hi = 0x2000ull << 48, .len = 5 } };
	struct policy_list list = { .v4 = p, .n4 = 1, .v6 = q, .n6 = 2 };

	assert_true(policy_coverage(&list, 4) == 0);
	assert_true(policy_coverage(&list, 6) == 0.5);
}

/* Beside, around and inside what is not routable: 10/8, 192.0.0/24 and 192.168/16 are holes. In units of a /24. */
static void test_coverage_at_holes(void **state)
{
	struct prefix4 p[] = {
		{ .addr = 0x08000000, .len = 7 },  /* routable, two /8s wide */
		{ .addr = 0x0a010000, .len = 16 }, /* in 10/8 */
		{ .addr = 0x0b000000, .len = 24 }, /* routable, no hole in its /8 */
		{ .addr = 0xc0000000, .len = 16 }, /* all of it but 192.0.0/24 */
		{ .addr = 0xc0010000, .len = 16 }, /* routable, with holes elsewhere in its /8 */
		{ .addr = 0xc0a80100, .len = 24 }, /* in 192.168/16 */
	};
	struct prefix4 all = { .addr = 0, .len = 0 }, one = { .addr = 0x0b000000, .len = 24 };
	struct policy_list list = { .v4 = p, .n4 = 6 }, whole = { .v4 = &all, .n4 = 1 }, unit = { .v4 = &one, .n4 = 1 };
	double units;

	assert_true(policy_coverage(&whole, 4) == 1);
	units = policy_coverage(&list, 4) / policy_coverage(&unit, 4);
	assert_in_range((long)(units + 0.5), 131072 + 1 + 255 + 256, 131072 + 1 + 255 + 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_nested),
					    cmocka_unit_test(test_coverage), cmocka_unit_test(test_coverage_at_holes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
