// SPDX-License-Identifier: GPL-2.0
/* Connecting to the first of several addresses that answers: some refuse, some say nothing, on this host's loopback. */
/* link: sys/dial.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "sys/dial.h"

#define SOON_MS 400 /* more than the head start */
#define LATE_MS 20000

static struct dial_address opened, closed, silent;
static int listener, full, fillers[8];

static struct dial_address at(const char *host, uint16_t port)
{
	struct dial_address address;
	unsigned n;

	assert_int_equal(dial_resolve(host, port, &address, 1, &n), 0);
	assert_int_equal(n, 1);
	return address;
}

static int listening(int backlog, struct dial_address *ret_at)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	*ret_at = at("127.0.0.1", ntohs(in.sin_port));
	return fd;
}

/* Who never accepts and has no room for more is silent: the kernel drops what comes. */
static int setup(void **state)
{
	size_t i;

	listener = listening(16, &opened);
	(void)listening(-1, &closed);
	full = listening(0, &silent);
	for (i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fillers[i], &silent.at.any, silent.bytes); /* the last ones hang, as they are meant to */
	}
	return 0;
}

static void expect(const struct dial_address *addresses, unsigned n, uint64_t ms, int want_err, unsigned want_which)
{
	uint64_t begin_ms = dial_now_ms();
	unsigned which = 99;
	int fd = -1, err = dial_connect(addresses, n, begin_ms + ms, &fd, &which);

	assert_int_equal(err, want_err);
	assert_true(dial_now_ms() - begin_ms < LATE_MS / 2);
	if (err) {
		assert_int_equal(fd, -1);
		assert_int_equal(which, 99);
		return;
	}
	assert_int_equal(which, want_which);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(close(fd), 0);
}

static void test_the_first_that_answers(void **state)
{
	const struct dial_address rows[][3] = {
		{ opened, closed, silent }, { closed, opened, silent }, { silent, opened, closed }, { silent, closed, opened }, { closed, closed, opened },
	};
	const unsigned which[] = { 0, 1, 1, 2, 2 };
	size_t i;

	for (i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		expect(rows[i], 3, LATE_MS, 0, which[i]);
}

static void test_nobody_answers(void **state)
{
	const struct dial_address quiet[] = { silent, silent }, mixed[] = { closed, silent }, refusing[] = { closed, closed };

	expect(quiet, 2, SOON_MS, -ETIMEDOUT, 0);
	expect(mixed, 2, SOON_MS, -ETIMEDOUT, 0);
	expect(refusing, 2, LATE_MS, -ECONNREFUSED, 0);
	expect(&opened, 1, 0, -ETIMEDOUT, 0); /* the time was up before it began */
}

static void test_resolve(void **state)
{
	struct dial_address addresses[2];
	unsigned n;

	assert_int_equal(dial_resolve("::1", 443, addresses, 2, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(addresses[0].at.any.sa_family, AF_INET6);
	assert_int_equal(((struct sockaddr_in6 *)&addresses[0].at)->sin6_port, htons(443));
	n = 7;
	assert_int_equal(dial_resolve("", 443, addresses, 2, &n), -ENOENT);
	assert_int_equal(dial_resolve("a name with spaces", 443, addresses, 2, &n), -ENOENT);
	assert_int_equal(n, 7);
}

static void test_ours(void **state)
{
	static const struct {
		const char *address;
		bool is_ours;
	} rows[] = {
		{ "127.0.0.1", true }, { "::ffff:127.0.0.1", true }, { "127.200.0.9", true }, { "::1", true }, { "::2", false }, { "0.0.0.0", true },
		{ "::", true }, { "::ffff:0.0.0.0", true }, { "128.0.0.1", false }, { "0.0.0.1", false }, { "192.0.2.77", false }, { "::ffff:192.0.2.77", false }, { "2001:db8::77", false },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dial_address address = at(rows[i].address, 80);

		if (dial_is_ours(&address.at.any) != rows[i].is_ours)
			fail_msg("%s", rows[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_that_answers), cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_resolve), cmocka_unit_test(test_ours),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
