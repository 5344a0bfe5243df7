// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a feed file once, front to back. In: a path nobody vouches for. Out: its bytes in the body.
 * Never waits on a FIFO or a device: only regular files are read.
 */
#include "fetch/file_source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/fetch_msg.h"

#define READ_BYTES (64u << 10)

int file_source_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = 0;
	struct statfs fs;

	if (fd < 0)
		return -errno;
	/* it would be about this process, and is no list */
	if (fstatfs(fd, &fs) || fs.f_type == PROC_SUPER_MAGIC)
		err = -EPERM;
	if (!err && fd != FETCH_FILE_FD) {
		err = dup3(fd, FETCH_FILE_FD, O_CLOEXEC) < 0 ? -errno : 0;
		(void)close(fd); /* only read from */
	} else if (err) {
		(void)close(fd);
	}
	return err;
}

void file_source_why(int err, char *why, size_t why_bytes)
{
	if (err == -EACCES)
		(void)snprintf(
		    why, why_bytes,
		    "the user sekisho-fetch may not read the file: chmod o+r it and o+x its folders, or chgrp them to sekisho-fetch");
	else
		(void)snprintf(why, why_bytes, "the file cannot be opened: %s", strerror(-err));
}

static int check_kind(int fd, char *why, size_t why_bytes)
{
	struct stat st;

	if (fstat(fd, &st)) {
		(void)snprintf(why, why_bytes, "no file was handed over: %s", strerror(errno));
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode)) {
		(void)snprintf(why, why_bytes,
			       S_ISDIR(st.st_mode) ? "a directory, not a regular file"
						   : "not a regular file");
		return -EINVAL;
	}
	return 0;
}

int file_source_read(int fd, struct body *body, char *why, size_t why_bytes)
{
	static char room[READ_BYTES];
	int err = check_kind(fd, why, why_bytes);

	while (!err) {
		ssize_t n = read(fd, room, sizeof(room));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)snprintf(why, why_bytes, "cannot read: %s", strerror(errno));
			return -EIO;
		}
		if (!n)
			return 0;
		err = body_push(body, false, room, (size_t)n);
		if (err)
			(void)snprintf(why, why_bytes, "%s", body_why(body));
	}
	return err;
}
