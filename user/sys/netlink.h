// SPDX-License-Identifier: GPL-2.0
/* What the host's network looks like: addresses, default routes, and word of every change. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink_address {
	uint8_t addr_be[16]; /* IPv4 in the first four, the rest 0 */
	uint8_t family;      /* 4 or 6 */
};

/* Calls @take for each address of this host. Errors: negative errno. */
int netlink_own_addresses(void (*take)(void *context, const struct netlink_address *address),
			  void *context);

/*
 * Calls @take for each default route of the main table, with its interface and gateway (NULL where
 * it has none). Errors: negative errno. Source: rtnetlink(7).
 */
int netlink_default_routes(void (*take)(void *context, unsigned ifindex,
					const struct netlink_address *gateway),
			   void *context);

/* Opens a non-blocking socket that becomes readable when links, addresses or routes change. Errors:
 * negative errno. */
int netlink_watch_open(void);

/* Empties the watch socket; true where anything was said (or said and lost). */
bool netlink_watch_drain(int fd);
