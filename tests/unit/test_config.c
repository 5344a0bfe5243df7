// SPDX-License-Identifier: GPL-2.0
/* A whole config, every kind of error at its line and column, and the bundle's way there and back.
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

#include "lib/config.h"

static const char whole[] =
    "interfaces: [eth0]\nmode: enforce\nattach: auto\non-exit: keep\n"
    "allow: [192.0.2.0/24, \"2001:db8::/48\"]\nfeeds:\n  - name: spamhaus-drop\n"
    "    url: https://www.spamhaus.org/drop/drop_v4.json    # http\n    format: auto\n    action: none\n"
    "    interval: 12h\n    max-entries: 1000000\n    max-change: 50%\n    max-coverage: 2%\n    private: leave-out\n    known-good: true\n"
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
    {"feeds:\n  - {name: a, path: /a, known-good: true, action: block}\n", 2, 5, "contradict each other"},
    {"limits: {a: b}\n", 1, 9, "give a list"},
    {"feeds:\n  - {name: -x, path: /a}\n", 2, 12, "no dot and no - first"},
    {"feeds:\n  - {name: .x, path: /a}\n", 2, 12, "no dot and no - first"},
    {"limits:\n  - {packets: 10/s}\n", 2, 5, "add name: NAME"},
    {"limits:\n  - {name: \"a b\", packets: 10/s}\n", 2, 12, "use 1 to 63 of"},
    {"limits:\n  - {name: a, packets: 10/s}\n  - {name: a, packets: 9/s}\n", 3, 12, "another limit"},
    {"limits:\n  - {name: a}\n", 2, 5, "one of packets and bits"},
    {"limits:\n  - {name: a, packets: 10/s, bits: 1M/s}\n", 2, 5, "one of packets and bits"},
    {"limits:\n  - {name: a, packets: 10}\n", 2, 24, "a rate a second or a minute"},
    {"limits:\n  - {name: a, packets: 11M/s}\n", 2, 24, "at most 10M/s"},
    {"limits:\n  - {name: a, bits: 999/s}\n", 2, 21, "at least 1k/s"},
    {"limits:\n  - {name: a, packets: 10/s, burst: x}\n", 2, 37, "a number of packets"},
    {"limits:\n  - {name: a, packets: 1/s, burst: 3601}\n", 2, 5, "lasts over an hour"},
    {"limits:\n  - {name: a, bits: 1M/s, burst: 1513}\n", 2, 5, "passes no full frame"},
    {"limits:\n  - {name: a, packets: 10/s, protocol: sctp}\n", 2, 40, "use any, tcp"},
    {"limits:\n  - {name: a, packets: 10/s, ports: [0x50]}\n", 2, 38, "destination ports"},
    {"limits:\n  - {name: a, packets: 10/s, ports: [9-8]}\n", 2, 38, "destination ports"},
    {"limits:\n  - {name: a, packets: 10/s, ports: [65536]}\n", 2, 38, "destination ports"},
    {"limits:\n  - {name: a, packets: 10/s, ports: []}\n", 2, 37, "leave the key out"},
    {"limits:\n  - {name: a, packets: 10/s, ports: [1], protocol: icmp}\n", 2, 5, "icmp has no ports"},
    {"limits:\n  - {name: a, packets: 10/s, action: pass}\n", 2, 38, "use drop or monitor"},
    {"limits:\n  - {name: a, packets: 10/s, per: /7}\n", 2, 35, "/8 to /32"},
    {"limits:\n  - {name: a, packets: 10/s, per: /129}\n", 2, 35, "/8 to /32"},
    {"limits:\n  - {name: a, packets: 10/s, per: [/24, /16]}\n", 2, 35, "one of each at most"},
    {"limits:\n  - {name: a, packets: 10/s, per: [/48, /24, /56]}\n", 2, 35, "one of each at most"},
    {"limits:\n  - {name: a, packets: 10/s, per: [address, /24, /56]}\n", 2, 35, "one of each at most"},
    {"limits:\n  - {name: a, packets: 10/s, ban: {after: 1s, for: 1h, repeat: 2.5.1}}\n", 2, 64, "from 1 to 100"},
    {"limits:\n  - {name: a, packets: 10/s, ban: {after: 3s}}\n", 2, 35, "give after: and for:"},
    {"limits:\n  - {name: a, packets: 10/s, ban: {after: 3h, for: 1m}}\n", 2, 43, "from 1s to 2h"},
    {"limits:\n  - {name: a, packets: 10/s, ban: {after: 1s, for: 1h, at-most: 1m}}\n", 2, 35,
     "shorter than for"},
    {"limits:\n  - {name: a, packets: 10/s, ban: {after: 1s, for: 1h, repeat: 0.5}}\n", 2, 64,
     "from 1 to 100"},
    {"limits:\n  - {name: a, packets: 10/s, action: monitor, ban: {after: 1s, for: 1h}}\n", 2, 5,
     "bans nobody"},
    {"limits:\n  - {name: a, packets: 10/s, foo: 1}\n", 2, 30, "\"foo\": the keys here are name, protocol"},
    {"limits:\n  - {name: a, packets: 10/s, port: [1]}\n", 2, 30, "did you mean ports?"},
    {"limits:\n  - {name: a, packets: 10/s, actoin: drop}\n", 2, 30, "did you mean action?"},
    {"ipv6-source-prefix: 47\n", 1, 21, "48 to 128"},
    {"ipv6-source-prefix: 129\n", 1, 21, "48 to 128"},
    {"limiter-memory: 3M\n", 1, 17, "2M, 4M"},
    {"events: {path: x}\n", 1, 16, "absolute path of a file"},
    {"events: {path: /x/}\n", 1, 16, "absolute path of a file"},
    {"events: {max-size: 63k}\n", 1, 20, "64k to 1024G"},
    {"events: {max-size: 1025G}\n", 1, 20, "64k to 1024G"},
    {"events: {max-size: 18014398509481984k}\n", 1, 20, "64k to 1024G"},
    {"events: {max-size: 1MB}\n", 1, 20, "64k to 1024G"},
    {"events: {max-size: -1M}\n", 1, 20, "64k to 1024G"},
    {"events: {sample: 11k/s}\n", 1, 18, "at most 10k/s"},
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
    {"feeds:\n  - name: a\n    url: \"http://[::1/\"\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    url: \"http://[]/\"\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    url: http:///x\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    url: http://::1/x\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    url: http://h:65536/\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    url: http://h:0\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    url: http://h:8a/\n", 3, 10, "give a host"},
    {"feeds:\n  - name: a\n    path: /x\n  - name: a\n    path: /y\n", 4, 11, "the feed at a.yaml:2 has this name"},
    {"feeds:\n  - name: a\n", 2, 5, "one of url and path"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-file: x\n", 4, 15, "not the key"},
    {"feeds:\n  - name: a\n    url: http://h/\n    key-file: /k\n", 2, 5, "needs a url with https://"},
    {"feeds:\n  - name: a\n    url: http://127.0.0.1.evil/\n    key-file: /k\n", 2, 5, "needs a url with https://"},
    {"feeds:\n  - name: a\n    path: /x\n    key-file: /k\n", 2, 5, "needs a url with https://"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-header: Key\n", 2, 5, "is for key-file"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-file: /k\n    key-header: \"A: b c\"\n", 5, 17, "a header's name"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-file: /k\n    key-header: \"A:\"\n", 5, 17, "a header's name"},
    {"feeds:\n  - name: a\n    url: https://h/?a=b&apikey=S3CRET\n", 3, 10, "holds a secret, \"apikey\""},
    {"feeds:\n  - name: a\n    url: htps://u:S3CRET@h/?token=S3CRET\n", 3, 10, "htps://...@h/?...\": give an http://"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-query: apikey\n", 2, 5, "key-query: is for key-file"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-file: /k\n    key-query: \"a=b\"\n", 5, 16, "the name of the query's value"},
    {"feeds:\n  - name: a\n    url: https://h/\n    key-file: /k\n    key-query: a\n    key-header: Key\n", 2, 5, "one of key-header and key-query"},
    {"crowdsec: {url: \"h://u:S3CRET@h\", key-file: /k}\n", 1, 17, "the local API's address"},
    {"feeds:\n  - name: a\n    path: /x\n    stale-after: 5\n", 4, 18, "such as 3d"},
    {"feeds:\n  - name: a\n    path: /x\n    max-errors: 101%\n", 4, 17, "up to 100%"},
    {"metrics: {listen: \"x:1\"}\n", 1, 19, "ADDRESS:PORT"},
    {"interfaces: eth0\n", 1, 13, "give a list"},
    {"crowdsec: {url: \"http://127.0.0.1:8080\"}\n", 1, 11, "give url and key-file"},
    {"crowdsec: {key-file: /k}\n", 1, 11, "give url and key-file"},
    {"crowdsec: {url: \"ftp://h\", key-file: /k}\n", 1, 17, "the local API's address"},
    {"crowdsec: {url: \"http://h/?a\", key-file: /k}\n", 1, 17, "the local API's address"},
    {"crowdsec: {url: \"http://u:p@h\", key-file: /k}\n", 1, 17, "password"},
    {"crowdsec: {url: \"http://h\", key-file: s3cret}\n", 1, 39, "not the key"},
    {"crowdsec: {url: \"http://h\", key-file: /k, ca-file: x}\n", 1, 52, "absolute"},
    {"crowdsec: {url: \"http://h\", key-file: /k, interval: 0s}\n", 1, 53, "from 1s to 1h"},
    {"crowdsec: {url: \"http://h\", key-file: /k, interval: 61m}\n", 1, 53, "from 1s to 1h"},
    {"crowdsec: {url: \"http://h\", key-file: /k, usage-metrics: 25h}\n", 1, 58, "or off"},
    {"crowdsec: {url: \"http://h\", key-file: /k, stale-after: 59s}\n", 1, 56, "from 60s to 3650d"},
    {"crowdsec: {url: \"http://h\", key-file: /k, stale-after: 3651d}\n", 1, 56, "from 60s to 3650d"},
    {"crowdsec: {url: \"http://h\", key-file: /k, max-decisions: 1000001}\n", 1, 58, "1 to 1000000"},
    {"crowdsec: {url: \"http://h\", key-file: /k, max-coverage: 2}\n", 1, 57, "a percentage"},
    {"crowdsec: {url: \"http://h\", key-file: /k, max-coverage: 101%}\n", 1, 57, "a percentage"},
    {"crowdsec: {url: \"http://h\", key-file: /k, key: x}\n", 1, 43, "unknown key"},
    {"feeds:\n  - {name: crowdsec, path: /x}\ncrowdsec: {url: \"http://h\", key-file: /k}\n", 3, 11, "a feed has this name"},
    {"crowdsec: {url: \"http://h\", key-file: /k}\nfeeds:\n  - {name: crowdsec, path: /x}\n", 3, 12, "different one"},
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
		    !strstr(errors.error[0].text, rows[i].part) || strstr(errors.error[0].text, "S3CRET"))
			fail_msg("%s%u:%u: %s", rows[i].text, errors.error[0].line,
				 errors.error[0].column, errors.error[0].text);
		config_errors_clear(&errors);
	}
}

/* What is given, what is not, and when the key would cross a network in the clear. */
/* What is refused of a URL's host and port stands in the rows above; these are as they may be. */
static void test_urls(void **state)
{
	static const char *const urls[] = {"http://h", "http://h/", "https://h:1/x", "http://h:65535?q=1", "http://h:/", "http://h#f",
					   "http://[::1]", "http://[::1]:8080/a:b", "http://[fe80::1%25eth0]/", "http://h/a@b:c[", "HTTP://h"};
	struct config_errors errors;
	struct config *config;
	char text[200];

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		int want = i + 1 < sizeof(urls) / sizeof(urls[0]) ? 0 : -EINVAL; /* the control: schemes are small */

		snprintf(text, sizeof(text), "feeds:\n  - {name: a, url: \"%s\"}\n", urls[i]);
		if (config_parse(&(struct config_source){"a", text, strlen(text)}, 1, &config, &errors) != want)
			fail_msg("%s", urls[i]);
		if (!want)
			config_free(config);
		config_errors_clear(&errors);
	}
}

