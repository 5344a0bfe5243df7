// SPDX-License-Identifier: GPL-2.0
/* Line ends of all three kinds, lines at and over the limit, cut into chunks of every size: always
 * the same lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/feed_lines.h"

static const struct {
	const char *text, *lines; /* lines with | behind each */
} rows[] = {
    {"", ""},
    {"a", "a|"},
    {"a\n", "a|"},
    {"a\r\n", "a|"},
    {"a\r", "a|"},
    {"a\nb", "a|b|"},
    {"a\r\nb\r\n", "a|b|"},
    {"a\rb\r", "a|b|"},
    {"\n", "|"},
    {"\r\n", "|"},
    {"\n\n", "||"},
    {"\r\r", "||"},
    {"\n\r", "||"},
    {"\r\n\r\n", "||"},
    {"a\n\rb", "a||b|"},
    {"a\r\n\nb", "a||b|"},
    {"a\rb\nc", "a|b|c|"},
    {"a\rb\r\nc\n", "a|b|c|"},
    {"one\r\ntwo\nthree\rfour", "one|two|three|four|"},
};

static int stop_after;

static int take(void *ctx, const char *text, size_t len, bool is_long)
{
	char *out = ctx;
	size_t at = strlen(out);

	snprintf(out + at, 100 - at, "%.*s%s|", (int)(len < 40 ? len : 40), text,
		 is_long ? "~" : "");
	return --stop_after ? 0 : -7;
}

static int split(const char *text, size_t len, size_t chunk, char *out)
{
	struct feed_lines *lines = calloc(1, sizeof(*lines));
	int rc = 0;

	*out = '\0';
	for (size_t at = 0; !rc && at < len; at += chunk)
		rc = feed_lines_push(lines, text + at, len - at < chunk ? len - at : chunk, take,
				     out);
	if (!rc)
		rc = feed_lines_end(lines, take, out);
	free(lines);
	return rc;
}

static void test_line_ends(void **state)
{
	char out[100];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t chunk = 1; chunk <= strlen(rows[i].text) + 1; chunk++) {
			stop_after = 0;
			assert_int_equal(split(rows[i].text, strlen(rows[i].text), chunk, out), 0);
			assert_string_equal(out, rows[i].lines);
		}
	}
}

/* The LF behind a CR may come after a chunk of nothing, but not after one of something. */
static void test_empty_chunks(void **state)
{
	static const char *const chunks[] = {"a\r", "", "\nb\r", "c", "\nd\r", "", "", "e"};
	struct feed_lines *lines = calloc(1, sizeof(*lines));
	char out[100] = "";

	stop_after = 0;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		assert_int_equal(feed_lines_push(lines, chunks[i], strlen(chunks[i]), take, out),
				 0);
	assert_int_equal(feed_lines_end(lines, take, out), 0);
	assert_string_equal(out, "a|b|c|d|e|");
	free(lines);
}

static void test_long_lines(void **state)
{
	static char text[2 * FEED_LINE_BYTES + 16];
	static const size_t chunks[] = {1, 7, 4095, 4096, 4097, sizeof(text)};
	char out[100];

	for (size_t len = FEED_LINE_BYTES - 1; len <= FEED_LINE_BYTES + 1; len++) {
		memset(text, 'x', len);
		memcpy(text + len, "\nshort\n", 7);
		for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
			stop_after = 0;
			assert_int_equal(split(text, len + 7, chunks[i], out), 0);
			assert_string_equal(out + 40,
					    len > FEED_LINE_BYTES ? "~|short|" : "|short|");
		}
	}
}

static void test_stop(void **state)
{
	char out[100];

	for (size_t chunk = 1; chunk < 9; chunk++) {
		stop_after = 2;
		assert_int_equal(split("a\nb\nc\nd", 7, chunk, out), -7);
		assert_string_equal(out, "a|b|");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_line_ends),
					   cmocka_unit_test(test_empty_chunks),
					   cmocka_unit_test(test_long_lines),
					   cmocka_unit_test(test_stop)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
