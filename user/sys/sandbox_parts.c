// SPDX-License-Identifier: GPL-2.0
/* The parts both cages are made of: libcap, Landlock, libseccomp. */
#include "sys/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_drop_capabilities(void)
{
	cap_t none = cap_init();
	int err = 0, cap;

	if (!none)
		return -ENOMEM;
	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		/* the keeper emptied it before our start; without CAP_SETPCAP this would fail */
		(void)cap_drop_bound(cap);
	(void)cap_reset_ambient(); /* setting none empties the ambient set too */
	if (cap_set_proc(none))
		err = -errno;
	cap_free(none);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err;
}

int sandbox_files_begin(const char *others, int *ret_ruleset, uint64_t *ret_rights)
{
	/*
	 * Bits 0 to 12 are ABI 1 (Linux 5.13); REFER, TRUNCATE and IOCTL_DEV came with 2, 3 and 5.
	 */
	static const uint64_t rights[] = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
	struct landlock_ruleset_attr attr = { 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset;

	if (abi < 1) {
		if (others)
			fprintf(stderr, "<5>sandbox: no Landlock in this kernel, files are guarded by %s only\n", others);
		*ret_ruleset = -1;
		*ret_rights = 0;
		return 0;
	}
	attr.handled_access_fs =
		rights[abi < (long)SANDBOX_COUNT(rights) ? abi : (long)SANDBOX_COUNT(rights) - 1];
	ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return -errno;
	*ret_ruleset = ruleset;
	*ret_rights = attr.handled_access_fs;
	return 0;
}

int sandbox_files_allow(int ruleset, const char *path, uint64_t rights)
{
	static const uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE |
					 LANDLOCK_ACCESS_FS_WRITE_FILE |
					 LANDLOCK_ACCESS_FS_READ_FILE;
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	int err = 0;

	if (ruleset < 0)
		return 0;
	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		/* out of this user's reach: the rule would give nothing */
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) {
		rule.allowed_access &= of_files; /* a file has no entries to read */
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
			err = -errno;
	}
	(void)close(rule.parent_fd); /* O_PATH: nothing to lose */
	return err;
}

int sandbox_files_end(int ruleset, int err)
{
	if (ruleset < 0)
		return err;
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	(void)close(ruleset); /* it is in force, or the process ends */
	return err;
}

static const int common_calls[] = {
	/* memory, threads, signals, time, the end */
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sysinfo),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrlimit),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* the descriptors it has, and answers in memory */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(lseek),
	SCMP_SYS(fcntl),
	SCMP_SYS(memfd_create),
	SCMP_SYS(ftruncate),
};

/*
 * Nothing here ever has an honest reason: the process ends on the spot. bpf is the engine's to
 * argue about.
 */
static const int deadly_calls[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(reboot),
};

int sandbox_calls_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = seccomp_rule_add(filter, action, calls[i], 0);
	return err;
}

int sandbox_calls_begin(scmp_filter_ctx *ret_filter)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = sandbox_calls_add(filter, SCMP_ACT_ALLOW, common_calls, SANDBOX_COUNT(common_calls));
	if (!err) /* abort(), and no neighbour of the same user */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
				       SCMP_A0(SCMP_CMP_EQ, 0));
	if (!err)
		err = sandbox_calls_add(filter, SCMP_ACT_KILL_PROCESS, deadly_calls,
					SANDBOX_COUNT(deadly_calls));
	if (err)
		seccomp_release(filter);
	else
		*ret_filter = filter;
	return err;
}

int sandbox_calls_add_threads(scmp_filter_ctx filter)
{
	int err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	if (!err) /* its flags are behind a pointer: glibc then takes clone */
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return err;
}

int sandbox_calls_add_asks(scmp_filter_ctx filter)
{
	static const unsigned asks[] = { FIONBIO, FIONREAD };
	size_t i;
	int err = 0;

	for (i = 0; !err && i < SANDBOX_COUNT(asks); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_EQ, asks[i]));
	return err;
}

int sandbox_calls_end(scmp_filter_ctx filter, int err)
{
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
