// SPDX-License-Identifier: GPL-2.0
/* A fetcher that hangs, even a stopped one, is killed when its time is over, and no sooner. */
/* link: keeper/fetchers.c sys/channel.c sys/spawn.c sys/open_as.c sys/log.c -luv */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/keeper.h"

#define OVER_MS 330000 /* FETCH_TOTAL_S and FETCH_PARSE_S */

static struct keeper keeper;

static void start(int place, uint64_t started_ms)
{
	keeper.fetcher[place].started_ms = started_ms;
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
	start(0, 1000);
	start(1, 1001);
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_deadline)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
