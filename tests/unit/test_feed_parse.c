// SPDX-License-Identifier: GPL-2.0
/*
 * Bodies that a hostile server sends, whole and byte by byte: what becomes of each, and the check
 * of the result.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/feed_parse.h"
#include "lib/fetch_msg.h"

#define GOOD "# good list\n192.0.2.1\n192.0.2.2\n198.51.100.0/24\n2001:db8::/48\n"
#define ROW(name, text, why, n4, n6, errors) { name, text, sizeof(text) - 1, why, n4, n6, errors }

static const struct {
	const char *name, *text;
	size_t len;
	const char *why; /* start of the refusal, NULL where it is a list */
	uint32_t n4, n6;
	uint64_t errors;
} rows[] = {
	ROW("good", GOOD, NULL, 3, 1, 0),
	ROW("empty", "", "no entries", 0, 0, 0),
	ROW("comments", "# nothing\n; nothing\n\n", "no entries", 0, 0, 0),
	ROW("html", "<!doctype html><html><body>203.0.113.9</body></html>\n", "an HTML", 0, 0, 0),
	ROW("late html", "192.0.2.1\n<HTML>\n", "an HTML", 0, 0, 0),
	ROW("cf520", "error code: 520", "no entries", 0, 0, 0),
	ROW("json500", "{\"status\":500}", "JSON", 0, 0, 0),
	ROW("all4", "0.0.0.0/0\n", "no entries", 0, 0, 0),
	ROW("all6", "::/0\n", "no entries", 0, 0, 0),
	ROW("halves", "0.0.0.0/1\n128.0.0.0/1\n", NULL, 2, 0, 0),
	ROW("mapped", "::ffff:0.0.0.0/96\n::ffff:192.0.2.1\n", "no entries", 0, 0, 0),
	ROW("self", "127.0.0.1\n::1\nfe80::1\n10.0.0.0/8\n169.254.169.254\n224.0.0.0/3\n", NULL, 4,
	    2, 0),
	ROW("crlf", "# x\r\n192.0.2.1\r\n192.0.2.2\r\n", NULL, 2, 0, 0),
	ROW("cr", "# x\r192.0.2.1\r192.0.2.2\r", NULL, 2, 0, 0),
	ROW("bom", "\xef\xbb\xbf" GOOD, NULL, 3, 1, 0),
	ROW("utf16",
	    "\xff\xfe"
	    "1\0.\0",
	    "UTF-16", 0, 0, 0),
	ROW("nul", "192.0.2.1\0 junk\n192.0.2.2\n\0\0\n", "NUL bytes", 0, 0, 0),
	ROW("nonl", "192.0.2.1\n192.0.2.2", NULL, 2, 0, 0),
	ROW("hostbits", "192.0.2.77/24\n", NULL, 1, 0, 0),
	ROW("octal", "010.0.0.1\n192.0.2.010\n", "no entries", 0, 0, 0),
	ROW("hex", "0x7f.1\n3221225985\n", "no entries", 0, 0, 0),
	ROW("spaces", "  192.0.2.1 \t# c\n\t192.0.2.2\n", NULL, 2, 0, 0),
	ROW("badmask",
	    "192.0.2.0/33\n192.0.2.0/-1\n192.0.2.0/\n2001:db8::/129\n192.0.2.0/255.255.255.0\n192.0.2.1\n",
	    NULL, 1, 0, 5),
	ROW("range", "192.0.2.10 - 192.0.2.20\n192.0.2.9-192.0.2.1\n", NULL, 4, 0, 1),
	ROW("range6", "2001:db8::-2001:db8::ff\n192.0.2.1-::1\n0.0.0.0-255.255.255.255\n", NULL, 0,
	    1, 2),
	ROW("range of prefixes",
	    "192.0.2.1-192.0.2.9/24\n192.0.2.1 - 192.0.2.9/32\n2001:db8::1-2001:db8::9/64\n192.0.2.0/24-192.0.2.9\n192.0.2.1\n",
	    NULL, 1, 0, 4),
	ROW("half a range", "192.0.2.1-\n-192.0.2.1\n-\n192.0.2.7\n", NULL, 1, 0, 3),
	ROW("zone", "fe80::1%eth0\n[2001:db8::1]:443\n192.0.2.1:80\n", "no entries", 0, 0, 0),
	ROW("dups", "192.0.2.1\n192.0.2.1\n192.0.2.1\n", NULL, 1, 0, 0),
	ROW("ansi",
	    "\x1b]0;pwned\x07"
	    "192.0.2.1\n192.0.2.2 ; \x1b[31m%s%n$(id)\n",
	    NULL, 1, 0, 1),
	ROW("two", "192.0.2.1 192.0.2.2\n192.0.2.3\n", NULL, 1, 0, 1),
	ROW("two by a semicolon", "192.0.2.1;192.0.2.2\n192.0.2.3\n", NULL, 1, 0, 1),
	ROW("more by semicolons",
	    "192.0.2.1 ; 192.0.2.2\n192.0.2.4;x; 2001:db8::1/64\n192.0.2.5;192.0.2.6-192.0.2.9\n192.0.2.3\n",
	    NULL, 1, 0, 3),
	ROW("comments by semicolons",
	    "192.0.2.1 ; SBL1\n192.0.2.2;SBL2\n192.0.2.3;\n;192.0.2.4;192.0.2.5\n ; 192.0.2.6\n192.0.2.7 # a;192.0.2.8\n192.0.2.9;22;sshd\n",
	    NULL, 5, 0, 0),
	ROW("words", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n192.0.2.1\n", "not a list", 0, 0, 0),
};

static int parse(uint32_t format, const char *text, size_t len, size_t chunk, uint32_t max,
		 void **ret_file, size_t *ret_len, const char **ret_why)
{
	struct feed_parser *parser = feed_parse_new(format, max, NULL);
	int rc;

	for (size_t at = 0; at < len; at += chunk)
		(void)feed_parse_push(parser, text + at,
				      len - at < chunk ? len - at : chunk); /* end says it again */
	rc = feed_parse_end(parser, ret_file, ret_len, ret_why);
	if (rc) {
		static char why[256];

		(void)snprintf(why, sizeof(why), "%s",
			       *ret_why); /* the parser's own goes with it */
		*ret_why = why;
	}
	feed_parse_free(parser);
	return rc;
}

static void test_bodies(void **state)
{
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t r = i / 2, len;
		const char *why = NULL;
		struct list_view view;
		void *file = NULL;
		int rc = parse(FETCH_PLAIN, rows[r].text, rows[r].len, i & 1 ? 1 : 100000, 1000,
			       &file, &len, &why);

		if ((rc != 0) != (rows[r].why != NULL) ||
		    (rc && strncmp(why, rows[r].why, strlen(rows[r].why))))
			fail_msg("%s: %d %s", rows[r].name, rc, why ? why : "");
		if (rc)
			continue;
		if (list_file_check(file, len, &view, &why))
			fail_msg("%s: %s", rows[r].name, why);
		if (view.head->n4 != rows[r].n4 || view.head->n6 != rows[r].n6 ||
		    view.head->errors != rows[r].errors)
			fail_msg("%s: %u %u %u", rows[r].name, view.head->n4, view.head->n6,
				 (unsigned)view.head->errors);
		((char *)file)[len - 1] ^= 1;
		assert_int_equal(list_file_check(file, len, &view, &why), -EBADMSG);
		assert_int_equal(list_file_check(file, len - 1, &view, &why), -EBADMSG);
		free(file);
	}
}

