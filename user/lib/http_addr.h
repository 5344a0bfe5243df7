// SPDX-License-Identifier: GPL-2.0
/* What kind of place an address is, for the question whether a redirect may lead there. */
#pragma once

#include <sys/socket.h>

enum http_addr_kind {
	HTTP_ADDR_PUBLIC = 0,
	/* loopback, RFC 1918, shared, unique local, unspecified, multicast, unknown family */
	HTTP_ADDR_PRIVATE,
	HTTP_ADDR_LINK_LOCAL, /* 169.254.0.0/16 and fe80::/10: metadata services live there */
};

/*
 * The kind of @addr; IPv4 inside IPv6 (mapped, NAT64, 6to4) is judged as the IPv4 address.
 * Source: IANA special-purpose address registries.
 */
enum http_addr_kind http_addr_kind(const struct sockaddr *addr);
