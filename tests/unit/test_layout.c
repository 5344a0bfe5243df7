// SPDX-License-Identifier: GPL-2.0
/* Tables that fit a terminal, and text that is broken where people would break it. */
/* link: cli/layout.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/layout.h"

static void test_wrap(void **state)
{
	static const struct {
		const char *text;
		size_t width;
		const char *lines;
	} rows[] = {
		{"", 5, ""},
		{"12345", 5, "12345"},
		{"123456", 5, "12345\n6"},
		{"one two three", 7, "one two\nthree"},
		{"one two three", 8, "one two\nthree"},
		{"one two three", 6, "one\ntwo\nthree"},
		{"to 127.0.0.1 port 1", 10, "to\n127.0.0.1\nport 1"},
		{"2001:db8:1111:2222:3333", 20, "2001:db8:1111:2222:\n3333"},
		{"bytes-of-one", 8, "bytes-\nof-one"},
		{"a-verylongword", 8, "a-verylo\nngword"}, /* not for a sign at its begin */
		{"abc ", 3, "abc"},
	};
	char out[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		layout_wrap(rows[i].text, rows[i].width, out, sizeof(out));
		assert_string_equal(out, rows[i].lines);
	}
	layout_wrap("one two three", 5, out, 8); /* a small buffer: cut, with an end */
	assert_string_equal(out, "one\ntwo");
}

static void test_fit(void **state)
{
	struct layout_column c[] = {
		{.title = 6, .widest = 39, .is_text = true}, /* PREFIX */
		{.title = 4, .widest = 7},
		{.title = 2, .widest = 0, .is_text = true, .is_empty = true},
		{.title = 6, .widest = 100, .is_text = true}, /* REASON */
	};

	assert_true(layout_fit(c, 4, 151)); /* all there: 39 + 7 + 2 + 100 and three blanks */
	assert_int_equal(c[3].width, 100);
	assert_int_equal(c[2].width, 2);
	assert_true(layout_fit(c, 4, 150));
	assert_int_equal(c[2].width, 0); /* what tells nothing goes first */
	assert_int_equal(c[3].width, 100);
	assert_true(layout_fit(c, 4, 100));
	assert_int_equal(c[0].width, 39);
	assert_int_equal(c[3].width, 52); /* then the last one's text */
	assert_true(layout_fit(c, 4, 60));
	assert_int_equal(c[3].width, 20);
	assert_int_equal(c[0].width, 31); /* then the widest of the others */
	assert_int_equal(c[1].width, 7);  /* numbers are never broken */
	assert_true(layout_fit(c, 4, 37));
	assert_int_equal(c[0].width, 8);
	assert_true(layout_fit(c, 4, 35));
	assert_int_equal(c[0].width, 6); /* tight, but it fits */
	assert_false(layout_fit(c, 4, 34));
	assert_int_equal(c[0].width, 39); /* no sliver: the terminal breaks its lines */
	assert_int_equal(c[2].width, 2);
	assert_true(layout_fit(c, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrap), cmocka_unit_test(test_fit)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
