// SPDX-License-Identifier: GPL-2.0
/*
 * A feed that is a file: opened with the rights of this process's user, before the sandbox, and
 * read in it.
 */
#pragma once

#include <stddef.h>

#include "fetch/body.h"

/* Opens @path as descriptor FETCH_FILE_FD, without waiting for anything. Errors: of open(2). */
int file_source_open(const char *path);

/* One line for people about an error of file_source_open(): what to do about it. */
void file_source_why(int err, char *why, size_t why_bytes);

/*
 * Reads all of @fd into @body. Errors: -EINVAL no regular file; -EFBIG over the limit; -EIO;
 * those of body_push(). @why gets one line in each case.
 */
int file_source_read(int fd, struct body *body, char *why, size_t why_bytes);
