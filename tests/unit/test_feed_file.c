// SPDX-License-Identifier: GPL-2.0
/* A feed from KEY=VALUE lines: names, keys, quotes that try to leave their quotes, and what the values mean as a config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/feed_file.h"

static void test_names(void **state)
{
	char name[65];

	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_false(feed_file_name_is_good(name));
	name[63] = '\0';
	assert_true(feed_file_name_is_good(name));
	assert_true(feed_file_name_is_good("a") && feed_file_name_is_good("spamhaus_drop-V4") && feed_file_name_is_good("_-") && feed_file_name_is_good("a-"));
	assert_false(feed_file_name_is_good("") || feed_file_name_is_good("a.b") || feed_file_name_is_good("..") || feed_file_name_is_good("a/b"));
	assert_false(feed_file_name_is_good("a b") || feed_file_name_is_good("\xc3\xa9") || feed_file_name_is_good("a\n"));
	assert_false(feed_file_name_is_good("-x") || feed_file_name_is_good("-") || feed_file_name_is_good("--json"));
}

static void test_the_file(void **state)
{
	static const char pairs[] = "url=https://example.org/it's?a=b#c\naction=monitor\nmax-change=0%\n";
	char *text, why[FEED_FILE_WHY_BYTES];
	size_t len;

	assert_int_equal(feed_file_make("one", pairs, strlen(pairs), &text, &len, why, sizeof(why)), 0);
	text[len - 1] = '\0'; /* its last newline */
	assert_string_equal(text, "name: 'one'\nurl: 'https://example.org/it''s?a=b#c'\naction: 'monitor'\nmax-change: '0%'");
	free(text);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *name, *pairs, *said;
	} rows[] = {
		{ "a/b", "url=http://x/\n", "name" },
		{ "a", "url=http://x/\nurl=http://y/\n", "twice" },
		{ "a", "key-file=/etc/shadow\nurl=http://x/\n", "no key" },
		{ "a", "name=b\nurl=http://x/\n", "no key" },
		{ "a", "url\n", "KEY=VALUE" },
		{ "a", "=x\n", "no key" },
		{ "a", "url=http://x/\taction: allow\n", "control" },
		{ "a", "url=ftp://x/\n", "http" },
		{ "a", "action=block\n", "url and path" },
		{ "a", "url=http://x/\nformat=csv\n", "column" },
		{ "a", "url=http://x/'\naction=allow'\n", "action" },
		{ "a", "path=my.list\n", "absolute" },
	};
	char why[FEED_FILE_WHY_BYTES];
	struct config *config;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(feed_file_read(rows[i].name, rows[i].pairs, strlen(rows[i].pairs), &config, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, rows[i].said));
	}
}

static void test_what_it_means(void **state)
{
	static const char pairs[] = "format=csv\ncolumn=ip address\nseparator=;\nurl=http://x/'#: }\naction=allow";
	char why[FEED_FILE_WHY_BYTES];
	struct config *config;

	/* A blank in the URL is not for a URL; without it every other sign stays what it was. */
	assert_int_equal(feed_file_read("a", pairs, strlen(pairs), &config, why, sizeof(why)), -EINVAL);
	static const char good[] = "format=csv\ncolumn=ip address\nseparator=;\nurl=http://x/'#:}{[&*!|>%@`\"\naction=allow";

	assert_int_equal(feed_file_read("a", good, strlen(good), &config, why, sizeof(why)), 0);
	assert_int_equal(config->n_feeds, 1);
	assert_string_equal(config->feeds[0].url, "http://x/'#:}{[&*!|>%@`\"");
	assert_string_equal(config->feeds[0].options.column_name, "ip address");
	assert_int_equal(config->feeds[0].action, SEK_A_ALLOW);
	assert_false(config->feeds[0].is_main);
	config_free(config);
}

static void test_the_longest(void **state)
{
	char *pairs = malloc(FEED_FILE_BYTES + 2), why[FEED_FILE_WHY_BYTES], *text;
	size_t len;

	memset(pairs, '\'', FEED_FILE_BYTES + 2);
	memcpy(pairs, "select=", 7);
	assert_int_equal(feed_file_make("a", pairs, FEED_FILE_BYTES, &text, &len, why, sizeof(why)), 0);
	free(text);
	assert_int_equal(feed_file_make("a", pairs, FEED_FILE_BYTES + 1, &text, &len, why, sizeof(why)), -EINVAL);
	free(pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),		cmocka_unit_test(test_the_file),    cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_it_means),	cmocka_unit_test(test_the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