static void test_crowdsec(void **state)
{
	static const struct {
		const char *text, *url;
		unsigned n_warnings, stale_after_s;
	} texts[] = {
	    {"crowdsec: {url: \"http://127.0.0.1:8080//\", key-file: /k}\n", "http://127.0.0.1:8080", 0, 3600},
	    {"crowdsec: {url: \"http://localhost:8080\", key-file: /k}\n", "http://localhost:8080", 0, 3600},
	    {"crowdsec: {url: \"http://[::1]:8080/lapi/\", key-file: /k}\n", "http://[::1]:8080/lapi", 0, 3600},
	    {"crowdsec: {url: \"https://192.0.2.1\", key-file: /k}\n", "https://192.0.2.1", 0, 3600},
	    {"crowdsec: {url: \"http://192.0.2.1\", key-file: /k}\n", "http://192.0.2.1", 1, 3600},
	    {"crowdsec: {url: \"http://localhost.evil\", key-file: /k}\n", "http://localhost.evil", 1, 3600},
	    {"crowdsec: {url: \"http://[::1]\", key-file: /k, interval: 10s, stale-after: 60s}\n", "http://[::1]", 0, 60},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config_source source = {"a.yaml", texts[i].text, strlen(texts[i].text)};
		struct config_errors errors;
		struct config *config;

		assert_int_equal(config_parse(&source, 1, &config, &errors), 0);
		assert_string_equal(config->crowdsec.url, texts[i].url);
		assert_string_equal(config->crowdsec.key_file, "/k");
		assert_int_equal(config->crowdsec.interval_s, 10);
		assert_int_equal(config->crowdsec.stale_after_s, texts[i].stale_after_s);
		assert_int_equal(config->crowdsec.usage_s, 900);
		assert_int_equal(config->crowdsec.max_decisions, 500000);
		assert_int_equal(errors.n_warnings, texts[i].n_warnings);
		config_free(config);
		config_errors_clear(&errors);
	}
}

