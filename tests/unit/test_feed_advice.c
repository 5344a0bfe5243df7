// SPDX-License-Identifier: GPL-2.0
/* Every rule of the advice alone, at its bound and one step beyond; and that the strictest decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/feed_advice.h"

static const struct feed_facts good = { .entries = 1000, .n_seen = 30 };

static void expect(struct feed_facts facts, enum feed_advice advice, const char *said)
{
	struct feed_reason reasons[FEED_REASONS_MAX];
	size_t n;

	assert_int_equal(feed_advise(&facts, reasons, &n), advice);
	assert_true(n >= 1 && n <= FEED_REASONS_MAX);
	assert_non_null(strstr(reasons[0].text, said));
}

#define WITH(...) ({ struct feed_facts f = good; __VA_ARGS__; f; })

static void test_rules(void **state)
{
	expect(good, FEED_ADVICE_BLOCK, "none of the 30 sources");
	expect(WITH(f.n_seen = 29), FEED_ADVICE_MONITOR, "only 29 sources that it could drop were seen lately: too few to judge by, 30 are enough");
	expect(WITH(f.n_seen = 1), FEED_ADVICE_MONITOR, "only 1 source that it could drop was seen");
	expect(WITH(f.n_seen = 0), FEED_ADVICE_MONITOR, "no source that it could drop was seen");
	expect(WITH(f.coverage4 = 0.02), FEED_ADVICE_MONITOR, "wide");
	expect(WITH(f.coverage6 = 0.0101), FEED_ADVICE_MONITOR, "wide");
	expect(WITH(f.held_why = "4 of 5 lines"), FEED_ADVICE_NO, "held until `sekisho feed accept`: 4 of 5 lines");
	expect(WITH(f.held_why = "it covers", f.is_whole = true), FEED_ADVICE_NO, "`sekisho feed accept` refused: it covers");
	expect(WITH(f.coverage4 = 0.01), FEED_ADVICE_BLOCK, "nothing");
	expect(WITH(f.errors = 10), FEED_ADVICE_BLOCK, "nothing");
	expect(WITH(f.errors = 11), FEED_ADVICE_MONITOR, "11 lines");
	expect(WITH(f.errors = 1000), FEED_ADVICE_MONITOR, "1000 lines");
	expect(WITH(f.errors = 1001), FEED_ADVICE_NO, "no list");
	expect(WITH(f.held_by = "drop", f.held_share = 0.98), FEED_ADVICE_BLOCK, "nothing");
	expect(WITH(f.held_by = "drop", f.held_share = 0.99), FEED_ADVICE_NO, "drop, in force");
	expect(WITH(f.n_would_drop = 1), FEED_ADVICE_MONITOR, "of 30 sources");
	expect(WITH(f.n_open = 1, f.n_would_drop = 1), FEED_ADVICE_MONITOR, "1 source seen");
	expect(WITH(f.n_protected = 1), FEED_ADVICE_MONITOR, "protected");
	expect(WITH(f.known_good_entries = 1, f.known_good = "crawlers"), FEED_ADVICE_MONITOR, "crawlers");
	expect(WITH(f.private_entries = 1), FEED_ADVICE_MONITOR, "private");
}

static void test_the_strictest_decides(void **state)
{
	expect(WITH(f.n_would_drop = 1, f.held_by = "x", f.held_share = 1), FEED_ADVICE_NO, "x, in force");
	assert_string_equal(feed_advice_name(FEED_ADVICE_NO), "no");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rules), cmocka_unit_test(test_the_strictest_decides) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