/*
 * A line end of two bytes is one, wherever the chunks cut it: the number shown is the one an editor
 * shows.
 */
static void test_line_numbers(void **state)
{
	static const char *const ends[] = { "\n", "\r\n", "\r" };
	struct list_view view;
	const char *why;
	char text[200];
	void *file;
	size_t len;

	for (size_t i = 0; i < 3; i++) {
		const char *e = ends[i];

		snprintf(text, sizeof(text),
			 "# head%s192.0.2.1%sbad%s%s192.0.2.1-192.0.2.9/24%s2001:db8::1%sworse%s",
			 e, e, e, e, e, e, e);
		for (size_t chunk = 1; chunk <= strlen(text); chunk++) {
			assert_int_equal(
			    parse(FETCH_PLAIN, text, strlen(text), chunk, 1000, &file, &len, &why),
			    0);
			assert_int_equal(list_file_check(file, len, &view, &why), 0);
			assert_int_equal(view.head->errors, 3);
			assert_int_equal(view.errors[0].line, 3);
			assert_int_equal(view.errors[1].line, 5);
			assert_int_equal(view.errors[1].reason, PREFIX_BAD_ADDRESS);
			assert_int_equal(view.errors[2].line, 7);
			free(file);
		}
	}
}

/* A body that ends where the connection does. */
static void test_doubted_end(void **state)
{
	static const struct {
		uint32_t format;
		const char *text;
		bool is_taken;
	} ends[] = {
		{ FETCH_AUTO, "192.0.2.1\n192.0.2.155\n", true },
		{ FETCH_AUTO, "192.0.2.1\n192.0.2.1", false }, /* of .155 */
		{ FETCH_PLAIN, "192.0.2.1\n192.0.2.1", false },
		{ FETCH_PLAIN, "192.0.2.1\n192.0.2.1\r", true },
		{ FETCH_PLAIN, "192.0.2.1\n# and", false },
		{ FETCH_AUTO, "# Feodo Tracker Botnet C2 IP Blocklist (CSV)\ndst_ip\n192.0.2.1\n# END 1 entries", true },
		{ FETCH_AUTO, "[\"192.0.2.1\"]", true },
	};
	const char *why;
	void *file;
	size_t len;

	for (size_t i = 0; i < 2 * sizeof(ends) / sizeof(ends[0]); i++) {
		struct feed_parser *parser = feed_parse_new(ends[i / 2].format, 10, NULL);
		bool is_doubted = i & 1;
		int rc;

		(void)feed_parse_push(parser, ends[i / 2].text, strlen(ends[i / 2].text)); /* end says it again */
		if (is_doubted)
			feed_parse_doubt_end(parser);
		rc = feed_parse_end(parser, &file, &len, &why);
		if (rc != (ends[i / 2].is_taken || !is_doubted ? 0 : -EBADMSG) || (rc && strncmp(why, "cut short, it seems", 19)))
			fail_msg("row %zu: %d %s", i, rc, rc ? why : "");
		if (!rc)
			free(file);
		feed_parse_free(parser);
	}
}