static void test_crowdsec_stale_after_of_a_slow_one(void **state)
{
	struct config_source source = {"a.yaml", "crowdsec: {url: \"http://[::1]\", key-file: /k, interval: 1h}\n", 0};
	struct config_errors errors;
	struct config *config;

	source.len = strlen(source.text);
	assert_int_equal(config_parse(&source, 1, &config, &errors), 0);
	assert_int_equal(config->crowdsec.stale_after_s, 4 * 3600);
	config_free(config);
	config_errors_clear(&errors);
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
	assert_true(config->feeds[0].known_good);
	assert_false(config->feeds[1].known_good);
	assert_int_equal(config->metrics_port, 9477);
	config_free(config);
	free(back);
	free(data);
}

static void add_limits(char *text, unsigned n, const char *rest)
{
	strcpy(text, "limits:\n");
	for (unsigned i = 0; i < n; i++)
		sprintf(text + strlen(text), "  - {name: l%u, packets: 100/s%s}\n", i, rest);
}

static int parse(const char *text, struct config **ret_config, struct config_errors *errors)
{
	struct config_source source = {"a.yaml", text, strlen(text)};

	return config_parse(&source, 1, ret_config, errors);
}

/* How many may match one packet: 4 are silent, 5 warn with the cost, 9 are refused; 17 are too many in any case. */
static void test_many_limits(void **state)
{
	struct config_errors errors;
	struct config *config;
	char text[2000];

	add_limits(text, 4, "");
	assert_int_equal(parse(text, &config, &errors), 0);
	assert_int_equal(errors.n_warnings, 0);
	config_free(config);
	add_limits(text, 5, "");
	assert_int_equal(parse(text, &config, &errors), 0);
	assert_int_equal(errors.n_warnings, 1);
	assert_non_null(strstr(errors.warning[0].text, "5 limits can match one packet"));
	assert_non_null(strstr(errors.warning[0].text, "100 ns"));
	assert_int_equal(errors.warning[0].line, 2);
	config_errors_clear(&errors);
	config_free(config);
	add_limits(text, 9, "");
	assert_int_equal(parse(text, &config, &errors), -EINVAL);
	assert_non_null(strstr(errors.error[0].text, "at most 8"));
	config_errors_clear(&errors);
	add_limits(text, 17, ", ports: [1]");
	assert_int_equal(parse(text, &config, &errors), -EINVAL);
	assert_non_null(strstr(errors.error[0].text, "more than 16"));
	config_errors_clear(&errors);
}

