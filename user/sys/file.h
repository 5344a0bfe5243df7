// SPDX-License-Identifier: GPL-2.0
/* Files and folders of the agent: read whole, written whole, made, locked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a regular file of at most @max_bytes whole; *ret_text is malloc'd and NUL-terminated.
 * Errors: negative errno of open and read; -EISDIR and -EINVAL for what is no regular file; -EFBIG.
 */
int file_read(const char *path, size_t max_bytes, char **ret_text, size_t *ret_len);

/*
 * Opens folder @path, made with @mode and given to @uid:@gid if it is missing (its parent must be
 * there; *ret_made), and takes an exclusive lock on it. Errors: -EBUSY somebody holds it; -EPERM
 * others may write to it; else errno, and a folder that was made is removed again.
 */
int file_lock_dir(const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd, bool *ret_made);

/*
 * Writes all of @data to @fd, where it is short or interrupted too. Errors: of write(2); a part may
 * be written.
 */
int file_write(int fd, const void *data, size_t len);

/* May @uid:@gid make files in folder @fd? Errors: -EACCES no, by its mode; -EROFS; else errno. */
int file_check_writable(int fd, uid_t uid, gid_t gid);

/* Is @path a folder with nothing in it? */
bool file_is_empty_dir(const char *path);
