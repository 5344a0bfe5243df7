// SPDX-License-Identifier: GPL-2.0
/* What was lifted of both families: inside, beside, before and after the time asked for; a ring that is full, and one more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/lifted.h"

static struct prefix of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, strlen(text), &prefix, NULL), PREFIX_OK);
	return prefix;
}

static void test_rows(void **state)
{
	static const struct {
		const char *name, *lifted; /* at 100; NULL: all */
		const char *asked;
		uint64_t since_ns;
		bool may_hold;
	} rows[] = {
		{ "itself", "192.0.2.1", "192.0.2.1", 50, true },
		{ "at the very time", "192.0.2.1", "192.0.2.1", 100, true },
		{ "too long ago", "192.0.2.1", "192.0.2.1", 101, false },
		{ "first of a network", "192.0.2.0/24", "192.0.2.0", 50, true },
		{ "last of a network", "192.0.2.0/24", "192.0.2.255", 50, true },
		{ "one below", "192.0.2.0/24", "192.0.1.255", 50, false },
		{ "one above", "192.0.2.0/24", "192.0.3.0", 50, false },
		{ "IPv6", "2001:db8::/32", "2001:db8:ffff::1", 50, true },
		{ "IPv6 beside", "2001:db8::/32", "2001:db9::", 50, false },
		{ "the other family", "::/1", "32.1.13.184", 50, false },
		{ "all", NULL, "203.0.113.1", 100, true },
		{ "all, too long ago", NULL, "203.0.113.1", 101, false },
	};
	struct lifted *lifted = calloc(1, sizeof(*lifted));
	struct prefix asked, other = of("198.51.100.1"), one;
	size_t i;

	assert_non_null(lifted);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(lifted, 0, sizeof(*lifted));
		asked = of(rows[i].asked);
		assert_false(lifted_may_hold(lifted, &asked, 0));
		lifted_add(lifted, &other, 90);
		if (rows[i].lifted) {
			one = of(rows[i].lifted);
			lifted_add(lifted, &one, 100);
		} else {
			lifted_add_all(lifted, 100);
			lifted_add_all(lifted, 95); /* the later counts */
		}
		if (lifted_may_hold(lifted, &asked, rows[i].since_ns) != rows[i].may_hold)
			fail_msg("%s", rows[i].name);
	}
	free(lifted);
}

static void test_full(void **state)
{
	struct lifted *lifted = calloc(1, sizeof(*lifted));
	struct prefix one, first = prefix_of4(0x0a000000, 32), last = prefix_of4(0x0a000000 + LIFTED_MAX, 32), other = of("203.0.113.1");
	uint32_t i;

	assert_non_null(lifted);
	for (i = 0; i < LIFTED_MAX; i++) {
		one = prefix_of4(0x0a000000 + i, 32);
		lifted_add(lifted, &one, 100 + i);
	}
	assert_true(lifted_may_hold(lifted, &first, 100));
	assert_false(lifted_may_hold(lifted, &last, 0));
	assert_false(lifted_may_hold(lifted, &other, 0));
	lifted_add(lifted, &last, 100 + LIFTED_MAX); /* in the place of the first, which ended at 100 */
	assert_true(lifted_may_hold(lifted, &last, 101));
	assert_true(lifted_may_hold(lifted, &first, 100));
	assert_true(lifted_may_hold(lifted, &other, 100));
	assert_false(lifted_may_hold(lifted, &first, 101));
	assert_false(lifted_may_hold(lifted, &other, 101));
	free(lifted);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
