// SPDX-License-Identifier: GPL-2.0
/* Temporary file, fsync, rename that replaces nothing, fsync of the folder. */
#include "file_put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define NEW_BYTES 300 /* a name and ".", ".new" */

static int open_dir(const char *dir, int *ret_fd)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) || st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH)) {
		close(fd);
		return -EPERM;
	}
	*ret_fd = fd;
	return 0;
}

/* The folder, made where it is missing; with a mode that no umask has a say in. */
static int make_dir(const char *dir, int *ret_fd)
{
	int err;

	if (mkdir(dir, 0755)) {
		if (errno != EEXIST)
			return -errno;
		return open_dir(dir, ret_fd);
	}
	err = open_dir(dir, ret_fd);
	if (!err && fchmod(*ret_fd, 0755)) {
		err = -errno;
		close(*ret_fd);
	}
	return err;
}

static int write_all(int fd, const char *data, size_t len)
{
	int err = file_write(fd, data, len);

	return err ? err : fchmod(fd, 0644) || fsync(fd) ? -errno : 0;
}

static int write_new(int dir_fd, const char *name, const void *data, size_t len)
{
	int fd, err;

	(void)unlinkat(dir_fd, name, 0); /* left by one that was killed; mostly there is none */
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int file_put(const char *dir, const char *name, const void *data, size_t len)
{
	char new_name[NEW_BYTES];
	int dir_fd, err = make_dir(dir, &dir_fd);

	if (err)
		return err;
	if (snprintf(new_name, sizeof(new_name), ".%s.new", name) >= (int)sizeof(new_name))
		err = -ENAMETOOLONG;
	if (!err)
		err = write_new(dir_fd, new_name, data, len);
	if (!err && renameat2(dir_fd, new_name, dir_fd, name, RENAME_NOREPLACE))
		err = -errno;
	if (err)
		(void)unlinkat(dir_fd, new_name, 0); /* as it was before */
	if (!err && fsync(dir_fd)) {
		err = -errno;
		/* it may be gone after a power cut: then it is better gone now */
		(void)unlinkat(dir_fd, name, 0);
	}
	close(dir_fd);
	return err;
}

int file_remove(const char *dir, const char *name)
{
	int dir_fd, err = open_dir(dir, &dir_fd);

	if (err)
		return err;
	if (unlinkat(dir_fd, name, 0) || fsync(dir_fd))
		err = -errno;
	close(dir_fd);
	return err;
}
