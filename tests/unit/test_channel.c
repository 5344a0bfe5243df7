// SPDX-License-Identifier: GPL-2.0
/* Messages, descriptors and seals: what arrives, what is refused, and that nothing leaks. */
/* link: sys/channel.c */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/channel.h"

static int end[2];

static int set_up(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end);
}

static int tear_down(void **state)
{
	(void)close(end[0]); /* some tests closed it */
	(void)close(end[1]);
	return 0;
}

/* The number the next descriptor will get: the same before and after means none leaked. */
static int next_fd(void)
{
	int fd = dup(0);

	(void)close(fd); /* only its number is wanted */
	return fd;
}

static void test_round_trip(void **state)
{
	char buf[8];
	size_t len;
	int fds[2], sent[2] = {0, 1};
	unsigned n;

	assert_int_equal(channel_send(end[0], "abc", 3, sent, 2), 0);
	assert_int_equal(channel_recv(end[1], buf, sizeof(buf), &len, fds, 2, &n), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(n, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
	close(fds[1]);
}

static void test_refused(void **state)
{
	char buf[4];
	size_t len = 77;
	int fds[1], sent[2] = {0, 1};
	unsigned n = 77;
	int before = next_fd();

	assert_int_equal(channel_send(end[0], "abcde", 5, sent, 1), 0);
	assert_int_equal(channel_recv(end[1], buf, sizeof(buf), &len, fds, 1, &n), -EMSGSIZE);
	assert_int_equal(channel_send(end[0], "abcd", 4, sent, 2), 0);
	assert_int_equal(channel_recv(end[1], buf, sizeof(buf), &len, fds, 1, &n), -EMSGSIZE);
	assert_int_equal(channel_send(end[0], "abcd", 4, sent, 1), 0);
	assert_int_equal(channel_recv(end[1], buf, sizeof(buf), &len, NULL, 0, NULL), -EMSGSIZE);
	assert_int_equal(channel_send(end[0], "", 0, NULL, 0), -EINVAL);
	assert_int_equal(len, 77);
	assert_int_equal(n, 77);
	assert_int_equal(next_fd(), before);
}

static void test_closed(void **state)
{
	char buf[4];
	size_t len;

	close(end[0]);
	assert_int_equal(channel_recv(end[1], buf, sizeof(buf), &len, NULL, 0, NULL), -ECONNRESET);
	assert_int_equal(channel_send(end[1], "a", 1, NULL, 0), -EPIPE);
	end[0] = -1;
}

static void test_memfd(void **state)
{
	int fd = channel_memfd("test", "hello", 5);
	size_t bytes = 0;
	char buf[8];

	assert_true(fd >= 0);
	assert_int_equal(channel_check_sealed(fd, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 5);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 9), -1);
	close(fd);
}

static void test_unsealed(void **state)
{
	size_t bytes = 77;
	int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(channel_check_sealed(fd, &bytes), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), 0);
	assert_int_equal(channel_check_sealed(fd, &bytes), -EPERM);
	assert_true(channel_check_sealed(end[0], &bytes) < 0);
	assert_int_equal(bytes, 77);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_memfd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unsealed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
