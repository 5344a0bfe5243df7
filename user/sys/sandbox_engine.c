// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's cage: rlimits, libcap, Landlock, libseccomp, in that order, each one-way. In: its state folder. It never
 * opens anything up again.
 */
#include "sys/sandbox_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FDS_MAX 1024 /* two times 64 clients, 32 scrapers, four fetches, the state */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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

static int drop_capabilities(void)
{
	cap_t none = cap_init();
	int err = 0, cap;

	if (!none)
		return -ENOMEM;
	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		(void)cap_drop_bound(cap); /* fails without CAP_SETPCAP; there is no exec to gain by it anyway */
	(void)cap_reset_ambient(); /* setting none empties the ambient set too */
	if (cap_set_proc(none))
		err = -errno;
	cap_free(none);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err;
}

/* Allows @rights on @path and below; a path that is not there needs no rule. */
static int landlock_allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	int err;

	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ? -errno : 0;
	(void)close(rule.parent_fd); /* O_PATH: nothing to lose */
	return err;
}

static int restrict_files(const char *state_dir)
{
	/* Bits 0 to 12 are ABI 1 (Linux 5.13); REFER, TRUNCATE and IOCTL_DEV came with 2, 3 and 5. */
	static const uint64_t rights[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
	/* No devices, sockets, pipes or links, and nothing to run. */
	static const uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
				      LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | 0x8000;
	struct landlock_ruleset_attr attr = { 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset, err;

	if (abi < 1) {
		fprintf(stderr, "<5>sandbox: no Landlock in this kernel, files are guarded by the user id only\n");
		return 0;
	}
	attr.handled_access_fs = rights[abi < (long)COUNT(rights) ? abi : (long)COUNT(rights) - 1];
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return -errno;
	err = landlock_allow(ruleset, state_dir, attr.handled_access_fs & ~never);
	if (!err)
		err = landlock_allow(ruleset, "/etc/passwd", LANDLOCK_ACCESS_FS_READ_FILE);
	if (!err)
		err = landlock_allow(ruleset, "/etc/nsswitch.conf", LANDLOCK_ACCESS_FS_READ_FILE);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	(void)close(ruleset); /* it is in force, or the process ends */
	return err;
}

static const int allowed_calls[] = {
	/* memory, threads, time, the end */
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sysinfo), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(membarrier),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(uname), SCMP_SYS(umask),
	/* the state: SQLite and the lists; which files is Landlock's to say */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat),
	SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(getdents64), SCMP_SYS(fcntl), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fadvise64), SCMP_SYS(fchmod), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(memfd_create),
	/* the loop, and clients of the listeners it was given */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(dup), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(listen), SCMP_SYS(shutdown),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendfile), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
};

/* Nothing here ever has an honest reason: the process ends on the spot, and the keeper starts another. */
static const int deadly_calls[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(reboot),
};

static int add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = seccomp_rule_add(filter, action, calls[i], 0);
	return err;
}

/* Calls that are good or bad by an argument. */
static int add_argument_rules(scmp_filter_ctx filter)
{
	/* libbpf's ring buffer asks what the map that it was given is. */
	static const unsigned reads[] = { BPF_MAP_LOOKUP_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_OBJ_GET_INFO_BY_FD };
	static const unsigned asks[] = { FIONBIO, FIONREAD };
	size_t i;
	int err = 0;

	for (i = 0; !err && i < COUNT(reads); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_EQ, reads[i]));
	for (i = 0; !err && i < COUNT(asks); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, asks[i]));
	if (!err) /* to the peer of the socket only: no address of its own choice */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_EQ, 0));
	if (!err) /* threads, no processes */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (!err) /* its flags are behind a pointer: glibc then takes clone */
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return err;
}

static int restrict_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = add_rules(filter, SCMP_ACT_ALLOW, allowed_calls, COUNT(allowed_calls));
	if (!err)
		err = add_rules(filter, SCMP_ACT_KILL_PROCESS, deadly_calls, COUNT(deadly_calls));
	if (!err)
		err = add_argument_rules(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int sandbox_engine_apply(const char *state_dir)
{
	int err = set_limits();

	if (!err)
		err = drop_capabilities();
	if (!err)
		err = restrict_files(state_dir);
	return err ? err : restrict_calls();
}
