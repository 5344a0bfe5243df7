// SPDX-License-Identifier: GPL-2.0
/*
 * A fetch in the hands of its server: a test build of it whose body callback, which runs where bodies are read, does what the
 * server's code would. For each deed the fetch runs as sekisho-fetch does, with its connector and its connection alive, and who
 * listens elsewhere says whether anything came; the control is the same deed without the sandbox.
 */
/* link: fetch/confine.c fetch/connector.c sys/channel.c sys/dial.c sys/http.c sys/sandbox_fetch.c sys/sandbox_parts.c -lcurl -lseccomp -lcap -lpthread */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cage.h"
#include "fetch/confine.h"
#include "fetch/connector.h"
#include "sys/http.h"

#define CHILDREN_FD 3	 /* of the fetch: /proc's list of its children */
#define ARRIVAL_MS 300	 /* that a packet on lo may take; nothing waits so long for what does come */
#define NOT_FETCHED 201	 /* exit codes of the fetch beside errnos */
#define NOT_CONFINED 202

static char control_path[] = "/tmp/sek-control-XXXXXX"; /* stands for the agent's */
static uint16_t server_port, elsewhere_port;
static pid_t server;
static struct pollfd elsewhere[4]; /* TCP, UDP, local stream, local datagrams */
static int (*deed)(void);
static int deed_result;

static struct sockaddr_in at_loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static struct sockaddr_un at_path(const char *suffix)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s.%s", control_path, suffix);
	return at;
}

/* The connection that the server's bytes come over; what is done to it waits for its end. */
static int live(void)
{
	struct sockaddr_in peer;
	socklen_t len;
	int fd;

	for (fd = 3; fd < 32; fd++) {
		len = sizeof(peer);
		if (!getpeername(fd, (struct sockaddr *)&peer, &len) && peer.sin_family == AF_INET)
			return fcntl(fd, F_SETFL, 0) ? -1 : fd;
	}
	return -1;
}

