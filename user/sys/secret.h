// SPDX-License-Identifier: GPL-2.0
/*
 * A secret (an API key) from a file of its own. It goes to the buffer it was asked for and nowhere
 * else: never into a log, an error text or a command line. Who is done with it calls
 * explicit_bzero(3). One process reads the file, with the rights for it, and another one takes what
 * it read: an open may never return, on a mount that does not answer.
 */
#pragma once

#include <stddef.h>

#define SECRET_BYTES 512 /* with the NUL: API keys have 32 to 256 characters */

/*
 * Reads @path and judges it: a regular file that belongs to root or to us, and is closed to the
 * group and to others. Returns a descriptor for secret_take(), which tells of errors too; -1 where
 * there is none to be had. Safe in a child of fork(2).
 */
int secret_open(const char *path);

/*
 * The secret behind @fd of secret_open(), which stays the caller's: one line of printable ASCII
 * without blanks inside, blanks and line ends around it left out.
 *
 * Errors: -EPERM its owner or mode; -EINVAL no regular file; -ENOKEY empty; -EBADMSG more than one
 * line, a blank or another byte no header may have; -EFBIG; those of open(2) and read(2). @why gets
 * one line in each case, without the path; @secret then is empty.
 */
int secret_take(int fd, char secret[SECRET_BYTES], char *why, size_t why_bytes);
