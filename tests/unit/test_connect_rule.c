// SPDX-License-Identifier: GPL-2.0
/* Where a fetch may connect to: each row one wish under one rule, by its place and by what its name leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lib/connect_rule.h"

#define PUB HTTP_ADDR_PUBLIC
#define PRV HTTP_ADDR_PRIVATE
#define LNK HTTP_ADDR_LINK_LOCAL
#define TO_PRIVATE "redirect to a private address refused"
#define TO_US "redirect to an address of this host refused"
#define TO_LINK "the name leads to a link-local address, refused"
#define ALONE "a connection to anywhere but the URL's own server refused"

static const struct connect_rule named = { .host = "feed.example", .port = 8080 };
static const struct connect_rule private = { .host = "10.0.0.5", .port = 8080, .may_be_private = true };
static const struct connect_rule here = { .host = "10.0.0.1", .port = 8080, .may_be_private = true, .is_ours = true };
static const struct connect_rule lapi = { .host = "localhost", .port = 8081, .may_be_private = true, .is_alone = true };

static const struct {
	const char *name;
	const struct connect_rule *rule;
	const char *host;
	uint16_t port, is_redirect;
	enum http_addr_kind kind;
	bool is_ours;
	const char *why; /* NULL: it may */
} rows[] = {
	{ "its own", &named, "feed.example", 8080, 0, PUB, false, NULL },
	{ "its own in capitals", &named, "Feed.EXAMPLE", 8080, 0, PRV, false, NULL },
	{ "its own, private", &named, "feed.example", 8080, 0, PRV, false, NULL },
	{ "its own, this host", &named, "feed.example", 8080, 0, PUB, true, NULL },
	{ "its own, link-local", &named, "feed.example", 8080, 0, LNK, false, TO_LINK },
	{ "its own once more", &named, "feed.example", 8080, 1, PUB, false, NULL },
	{ "its own once more, private", &named, "feed.example", 8080, 1, PRV, false, TO_PRIVATE },
	{ "its own name on port 80, private", &named, "feed.example", 80, 0, PRV, false, TO_PRIVATE },
	{ "another on port 80", &named, "other.example", 80, 1, PUB, false, NULL },
	{ "another on port 443", &named, "other.example", 443, 1, PUB, false, NULL },
	{ "another on its port", &named, "other.example", 8080, 1, PUB, false, NULL },
	{ "another on its port, said to be first", &named, "other.example", 8080, 0, PRV, false, TO_PRIVATE },
	{ "another, this host", &named, "other.example", 443, 1, PUB, true, TO_US },
	{ "another, link-local", &named, "other.example", 443, 1, LNK, false, TO_PRIVATE },
	{ "port 79", &named, "other.example", 79, 1, PUB, false, "redirect to port 79 refused: it may be 80, 443 or the URL's own" },
	{ "port 444", &named, "other.example", 444, 1, PUB, false, "redirect to port 444 refused: it may be 80, 443 or the URL's own" },
	{ "port 22", &named, "feed.example", 22, 0, PUB, false, "redirect to port 22 refused: it may be 80, 443 or the URL's own" },
	{ "port 0", &named, "feed.example", 0, 1, PUB, false, "redirect to port 0 refused: it may be 80, 443 or the URL's own" },
	{ "a private URL's own", &private, "10.0.0.5", 8080, 0, PRV, false, NULL },
	{ "a private URL's neighbour", &private, "10.0.0.6", 8080, 1, PRV, false, NULL },
	{ "a private URL's way to us", &private, "other.example", 443, 1, PUB, true, TO_US },
	{ "a private URL's way to our private address", &private, "10.0.0.1", 80, 1, PRV, true, TO_US },
	{ "a private URL's way to us, said to be first", &private, "10.0.0.1", 80, 0, PRV, true, TO_US },
	{ "a private URL's name, now ours", &private, "10.0.0.5", 8080, 1, PRV, true, TO_US },
	{ "a private URL's name, ours at first", &private, "10.0.0.5", 8080, 0, PRV, true, NULL },
	{ "our own URL's way to us", &here, "127.0.0.1", 80, 1, PRV, true, NULL },
	{ "our own URL's way to our public address", &here, "192.0.2.1", 80, 1, PUB, true, NULL },
	{ "our own URL's neighbour", &here, "10.0.0.6", 8080, 1, PRV, false, NULL },
	{ "our own URL, metadata", &here, "169.254.169.254", 80, 1, LNK, false, TO_PRIVATE },
	{ "a private URL's neighbour's ssh", &private, "10.0.0.6", 22, 1, PRV, false, "redirect to port 22 refused: it may be 80, 443 or the URL's own" },
	{ "a private URL, metadata", &private, "169.254.169.254", 80, 1, LNK, false, TO_PRIVATE },
	{ "a private URL that is link-local", &private, "10.0.0.5", 8080, 1, LNK, false, NULL },
	{ "CrowdSec's own", &lapi, "localhost", 8081, 0, PRV, true, NULL },
	{ "CrowdSec's, another port", &lapi, "localhost", 80, 0, PRV, false, ALONE },
	{ "CrowdSec's, another host", &lapi, "other.example", 8081, 0, PUB, false, ALONE },
};

static struct connect_ask sound(void)
{
	return (struct connect_ask){ .magic = CONNECT_MAGIC, .timeout_ms = 1, .port = 80, .host = "h" };
}

static void test_rows(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct connect_ask ask = sound();
		char why[FETCH_WHY_BYTES] = "";
		int err;

		strcpy(ask.host, rows[i].host);
		ask.port = rows[i].port;
		ask.is_redirect = rows[i].is_redirect;
		err = connect_rule_place(rows[i].rule, &ask, why, sizeof(why));
		if (!err)
			err = connect_rule_address(rows[i].rule, &ask, rows[i].kind, rows[i].is_ours, why, sizeof(why));
		if (err != (rows[i].why ? -EPERM : 0) || strcmp(why, rows[i].why ? rows[i].why : ""))
			fail_msg("%s: %d, %s", rows[i].name, err, why);
	}
}

static void test_nonsense(void **state)
{
	struct connect_ask ask = sound();
	char why[64] = "";

	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), 0); /* the control */
	ask.magic++;
	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), -EBADMSG);
	ask = sound();
	ask.timeout_ms = 0;
	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), -EBADMSG);
	ask.timeout_ms = CONNECT_TIMEOUT_MS + 1;
	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), -EBADMSG);
	ask = sound();
	ask.is_redirect = 2;
	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), -EBADMSG);
	ask = sound();
	ask.host[0] = '\0';
	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), -EBADMSG);
	ask = sound();
	memset(ask.host, 'h', sizeof(ask.host));
	assert_int_equal(connect_rule_place(&named, &ask, why, sizeof(why)), -EBADMSG);
	assert_string_equal(why, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_nonsense) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
