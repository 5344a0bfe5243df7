// SPDX-License-Identifier: GPL-2.0
/* Opens a file with another user's rights, by root. */
#pragma once

#include <sys/types.h>

/*
 * open(2) of @path with @flags and the rights of @uid:@gid, no further groups, for this call and this thread alone. Files of
 * /proc are refused: some of them tell of the process that opens them, whatever rights it has at the time.
 *
 * Errors: negative errno of open(2); -EPERM: the rights cannot be taken, or it is a file of /proc. Ends the process where
 * it cannot have its own rights back. Source: credentials(7), setfsuid(2).
 */
int open_as(uid_t uid, gid_t gid, const char *path, int flags);