static void test_limits(void **state)
{
	char *text = malloc(1000000);
	struct list_view view;
	const char *why;
	void *file;
	size_t len;

	memset(text, '1', 999989);
	memcpy(text + 999989, "\n192.0.2.1\n", 11);
	assert_int_equal(parse(FETCH_PLAIN, text, 1000000, 777, 10, &file, &len, &why), 0);
	assert_int_equal(list_file_check(file, len, &view, &why), 0);
	assert_int_equal(view.errors[0].reason, FEED_E_LONG_LINE);
	assert_int_equal(view.errors[0].line, 1);
	free(file);
	for (int i = 0; i < 100000; i++)
		memcpy(text + 10 * (size_t)i, "192.0.2.1\n", 10);
	assert_int_equal(parse(FETCH_AUTO, text, 1000000, 65536, 1, &file, &len, &why), 0);
	free(file);
	assert_int_equal(parse(FETCH_AUTO, "192.0.2.1\n192.0.2.2\n", 20, 20, 1, &file, &len, &why),
			 -E2BIG);
	assert_int_equal(parse(FETCH_AUTO, "192.0.2.1\n192.0.2.2\n", 20, 20, 2, &file, &len, &why),
			 0);
	free(file);
	free(text);
}

/* Any share of a list in order before the rest, from none to all: it comes out sorted, each prefix once. */
static void test_orders(void **state)
{
	enum { LINES = 640, LINE_BYTES = 20 };
	char *text = malloc(LINES * LINE_BYTES);
	struct list_view view;
	const char *why;
	void *file;
	size_t len;

	for (uint32_t sorted = 0; sorted <= LINES; sorted++) {
		size_t bytes = 0, n_seen = 0;
		bool seen[LINES] = { false };

		for (uint32_t i = 0; i < LINES; i++) {
			uint32_t n = i < sorted ? i : i * 7919 % LINES; /* coprime: each number once, those below again */

			seen[n] = true;
			bytes += (size_t)snprintf(text + bytes, LINE_BYTES, "1.%u.%u.0/%u\n", n >> 4, (n & 15) << 4, n & 1 ? 24 : 32);
		}
		assert_int_equal(parse(FETCH_PLAIN, text, bytes, bytes, 2 * LINES, &file, &len, &why), 0);
		assert_int_equal(list_file_check(file, len, &view, &why), 0); /* of the order, too */
		for (uint32_t n = 0, at = 0; n < LINES; n++) {
			if (!seen[n])
				continue;
			assert_true(at < view.head->n4);
			assert_int_equal(view.v4[at].addr, 1u << 24 | n >> 4 << 16 | (n & 15) << 12);
			assert_int_equal(view.v4[at++].len, n & 1 ? 24 : 32);
			n_seen = at;
		}
		assert_int_equal(view.head->n4, n_seen);
		assert_int_equal(view.head->duplicates, LINES - n_seen);
		free(file);
	}
	free(text);
}

