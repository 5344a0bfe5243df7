// SPDX-License-Identifier: GPL-2.0
/*
 * The fetcher's cage, tried from the inside by a child a row, once for a job with a network and once for one with a file.
 * Run as root, so that what stops a row is the cage and not a missing right; each row is also run uncaged, as a control.
 */
/* link: sys/sandbox_fetch.c sys/sandbox_parts.c -lseccomp -lcap -lpthread */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cage.h"
#include "sys/sandbox_fetch.h"

#define CPU_S 120
#define MEMORY_BYTES (2ull << 30) /* more than a job of one entry may have */

static char ca_file[] = "/tmp/sek-ca-XXXXXX";

static int opened(const char *path, int flags)
{
	return open(path, flags, 0600) < 0 ? errno : 0;
}

static int try_shadow(void) { return opened("/etc/shadow", O_RDONLY); }
static int try_root_home(void) { return opened("/root", O_RDONLY | O_DIRECTORY); }
static int try_bpffs(void) { return opened("/sys/fs/bpf", O_RDONLY | O_DIRECTORY); }
static int try_own_memory(void) { return opened("/proc/self/mem", O_RDWR); }
static int try_write_file(void) { return opened("/tmp/sek-ca-outside", O_WRONLY | O_CREAT); }
static int try_write_ca(void) { return opened(ca_file, O_WRONLY); }
static int try_write_ssl(void) { return opened("/etc/ssl/openssl.cnf", O_WRONLY); }
static int try_read_ca(void) { return opened(ca_file, O_RDONLY); }
static int try_read_hosts(void) { return opened("/etc/hosts", O_RDONLY); }
static int try_inet(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0; }
static int try_inet6(void) { return socket(AF_INET6, SOCK_DGRAM, 0) < 0 ? errno : 0; }
static int try_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0; }
static int try_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0; }
static int try_listen(void) { return listen(socket(AF_INET, SOCK_STREAM, 0), 1) < 0 ? errno : 0; }
static int try_memfd(void) { return memfd_create("x", MFD_CLOEXEC) < 0 ? errno : 0; }

static int try_memory(void)
{
	return mmap(NULL, MEMORY_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED ? errno : 0;
}

static int try_many_files(void)
{
	int i, fd = 0;

	for (i = 0; i < 100 && fd >= 0; i++)
		fd = memfd_create("x", 0);
	return fd < 0 ? errno : 0;
}

static int try_processor_time(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_CPU, &limit), 0);
	return limit.rlim_max == CPU_S ? ETIME : 0;
}

static const struct {
	const char *name;
	int (*try)(void);
	int net, file; /* of a job with a network and with a file: errno, 0 works, CAGE_DIES */
} rows[] = {
	{ "/etc/shadow", try_shadow, EACCES, EPERM }, { "/root", try_root_home, EACCES, EPERM },
	{ "the pinned maps", try_bpffs, EACCES, EPERM }, { "/proc/self/mem", try_own_memory, EACCES, EPERM },
	{ "a new file", try_write_file, EACCES, EPERM }, { "write the CA file", try_write_ca, EACCES, EPERM }, { "write in /etc/ssl", try_write_ssl, EACCES, EPERM },
	{ "read the CA file", try_read_ca, 0, EPERM }, { "/etc/hosts", try_read_hosts, 0, EPERM },
	{ "inet", try_inet, 0, EPERM }, { "inet6", try_inet6, 0, EPERM }, { "unix", try_unix, EPERM, EPERM },
	{ "packet", try_packet, EPERM, EPERM }, { "listen", try_listen, EPERM, EPERM }, { "kill", cage_kill, EPERM, EPERM },
	{ "exec", cage_exec, CAGE_DIES, CAGE_DIES }, { "ptrace", cage_ptrace, CAGE_DIES, CAGE_DIES }, { "a map", cage_map_create, CAGE_DIES, CAGE_DIES },
	{ "fork", cage_fork, EPERM, EPERM }, { "a thread", cage_thread, 0, EPERM }, { "a memfd", try_memfd, 0, 0 },
	{ "two gigabytes", try_memory, ENOMEM, ENOMEM }, { "a hundred files", try_many_files, EMFILE, EMFILE },
	{ "more processor time", try_processor_time, ETIME, ETIME },
};

static int lock(const void *job)
{
	return sandbox_fetch_apply(job);
}

static void expect(const char *name, int got, int want)
{
	if (got != want)
		fail_msg("%s: %d, not %d", name, got, want);
}

static void test_rows(void **state)
{
	const struct sandbox_fetch net = { .has_network = true, .ca_file = ca_file, .max_entries = 1 };
	const struct sandbox_fetch file = { .ca_file = "", .max_entries = 1 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect(rows[i].name, cage_try(rows[i].try, NULL, NULL), 0);
		expect(rows[i].name, cage_try(rows[i].try, lock, &net), rows[i].net);
		expect(rows[i].name, cage_try(rows[i].try, lock, &file), rows[i].file);
	}
}

/* The limit on processor time is no advice: who only spins ends by a signal. One second here, which a cage leaves as it is. */
static void test_spinning_ends(void **state)
{
	const struct sandbox_fetch file = { .ca_file = "", .max_entries = 1 };
	const struct rlimit second = { 1, 1 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setrlimit(RLIMIT_CPU, &second) || sandbox_fetch_apply(&file))
			_exit(200);
		for (;;)
			;
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL));
}

static int setup(void **state)
{
	return mkstemp(ca_file) < 0;
}

static int teardown(void **state)
{
	(void)unlink("/tmp/sek-ca-outside"); /* of the control run */
	return unlink(ca_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_spinning_ends) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
