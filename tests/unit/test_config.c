// SPDX-License-Identifier: GPL-2.0
/* A whole config, every kind of error at its line and column, and the bundle's way there and back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/config.h"

static const char whole[] =
    "interfaces: [eth0]\nmode: enforce\nattach: auto\non-exit: keep\n"
    "allow: [192.0.2.0/24, \"2001:db8::/48\"]\nfeeds:\n  - name: spamhaus-drop\n"
    "    url: https://www.spamhaus.org/drop/drop_v4.json    # http\n    format: auto\n    action: block\n"
    "    interval: 12h\n    max-entries: 1000000\n    max-change: 50%\n    max-coverage: 2%\n    private: leave-out\n"
    "metrics: {listen: \"127.0.0.1:9477\"}\n";

static const struct {
	const char *text;
	unsigned line, column;
	const char *part;
} rows[] = {
    {"mod: enforce\n", 1, 1, "did you mean mode"},
    {"mode: x\n", 1, 7, "enforce or monitor"},
    {"mode: [a]\n", 1, 7, "one plain value"},
    {"mode: enforce\nmode: monitor\n", 2, 1, "given twice"},
    {"allow: [0.0.0.0/0]\n", 1, 9, "/0"},
    {"limits: []\n", 1, 9, "remove the key"},
    {"feeds:\n  - name: a\n    path: x\n", 3, 11, "absolute"},
    {"feeds:\n  - name: a\n    path: /x\n    interval: 5\n", 4, 15, "with a unit, such as 12h"},
    {"feeds:\n  - name: a\n    path: /x\n    format: cvs\n", 4, 13, "use auto, plain, netset or another name"},
    {"feeds:\n  - name: a\n    path: /x\n    format: csv\n", 2, 5, "needs column: NUMBER"},
    {"feeds:\n  - name: a\n    path: /x\n    column: 2\n", 2, 5, "for format: csv"},
    {"feeds:\n  - name: a\n    path: /x\n    format: csv\n    column: 0\n", 5, 13, "1 for the first column"},
    {"feeds:\n  - name: a\n    path: /x\n    format: csv\n    column: 2\n    separator: ab\n", 6, 16, "use one of"},
    {"feeds:\n  - name: a\n    path: /x\n    format: json\n", 2, 5, "need select: PATH"},
    {"feeds:\n  - name: a\n    path: /x\n    format: json\n    select: \"a[.b\"\n", 5, 13, "prefixes[].ip_prefix"},
    {"feeds:\n  - name: a\n    path: /x\n    select: a\n", 2, 5, "for format: json"},
    {"feeds:\n  - name: a\n    path: /x\n    format: maxmind\n", 2, 5, "needs country: CODES"},
    {"feeds:\n  - name: a\n    path: /x\n    format: geofeed\n    country: XX\n", 5, 14, "two-letter codes"},
    {"feeds:\n  - name: a\n    path: /x\n    threshold: 3\n", 2, 5, "for format: ipsum"},
    {"feeds:\n  - name: a\n    path: /x\n    format: ipsum\n    threshold: 0\n", 5, 16, "1 to 1000"},
    {"feeds:\n  - name: a\n    url: http://u:p@h/\n", 3, 10, "password"},
    {"feeds:\n  - name: a\n    url: ftp://h/\n", 3, 10, "http:// or https://"},
    {"feeds:\n  - name: a\n    path: /x\n  - name: a\n    path: /y\n", 4, 11, "another feed"},
    {"feeds:\n  - name: a\n", 2, 5, "one of url and path"},
    {"metrics: {listen: \"x:1\"}\n", 1, 19, "ADDRESS:PORT"},
    {"interfaces: eth0\n", 1, 13, "give a list"},
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_source source = {"a.yaml", rows[i].text, strlen(rows[i].text)};
		struct config_errors errors;
		struct config *config;

		assert_int_equal(config_parse(&source, 1, &config, &errors), -EINVAL);
		if (errors.error[0].line != rows[i].line ||
		    errors.error[0].column != rows[i].column ||
		    !strstr(errors.error[0].text, rows[i].part))
			fail_msg("%s%u:%u: %s", rows[i].text, errors.error[0].line,
				 errors.error[0].column, errors.error[0].text);
		config_errors_clear(&errors);
	}
}

static void test_whole(void **state)
{
	struct config_source sources[] = {{"a.yaml", whole, sizeof(whole) - 1},
					  {"b.yaml", "- name: b\n  path: /b\n  format: maxmind\n  country: de, AT\n", 57}};
	struct config_source *back;
	struct config_errors errors;
	struct config *config;
	void *data;
	size_t len, n;

	assert_int_equal(config_bundle_pack(sources, 2, &data, &len), 0);
	assert_int_equal(config_bundle_unpack(data, len - 1, &back, &n), -EBADMSG);
	assert_int_equal(config_bundle_unpack(data, len, &back, &n), 0);
	assert_int_equal(config_parse(back, n, &config, &errors), 0);
	assert_int_equal(config->n_feeds, 2);
	assert_int_equal(config->n_allow, 2);
	assert_string_equal(config->interfaces[0], "eth0");
	assert_string_equal(config->feeds[1].path, "/b");
	assert_memory_equal(config->feeds[1].options.countries, "DEAT\0", 5);
	assert_int_equal(config->metrics_port, 9477);
	config_free(config);
	free(back);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors),
					   cmocka_unit_test(test_whole)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
