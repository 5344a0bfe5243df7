// SPDX-License-Identifier: GPL-2.0
/* A feed that is a file: the keeper opened it, here it is read. */
#pragma once

#include <stddef.h>

#include "fetch/body.h"

/*
 * Reads all of @fd into @body. Errors: -EINVAL no regular file; -EFBIG over the limit; -EIO;
 * those of body_push(). @why gets one line in each case.
 */
int file_source_read(int fd, struct body *body, char *why, size_t why_bytes);
