// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's cage, tried from the inside by a child a row: what must not work does not, what the engine lives on does.
 * Capabilities and the rest of /proc/PID/status are looked at in the end-to-end tests. Run as root, so that what stops a row is the cage and not a missing right; each row is also run uncaged, as a control.
 */
/* link: sys/sandbox_engine.c sys/sandbox_parts.c -lseccomp -lcap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cage.h"
#include "sys/sandbox_engine.h"

static char state_dir[] = "/tmp/sek-cage-XXXXXX";
static int map_fd, unix_pair[2], inet_socket;

static int try_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int err = connect(inet_socket, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;

	return err == ECONNREFUSED ? 0 : err; /* nobody listens: but it was tried */
}

static int try_sendto(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = inet_socket + 1; /* UDP */

	return sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

static int try_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0; }
static int try_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0; }
static int try_netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? errno : 0; }

static int try_bind(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	return bind(inet_socket, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
}

static int try_map_write(void)
{
	uint32_t key = 0, value = 7;

	return bpf_map_update_elem(map_fd, &key, &value, BPF_ANY) ? errno : 0;
}

static int try_map_read(void)
{
	uint32_t key = 0, value;

	return bpf_map_lookup_elem(map_fd, &key, &value) ? errno : 0;
}

static int try_open_shadow(void) { return open("/etc/shadow", O_RDONLY) < 0 ? errno : 0; }
static int try_write_outside(void) { return open("/tmp/sek-cage-outside", O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0; }
static int try_own_memory(void) { return open("/proc/self/mem", O_RDWR) < 0 ? errno : 0; }

static int try_state(void)
{
	char path[200], to[200];
	int fd, err;

	snprintf(path, sizeof(path), "%s/a", state_dir);
	snprintf(to, sizeof(to), "%s/b", state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	err = fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) || rename(path, to) || unlink(to) ? errno : 0;
	return err;
}

static int try_state_pipe(void)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/sock", state_dir);
	(void)unlink(path); /* of the control run */
	fd = mknod(path, S_IFIFO | 0600, 0);
	return fd ? errno : 0;
}

static int try_user_name(void)
{
	struct passwd *user = getpwuid(0);

	return user && !strcmp(user->pw_name, "root") ? 0 : ENOENT;
}

static int try_talk(void)
{
	char c;

	return send(unix_pair[0], "x", 1, 0) != 1 || recv(unix_pair[1], &c, 1, 0) != 1 ? errno : 0;
}

static const struct {
	const char *name;
	int (*try)(void);
	int caged; /* errno, 0 works, CAGE_DIES */
} rows[] = {
	{ "connect", try_connect, EPERM }, { "sendto an address", try_sendto, EPERM }, { "socket inet", try_socket, EPERM },
	{ "socket unix", try_unix, EPERM }, { "socket netlink", try_netlink, EPERM }, { "bind", try_bind, EPERM },
	{ "exec", cage_exec, CAGE_DIES }, { "fork", cage_fork, EPERM }, { "ptrace", cage_ptrace, CAGE_DIES }, { "kill", cage_kill, EPERM },
	{ "map create", cage_map_create, EPERM }, { "map write", try_map_write, EPERM }, { "map read", try_map_read, 0 },
	{ "/etc/shadow", try_open_shadow, EACCES }, { "write outside", try_write_outside, EACCES }, { "/proc/self/mem", try_own_memory, EACCES },
	{ "the state folder", try_state, 0 }, { "a pipe in it", try_state_pipe, EPERM }, { "a thread", cage_thread, 0 },
	{ "a user's name", try_user_name, 0 }, { "an inherited socket", try_talk, 0 },
};

static int lock(const void *folder)
{
	return sandbox_engine_apply(folder);
}

static void test_rows(void **state)
{
	size_t i;
	int got;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		got = cage_try(rows[i].try, NULL, NULL);
		if (got)
			print_error("%s: does not even work outside: %d\n", rows[i].name, got);
		assert_int_equal(got, 0);
		got = cage_try(rows[i].try, lock, state_dir);
		if (got != rows[i].caged)
			print_error("%s: %d, not %d\n", rows[i].name, got, rows[i].caged);
		assert_int_equal(got, rows[i].caged);
	}
	(void)unlink("/tmp/sek-cage-outside"); /* of the control run */
}

static void test_missing_folder(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(sandbox_engine_apply("/nonexistent/state") == 0 && open("/etc/shadow", O_RDONLY) < 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0); /* no folder is allowed then, nothing else either */
}

static int setup(void **state)
{
	map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "cage", 4, 4, 1, NULL);
	if (map_fd < 0 || !mkdtemp(state_dir) || socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair))
		return -1;
	inet_socket = socket(AF_INET, SOCK_STREAM, 0);
	return inet_socket < 0 || socket(AF_INET, SOCK_DGRAM, 0) != inet_socket + 1 ? -1 : 0;
}

static int teardown(void **state)
{
	char words[300];

	snprintf(words, sizeof(words), "rm -rf %s", state_dir);
	return system(words);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_missing_folder) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
