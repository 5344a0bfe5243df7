// SPDX-License-Identifier: GPL-2.0
/*
 * Both ends of the connector's channel. In: hosts and ports that the reading process asks for,
 * which may be in a server's hands. Out: connected sockets, by the rule that the job alone makes.
 * The connector has no key, no list, no file but the resolver's.
 */
#include "fetch/connector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/connect_rule.h"
#include "sys/channel.h"
#include "sys/dial.h"
#include "sys/http.h"
#include "sys/sandbox_fetch.h"

#define CHANNEL_FD 3	 /* in the connector */
#define GRACE_MS 1000	 /* that an answer may come late */

/*
 * Leaves in @addresses those that @ask may lead to, in their order. Returns how many; where none,
 * @why says so.
 */
static unsigned keep_allowed(const struct connect_rule *rule, const struct connect_ask *ask,
			     struct dial_address *addresses, unsigned n, char *why,
			     size_t why_bytes)
{
	unsigned i, kept = 0;

	for (i = 0; i < n; i++) {
		const struct sockaddr *at = &addresses[i].at.any;
		enum http_addr_kind kind = http_addr_kind(at);

		if (!connect_rule_address(rule, ask, kind, dial_is_ours(at), why, why_bytes))
			addresses[kept++] = addresses[i];
	}
	return kept;
}

/* Does @host lead to this host, with every address it has? */
static bool leads_here(const char *host)
{
	struct dial_address addresses[DIAL_ADDRESSES_MAX];
	unsigned i, n;

	if (dial_resolve(host, 0, addresses, DIAL_ADDRESSES_MAX, &n))
		return false;
	for (i = 0; i < n && dial_is_ours(&addresses[i].at.any); i++)
		;
	return i == n;
}

static void say_server(const struct sockaddr *at, char *text, socklen_t size)
{
	const void *address = at->sa_family == AF_INET
				      ? (const void *)&((const struct sockaddr_in *)at)->sin_addr
				      : (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr;

	(void)inet_ntop(at->sa_family, address, text, size); /* both families fit */
}

/* Returns the socket that @answer tells of, or -1. */
static int serve(const struct connect_rule *rule, const struct connect_ask *ask,
		 struct connect_answer *answer)
{
	struct dial_address addresses[DIAL_ADDRESSES_MAX];
	uint64_t end_ms = dial_now_ms() + ask->timeout_ms;
	unsigned n, which;
	int fd, err;

	if (connect_rule_place(rule, ask, answer->why, sizeof(answer->why)))
		return -1;
	if (dial_resolve(ask->host, ask->port, addresses, DIAL_ADDRESSES_MAX, &n)) {
		(void)snprintf(answer->why, sizeof(answer->why), "Could not resolve host: %.200s", ask->host);
		return -1;
	}
	n = keep_allowed(rule, ask, addresses, n, answer->why, sizeof(answer->why));
	if (!n)
		return -1;
	err = dial_connect(addresses, n, end_ms, &fd, &which);
	if (err == -ETIMEDOUT)
		(void)snprintf(answer->why, sizeof(answer->why), "timed out: no connection to %.150s port %u", ask->host, ask->port);
	else if (err)
		(void)snprintf(answer->why, sizeof(answer->why),
			       "Failed to connect to %.150s port %u: %s", ask->host, ask->port,
			       strerror(-err));
	if (err)
		return -1;
	answer->is_connected = 1;
	say_server(&addresses[which].at.any, answer->server, sizeof(answer->server));
	return fd;
}

/*
 * The connector's life. Returns when the other end is gone, or asks for more or for what no fetch
 * does.
 */
static int run(struct connect_rule *rule)
{
	struct connect_answer answer = {.magic = CONNECT_MAGIC};
	const struct sandbox_fetch want = {.role = SANDBOX_FETCH_CONNECT};
	struct connect_ask ask;
	unsigned asked;
	size_t len;
	int fd, err = sandbox_fetch_apply(&want);

	if (err) {
		fprintf(stderr, "<3>fetch: the connector's sandbox: %s\n", strerror(-err));
		return err;
	}
	/* an address or localhost: no DNS */
	rule->is_ours = rule->may_be_private && leads_here(rule->host);
	err = channel_send(CHANNEL_FD, &answer, sizeof(answer), NULL, 0);
	for (asked = 0; !err && asked < CONNECT_ASKS_MAX; asked++) {
		err = channel_recv(CHANNEL_FD, &ask, sizeof(ask), &len, NULL, 0, NULL);
		if (err || len != sizeof(ask))
			break;
		answer = (struct connect_answer){.magic = CONNECT_MAGIC, .why = "no connection was asked for"};
		fd = serve(rule, &ask, &answer);
		err = channel_send(CHANNEL_FD, &answer, sizeof(answer), &fd, fd < 0 ? 0 : 1);
		if (fd >= 0)
			(void)close(fd); /* the message holds it now */
	}
	return err;
}

static void become_connector(int fd, pid_t parent, struct connect_rule *rule)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
	if (dup2(fd, CHANNEL_FD) < 0 || syscall(SYS_close_range, CHANNEL_FD + 1, ~0u, 0))
		_exit(1);
	(void)prctl(PR_SET_NAME, "sekisho-connect"); /* for who looks; 15 bytes are all it has */
	_exit(run(rule) ? 1 : 0);
}

