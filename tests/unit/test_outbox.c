// SPDX-License-Identifier: GPL-2.0
/* The bounded queue to the engine: order, descriptors, the bound, and that nothing leaks. */
/* link: keeper/outbox.c sys/channel.c */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/outbox.h"
#include "sys/channel.h"

static struct outbox outbox;
static int end[2];

static int set_up(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, end);
}

static int tear_down(void **state)
{
	outbox_clear(&outbox);
	(void)close(end[0]); /* only what this file opened */
	(void)close(end[1]);
	return 0;
}

static int next_fd(void)
{
	int fd = dup(0);

	(void)close(fd); /* only its number is wanted */
	return fd;
}

/* Sends messages 1, 2, ... with one descriptor each until one is refused; returns how many went. */
static uint32_t fill(int *ret_err)
{
	struct role_msg msg = {.magic = ROLE_MAGIC, .type = ROLE_REPLY, .n_fds = 1};
	int fd = 0;

	do {
		msg.seq++;
		*ret_err = outbox_send(&outbox, end[0], &msg, &fd, 1);
	} while (!*ret_err && msg.seq < 100000);
	return msg.seq - 1;
}

static void expect(uint32_t seq)
{
	int fds[ROLE_FDS_MAX];
	struct role_msg msg;
	unsigned n_fds;
	size_t len;

	assert_int_equal(channel_recv(end[1], &msg, sizeof(msg), &len, fds, ROLE_FDS_MAX, &n_fds),
			 0);
	assert_int_equal(msg.seq, seq);
	assert_int_equal(n_fds, 1);
	(void)close(fds[0]); /* it arrived */
}

static void test_full_then_all_in_order(void **state)
{
	int err, fd = next_fd();
	uint32_t n = fill(&err), i;

	assert_int_equal(err, -ENOBUFS);
	assert_int_equal(outbox.n, OUTBOX_MAX);
	assert_int_equal(outbox_flush(&outbox, end[0]), -EAGAIN);
	for (i = 1; i <= n - OUTBOX_MAX; i++)
		expect(i);
	assert_int_equal(outbox_flush(&outbox, end[0]), 0);
	assert_int_equal(outbox.n, 0);
	for (; i <= n; i++)
		expect(i);
	assert_int_equal(next_fd(), fd);
}

static void test_clear_closes(void **state)
{
	int err, fd = next_fd();

	(void)fill(&err); /* as above */
	assert_int_not_equal(next_fd(), fd);
	outbox_clear(&outbox);
	assert_int_equal(next_fd(), fd);
}

static void test_gone(void **state)
{
	struct role_msg msg = {.magic = ROLE_MAGIC};
	int err;

	(void)fill(&err); /* as above */
	(void)close(end[1]);
	end[1] = -1;
	assert_int_equal(outbox_flush(&outbox, end[0]),
			 -ECONNRESET); /* once: it left messages unread */
	assert_int_equal(outbox_flush(&outbox, end[0]), -EPIPE);
	outbox_clear(&outbox);
	assert_int_equal(outbox_send(&outbox, end[0], &msg, NULL, 0), -EPIPE);
	assert_int_equal(outbox.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_full_then_all_in_order, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_clear_closes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
