// SPDX-License-Identifier: GPL-2.0
/*
 * Tells public addresses from those that only mean something where we stand. In: a socket
 * address. Out: its kind. What is not known counts as private.
 */
#include "lib/http_addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static const struct {
	uint32_t net;
	uint32_t mask;
} private4[] = {
	{0x00000000, 0xff000000}, /* 0/8: this host */
	{0x0a000000, 0xff000000}, /* 10/8 */
	{0x64400000, 0xffc00000}, /* 100.64/10: shared */
	{0x7f000000, 0xff000000}, /* 127/8 */
	{0xac100000, 0xfff00000}, /* 172.16/12 */
	{0xc0000000, 0xffffff00}, /* 192.0.0/24 */
	{0xc0a80000, 0xffff0000}, /* 192.168/16 */
	{0xc6120000, 0xfffe0000}, /* 198.18/15: benchmarks */
	{0xe0000000, 0xe0000000}, /* 224/3: multicast, reserved, broadcast */
};

static enum http_addr_kind kind4(uint32_t ip)
{
	size_t i;

	if ((ip & 0xffff0000) == 0xa9fe0000)
		return HTTP_ADDR_LINK_LOCAL;
	for (i = 0; i < sizeof(private4) / sizeof(private4[0]); i++)
		if ((ip & private4[i].mask) == private4[i].net)
			return HTTP_ADDR_PRIVATE;
	return HTTP_ADDR_PUBLIC;
}

static uint32_t read4(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static enum http_addr_kind kind6(const uint8_t *b)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (!memcmp(b, mapped, 12) || !memcmp(b, nat64, 12))
		return kind4(read4(b + 12));
	if (b[0] == 0x20 && b[1] == 0x02)
		return kind4(read4(b + 2)); /* 6to4 */
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return HTTP_ADDR_LINK_LOCAL;
	/*
	 * Global unicast is 2000::/3; all else is loopback, unique local, multicast or unassigned.
	 */
	return (b[0] & 0xe0) == 0x20 ? HTTP_ADDR_PUBLIC : HTTP_ADDR_PRIVATE;
}

enum http_addr_kind http_addr_kind(const struct sockaddr *addr)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (addr->sa_family) {
	case AF_INET:
		memcpy(&in, addr, sizeof(in));
		return kind4(ntohl(in.sin_addr.s_addr));
	case AF_INET6:
		memcpy(&in6, addr, sizeof(in6));
		return kind6(in6.sin6_addr.s6_addr);
	default:
		return HTTP_ADDR_PRIVATE;
	}
}
