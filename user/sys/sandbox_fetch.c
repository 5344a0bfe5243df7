// SPDX-License-Identifier: GPL-2.0
/*
 * The fetcher's cage: rlimits, libcap, Landlock, libseccomp, in that order, each one-way. In:
 * whether there is a network and which CA file. It never opens anything up again.
 */
#include "sys/sandbox_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BASE_BYTES (768ull << 20) /* libraries, TLS, thread stacks and malloc's arenas: reserved, hardly used */
#define ENTRY_BYTES 128ull	  /* an entry while sorted and written: two growing arrays and the file */
#define FILE_BYTES (1ull << 30)	  /* of the memfd: 10 M + 1 M entries take 100 MB */
#define CPU_S 120
#define FDS_MAX 32
#define THREADS_MAX 64 /* of this user in all: curl's resolver is a thread */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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

	for (i = 0; i < COUNT(limits); i++) {
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

/* Lets @path be read, and what is below it; a path that is not there needs no rule. */
static int landlock_allow(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	int err = 0;

	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) {
		rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE; /* a file has no entries to read */
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
			err = -errno;
	}
	(void)close(rule.parent_fd); /* O_PATH: nothing to lose */
	return err;
}

static int landlock_allow_network_files(int ruleset, const char *ca_file)
{
	static const char *const paths[] = {
		"/etc/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf",
		"/etc/host.conf", "/etc/ld.so.cache", "/usr/lib", "/lib", "/lib64",
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < COUNT(paths); i++)
		err = landlock_allow(ruleset, paths[i]);
	if (!err && ca_file[0])
		err = landlock_allow(ruleset, ca_file);
	return err;
}

static int restrict_files(const struct sandbox_fetch *want)
{
	/* Bits 0 to 12 are ABI 1 (Linux 5.13); REFER, TRUNCATE and IOCTL_DEV came with 2, 3 and 5. */
	static const uint64_t rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff};
	struct landlock_ruleset_attr attr = {0};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset, err = 0;

	if (abi < 1) {
		fprintf(stderr, "<5>sandbox: no Landlock in this kernel, files are guarded by seccomp and the user id only\n");
		return 0;
	}
	attr.handled_access_fs = rights[abi < (long)COUNT(rights) ? abi : (long)COUNT(rights) - 1];
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (ruleset < 0)
		return -errno;
	if (want->has_network)
		err = landlock_allow_network_files(ruleset, want->ca_file);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	(void)close(ruleset); /* it is in force, or the process ends */
	return err;
}

/* What reading, inflating, parsing and answering take. */
static const int base_calls[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(lseek), SCMP_SYS(fcntl),
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getrandom), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(sendmsg),
	SCMP_SYS(prlimit64), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity),
};

/* And what curl, OpenSSL and the resolver take besides; the files are Landlock's to guard. */
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

/* Nothing here ever has an honest reason: the process ends on the spot. */
static const int deadly_calls[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(bpf), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(reboot), SCMP_SYS(fork), SCMP_SYS(vfork),
};

static int add_rules(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = seccomp_rule_add(filter, action, calls[i], 0);
	return err;
}

static int add_network_rules(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6, AF_NETLINK /* getaddrinfo asks which addresses we have */};
	size_t i;
	int err = add_rules(filter, SCMP_ACT_ALLOW, network_calls, COUNT(network_calls));

	for (i = 0; !err && i < COUNT(families); i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	if (!err) /* threads, no processes */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	if (!err) /* its flags are behind a pointer: glibc then takes clone */
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (!err) /* curl: is the socket readable, do not block */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, 0x5421 /* FIONBIO */));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, 0x541b /* FIONREAD */));
	return err;
}

static int restrict_calls(bool has_network)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!filter)
		return -ENOMEM;
	err = add_rules(filter, SCMP_ACT_ALLOW, base_calls, COUNT(base_calls));
	if (!err)
		err = add_rules(filter, SCMP_ACT_KILL_PROCESS, deadly_calls, COUNT(deadly_calls));
	if (!err && has_network)
		err = add_network_rules(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int sandbox_fetch_apply(const struct sandbox_fetch *want)
{
	int err = set_limits(want->max_entries);

	/* No core, not even through a pipe, which RLIMIT_CORE does not stop; and no neighbour's ptrace: the job may hold a key. */
	if (!err && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err = -errno;
	if (!err)
		err = drop_capabilities();
	if (!err)
		err = restrict_files(want);
	return err ? err : restrict_calls(want->has_network);
}
