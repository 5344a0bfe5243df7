// SPDX-License-Identifier: GPL-2.0
/*
 * The fetcher's cage: rlimits, libcap, Landlock, libseccomp, in that order, each one-way. In:
 * whether there is a network and which CA file. It never opens anything up again.
 */
#include "sys/sandbox_fetch.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sys/sandbox_private.h"

#define BASE_BYTES (768ull << 20) /* libraries, TLS, thread stacks and malloc's arenas: reserved, hardly used */
#define ENTRY_BYTES 128ull	  /* an entry while sorted and written: two growing arrays and the file */
#define FILE_BYTES (1ull << 30)	  /* of the memfd: 10 M + 1 M entries take 100 MB */
#define CPU_S 120
#define FDS_MAX 32
#define THREADS_MAX 64 /* of this user in all: curl's resolver is a thread */

static int set_limits(uint32_t max_entries)
{
	rlim_t memory = BASE_BYTES + ENTRY_BYTES * max_entries;
	const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{RLIMIT_AS, memory}, {RLIMIT_CPU, CPU_S}, {RLIMIT_NOFILE, FDS_MAX},
		{RLIMIT_FSIZE, FILE_BYTES}, {RLIMIT_NPROC, THREADS_MAX}, {RLIMIT_CORE, 0},
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

static int allow_network_files(int ruleset, const char *ca_file)
{
	static const char *const paths[] = {
		"/etc/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf",
		"/etc/host.conf", "/etc/ld.so.cache", "/usr/lib", "/lib", "/lib64",
	};
	static const uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < SANDBOX_COUNT(paths); i++)
		err = sandbox_files_allow(ruleset, paths[i], read);
	if (!err && ca_file[0])
		err = sandbox_files_allow(ruleset, ca_file, read);
	return err;
}

static int restrict_files(const struct sandbox_fetch *want)
{
	uint64_t rights;
	int ruleset, err = sandbox_files_begin("seccomp and the user id", &ruleset, &rights);

	if (err)
		return err;
	if (want->has_network)
		err = allow_network_files(ruleset, want->ca_file);
	return sandbox_files_end(ruleset, err);
}

/* What curl, OpenSSL and the resolver take besides reading, inflating, parsing and answering; the files are Landlock's to guard. */
static const int network_calls[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(fadvise64),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(pipe), SCMP_SYS(pipe2),
	SCMP_SYS(eventfd2), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown), SCMP_SYS(uname),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(membarrier),
};

static int add_network_rules(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6, AF_NETLINK /* getaddrinfo asks which addresses we have */};
	size_t i;
	int err = sandbox_calls_add(filter, SCMP_ACT_ALLOW, network_calls, SANDBOX_COUNT(network_calls));

	for (i = 0; !err && i < SANDBOX_COUNT(families); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return err ? err : sandbox_calls_add_threads(filter);
}

static int restrict_calls(bool has_network)
{
	static const int deadly[] = {SCMP_SYS(bpf)};
	scmp_filter_ctx filter;
	int err = sandbox_calls_begin(&filter);

	if (err)
		return err;
	err = sandbox_calls_add(filter, SCMP_ACT_KILL_PROCESS, deadly, SANDBOX_COUNT(deadly));
	if (!err && has_network)
		err = add_network_rules(filter);
	return sandbox_calls_end(filter, err);
}

int sandbox_fetch_apply(const struct sandbox_fetch *want)
{
	int err = set_limits(want->max_entries);

	/* No core, not even through a pipe, which RLIMIT_CORE does not stop; and no neighbour's ptrace: the job may hold a key. */
	if (!err && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	if (!err)
		err = sandbox_drop_capabilities();
	if (!err)
		err = restrict_files(want);
	return err ? err : restrict_calls(want->has_network);
}
