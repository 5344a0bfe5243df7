// SPDX-License-Identifier: GPL-2.0
/*
 * The pair between two of our processes: whole messages on SOCK_SEQPACKET, descriptors along
 * with them, and bulk data as sealed memfds, which the other side can neither change nor shorten
 * after it was checked.
 */
#pragma once

#include <stddef.h>

#define CHANNEL_FDS_MAX 16 /* descriptors a message can carry; as many as ROLE_FDS_MAX */

/*
 * Sends one message of @len bytes and duplicates of @n_fds descriptors; the caller keeps his own.
 * Never raises SIGPIPE.
 *
 * Errors: -EINVAL more than CHANNEL_FDS_MAX descriptors or an empty message; -EPIPE or
 * -ECONNRESET the other side is gone; -EAGAIN a non-blocking socket is full; others of sendmsg(2).
 */
int channel_send(int fd, const void *msg, size_t len, const int *fds, unsigned n_fds);

/*
 * Receives one message into @msg of @size bytes. Its descriptors go to @fds (close-on-exec, now
 * the caller's); those beyond @fds_max are closed. On any error all of them are closed.
 *
 * Errors: -ECONNRESET end of file; -EMSGSIZE the message or its descriptors were longer than
 * there is room for; -EAGAIN nothing there (non-blocking); others of recvmsg(2).
 */
int channel_recv(int fd, void *msg, size_t size, size_t *ret_len, int *fds, unsigned fds_max,
		 unsigned *ret_n_fds);

/*
 * Seals @memfd for good: no write, no other size, no further seals. Errors: of fcntl(2); -EBUSY a
 * writable mapping is left.
 */
int channel_seal(int memfd);

/*
 * Is @memfd a memfd whose content and size are fixed? @ret_bytes gets its size.
 *
 * Errors: -EPERM a seal is missing; -EINVAL no memfd; others of fstat(2).
 */
int channel_check_sealed(int memfd, size_t *ret_bytes);

/*
 * A sealed memfd holding @len bytes of @data, named @name in /proc; or negative errno. The caller
 * closes it.
 */
int channel_memfd(const char *name, const void *data, size_t len);
