// SPDX-License-Identifier: GPL-2.0
/*
 * From a name to a connected TCP socket (the only file that resolves names). Which addresses are
 * tried is the caller's to say.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define DIAL_ADDRESSES_MAX 16u	/* of a name: real servers have up to eight a family */
#define DIAL_HEAD_START_MS 250u /* of each address before the next. Source: RFC 8305, 8 */

struct dial_address {
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} at;
	socklen_t bytes;
};

/*
 * The addresses of @host, a name or an address, with @port, in the order to try them in; those
 * beyond @max are left out. It waits as long as the system's resolver does. Errors: -ENOENT it has
 * none, or nobody could say.
 */
int dial_resolve(const char *host, uint16_t port, struct dial_address *addresses, unsigned max,
		 unsigned *ret_n);

/* Milliseconds on CLOCK_MONOTONIC. */
uint64_t dial_now_ms(void);

/*
 * Does @address lead to this host: one of its own, on whatever interface, any of loopback's, or the
 * unspecified one, which the kernel takes for loopback's? Not known counts as yes.
 */
bool dial_is_ours(const struct sockaddr *address);

/*
 * Connects to the first of @n @addresses that takes it: each a moment after the one before it, or
 * at once when that one failed.
 * @ret_fd is non-blocking and the caller's; @ret_which says to whom.
 *
 * Errors: -ETIMEDOUT none did by @end_ms (dial_now_ms); else of connect(2) or socket(2), of the
 * last that failed.
 * Source: RFC 8305, 5.
 */
int dial_connect(const struct dial_address *addresses, unsigned n, uint64_t end_ms, int *ret_fd,
		 unsigned *ret_which);
