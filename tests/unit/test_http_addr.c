// SPDX-License-Identifier: GPL-2.0
/*
 * Which addresses a redirect may lead to: first, last and both neighbours of each range, and IPv4
 * inside IPv6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "lib/http_addr.h"

#define PUB HTTP_ADDR_PUBLIC
#define PRV HTTP_ADDR_PRIVATE
#define LNK HTTP_ADDR_LINK_LOCAL

static const struct {
	const char *address;
	enum http_addr_kind kind;
} rows[] = {
	{ "0.0.0.0", PRV },
	{ "0.255.255.255", PRV },
	{ "1.0.0.0", PUB },
	{ "9.255.255.255", PUB },
	{ "10.0.0.0", PRV },
	{ "10.255.255.255", PRV },
	{ "11.0.0.0", PUB },
	{ "100.63.255.255", PUB },
	{ "100.64.0.0", PRV },
	{ "100.127.255.255", PRV },
	{ "100.128.0.0", PUB },
	{ "126.255.255.255", PUB },
	{ "127.0.0.0", PRV },
	{ "127.255.255.255", PRV },
	{ "128.0.0.0", PUB },
	{ "169.253.255.255", PUB },
	{ "169.254.0.0", LNK },
	{ "169.254.169.254", LNK },
	{ "169.254.255.255", LNK },
	{ "169.255.0.0", PUB },
	{ "172.15.255.255", PUB },
	{ "172.16.0.0", PRV },
	{ "172.31.255.255", PRV },
	{ "172.32.0.0", PUB },
	{ "191.255.255.255", PUB },
	{ "192.0.0.0", PRV },
	{ "192.0.0.255", PRV },
	{ "192.0.1.0", PUB },
	{ "192.167.255.255", PUB },
	{ "192.168.0.0", PRV },
	{ "192.168.255.255", PRV },
	{ "192.169.0.0", PUB },
	{ "198.17.255.255", PUB },
	{ "198.18.0.0", PRV },
	{ "198.19.255.255", PRV },
	{ "198.20.0.0", PUB },
	{ "223.255.255.255", PUB },
	{ "224.0.0.0", PRV },
	{ "255.255.255.255", PRV },
	{ "::", PRV },
	{ "::1", PRV },
	{ "1fff:ffff::1", PRV },
	{ "2000::", PUB },
	{ "3fff:ffff::1", PUB },
	{ "4000::", PRV },
	{ "fbff::1", PRV },
	{ "fc00::", PRV },
	{ "fdff::1", PRV },
	{ "fe7f::1", PRV },
	{ "fe80::", LNK },
	{ "febf::1", LNK },
	{ "fec0::", PRV },
	{ "ff02::1", PRV },
	/* IPv4 in it: mapped, NAT64, 6to4, and a bit beside each. */
	{ "::ffff:192.0.2.1", PUB },
	{ "::ffff:10.0.0.1", PRV },
	{ "::ffff:169.254.169.254", LNK },
	{ "::fffe:192.0.2.1", PRV },
	{ "64:ff9b::192.0.2.1", PUB },
	{ "64:ff9b::127.0.0.1", PRV },
	{ "64:ff9b::169.254.169.254", LNK },
	{ "64:ff9b:1::192.0.2.1", PRV },
	{ "2002:c000:201::", PUB },
	{ "2002:a00:1::", PRV },
	{ "2002:a9fe:a9fe::", LNK },
	{ "2003:a00:1::", PUB },
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
		struct sockaddr_in in = { .sin_family = AF_INET };
		const struct sockaddr *address = (struct sockaddr *)&in;

		if (inet_pton(AF_INET, rows[i].address, &in.sin_addr) != 1) {
			assert_int_equal(inet_pton(AF_INET6, rows[i].address, &in6.sin6_addr), 1);
			address = (struct sockaddr *)&in6;
		}
		if (http_addr_kind(address) != rows[i].kind)
			fail_msg("%s: %d, not %d", rows[i].address, http_addr_kind(address),
				 rows[i].kind);
	}
}

static void test_unknown_family(void **state)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	assert_int_equal(http_addr_kind((struct sockaddr *)&local), PRV);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
					    cmocka_unit_test(test_unknown_family) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
