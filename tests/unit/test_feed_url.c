// SPDX-License-Identifier: GPL-2.0
/* Secrets in URLs, how they are hidden, and how often publishers want to be asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/feed_url.h"

static void test_secrets(void **state)
{
	static const struct {
		const char *url, *name; /* of the secret; NULL: none */
		const char *hidden;	/* NULL: as it is */
	} rows[] = {
		{ "https://h/list", NULL, NULL },
		{ "https://h/list?apikey=S", "apikey", "https://h/list?..." },
		{ "https://h/list?a=b&api_key=S&c=d#e", "api_key", "https://h/list?..." },
		{ "https://h/?API-Key=S", "API-Key", "https://h/?..." },
		{ "https://h/?a;key=S", "key", "https://h/?..." },
		{ "https://h/?license_key=S", "license_key", "https://h/?..." },
		{ "https://h/?access%5Ftoken=S", "access%5Ftoken", "https://h/?..." },
		{ "https://h/?%74oken=S", "%74oken", "https://h/?..." },
		{ "https://h?auth=S", "auth", "https://h?..." },
		{ "https://h/?password=S", "password", "https://h/?..." },
		{ "https://h/?oinkcode=S", "oinkcode", "https://h/?..." },
		{ "https://h/?k\x1b[31mkey=S", "k?[31mkey", "https://h/?..." },
		{ "https://h/?key=", NULL, NULL },
		{ "https://h/?key", NULL, NULL },
		{ "https://h/?token&a=b", NULL, NULL },
		{ "https://h/?author=me&keys=2&limit=10", NULL, NULL },
		{ "https://h/#key=S", NULL, NULL },
		{ "https://h/token=a", NULL, NULL },
		{ "https://u:S@h/list", NULL, "https://...@h/list" },
		{ "https://u:S@S@h/list?key=S", "key", "https://...@h/list?..." },
		{ "https://h/a@b", NULL, NULL },
		{ "u:S@h", NULL, "...@h" },
		{ "", NULL, NULL },
		{ "prefixes[].ip_prefix", NULL, NULL },
	};
	char name[FEED_URL_NAME_BYTES], shown[200];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (feed_url_secret(rows[i].url, name) != (rows[i].name != NULL))
			fail_msg("%s", rows[i].url);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
		assert_string_equal(feed_url_hide(rows[i].url, shown, sizeof(shown)), rows[i].hidden ? rows[i].hidden : rows[i].url);
	}
}

/* Every size of the room, and a name over any. */
static void test_room(void **state)
{
	static const char url[] = "https://user:S@h/list?a=b&apikey=S";
	char name[FEED_URL_NAME_BYTES], shown[64], longer[300] = "https://h/?";
	size_t size;

	for (size = 1; size < sizeof(shown); size++) {
		memset(shown, 'x', sizeof(shown));
		feed_url_hide(url, shown, size);
		assert_true(strlen(shown) < size);
		assert_null(strchr(shown, 'S'));
		assert_int_equal(shown[size], 'x');
	}
	memset(longer + 11, 'k', 200);
	strcpy(longer + 211, "token=S");
	assert_false(feed_url_secret(longer, name)); /* cut before its end: no name that a server has */
	strcpy(longer + 11 + FEED_URL_NAME_BYTES - 4, "key=S");
	assert_true(feed_url_secret(longer, name));
	assert_int_equal(strlen(name), FEED_URL_NAME_BYTES - 1);
	assert_false(feed_url_is_name(longer));
	assert_true(feed_url_is_name("license_key"));
	assert_false(feed_url_is_name(""));
	assert_false(feed_url_is_name("a=b"));
	assert_false(feed_url_is_name("a&b"));
}

static void test_rules(void **state)
{
	static const struct {
		const char *url, *host; /* NULL: no rule */
	} rows[] = {
		{ "https://www.spamhaus.org/drop/drop_v4.json", "spamhaus.org" },
		{ "http://SPAMHAUS.ORG:80/drop", "spamhaus.org" },
		{ "https://www.spamhaus.org./drop", "spamhaus.org" },
		{ "https://www.dan.me.uk/torlist/", "dan.me.uk" },
		{ "https://api.abuseipdb.com/api/v2/blacklist", "abuseipdb.com" },
		{ "https://a@api.abuseipdb.com", "abuseipdb.com" },
		{ "https://notspamhaus.org/", NULL },
		{ "https://spamhaus.org.evil/", NULL },
		{ "https://h/spamhaus.org", NULL },
		{ "https://h?spamhaus.org", NULL },
		{ "https://org/", NULL },
		{ "", NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct feed_url_rule *rule = feed_url_rule(rows[i].url);

		if ((rule != NULL) != (rows[i].host != NULL) || (rule && strcmp(rule->host, rows[i].host)))
			fail_msg("%s: %s", rows[i].url, rule ? rule->host : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
