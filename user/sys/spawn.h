// SPDX-License-Identifier: GPL-2.0
/* Starts a child program as another user with just the descriptors it is meant to have. */
#pragma once

#include <sys/types.h>

struct spawn_file {
	const char *path;
	/* in the child: a descriptor, or -1; takes no lock and allocates nothing */
	int (*open)(const char *path);
};

/* spawn_file's open for a regular file that everybody may read, named without links. */
int spawn_open_public(const char *path);

/*
 * Starts @argv[0] as @uid:@gid without capabilities or supplementary groups, with @fds[i] as
 * descriptor 3 + i and nothing else but stdio, and JOURNAL_STREAM as its whole environment; it dies
 * with its parent. @file (NULL: none) the child opens with our rights before it gives them up, as
 * the descriptor behind @fds, which is not there where that fails. We do not open it ourselves
 * because an open may never return, on a mount that does not answer.
 * Errors: negative errno of fork; a failed exec shows as exit 127.
 */
int spawn_child(char *const argv[], uid_t uid, gid_t gid, const int *fds, unsigned n_fds,
		const struct spawn_file *file, pid_t *ret_pid);
