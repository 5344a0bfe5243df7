// SPDX-License-Identifier: GPL-2.0
/* What is JSON and what is not, whole and byte by byte; the paths, texts and lines that are told;
 * depth and lengths at the bound. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/feed_json.h"

static char said[1000];

static int take(void *ctx, const struct feed_json_item *item)
{
	static const char *const events[] = {"s", "n", "w", "}", "."};
	size_t at = strlen(said);
	bool has_text = item->event == FEED_JSON_STRING || item->event == FEED_JSON_NUMBER;

	(void)ctx;
	snprintf(said + at, sizeof(said) - at, "%s%s=%.*s%s ", events[item->event], item->path,
		 has_text ? (int)(item->len < 50 ? item->len : 50) : 0, item->text,
		 item->is_cut ? "~" : "");
	return 0;
}

/* Reads @text; NULL where it is JSON, else why not. */
static const char *read_json(const char *text, size_t len, size_t chunk, bool is_lines)
{
	struct feed_json *json = feed_json_new(is_lines, take, NULL);
	const char *why = NULL;
	uint64_t line;
	int rc = 0;

	said[0] = '\0';
	for (size_t at = 0; !rc && at < len; at += chunk)
		rc = feed_json_push(json, text + at, len - at < chunk ? len - at : chunk);
	if (!rc)
		rc = feed_json_end(json);
	if (rc)
		why = feed_json_why(json, &line);
	feed_json_free(json);
	return why;
}

static const char *const good[] = {
    "{}",
    "[]",
    " [ ] ",
    "\"\"",
    "0",
    "-0",
    "1.5",
    "1e9",
    "1E+9",
    "-1.0e-9",
    "true",
    "false",
    "null",
    "[1,2]",
    "[[],{}]",
    "{\"a\":1,\"b\":[2]}",
    "\"\\u0000\\ud800\\n\\/\\\"\"",
    "\"\x7f\"",
    "\"\xc2\x80\"",
    "\"\xdf\xbf\"",
    "\"\xe0\xa0\x80\"",
    "\"\xed\x9f\xbf\"",
    "\"\xef\xbf\xbf\"",
    "\"\xf0\x90\x80\x80\"",
    "\"\xf4\x8f\xbf\xbf\"",
    "{\"a\":{\"b\":{}}}",
    "\r\n\t[1]\r\n",
};

static const char *const bad[] = {
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "[}",
    "{]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{'a':1}",
    "{1:2}",
    "[1 2]",
    "[1] 2",
    "1 2",
    "{}{}",
    "tru",
    "trux",
    "nul",
    "True",
    "NaN",
    "Infinity",
    "+1",
    "01",
    "-",
    "-01",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "0x1",
    "1.2.3",
    "1-2",
    "\"",
    "\"a",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\t\"",
    "\"\x1f\"",
    "\"\x80\"",
    "\"\xc0\x80\"",
    "\"\xc1\xbf\"",
    "\"\xc2\"",
    "\"\xe0\x9f\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x8f\x80\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xff\"",
    "\"\xe2\x82\"",
    "\xc2\xa0[]",
    "// c\n1",
    "/* c */ 1",
    "[1]\\",
    "[1]]",
};

static void test_what_is_json(void **state)
{
	for (size_t chunk = 1; chunk < 50; chunk += 7) {
		for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
			if (read_json(good[i], strlen(good[i]), chunk, false))
				fail_msg("%s: %s", good[i],
					 read_json(good[i], strlen(good[i]), chunk, false));
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			if (!read_json(bad[i], strlen(bad[i]), chunk, false))
				fail_msg("taken: %s", bad[i]);
	}
	assert_non_null(read_json("[\0]", 3, 3, false));
}

static void test_lines(void **state)
{
	assert_null(read_json("{}\n{}\n", 6, 1, true));
	assert_null(read_json("{}\n\n 1\r\n", 8, 1, true));
	assert_string_equal(read_json("{}{}", 4, 1, true), "two values in a line");
	assert_string_equal(read_json("{}\n{", 4, 1, true), "cut short");
	assert_non_null(read_json("", 0, 1, true));
}

static void test_items(void **state)
{
	static const char text[] =
	    "{\"a\":[{\"b\":\"x\",\"c\":[1,true]},\"y\"],\"d.e\":{\"f\":\"\\u0031\\/\"},\"\":\"z\"}";

	for (size_t chunk = 1; chunk <= sizeof(text); chunk++) {
		assert_null(read_json(text, sizeof(text) - 1, chunk, false));
		assert_string_equal(
		    said, "sa[].b=x na[].c[]=1 wa[].c[]= }a[]= sa[]=y sd.e.f=1/ }d.e= s=z }= .= ");
	}
}

static void test_bounds(void **state)
{
	char text[9000], want[64];

	for (int depth = FEED_JSON_DEPTH; depth <= FEED_JSON_DEPTH + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		assert_int_equal(!read_json(text, 2 * (size_t)depth, 5, false),
				 depth == FEED_JSON_DEPTH);
	}
	for (int len = FEED_JSON_TEXT_BYTES; len <= FEED_JSON_TEXT_BYTES + 1; len++) {
		text[0] = '"';
		memset(text + 1, 'x', (size_t)len);
		text[len + 1] = '"';
		assert_null(read_json(text, (size_t)len + 2, 1000, false));
		assert_true(!strchr(said, '~') == (len == FEED_JSON_TEXT_BYTES));
	}
	for (int len = FEED_JSON_PATH_BYTES - 1; len <= FEED_JSON_PATH_BYTES;
	     len++) { /* a path without room matches nothing, the next one is whole */
		int n = sprintf(text, "{\"%0*d\":{\"q\":1},\"a\":2}", len, 0);

		assert_null(read_json(text, (size_t)n, 3, false));
		snprintf(want, sizeof(want), "na=2 }= .= ");
		assert_string_equal(said + strlen(said) - strlen(want), want);
		assert_int_equal(strncmp(said, "n=1", 3), 0); /* with .q neither has room */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_json), cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_items), cmocka_unit_test(test_bounds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
