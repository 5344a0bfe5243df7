// SPDX-License-Identifier: GPL-2.0
/* Added and removed prefixes of both families: none, all, neighbours, the same address with another length, no list before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/list_diff.h"

static const struct prefix4 one4[] = {
	{ .addr = 0xc0000201, .len = 32 }, { .addr = 0xc6336400, .len = 24 }, { .addr = 0xc6336400, .len = 25 },
};
static const struct prefix6 one6[] = {
	{ .hi = 0x20010db800000000, .len = 32 }, { .hi = 0x20010db800000000, .lo = 1, .len = 128 },
};

static struct list_view view(struct list_head *head, const struct prefix4 *v4, uint32_t n4, const struct prefix6 *v6, uint32_t n6)
{
	*head = (struct list_head){ .n4 = n4, .n6 = n6 };
	return (struct list_view){ .head = head, .v4 = v4, .v6 = v6 };
}

static void test_rows(void **state)
{
	static const struct {
		uint32_t from4, n4, from6, n6;	       /* of the list before */
		uint32_t to_from4, to4, to_from6, to6; /* of the list after */
		uint64_t added, removed;
	} rows[] = {
		{ 0, 3, 0, 2, 0, 3, 0, 2, 0, 0 }, { 0, 3, 0, 2, 0, 0, 0, 0, 0, 5 }, { 0, 0, 0, 0, 0, 3, 0, 2, 5, 0 },
		{ 0, 2, 0, 1, 1, 2, 1, 1, 2, 2 }, { 0, 1, 0, 0, 2, 1, 0, 0, 1, 1 }, { 1, 1, 0, 0, 2, 1, 0, 0, 1, 1 },
	};
	struct list_head before_head, after_head;
	struct prefix removed[9];
	struct list_diff diff;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct list_view before = view(&before_head, one4 + rows[i].from4, rows[i].n4, one6 + rows[i].from6, rows[i].n6);
		struct list_view after = view(&after_head, one4 + rows[i].to_from4, rows[i].to4, one6 + rows[i].to_from6, rows[i].to6);

		list_diff(&before, &after, &diff);
		assert_int_equal(diff.added, rows[i].added);
		assert_int_equal(diff.removed, rows[i].removed);
		assert_int_equal(list_diff_removed(&before, &after, 9, removed), rows[i].removed);
		assert_memory_equal(removed, diff.removed_first, rows[i].removed * sizeof(removed[0]));
		/* a full array ends the walk */
		assert_int_equal(list_diff_removed(&before, &after, 1, removed), rows[i].removed > 0);
	}
}

static void test_samples(void **state)
{
	struct prefix4 many[LIST_DIFF_SAMPLES + 1];
	struct list_head head;
	struct list_view after = view(&head, many, LIST_DIFF_SAMPLES + 1, NULL, 0);
	struct list_diff diff;
	char text[PREFIX_TEXT_BYTES];
	uint32_t i;

	for (i = 0; i <= LIST_DIFF_SAMPLES; i++)
		many[i] = (struct prefix4){ .addr = 0xc0000200 + i, .len = 32 };
	list_diff(NULL, &after, &diff);
	assert_int_equal(diff.added, LIST_DIFF_SAMPLES + 1);
	assert_int_equal(diff.removed, 0);
	assert_string_equal(prefix_format(&diff.added_first[LIST_DIFF_SAMPLES - 1], text), "192.0.2.9");
}

/* The widest that would be added, whatever the order of addresses; an IPv6 /32 stands beside an IPv4 /8. */
static void test_largest(void **state)
{
	static const struct prefix6 net6[] = { { .hi = 0x20010db800000000, .len = 31 }, { .hi = 0x20010dba00000000, .len = 48 } };
	struct prefix4 many[LIST_DIFF_SAMPLES + 4];
	struct list_head head;
	struct list_view after = view(&head, many, LIST_DIFF_SAMPLES + 4, net6, 2);
	struct list_diff diff;
	char text[PREFIX_TEXT_BYTES];
	uint32_t i;

	for (i = 0; i < LIST_DIFF_SAMPLES + 4; i++)
		many[i] = (struct prefix4){ .addr = i << 24, .len = 32 };
	many[12].len = 8;
	many[3].len = 9;
	list_diff(NULL, &after, &diff);
	assert_string_equal(prefix_format(&diff.added_largest[0], text), "2001:db8::/31");
	assert_string_equal(prefix_format(&diff.added_largest[1], text), "12.0.0.0/8");
	assert_string_equal(prefix_format(&diff.added_largest[2], text), "3.0.0.0/9");
	assert_string_equal(prefix_format(&diff.added_largest[3], text), "2001:dba::/48");
	assert_string_equal(prefix_format(&diff.added_largest[LIST_DIFF_SAMPLES - 1], text), "6.0.0.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_samples), cmocka_unit_test(test_largest) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
