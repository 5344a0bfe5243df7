// SPDX-License-Identifier: GPL-2.0
/* Files and folders of the agent. Never follows a link in a folder's last name, never opens a
 * device. */
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_WAIT_MS 500 /* a forked child is gone in some ms; then the holder is alive */
#define LOCK_STEP_MS 20

static int read_all(int fd, char *text, size_t len, size_t *ret_len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += n;
	}
	text[done] = '\0';
	*ret_len = done;
	return 0;
}

int file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else if ((size_t)st.st_size > max_bytes)
		err = -EFBIG;
	else if (!(text = malloc(st.st_size + 1)))
		err = -ENOMEM;
	else
		err = read_all(fd, text, st.st_size, &len);
	close(fd);
	if (err) {
		free(text);
		return err;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

static int check_dir(int fd, uid_t uid, gid_t gid, bool made)
{
	unsigned tries;
	struct stat st;

	if (made && fchown(fd, uid, gid) < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IWOTH) || (st.st_uid != 0 && st.st_uid != uid))
		return -EPERM;
	/*
	 * A child that a killed holder had just forked keeps the lock until it has seen that its
	 * parent is gone.
	 */
	for (tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK || tries >= LOCK_WAIT_MS / LOCK_STEP_MS)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		(void)usleep(LOCK_STEP_MS * 1000); /* a signal only makes it shorter */
	}
	return 0;
}

int file_lock_dir(const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd, bool *ret_made)
{
	bool made = mkdir(path, mode) == 0;
	int fd, err;

	if (!made && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = fd < 0 ? -errno : check_dir(fd, uid, gid, made);
	if (err) {
		if (fd >= 0)
			close(fd);
		if (made)
			(void)rmdir(path); /* the first error is the one to tell */
		return err;
	}
	*ret_fd = fd;
	*ret_made = made;
	return 0;
}

int file_check_writable(int fd, uid_t uid, gid_t gid)
{
	struct statvfs fs;
	struct stat st;
	mode_t want;

	if (fstat(fd, &st) < 0 || fstatvfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_flag & ST_RDONLY)
		return -EROFS;
	want = st.st_uid == uid ? 0700 : st.st_gid == gid ? 0070 : 0007;
	return (st.st_mode & want) == want ? 0 : -EACCES;
}

bool file_is_empty_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return n == 0;
}

int file_write(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
