// SPDX-License-Identifier: GPL-2.0
/*
 * The wait before the next try: first, doubled, at the interval, at the limits of every argument,
 * both ends of the jitter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/backoff.h"

static void test_rows(void **state)
{
	static const struct {
		const char *name;
		uint32_t interval_s, failures, wish_s, rand32;
		uint64_t want_ms;
	} rows[] = {
		{ "went well, least jitter", 43200, 0, 0, 0, 38880000 },
		{ "went well, middle", 43200, 0, 0, 1u << 31, 43200000 },
		{ "went well, most jitter", 43200, 0, 0, UINT32_MAX, 47519999 },
		{ "first failure", 43200, 1, 0, 1u << 31, 60000 },
		{ "second failure", 43200, 2, 0, 1u << 31, 120000 },
		{ "tenth failure", 43200, 10, 0, 1u << 31, 30720000 },
		{ "eleventh is over the interval", 43200, 11, 0, 1u << 31, 43200000 },
		{ "interval under the first wait", 60, 1, 0, 0, 54000 },
		{ "interval of 61 s, second failure", 61, 2, 0, 1u << 31, 61000 },
		{ "failures at the type's end", 43200, UINT32_MAX, 0, 1u << 31, 43200000 },
		{ "interval at the type's end", UINT32_MAX, 40, 0, 0, 1811939328000 },
		{ "interval at the type's end, went well", UINT32_MAX, 0, 0, UINT32_MAX,
		  4724463973300 },
		{ "the wish is longer", 43200, 1, 3600, 0, 3600000 },
		{ "the wish is longer, most jitter", 43200, 1, 3600, UINT32_MAX, 4319999 },
		{ "the wish is shorter", 43200, 1, 10, 1u << 31, 60000 },
		{ "the wish is over a day", 300, 1, UINT32_MAX, 0, 86400000 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t got_ms = backoff_wait_ms(rows[i].interval_s, rows[i].failures,
						  rows[i].wish_s, rows[i].rand32);

		if (got_ms != rows[i].want_ms)
			print_error("%s: %llu ms, not %llu\n", rows[i].name,
				    (unsigned long long)got_ms,
				    (unsigned long long)rows[i].want_ms);
		assert_true(got_ms == rows[i].want_ms);
	}
}

/*
 * Ever more slowly up to the longest wait; only one that had lived for long is started at once
 * again.
 */
static void test_restarts(void **state)
{
	static const struct {
		uint64_t lived_ms;
		unsigned want_ms;
	} rows[] = {
		{ 0, 50 },   { 0, 100 },         { 9999, 200 }, { 0, 400 },     { 0, 800 },
		{ 0, 1600 }, { 0, 3200 },        { 0, 5000 },   { 9999, 5000 }, { 10000, 50 },
		{ 0, 100 },  { UINT64_MAX, 50 }, { 10000, 50 }, { 1, 100 },
	};
	unsigned deaths = 0;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(backoff_restart_ms(&deaths, rows[i].lived_ms), rows[i].want_ms);
	deaths = 7;
	for (i = 0; i < 100; i++)
		assert_int_equal(backoff_restart_ms(&deaths, 0), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
					    cmocka_unit_test(test_restarts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
