// SPDX-License-Identifier: GPL-2.0
/* Both formats of the metrics document, byte by byte: suffixes, escapes, values, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/openmetrics.h"

static void write_one(bool open, char **ret_text)
{
	struct openmetrics om;
	size_t len;

	openmetrics_begin(&om, open);
	openmetrics_family(&om, "a_packets", OPENMETRICS_COUNTER, "Help with \\ and\nline.");
	openmetrics_sample(&om, 3, "name", "q\"b\\n\nend", "other", "x", NULL);
	openmetrics_sample(&om, 900719925474099.0, NULL);
	openmetrics_family(&om, "a_seconds", OPENMETRICS_GAUGE, "Time.");
	openmetrics_sample(&om, 0.25, NULL);
	assert_int_equal(openmetrics_end(&om, ret_text, &len), 0);
	(*ret_text)[len] = '\0';
}

static void test_text(void **state)
{
	char *text;

	write_one(false, &text);
	assert_string_equal(
	    text,
	    "# HELP a_packets_total Help with \\\\ and\\nline.\n# TYPE a_packets_total counter\n"
	    "a_packets_total{name=\"q\\\"b\\\\n\\nend\",other=\"x\"} 3\na_packets_total 900719925474099\n"
	    "# HELP a_seconds Time.\n# TYPE a_seconds gauge\na_seconds 0.25\n");
	free(text);
}

static void test_open(void **state)
{
	char *text;

	write_one(true, &text);
	assert_string_equal(
	    text,
	    "# HELP a_packets Help with \\\\ and\\nline.\n# TYPE a_packets counter\n"
	    "a_packets_total{name=\"q\\\"b\\\\n\\nend\",other=\"x\"} 3\na_packets_total 900719925474099\n"
	    "# HELP a_seconds Time.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 0.25\n# EOF\n");
	free(text);
}

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} rows[] = {
		{ NULL, false },
		{ "", false },
		{ "text/plain", false },
		{ "*/*", false },
		{ "application/openmetrics-text", true },
		{ "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  true },
		{ "text/plain;version=0.0.4, application/openmetrics-text; version=1.0.0", true },
		{ "Application/OpenMetrics-Text", true },
		{ "application/openmetrics-text;q=0", false },
		{ "application/openmetrics-text; q=0.0, text/plain", false },
		{ "application/openmetrics-textual", false },
		{ "text/plain;q=0.9,application/openmetrics-text;q=0.1", false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (openmetrics_accepts(rows[i].accept) != rows[i].open)
			print_error("%s\n", rows[i].accept);
		assert_int_equal(openmetrics_accepts(rows[i].accept), rows[i].open);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text),
					    cmocka_unit_test(test_open),
					    cmocka_unit_test(test_accept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
