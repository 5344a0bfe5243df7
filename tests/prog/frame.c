// SPDX-License-Identifier: GPL-2.0
/* Frames for the program tests; see frame.h. Never more than FRAME_MAX bytes. */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

const uint8_t frame_source4[4] = { 203, 0, 113, 7 };
const uint8_t frame_source6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };

void frame_put(struct frame *f, const void *bytes, size_t len)
{
	if (len > FRAME_MAX - f->len)
		abort();
	if (bytes)
		memcpy(f->bytes + f->len, bytes, len);
	else
		memset(f->bytes + f->len, 0, len);
	f->len += len;
}

void frame_put16(struct frame *f, unsigned value)
{
	uint8_t be[2] = { value >> 8, value };

	frame_put(f, be, 2);
}

void frame_eth(struct frame *f, unsigned tags, unsigned ethertype)
{
	f->len = f->linear = 0;
	frame_put(f, NULL, 12);
	for (unsigned i = 0; i < tags; i++) {
		frame_put16(f, i + 1 == tags ? 0x8100 : 0x88a8);
		frame_put16(f, 100 + i);
	}
	frame_put16(f, ethertype);
}

void frame_ipv4(struct frame *f, unsigned ihl, unsigned total, unsigned proto, unsigned fragment,
		size_t payload)
{
	size_t at = f->len;

	frame_put(f, NULL, ihl > 5 ? ihl * 4 : 20);
	f->bytes[at] = 0x40 | ihl;
	f->bytes[at + 2] = total >> 8;
	f->bytes[at + 3] = total;
	f->bytes[at + 6] = fragment >> 8;
	f->bytes[at + 7] = fragment;
	f->bytes[at + 8] = 64;
	f->bytes[at + 9] = proto;
	frame_set_source(f, at, 4, frame_source4);
	frame_put(f, NULL, payload);
}

void frame_ipv6(struct frame *f, unsigned payload, unsigned next, unsigned hops)
{
	uint8_t start[8] = { 0x60, 0, 0, 0, payload >> 8, payload, next, hops };

	frame_put(f, start, 8);
	frame_put(f, frame_source6, 16);
	frame_put(f, NULL, 16);
}

void frame_l4(struct frame *f, int family, unsigned proto, unsigned sport, unsigned dport,
	      unsigned tcp_flags)
{
	size_t at;

	frame_eth(f, 0, family == 4 ? FRAME_IPV4 : FRAME_IPV6);
	if (family == 4)
		frame_ipv4(f, 5, 46, proto, 0, 0);
	else
		frame_ipv6(f, 26, proto, 64);
	at = f->len;
	frame_put16(f, sport);
	frame_put16(f, dport);
	frame_put(f, NULL, 22);
	f->bytes[at + 13] = tcp_flags;
}

void frame_set_source(struct frame *f, size_t offset, int family, const void *addr_be)
{
	memcpy(f->bytes + offset + (family == 4 ? 12 : 8), addr_be, family == 4 ? 4 : 16);
}
