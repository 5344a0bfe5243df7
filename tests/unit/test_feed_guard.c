// SPDX-License-Identifier: GPL-2.0
/* Each guard at its bound, one below and one above; every real change passes the defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/feed_guard.h"

static const struct feed_guard defaults = { .max_entries = 1000000, .max_change_percent = 50, .max_coverage = 0.02, .max_errors = 0.05 };

static const struct {
	struct feed_guard_facts facts;
	const char *said; /* NULL: taken */
} rows[] = {
	{ { .now = 1, .entries = 1 }, NULL },
	{ { .now = 1000000 }, NULL },
	{ { .now = 1000001 }, "1000001 prefixes, more than max-entries 1000000" },
	/* 9 may become 1 or a million, 10 and 99 no fewer than half or a million; 100 are bound to 50 to 150. */
	{ { .before = 9, .now = 1 }, NULL },
	{ { .before = 9, .now = 999999 }, NULL },
	{ { .before = 10, .now = 5 }, NULL },
	{ { .before = 10, .now = 4 }, "from 10 to 4 prefixes, a change over max-change 50 %" },
	{ { .before = 20, .now = 3 }, "from 20 to 3 prefixes, a change over max-change 50 %" },
	{ { .before = 99, .now = 49 }, "from 99 to 49 prefixes, a change over max-change 50 %" },
	{ { .before = 99, .now = 999999 }, NULL },
	{ { .before = 100, .now = 50 }, NULL },
	{ { .before = 100, .now = 49 }, "from 100 to 49 prefixes, a change over max-change 50 %" },
	{ { .before = 100, .now = 150 }, NULL },
	{ { .before = 100, .now = 151 }, "from 100 to 151 prefixes, a change over max-change 50 %" },
	{ { .now = 10, .coverage4 = 0.02 }, NULL },
	{ { .now = 10, .coverage4 = 0.0201 }, "it covers 2.01 % of routable IPv4 and 0.00 % of IPv6, more than max-coverage 2.00 %" },
	{ { .now = 10, .coverage6 = 0.0201 }, "it covers 0.00 % of routable IPv4 and 2.01 % of IPv6, more than max-coverage 2.00 %" },
	{ { .now = 10, .entries = 10, .errors = 3 }, NULL },
	{ { .now = 4, .entries = 4, .errors = 3 }, NULL },
	/* A told `plain` whose answer is "blocked" and the address: not one slip. */
	{ { .now = 3, .entries = 3, .errors = 3 }, "3 of 6 lines or values are no addresses, more than max-errors 5 %" },
	{ { .now = 1, .entries = 1, .errors = 1 }, "1 of 2 lines or values are no addresses, more than max-errors 5 %" },
	{ { .now = 10, .entries = 10, .errors = 4 }, "4 of 14 lines or values are no addresses, more than max-errors 5 %" },
	{ { .now = 950, .entries = 950, .errors = 50 }, NULL },
	{ { .now = 950, .entries = 949, .errors = 51 }, "51 of 1000 lines or values are no addresses, more than max-errors 5 %" },
	/* All that is wrong is said. */
	{ { .before = 200, .now = 2, .entries = 2, .errors = 9, .coverage4 = 1 },
	  "it covers 100.00 % of routable IPv4 and 0.00 % of IPv6, more than max-coverage 2.00 %; 9 of 11 lines or values are no addresses, more than max-errors 5 %; "
	  "from 200 to 2 prefixes, a change over max-change 50 %" },
	/* Spamhaus DROP: the growth of 2024-04-10 in its steps and as one, its worst shrinkage; DShield's 20 lines. */
	{ { .before = 1007, .now = 1107 }, NULL },
	{ { .before = 1107, .now = 1354 }, NULL },
	{ { .before = 1010, .now = 1354, .coverage4 = 0.004 }, NULL },
	{ { .before = 1354, .now = 1297 }, NULL },
	{ { .before = 20, .now = 18 }, NULL },
};

static void test_rows(void **state)
{
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool passes = feed_guard_passes(&defaults, &rows[i].facts, why, sizeof(why));

		if (passes != !rows[i].said || strcmp(why, rows[i].said ? rows[i].said : ""))
			fail_msg("row %zu: %s", i, why);
	}
}

static void test_other_bounds(void **state)
{
	struct feed_guard free_change = defaults, all = defaults, ten = defaults;
	const struct feed_guard_facts vanishes = { .before = 5000, .now = 1 }, tenfold = { .before = 100, .now = 1100 }, more = { .before = 100, .now = 1101 };
	char why[256], small[40];

	free_change.max_change_percent = 0;
	assert_true(feed_guard_passes(&free_change, &vanishes, why, sizeof(why)));
	ten.max_change_percent = 1000;
	assert_true(feed_guard_passes(&ten, &vanishes, why, sizeof(why))); /* over 100 % a list may vanish */
	assert_true(feed_guard_passes(&ten, &tenfold, why, sizeof(why)));
	assert_false(feed_guard_passes(&ten, &more, why, sizeof(why)));
	assert_false(feed_guard_passes(&defaults, &vanishes, small, sizeof(small))); /* cut, not overrun */
	assert_int_equal(strlen(small), sizeof(small) - 1);
	all.max_coverage = 1;
	assert_false(feed_guard_is_whole(&defaults, 0.5, 0.5));
	assert_true(feed_guard_is_whole(&defaults, 0.51, 0));
	assert_true(feed_guard_is_whole(&defaults, 0, 0.51));
	assert_false(feed_guard_is_whole(&all, 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_other_bounds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
