// SPDX-License-Identifier: GPL-2.0
/*
 * setfsuid(2) and its like change the rights over files alone, and with them the capabilities over files. The system calls
 * themselves, not the library's: those would change every thread.
 */
#include "open_as.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define GROUPS_MAX 256

static int open_it(const char *path, int flags)
{
	struct statfs fs;
	int fd = open(path, flags), err;

	if (fd < 0)
		return -errno;
	err = fstatfs(fd, &fs) ? -errno : fs.f_type == PROC_SUPER_MAGIC ? -EPERM : 0;
	if (err)
		close(fd);
	return err ? err : fd;
}

/* True where @uid and @gid are this thread's for files: the calls themselves tell only what was before. */
static bool take(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid); /* the group first: afterwards the right to is gone */
	(void)setfsuid(uid);
	return (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
}

int open_as(uid_t uid, gid_t gid, const char *path, int flags)
{
	gid_t groups[GROUPS_MAX];
	long n = syscall(SYS_getgroups, GROUPS_MAX, groups);
	int fd = -EPERM;

	if (n < 0 || syscall(SYS_setgroups, 0, NULL))
		return -EPERM;
	if (take(uid, gid))
		fd = open_it(path, flags);
	if (!take(geteuid(), getegid()) || syscall(SYS_setgroups, n, groups))
		abort(); /* with another's rights nothing here would work */
	return fd;
}