static pid_t connector(void)
{
	char text[16] = "";

	return pread(CHILDREN_FD, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : -1;
}

static int done(long result)
{
	return result < 0 ? errno : 0;
}

static int connect_inet(int fd)
{
	struct sockaddr_in to = at_loopback(elsewhere_port);

	return done(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int try_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? errno : connect_inet(fd);
}

/* Takes the connection from the server and leads it elsewhere. */
static int try_live_again(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int fd = live();

	return connect(fd, &nowhere, sizeof(nowhere)) ? errno : connect_inet(fd);
}

static int try_live_fast_open(void)
{
	struct sockaddr_in to = at_loopback(elsewhere_port);
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int fd = live();

	(void)connect(fd, &nowhere, sizeof(nowhere)); /* the way for it, where it is open */
	return done(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof(to)));
}

static int try_datagram(void)
{
	struct sockaddr_in to = at_loopback(elsewhere_port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return fd < 0 ? errno : done(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
}

static int try_control_socket(void)
{
	struct sockaddr_un to = at_path("stream");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd < 0 ? errno : done(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int try_local_datagram(void)
{
	struct sockaddr_un to = at_path("datagram");
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return errno;
	return done(sendto(pair[0], "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)));
}

static int try_netlink(void)
{
	return done(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

static int try_listen(void)
{
	struct sockaddr_in here = at_loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)))
		return errno;
	return done(listen(fd, 1));
}

static int try_listen_live(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int fd = live();

	(void)connect(fd, &nowhere, sizeof(nowhere)); /* the way for it, where it is open */
	return done(listen(fd, 1));
}

static int try_shadow(void)
{
	return done(open("/etc/shadow", O_RDONLY));
}

static int try_attach(void)
{
	return done(ptrace(PTRACE_ATTACH, connector(), NULL, NULL));
}

static int try_connectors_memory(void)
{
	static char place[] = "place"; /* at the same address in the connector: it was forked */
	char taken[sizeof(place)];
	struct iovec ours = { taken, sizeof(taken) }, theirs = { place, sizeof(place) };

	return done(process_vm_readv(connector(), &ours, 1, &theirs, 1, 0));
}

static int try_kill_connector(void)
{
	return done(syscall(SYS_tgkill, connector(), connector(), SIGKILL));
}

/* What the connector says to a wish for @host and @port; 0 it connects. */
static int wish(const char *host, uint16_t port)
{
	struct connect_ask ask = { .magic = CONNECT_MAGIC, .timeout_ms = 1000, .port = port };
	struct connect_answer answer;

	(void)snprintf(ask.host, sizeof(ask.host), "%s", host);
	if (connector_ask(&ask, &answer) >= 0)
		return 0;
	return strstr(answer.why, "private address refused") ? EACCES : strstr(answer.why, "redirect to port") ? EPERM :
	       strstr(answer.why, "connector is gone") ? EPIPE : EIO;
}

static int ask_own_server(void) { return wish("127.0.0.1", server_port); }
static int ask_port(void) { return wish("127.0.0.1", elsewhere_port); }
static int ask_ssh(void) { return wish("127.0.0.1", 22); }
static int ask_private(void) { return wish("127.0.0.2", server_port); }
static int ask_private6(void) { return wish("::1", 80); }
static int ask_mapped(void) { return wish("::ffff:127.0.0.1", server_port); }
static int ask_metadata(void) { return wish("169.254.169.254", 80); }
static int ask_name(void) { return wish("localhost", server_port); }

static int ask_often(void)
{
	unsigned i;
	int err = 0;

	for (i = 0; !err && i < CONNECT_ASKS_MAX; i++)
		err = ask_own_server();
	return i < CONNECT_ASKS_MAX - 1 ? EIO : err; /* the fetch itself took one */
}

static int ask_nonsense(void)
{
	return send(FETCH_CONNECTOR_FD, "x", 1, MSG_NOSIGNAL) == 1 ? ask_own_server() : EIO;
}

static int do_nothing(void) { return 0; }

static const struct {
	const char *name;
	int (*deed)(void);
	int caged, free; /* what it comes to in the sandbox and without: errno, 0 works, CAGE_DIES */
	bool arrives;	 /* without the sandbox it reaches who listens elsewhere */
} rows[] = {
	{ "nothing", do_nothing, 0, 0, false },
	{ "connect elsewhere", try_connect, EPERM, 0, true },
	/* This errno is seccomp's, for curl: nothing arrives. */
	{ "lead its connection elsewhere", try_live_again, EINPROGRESS, 0, true },
	{ "lead it by fast open", try_live_fast_open, EPERM, 0, true },
	{ "a datagram", try_datagram, EPERM, 0, true },
	{ "the control socket", try_control_socket, EPERM, 0, true },
	{ "a local datagram", try_local_datagram, EPERM, 0, true },
	{ "netlink", try_netlink, EPERM, 0, false },
	{ "listen", try_listen, EPERM, 0, false },
	{ "listen on its connection", try_listen_live, EPERM, 0, false },
	{ "open a file", try_shadow, EACCES, 0, false },
	{ "exec", cage_exec, CAGE_DIES, 0, false },
	{ "a map", cage_map_create, CAGE_DIES, 0, false },
	{ "attach to its connector", try_attach, CAGE_DIES, 0, false },
	{ "its connector's memory", try_connectors_memory, CAGE_DIES, 0, false },
	{ "kill its connector", try_kill_connector, EPERM, 0, false },
	/* The connector trusts nobody: its answers are the same with and without the asker's sandbox. */
	{ "ask for its own server", ask_own_server, 0, 0, false },
	{ "ask for another port", ask_port, EPERM, EPERM, false },
	{ "ask for ssh", ask_ssh, EPERM, EPERM, false },
	{ "ask for a private address", ask_private, EACCES, EACCES, false },
	{ "ask for one of IPv6", ask_private6, EACCES, EACCES, false },
	{ "ask for one in the other", ask_mapped, EACCES, EACCES, false },
	{ "ask for the metadata", ask_metadata, EACCES, EACCES, false },
	{ "ask for a name of one", ask_name, EACCES, EACCES, false },
	{ "ask without end", ask_often, EPIPE, EPIPE, false },
	{ "ask nonsense", ask_nonsense, EPIPE, EPIPE, false },
};

static int on_body(void *ctx, enum http_encoding encoding, const void *data, size_t len)
{
	deed_result = deed();
	return 0;
}

static void make_job(struct fetch_job *job)
{
	memset(job, 0, sizeof(*job));
	(void)snprintf(job->url, sizeof(job->url), "http://127.0.0.1:%u/list", server_port);
	job->max_entries = 1;
}

/* A process like one the keeper has just started. */
static int begin_fetch(struct fetch_job *job)
{
	char path[64];

	make_job(job);
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	return syscall(SYS_close_range, CHILDREN_FD, ~0u, 0) || open(path, O_RDONLY) != CHILDREN_FD ? -EIO : 0;
}

static int run_caged(void)
{
	static struct fetch_job job;
	struct http_request request = { .etag = "", .last_modified = "", .user_agent = "test", .ca_file = "", .secret = "",
					.total_timeout_s = 5, .max_body_bytes = 100, .connect = connector_ask, .on_body = on_body };
	struct http_answer answer;
	char why[FETCH_WHY_BYTES];

	if (begin_fetch(&job) || confine(&job))
		return NOT_CONFINED;
	deed_result = NOT_FETCHED;
	request.url = job.url;
	if (http_get(&request, &answer, why, sizeof(why)) && deed == do_nothing)
		return NOT_FETCHED; /* what a deed leaves of the fetch is its own business */
	return deed_result;
}

static int run_free(void)
{
	static struct fetch_job job;

	if (begin_fetch(&job) || connector_start(&job) || ask_own_server() || live() < 0)
		return NOT_CONFINED;
	return deed();
}

/* Takes what came to those who listen elsewhere. Returns whether anything did. */
static bool take_arrivals(int wait_ms)
{
	char byte;
	int one;
	size_t i;

	if (poll(elsewhere, 4, wait_ms) <= 0)
		return false;
	for (i = 0; i < 4; i++) {
		while (recv(elsewhere[i].fd, &byte, 1, MSG_DONTWAIT) >= 0)
			;
		while ((one = accept(elsewhere[i].fd, NULL, NULL)) >= 0)
			close(one);
	}
	return true;
}

static void test_deeds(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got;

		deed = rows[i].deed;
		got = cage_try(run_free, NULL, NULL);
		if (got != rows[i].free || take_arrivals(rows[i].arrives ? 5000 : 0) != rows[i].arrives)
			fail_msg("%s, without a sandbox: %d, not %d, or nothing came", rows[i].name, got, rows[i].free);
		got = cage_try(run_caged, NULL, NULL);
		if (got != rows[i].caged)
			fail_msg("%s: %d, not %d", rows[i].name, got, rows[i].caged);
		if (take_arrivals(rows[i].arrives ? ARRIVAL_MS : 0))
			fail_msg("%s: it came elsewhere", rows[i].name);
	}
}

static int bound(int family, int type, const void *address, socklen_t len, uint16_t *ret_port)
{
	struct sockaddr_in in;
	socklen_t in_len = sizeof(in);
	int fd = socket(family, type | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, address, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	if (ret_port && !getsockname(fd, (struct sockaddr *)&in, &in_len))
		*ret_port = ntohs(in.sin_port);
	return fd;
}

/* A server that says nothing: it accepts nobody, and has no room for more. */
static int be_silent(uint16_t *ret_port)
{
	struct sockaddr_in at = at_loopback(0);
	int listener = bound(AF_INET, SOCK_STREAM, &at, sizeof(at), ret_port), i;

	assert_int_equal(listen(listener, 0), 0);
	at = at_loopback(*ret_port);
	for (i = 0; i < 8; i++)
		(void)connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&at, sizeof(at)); /* the last ones hang */
	return listener;
}

/* The connector of a fetch that is killed ends with it, also in the middle of a connection that may take 20 s. */
static void test_no_connector_is_left(void **state)
{
	static const char hello[] = "hello";
	struct connect_ask ask = { .magic = CONNECT_MAGIC, .timeout_ms = CONNECT_TIMEOUT_MS, .host = "127.0.0.1" };
	struct fetch_job job;
	int gate[2], status, silent = be_silent(&ask.port);
	char byte;
	pid_t pid;

	assert_int_equal(pipe(gate), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(gate[1], 2); /* its connector has it too, and none but these two */
		server_port = ask.port;
		if (begin_fetch(&job) || confine(&job) || send(FETCH_CONNECTOR_FD, &ask, sizeof(ask), 0) < 0 || write(2, hello, 1) != 1)
			_exit(1);
		(void)recv(FETCH_CONNECTOR_FD, &byte, 1, 0); /* for longer than this test waits */
		_exit(1);
	}
	close(gate[1]);
	assert_int_equal(read(gate[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(poll(&(struct pollfd){ .fd = gate[0], .events = POLLIN }, 1, CONNECT_TIMEOUT_MS / 2), 1);
	assert_int_equal(read(gate[0], &byte, 1), 0); /* the end of file: both are gone */
	close(gate[0]);
	close(silent);
}

static void serve(int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
	char asked[4096];
	int one;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	while ((one = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			if (recv(one, asked, sizeof(asked), 0) > 0)
				(void)send(one, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
			_exit(0);
		}
		close(one);
	}
}

static int setup(void **state)
{
	struct sockaddr_in any = at_loopback(0);
	struct sockaddr_un stream, datagram;
	size_t i;
	int listener;

	listener = mkstemp(control_path);
	assert_true(listener >= 0);
	close(listener);
	listener = bound(AF_INET, SOCK_STREAM, &any, sizeof(any), &server_port);
	(void)fcntl(listener, F_SETFL, 0);
	server = fork();
	if (server == 0) {
		serve(listener);
		_exit(1);
	}
	close(listener);
	stream = at_path("stream");
	datagram = at_path("datagram");
	elsewhere[0].fd = bound(AF_INET, SOCK_STREAM, &any, sizeof(any), &elsewhere_port);
	any = at_loopback(elsewhere_port);
	elsewhere[1].fd = bound(AF_INET, SOCK_DGRAM, &any, sizeof(any), NULL);
	elsewhere[2].fd = bound(AF_UNIX, SOCK_STREAM, &stream, sizeof(stream), NULL);
	elsewhere[3].fd = bound(AF_UNIX, SOCK_DGRAM, &datagram, sizeof(datagram), NULL);
	for (i = 0; i < 4; i++)
		elsewhere[i].events = POLLIN;
	return 0;
}

static int teardown(void **state)
{
	(void)unlink(at_path("stream").sun_path);
	(void)unlink(at_path("datagram").sun_path);
	(void)unlink(control_path);
	return kill(server, SIGKILL) || waitpid(server, NULL, 0) != server;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_deeds), cmocka_unit_test(test_no_connector_is_left) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
