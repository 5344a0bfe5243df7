// SPDX-License-Identifier: GPL-2.0
/* See cage.h. */
#include "cage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int cage_exec(void)
{
	execl("/bin/true", "true", NULL);
	return errno;
}

int cage_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

int cage_kill(void)
{
	return kill(getppid(), 0) ? errno : 0;
}

int cage_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
}

int cage_map_create(void)
{
	return bpf_map_create(BPF_MAP_TYPE_ARRAY, "x", 4, 4, 1, NULL) < 0 ? errno : 0;
}

static void *thread_body(void *arg)
{
	return arg;
}

int cage_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, thread_body, NULL) ? EPERM : pthread_join(thread, NULL);
}

int cage_try(int (*deed)(void), int (*lock)(const void *arg), const void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (lock && lock(arg))
			_exit(200);
		_exit(deed());
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return CAGE_DIES;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