/* A table too small for the rate: the warning stands at the limit, whatever comes first in the file. */
static void test_small_table(void **state)
{
	static const char small[] =
	    "limits:\n  - {name: a, packets: 30/m, burst: 5}\nlimiter-memory: 2M\n";
	struct config_errors errors;
	struct config *config;

	assert_int_equal(parse(small, &config, &errors), 0);
	assert_int_equal(config->limiter_bits, 15);
	assert_int_equal(errors.n_warnings, 1);
	assert_int_equal(errors.warning[0].line, 2);
	assert_int_equal(errors.warning[0].column, 5);
	assert_non_null(strstr(errors.warning[0].text, "limit \"a\": "));
	assert_non_null(strstr(errors.warning[0].text, "2 MiB"));
	config_errors_clear(&errors);
	config_free(config);
}

/* Whom a publisher's own rule is for, and from which interval on it is kept. */
static void test_publishers_rules(void **state)
{
	static const struct {
		const char *url, *interval, *said; /* NULL: no warning */
	} cases[] = {
		{"https://www.spamhaus.org/drop/drop_v4.json", "1h", "once an hour: give 70m"},
		{"https://www.spamhaus.org/drop/drop_v4.json", "70m", NULL},
		{"https://www.dan.me.uk/torlist/", "30m", "once in 30 minutes: give 35m"},
		{"https://www.dan.me.uk/torlist/", "35m", NULL},
		{"https://api.abuseipdb.com/api/v2/blacklist", "5h", "five requests a day"},
		{"https://api.abuseipdb.com/api/v2/blacklist", "6h", NULL},
		{"https://example.net/list", "5m", NULL},
	};
	struct config_errors errors;
	struct config *config;
	char text[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "feeds:\n  - {name: a, url: \"%s\", interval: %s}\n", cases[i].url, cases[i].interval);
		assert_int_equal(parse(text, &config, &errors), 0);
		assert_int_equal(errors.n_warnings, cases[i].said != NULL);
		if (cases[i].said) {
			assert_non_null(strstr(errors.warning[0].text, "feed \"a\": interval: "));
			assert_non_null(strstr(errors.warning[0].text, cases[i].said));
			assert_int_equal(errors.warning[0].line, 2);
		}
		config_errors_clear(&errors);
		config_free(config);
	}
}