/*
 * What an earlier version kept on disk ends before the origin: it is read, and says nothing of it.
 */
static void test_old_list(void **state)
{
	struct list_view view;
	struct list_head *head;
	const char *why;
	void *file;
	size_t len;

	assert_int_equal(parse(FETCH_AUTO, GOOD, sizeof(GOOD) - 1, 7, 1000, &file, &len, &why), 0);
	assert_int_equal(list_file_check(file, len, &view, &why), 0);
	assert_int_equal(view.origin->format, FETCH_PLAIN);
	assert_string_equal(view.origin->why, "an address, prefix or range a line");
	head = file;
	head->version = 1;
	len -= sizeof(struct list_origin);
	head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	assert_int_equal(list_file_check(file, len, &view, &why), 0);
	assert_null(view.origin);
	assert_int_equal(view.head->n4 + view.head->n6, 4);
	head->version = 3;
	assert_int_equal(list_file_check(file, len, &view, &why), -EBADMSG);
	free(file);
}

static void test_origin_is_checked(void **state)
{
	struct list_view view;
	struct list_head *head;
	struct list_origin *origin;
	const char *why;
	void *file;
	size_t len;

	assert_int_equal(parse(FETCH_AUTO, GOOD, sizeof(GOOD) - 1, 7, 1000, &file, &len, &why), 0);
	head = file;
	origin = (struct list_origin *)((char *)file + len) - 1;
	memset(origin->why, 'x', sizeof(origin->why));
	head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	assert_int_equal(list_file_check(file, len, &view, &why), -EBADMSG);
	origin->why[0] = 0;
	origin->format = FETCH_FORMAT_MAX;
	head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	assert_int_equal(list_file_check(file, len, &view, &why), -EBADMSG);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bodies),
					    cmocka_unit_test(test_line_numbers),
					    cmocka_unit_test(test_doubted_end),
					    cmocka_unit_test(test_limits), cmocka_unit_test(test_orders),
					    cmocka_unit_test(test_old_list),
					    cmocka_unit_test(test_origin_is_checked) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
