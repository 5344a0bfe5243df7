// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's cage: rlimits, libcap, Landlock, libseccomp, in that order, each one-way. In: its
 * state folder. It never opens anything up again.
 */
#include "sys/sandbox_engine.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <sys/resource.h>

#include "sys/sandbox_private.h"

#define FDS_MAX 1024 /* two times 64 clients, 32 scrapers, four fetches, the state */

static int set_limits(void)
{
	const struct rlimit no_core = { 0, 0 };
	struct rlimit fds;

	if (setrlimit(RLIMIT_CORE, &no_core) || getrlimit(RLIMIT_NOFILE, &fds))
		return -errno;
	if (fds.rlim_max > FDS_MAX)
		fds.rlim_max = FDS_MAX;
	fds.rlim_cur = fds.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &fds) ? -errno : 0;
}

static int restrict_files(const char *state_dir)
{
	/* No devices, sockets, pipes or links, and nothing to run. */
	static const uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				      LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |
				      LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |
				      0x8000;
	uint64_t rights;
	int ruleset, err = sandbox_files_begin("the user id", &ruleset, &rights);

	if (err)
		return err;
	err = sandbox_files_allow(ruleset, state_dir, rights & ~never);
	if (!err)
		err = sandbox_files_allow(ruleset, "/etc/passwd", LANDLOCK_ACCESS_FS_READ_FILE);
	if (!err)
		err = sandbox_files_allow(ruleset, "/etc/nsswitch.conf", LANDLOCK_ACCESS_FS_READ_FILE);
	return sandbox_files_end(ruleset, err);
}

static const int allowed_calls[] = {
	SCMP_SYS(membarrier),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(umask),
	/* the state: SQLite and the lists; which files is Landlock's to say */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(pwrite64),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(getdents64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fchmod),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	/* the loop, and clients of the listeners it was given */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(dup),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(listen),
	SCMP_SYS(shutdown),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendfile),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
};

/* Calls that are good or bad by an argument. */
static int add_argument_rules(scmp_filter_ctx filter)
{
	/* libbpf's ring buffer asks what the map that it was given is. */
	static const unsigned reads[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_LOOKUP_BATCH,
					 BPF_OBJ_GET_INFO_BY_FD};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < SANDBOX_COUNT(reads); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				       SCMP_A0(SCMP_CMP_EQ, reads[i]));
	if (!err) /* to the peer of the socket only: no address of its own choice */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				       SCMP_A4(SCMP_CMP_EQ, 0));
	if (!err)
		err = sandbox_calls_add_asks(filter);
	return err ? err : sandbox_calls_add_threads(filter);
}

static int restrict_calls(void)
{
	scmp_filter_ctx filter;
	int err = sandbox_calls_begin(&filter);

	if (err)
		return err;
	err = sandbox_calls_add(filter, SCMP_ACT_ALLOW, allowed_calls,
				SANDBOX_COUNT(allowed_calls));
	return sandbox_calls_end(filter, err ? err : add_argument_rules(filter));
}

int sandbox_engine_apply(const char *state_dir)
{
	int err = set_limits();

	if (!err)
		err = sandbox_drop_capabilities();
	if (!err)
		err = restrict_files(state_dir);
	return err ? err : restrict_calls();
}
