// SPDX-License-Identifier: GPL-2.0
/*
 * The cages of a fetch, tried from the inside by a child a row: of who reads what a server sends, of who connects for it, and of
 * a job with a file. What a fetch caught in them can still do to others is test_fetch_confined's to show.
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
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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
static int try_datagram_pair(void) { int pair[2]; return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) ? errno : 0; }
static int try_stream_pair(void) { int pair[2]; return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ? errno : 0; }
static int try_route(void) { return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0 ? errno : 0; }
static int try_audit(void) { return socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) < 0 ? errno : 0; }
static int try_signal_parent(void) { return syscall(SYS_tgkill, getppid(), getppid(), 0) ? errno : 0; }
static int try_limit_parent(void) { struct rlimit limit; return prlimit(getppid(), RLIMIT_CORE, NULL, &limit) ? errno : 0; }
static int try_own_limit(void) { struct rlimit limit; return prlimit(0, RLIMIT_CORE, NULL, &limit) ? errno : 0; }
static int try_library_folder(void) { return opened("/usr/lib/os-release", O_RDONLY); }
static int try_listen(void) { return listen(socket(AF_INET, SOCK_STREAM, 0), 1) < 0 ? errno : 0; }
static int try_memfd(void) { return memfd_create("x", MFD_CLOEXEC) < 0 ? errno : 0; }

/* A socket from before the cage closed: as if one had come from elsewhere. */
static int given(int type)
{
	static int stream = -1, datagram = -1;
	int *fd = type == SOCK_STREAM ? &stream : &datagram;

	if (*fd < 0)
		*fd = socket(AF_INET, type, 0);
	return *fd;
}

