// SPDX-License-Identifier: GPL-2.0
/*
 * A fetcher that hangs, even a stopped one, is killed when its time is over, and no sooner, and the engine hears why; while it is
 * not gone nobody reads the same. There is no
 * helper: the children end at once.
 */
/* link: keeper/fetchers.c sys/channel.c sys/spawn.c sys/secret.c sys/log.c -luv */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/keeper.h"
#include "sys/channel.h"

#define OVER_MS 330000 /* FETCH_TOTAL_S and FETCH_PARSE_S */
#define FILE_OVER_MS 90000

static struct keeper keeper;

static void start(int place, uint64_t started_ms, uint32_t total_s)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[0]);
	keeper.fetcher[place] = (struct keeper_fetcher){ .started_ms = started_ms, .total_s = total_s, .fd = pair[1] };
	keeper.fetcher[place].pid = fork();
	assert_true(keeper.fetcher[place].pid >= 0);
	if (!keeper.fetcher[place].pid) {
		raise(SIGSTOP);
		_exit(0);
	}
}

static bool is_dead(int place)
{
	int status;
	pid_t pid = waitpid(keeper.fetcher[place].pid, &status, WNOHANG);

	if (pid <= 0)
		return false;
	fetchers_forget(&keeper, pid);
	return true;
}

static bool dies(int place)
{
	int i;

	for (i = 0; i < 2000; i++) {
		if (is_dead(place))
			return true;
		usleep(1000);
	}
	return false;
}

static void test_deadline(void **state)
{
	start(0, 1000, OVER_MS / 1000);
	start(1, 1001, OVER_MS / 1000);
	fetchers_tick(&keeper, 1000 + OVER_MS - 1);
	usleep(20000);
	assert_false(is_dead(0));
	fetchers_tick(&keeper, 1000 + OVER_MS);
	assert_true(dies(0));
	assert_int_equal(keeper.fetcher[0].pid, 0);
	assert_false(is_dead(1));
	fetchers_end(&keeper);
	assert_true(dies(1));
}


/* The keeper's place of the fetcher that fetchers_start() has just begun: the last of the room. */
static struct keeper_fetcher *begun(void)
{
	return &keeper.fetcher[KEEPER_FETCHERS_ROOM - 1];
}

static void forget(struct keeper_fetcher *place)
{
	pid_t pid = place->pid;

	(void)kill(pid, SIGKILL); /* mostly it has ended: there is no such program */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fetchers_forget(&keeper, pid);
	assert_int_equal(place->pid, 0);
}

/* What the keeper has of its config: one feed. */
static int set_up(void **state)
{
	static struct config_feed feed = { .name = "one", .guard.max_entries = 1000 };
	static struct config config = { .feeds = &feed, .n_feeds = 1 };

	assert_int_equal(uv_loop_init(&keeper.loop), 0);
	keeper.current.config = &config;
	keeper.fetch_uid = getuid();
	keeper.fetch_gid = getgid();
	snprintf(keeper.helpers, sizeof(keeper.helpers), "/nonexistent");
	return 0;
}

static int ask(int *ret_fd, char *why, size_t why_bytes)
{
	struct role_msg msg = { .type = ROLE_FETCH };

	why[0] = '\0';
	return fetchers_start(&keeper, &msg, ret_fd, why, why_bytes);
}

static void test_file_deadline(void **state)
{
	struct fetch_result result;
	struct keeper_fetcher *place = begun();
	char why[256], name[32];
	size_t len;
	int fd;

	keeper.current.config->feeds[0].path = "/nonexistent/list";
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	fetchers_tick(&keeper, place->started_ms + FILE_OVER_MS - 1);
	assert_false(place->is_killed);
	fetchers_tick(&keeper, place->started_ms + FILE_OVER_MS);
	assert_true(place->is_killed);
	assert_int_equal(channel_recv(fd, &result, sizeof(result), &len, NULL, 0, NULL), 0);
	assert_int_equal(len, sizeof(result));
	assert_int_equal(result.magic, FETCH_MAGIC);
	assert_int_equal(result.status, FETCH_FAILED);
	snprintf(name, sizeof(name), "process %d,", (int)place->pid);
	assert_non_null(strstr(result.why, name));
	assert_non_null(strstr(result.why, "no end after 90 s"));
	assert_int_equal(channel_recv(fd, &result, sizeof(result), &len, NULL, 0, NULL), -ECONNRESET);
	close(fd);
	forget(place);
}

/* A child of ours stands for one that cannot be killed. */
static void test_hanging(void **state)
{
	struct keeper_fetcher *place = begun();
	char why[256], name[32];
	pid_t child, gone;
	int fd;

	keeper.current.config->feeds[0].path = "/nonexistent/list";
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	close(fd);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		raise(SIGSTOP);
		_exit(0);
	}
	gone = place->pid;
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	place->pid = child;
	close(place->fd);
	place->is_killed = true;
	place->killed_ms = uv_now(&keeper.loop);
	assert_int_equal(ask(&fd, why, sizeof(why)), -EAGAIN);
	assert_string_equal(why, "");
	place->killed_ms -= 1000;
	assert_int_equal(ask(&fd, why, sizeof(why)), -EBUSY);
	snprintf(name, sizeof(name), "process %d,", (int)child);
	assert_non_null(strstr(why, name));
	keeper.current.config->feeds[0].path = "/nonexistent/other"; /* control: another source */
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	close(fd);
	forget(place - 1);
	forget(place);
	assert_int_equal(ask(&fd, why, sizeof(why)), 0);
	close(fd);
	forget(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_file_deadline),
		cmocka_unit_test(test_hanging),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
