// SPDX-License-Identifier: GPL-2.0
/*
 * The command line's end of the control socket: one line of JSON out, one line back.
 * It knows nothing of what the lines say; it bounds how long and how large an answer may be.
 */
#pragma once

#include <stddef.h>

#define CLIENT_DEFAULT_SOCKET "/run/sekisho/sekisho.sock"
#define CLIENT_VIEW_NAME "view.sock"	/* beside it: may be asked, changes nothing */
#define CLIENT_REPLY_MAX (64u << 20) /* bytes: a page of 5000 entries with long reasons is 5 MB */
#define CLIENT_TIMEOUT_S 60          /* seconds: a feed update answers within its own time limit */

/*
 * Connects to the socket at @path; where that one is not for us (EACCES), to its sibling view.sock.
 * *ret_fd is the caller's to close.
 *
 * Errors: -ENAMETOOLONG; otherwise what socket(2) or connect(2) said, of @path and not of the
 * sibling.
 */
int client_connect(const char *path, int *ret_fd);

/*
 * Sends @line of @len bytes, which ends in a newline. Errors: -ETIMEDOUT; otherwise what send(2)
 * said.
 */
int client_send(int fd, const char *line, size_t len);

/*
 * Reads one line, the answer to the request before. *ret_reply ends in NUL in place of the newline;
 * the caller frees it. There must be at most one answer on its way: what follows the newline is
 * thrown away.
 *
 * Errors: -ECONNRESET where the agent hung up first; -ETIMEDOUT; -EMSGSIZE over CLIENT_REPLY_MAX;
 * -ENOMEM; otherwise what recv(2) said.
 */
int client_receive(int fd, char **ret_reply, size_t *ret_len);

/* client_send(), then client_receive(). Errors: of either. */
int client_call(int fd, const char *line, size_t len, char **ret_reply, size_t *ret_len);