static struct sockaddr_in somewhere(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static int try_connect(void)
{
	struct sockaddr_in to = somewhere(9);

	return connect(given(SOCK_DGRAM), (struct sockaddr *)&to, sizeof(to)) ? errno : 0;
}

static int try_bind(void)
{
	struct sockaddr_in here = somewhere(0);

	return bind(given(SOCK_STREAM), (struct sockaddr *)&here, sizeof(here)) ? errno : 0;
}

static int try_sendto(void)
{
	struct sockaddr_in to = somewhere(9);

	return sendto(given(SOCK_DGRAM), "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

static int send_message(int fd, int flags)
{
	struct sockaddr_in to = somewhere(9);
	struct iovec part = { "x", 1 };
	struct msghdr head = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &part, .msg_iovlen = 1 };

	return sendmsg(fd, &head, flags) < 0 ? errno : 0;
}

static int try_sendmsg(void)
{
	return send_message(given(SOCK_DGRAM), 0);
}

/* A refused connection is one that was tried: ECONNREFUSED, or EINPROGRESS, is what success looks like here. */
static int try_fast_open(void)
{
	int err = send_message(given(SOCK_STREAM), MSG_FASTOPEN | MSG_NOSIGNAL);

	return err == ECONNREFUSED || err == EINPROGRESS ? 0 : err;
}

static int try_fast_open_to(void)
{
	struct sockaddr_in to = somewhere(9);
	ssize_t n = sendto(given(SOCK_STREAM), "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to));

	return n >= 0 || errno == ECONNREFUSED || errno == EINPROGRESS ? 0 : errno;
}

static int try_read_parent(void)
{
	static char secret = 's';
	char taken;
	struct iovec ours = { &taken, 1 }, theirs = { &secret, 1 };

	return process_vm_readv(getppid(), &ours, 1, &theirs, 1, 0) == 1 && taken == secret ? 0 : errno;
}

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
	int http, connect, file; /* of each cage: errno, 0 works, CAGE_DIES */
} rows[] = {
	{ "/etc/shadow", try_shadow, EACCES, EACCES, EPERM }, { "/root", try_root_home, EACCES, EACCES, EPERM },
	{ "the pinned maps", try_bpffs, EACCES, EACCES, EPERM }, { "/proc/self/mem", try_own_memory, EACCES, EACCES, EPERM },
	{ "a new file", try_write_file, EACCES, EACCES, EPERM }, { "write the CA file", try_write_ca, EACCES, EACCES, EPERM },
	{ "write in /etc/ssl", try_write_ssl, EACCES, EACCES, EPERM }, { "read the CA file", try_read_ca, 0, EACCES, EPERM },
	{ "/etc/hosts", try_read_hosts, EACCES, 0, EPERM }, { "where libraries are", try_library_folder, EACCES, 0, EPERM },
	{ "inet", try_inet, EPERM, 0, EPERM }, { "inet6", try_inet6, EPERM, 0, EPERM }, { "unix", try_unix, EPERM, EPERM, EPERM },
	{ "packet", try_packet, EPERM, EPERM, EPERM }, { "netlink", try_route, EPERM, 0, EPERM }, { "netlink audit", try_audit, EPERM, EPERM, EPERM },
	{ "a pair of datagrams", try_datagram_pair, EPERM, EPERM, EPERM }, { "a pair of streams", try_stream_pair, 0, EPERM, EPERM },
	/* The first errno is seccomp's own word, for curl: the kernel never sees the call. */
	{ "connect what it has", try_connect, EINPROGRESS, 0, EPERM }, { "bind what it has", try_bind, EPERM, 0, EPERM },
	{ "send to an address", try_sendto, EPERM, 0, EPERM }, { "a message to an address", try_sendmsg, EPERM, 0, EPERM },
	{ "a message that connects", try_fast_open, EPERM, 0, EPERM }, { "bytes that connect", try_fast_open_to, EPERM, 0, EPERM },
	{ "listen", try_listen, EPERM, EPERM, EPERM }, { "kill", cage_kill, EPERM, EPERM, EPERM },
	{ "signal a neighbour", try_signal_parent, EPERM, EPERM, EPERM }, { "limit a neighbour", try_limit_parent, EPERM, EPERM, EPERM },
	{ "its own limits", try_own_limit, 0, 0, 0 }, { "a neighbour's memory", try_read_parent, CAGE_DIES, CAGE_DIES, CAGE_DIES },
	{ "exec", cage_exec, CAGE_DIES, CAGE_DIES, CAGE_DIES }, { "ptrace", cage_ptrace, CAGE_DIES, CAGE_DIES, CAGE_DIES },
	{ "a map", cage_map_create, CAGE_DIES, CAGE_DIES, CAGE_DIES }, { "fork", cage_fork, EPERM, EPERM, EPERM },
	{ "a thread", cage_thread, EPERM, EPERM, EPERM }, { "a memfd", try_memfd, 0, 0, 0 },
	{ "two gigabytes", try_memory, ENOMEM, ENOMEM, ENOMEM }, { "a hundred files", try_many_files, EMFILE, EMFILE, EMFILE },
	{ "more processor time", try_processor_time, ETIME, ETIME, ETIME },
};

static int lock(const void *job)
{
	(void)given(SOCK_STREAM);
	(void)given(SOCK_DGRAM);
	return sandbox_fetch_apply(job);
}

static void expect(const char *name, int got, int want)
{
	if (got != want)
		fail_msg("%s: %d, not %d", name, got, want);
}

static void test_rows(void **state)
{
	const struct sandbox_fetch http = { .role = SANDBOX_FETCH_HTTP, .ca_file = ca_file, .max_entries = 1 };
	const struct sandbox_fetch connect = { .role = SANDBOX_FETCH_CONNECT };
	const struct sandbox_fetch file = { .role = SANDBOX_FETCH_FILE, .max_entries = 1 };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect(rows[i].name, cage_try(rows[i].try, NULL, NULL), 0);
		expect(rows[i].name, cage_try(rows[i].try, lock, &http), rows[i].http);
		expect(rows[i].name, cage_try(rows[i].try, lock, &connect), rows[i].connect);
		expect(rows[i].name, cage_try(rows[i].try, lock, &file), rows[i].file);
	}
}

/* The limit on processor time is no advice: who only spins ends by a signal. One second here, which a cage leaves as it is. */
static void test_spinning_ends(void **state)
{
	const struct sandbox_fetch file = { .role = SANDBOX_FETCH_FILE, .max_entries = 1 };
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