/* One mistake, one line. */
static void test_one_mistake_is_said_once(void **state)
{
	static const char *const texts[] = {
	    "limits:\n  - {name: a, packets: 10/s, ports: [70000]}\n",
	    "limits:\n  - {name: a, packets: 5/s, bits: 1M/s}\n",
	    "limits:\n  - {name: a, packets: 5/s, bits: 1M/s, burst: 5}\n",
	    "limits:\n  - {name: a, packets: 10/s, per: [/24, /16]}\n",
	};
	struct config_errors errors;
	struct config *config;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &config, &errors), -EINVAL);
		if (errors.n != 1)
			fail_msg("%s: %u errors, the second: %s", texts[i], errors.n, errors.error[1].text);
		config_errors_clear(&errors);
	}
}

static void test_a_limit(void **state)
{
	static const char text[] =
	    "ipv6-source-prefix: 56\nevents: {sample: 6/m, path: /var/log/x.json, max-size: 64k}\nlimits:\n"
	    "  - {name: a, protocol: tcp-syn, ports: [22, 2200-2299], packets: 600/m, burst: 2k,\n"
	    "     per: [/24, /48], ban: {after: 3s, for: 10m, repeat: 1.5, probation: 1h}}\n"
	    "  - {name: b, bits: 200M/s, action: monitor, per: address}\n";
	struct config_errors errors;
	struct config *config;
	const struct limit_settings *a, *b;

	assert_int_equal(parse(text, &config, &errors), 0);
	assert_int_equal(config->n_limits, 2);
	assert_int_equal(config->source_len6, 56);
	assert_true(config->events_per_s > 0.099 && config->events_per_s < 0.101);
	assert_string_equal(config->events_path, "/var/log/x.json");
	assert_int_equal(config->events_max_bytes, 65536);
	a = &config->limits[0];
	b = &config->limits[1];
	assert_string_equal(a->name, "a");
	assert_int_equal(a->protocol, LIMIT_TCP_SYN);
	assert_int_equal(a->n_ports, 2);
	assert_int_equal(a->ports[1].first, 2200);
	assert_int_equal(a->ports[1].last, 2299);
	assert_true(a->packets_per_s == 10 && a->burst == 2000);
	assert_int_equal(a->len4, 24);
	assert_int_equal(a->len6, 48);
	assert_int_equal(a->ban.after_ms, 3000);
	assert_int_equal(a->ban.for_s, 600);
	assert_true(a->ban.repeat == 1.5);
	assert_int_equal(a->ban.trial_s, 3600);
	assert_int_equal(a->ban.most_s, 7 * 86400);
	assert_true(b->bits_per_s == 200e6 && b->burst == 25e6 && b->is_monitor);
	assert_int_equal(b->len4, 32);
	assert_int_equal(b->len6, 0);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors), cmocka_unit_test(test_urls), cmocka_unit_test(test_crowdsec), cmocka_unit_test(test_crowdsec_stale_after_of_a_slow_one),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_many_limits), cmocka_unit_test(test_small_table), cmocka_unit_test(test_publishers_rules),
	    cmocka_unit_test(test_one_mistake_is_said_once),
	    cmocka_unit_test(test_a_limit)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
