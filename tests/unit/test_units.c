// SPDX-License-Identifier: GPL-2.0
/* Durations both ways, and the escaping of outside bytes at its limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/escape.h"
#include "lib/units.h"

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t s;
	} rows[] = {
		{ "90s", 0, 90 },         { "10m", 0, 600 },
		{ "12h", 0, 43200 },      { "7d", 0, 604800 },
		{ "0s", 0, 0 },           { "36500d", 0, 3153600000 },
		{ "36501d", -ERANGE, 0 }, { "99999999999999999999999s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },       { "5", -EINVAL, 0 },
		{ "55", -EINVAL, 0 },     { "h", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },    { "1.5h", -EINVAL, 0 },
		{ "1w", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t s = 0;

		assert_int_equal(units_parse_duration(rows[i].text, strlen(rows[i].text), &s),
				 rows[i].rc);
		assert_true(s == rows[i].s);
	}
}

static void test_format(void **state)
{
	char buf[32];

	assert_string_equal(units_format_duration(0, buf), "0s");
	assert_string_equal(units_format_duration(45, buf), "45s");
	assert_string_equal(units_format_duration(12000, buf), "3h 20m");
	assert_string_equal(units_format_duration(86400, buf), "1d");
	assert_string_equal(units_format_duration(86460, buf), "1d");
}

static void test_escape(void **state)
{
	char buf[16], tiny[5];

	assert_string_equal(escape_text("a\x1b[\\", 4, buf, sizeof(buf)), "a\\x1b[\\x5c");
	assert_string_equal(escape_text("\xff\0", 2, buf, sizeof(buf)), "\\xff\\x00");
	assert_string_equal(escape_text("ab\n", 3, tiny, sizeof(tiny)), "ab");
	assert_string_equal(escape_text("\n", 1, tiny, sizeof(tiny)), "\\x0a");
	assert_string_equal(escape_text("abc", 3, tiny, 1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_duration),
					    cmocka_unit_test(test_format),
					    cmocka_unit_test(test_escape) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
