// SPDX-License-Identifier: GPL-2.0
/* The hint behind an error, for a URL and for a file: each row an error as it is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "lib/feed_mend.h"

static const struct {
	const char *why, *url, *file; /* what is in the hint; NULL: there is none */
} rows[] = {
	{ "HTTP 404", "URL right", NULL },
	{ "HTTP 302", "URL right", NULL },
	{ "HTTP 401", "key-file", NULL },
	{ "HTTP 403", "refuses", NULL },
	{ "HTTP 429", "fewer", NULL },
	{ "HTTP 503", "later", NULL },
	{ "Could not resolve host: x.example", "name right", NULL },
	{ "Failed to connect to 127.0.0.1 port 1: Connection refused", "server up", NULL },
	{ "timed out: no connection to x port 80", "server up", NULL },
	{ "TLS: self-signed certificate", "ca-file", NULL },
	{ "the answer is an HTML page", "URL of the list", NULL },
	{ "an HTML page, not a list", "URL of the list", "list itself" },
	{ "no entries", "--format", "--format" },
	{ "no entries; line 1: no such column in the line, or nothing in it", "--format", "--format" },
	{ "no entries: all were left out by threshold, country, type or end", NULL, NULL },
	{ "not a list of addresses", "--format", "--format" },
	{ "not a list of addresses for sure: over a tenth of its lines are none; if it is one, give format: plain", NULL, NULL },
	{ "NUL bytes: not a text", "gzip", "gzip" },
	{ "more entries than max-entries", "max-entries=N", "max-entries=N" },
	{ "bzip2 is not unpacked: gzip, zip, xz and zstd are", NULL, NULL },
	{ "redirect to a private address refused", NULL, NULL },
	{ "", NULL, NULL },
};

static void expect(const char *why, bool is_url, const char *want)
{
	const char *mend = feed_mend(why, is_url);

	if (want ? !mend || !strstr(mend, want) || strlen(mend) > 100 : mend != NULL)
		fail_msg("%s, %d: %s", why, is_url, mend ? mend : "no hint");
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect(rows[i].why, true, rows[i].url);
		expect(rows[i].why, false, rows[i].file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