static struct connect_rule make_rule(const struct fetch_job *job)
{
	struct connect_rule rule = {.may_be_private = job->may_be_private,
				    .is_alone = job->what != FETCH_FEED};

	/* What is no URL with a host leads nowhere: curl says what it is. */
	if (http_url_place(job->url, rule.host, sizeof(rule.host), &rule.port))
		rule = (struct connect_rule){.is_alone = true};
	return rule;
}

int connector_start(struct fetch_job *job)
{
	struct connect_answer ready;
	struct connect_rule rule = make_rule(job);
	pid_t pid, parent = getpid();
	int pair[2], err;
	size_t len;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (signal(SIGCHLD, SIG_IGN) == SIG_ERR) /* whenever it ends, nobody need wait for it */
		return -errno;
	pid = fork();
	if (pid == 0) {
		explicit_bzero(job, sizeof(*job)); /* it may hold a key */
		become_connector(pair[1], parent, &rule);
	}
	err = pid < 0 ? -errno : 0;
	(void)close(pair[1]); /* the child's */
	if (!err && pair[0] != FETCH_CONNECTOR_FD) {
		err = dup3(pair[0], FETCH_CONNECTOR_FD, O_CLOEXEC) < 0 ? -errno : 0;
		(void)close(pair[0]); /* the copy is what counts */
	}
	if (!err)
		err = channel_recv(FETCH_CONNECTOR_FD, &ready, sizeof(ready), &len, NULL, 0, NULL);
	return err;
}

int connector_ask(const struct connect_ask *ask, struct connect_answer *ret_answer)
{
	struct pollfd wait = {.fd = FETCH_CONNECTOR_FD, .events = POLLIN};
	int fd = -1, err = channel_send(FETCH_CONNECTOR_FD, ask, sizeof(*ask), NULL, 0);
	unsigned n_fds = 0;
	size_t len = 0;

	memset(ret_answer, 0, sizeof(*ret_answer));
	if (!err && poll(&wait, 1, (int)ask->timeout_ms + GRACE_MS) == 0) {
		(void)snprintf(ret_answer->why, sizeof(ret_answer->why),
			       "timed out: %.150s was not resolved within %u s", ask->host,
			       (ask->timeout_ms + GRACE_MS) / 1000);
		return -1;
	}
	if (!err)
		err = channel_recv(FETCH_CONNECTOR_FD, ret_answer, sizeof(*ret_answer), &len, &fd,
				   1, &n_fds);
	if (err || len != sizeof(*ret_answer) || n_fds != ret_answer->is_connected) {
		(void)snprintf(ret_answer->why, sizeof(ret_answer->why), "the fetch's own connector is gone");
		return -1; /* a descriptor that came with nonsense dies with us */
	}
	ret_answer->server[sizeof(ret_answer->server) - 1] =
		ret_answer->why[sizeof(ret_answer->why) - 1] = '\0';
	return fd;
}
