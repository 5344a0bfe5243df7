// SPDX-License-Identifier: GPL-2.0
/*
 * The cages of a fetch's processes: rlimits, libcap, Landlock, libseccomp, in that order, each
 * one-way. In: what the process is for. It never opens anything up again.
 */
#include "sys/sandbox_fetch.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sys/sandbox_private.h"

#define BASE_BYTES (768ull << 20) /* libraries, TLS and malloc's arenas: reserved, hardly used */
#define CONNECTOR_BYTES (256ull << 20) /* libraries, most of them unused there */
/* an entry while sorted and written: two growing arrays and the file */
#define ENTRY_BYTES 128ull
#define FILE_BYTES (1ull << 30)	  /* of the memfd: 10 M + 1 M entries take 100 MB */
#define CPU_S 120
#define FDS_MAX 32

static int set_limits(const struct sandbox_fetch *want)
{
	rlim_t memory = want->role == SANDBOX_FETCH_CONNECT
				? CONNECTOR_BYTES
				: BASE_BYTES + ENTRY_BYTES * want->max_entries;
	const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{RLIMIT_AS, memory}, {RLIMIT_CPU, CPU_S}, {RLIMIT_NOFILE, FDS_MAX},
		{RLIMIT_FSIZE, FILE_BYTES}, {RLIMIT_NPROC, 0}, {RLIMIT_CORE, 0},
	};
	size_t i;

	for (i = 0; i < SANDBOX_COUNT(limits); i++) {
		struct rlimit now, limit = {limits[i].value, limits[i].value};

		if (getrlimit(limits[i].what, &now))
			return -errno;
		if (now.rlim_max < limit.rlim_max)
			limit.rlim_max = limit.rlim_cur = now.rlim_max; /* stricter already */
		if (setrlimit(limits[i].what, &limit))
			return -errno;
	}
	return 0;
}

static int allow_files(int ruleset, const char *const *paths, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = sandbox_files_allow(ruleset, paths[i],
					  LANDLOCK_ACCESS_FS_READ_FILE |
						  LANDLOCK_ACCESS_FS_READ_DIR);
	return err;
}

static int restrict_files(const struct sandbox_fetch *want)
{
	static const char *const anchors[] = {"/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"};
	/* glibc loads a module for each way to find names. */
	static const char *const names[] = {
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf",
		"/etc/ld.so.cache", "/usr/lib", "/lib", "/lib64",
	};
	uint64_t rights;
	int ruleset, err = sandbox_files_begin(
			     want->role == SANDBOX_FETCH_CONNECT ? NULL : "seccomp and the user id",
			     &ruleset, &rights);

	if (err)
		return err;
	if (want->role == SANDBOX_FETCH_CONNECT)
		err = allow_files(ruleset, names, SANDBOX_COUNT(names));
	else if (want->role == SANDBOX_FETCH_HTTP)
		err = allow_files(ruleset, anchors, SANDBOX_COUNT(anchors));
	if (!err && want->role == SANDBOX_FETCH_HTTP && want->ca_file[0])
		err = allow_files(ruleset, &want->ca_file, 1);
	return sandbox_files_end(ruleset, err);
}

/*
 * What a process with a network takes besides reading, inflating, parsing and answering; the files
 * are Landlock's to guard.
 */
static const int network_calls[] = {
	SCMP_SYS(open),       SCMP_SYS(openat),      SCMP_SYS(stat),        SCMP_SYS(lstat),
	SCMP_SYS(access),     SCMP_SYS(faccessat),   SCMP_SYS(faccessat2),  SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(getdents64),  SCMP_SYS(fadvise64),   SCMP_SYS(poll),
	SCMP_SYS(ppoll),      SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(recvfrom),   SCMP_SYS(recvmsg),     SCMP_SYS(shutdown),    SCMP_SYS(uname),
	SCMP_SYS(getuid),     SCMP_SYS(geteuid),     SCMP_SYS(getgid),      SCMP_SYS(getegid),
	SCMP_SYS(membarrier),
};

/* What a resolver and connect(2) take more. */
static int add_connector_rules(scmp_filter_ctx filter)
{
	static const int calls[] = {SCMP_SYS(connect), SCMP_SYS(bind),    SCMP_SYS(setsockopt),
				    SCMP_SYS(sendto),  SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg)};
	static const int families[] = {AF_INET, AF_INET6};
	size_t i;
	int err = sandbox_calls_add(filter, SCMP_ACT_ALLOW, calls, SANDBOX_COUNT(calls));

	for (i = 0; !err && i < SANDBOX_COUNT(families); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	if (!err) /* which addresses are ours */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
				       SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
	return err;
}

/*
 * Only to where a socket is connected. A message's address is out of seccomp's sight, but what it
 * has sends to none without a flag.
 */
static int add_send_rules(scmp_filter_ctx filter)
{
	int err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
				   SCMP_A2(SCMP_CMP_EQ, MSG_NOSIGNAL));

	if (err)
		return err;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				SCMP_A4(SCMP_CMP_EQ, 0));
}

static int add_http_rules(scmp_filter_ctx filter)
{
	int err = add_send_rules(filter);

	/*
	 * curl connects what it is given connected, and takes this answer for a connection that
	 * will soon be there, which its next look finds true. The kernel never sees the call.
	 */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINPROGRESS), SCMP_SYS(connect), 0);
	if (!err) /* curl wakes itself by one; of datagrams it could send to any local socket */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2,
				       SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				       SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP),
				       SCMP_A2(SCMP_CMP_EQ, TCP_NODELAY));
	return err;
}

static int restrict_calls(enum sandbox_fetch_role role)
{
	static const int deadly[] = {SCMP_SYS(bpf)};
	scmp_filter_ctx filter;
	int err = sandbox_calls_begin(&filter);

	if (err)
		return err;
	err = sandbox_calls_add(filter, SCMP_ACT_KILL_PROCESS, deadly, SANDBOX_COUNT(deadly));
	if (!err && role != SANDBOX_FETCH_FILE)
		err = sandbox_calls_add(filter, SCMP_ACT_ALLOW, network_calls,
					SANDBOX_COUNT(network_calls));
	if (!err && role != SANDBOX_FETCH_FILE)
		err = sandbox_calls_add_asks(filter);
	if (!err)
		err = role == SANDBOX_FETCH_FILE   ? add_send_rules(filter)
		      : role == SANDBOX_FETCH_HTTP ? add_http_rules(filter)
						   : add_connector_rules(filter);
	return sandbox_calls_end(filter, err);
}

int sandbox_fetch_apply(const struct sandbox_fetch *want)
{
	int err = set_limits(want);

	/*
	 * No core, not even through a pipe, which RLIMIT_CORE does not stop; and no neighbour's
	 * ptrace: the job may hold a key.
	 */
	if (!err && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	if (!err)
		err = sandbox_drop_capabilities();
	if (!err)
		err = restrict_files(want);
	return err ? err : restrict_calls(want->role);
}
