// SPDX-License-Identifier: GPL-2.0
/* A reference parser for the differential test; see parse_ref.h. Slow, and reads nothing twice. */
#include "parse_ref.h"

#include <string.h>
#include <sekisho/limits.h>

/* A cursor over the bytes that count; a read beyond the end sets is_short and gives 0. */
struct cursor {
	const uint8_t *at, *end;
	int is_short;
};

static uint32_t take(struct cursor *c, int bytes)
{
	uint32_t value = 0;

	if (c->end - c->at < bytes) {
		c->is_short = 1;
		c->at = c->end;
		return 0;
	}
	while (bytes--)
		value = value << 8 | *c->at++;
	return value;
}

static void skip(struct cursor *c, size_t bytes)
{
	if ((size_t)(c->end - c->at) < bytes)
		c->is_short = 1;
	c->at += c->is_short ? c->end - c->at : (ptrdiff_t)bytes;
}

static void ref_ports(struct cursor c, struct parse_answer *a)
{
	struct cursor whole = c;
	unsigned sport, dport, flags = 0;
	int is_cut = a->proto == 6 && a->is_fragment && c.end - c.at < 20;

	switch (a->proto) {
	case 6: skip(&whole, is_cut ? 8 : 20); break;
	case 17: case 136: skip(&whole, 8); break;
	case 132: skip(&whole, 12); break;
	default: return;
	}
	if (whole.is_short)
		return;
	sport = take(&c, 2);
	dport = take(&c, 2);
	if (a->proto == 6 && !is_cut) {
		skip(&c, 9);
		flags = take(&c, 1);
	}
	a->sport = sport;
	a->dport = dport;
	a->tcp_flags = flags;
	a->state = PROBE_L4_PORTS;
}

static int ref_ipv4(const struct frame *f, struct cursor c, struct parse_answer *a)
{
	const uint8_t *start = c.at;
	unsigned first = take(&c, 1), header = (first & 15) * 4, total, fragment;

	skip(&c, 1);
	total = take(&c, 2);
	if (!total && c.end - start > 65535)
		total = c.end - start; /* BIG TCP */
	skip(&c, 2);
	fragment = take(&c, 2);
	skip(&c, 1);
	a->proto = take(&c, 1);
	skip(&c, 2);
	for (int i = 0; i < 4; i++)
		a->addr_be[i] = take(&c, 1);
	skip(&c, 4);
	if (c.is_short || first >> 4 != 4 || header < 20 || total < header ||
	    total > (size_t)(c.end - start))
		return PROBE_MALFORMED;
	a->family = 4;
	a->ip_bytes = total;
	a->l4_offset = start + header - f->bytes;
	a->state = PROBE_L4_PROTO;
	a->is_fragment = (fragment & 0x3fff) != 0;
	if (!(fragment & 0x1fff))
		ref_ports((struct cursor){ start + header, start + total, 0 }, a);
	return PROBE_SOURCE;
}

static int is_extension(unsigned next)
{
	return strchr("\x2b\x2c\x33\x3c\x87\x8b\x8c", next) !=
	       NULL; /* 0 matches the NUL: hop-by-hop */
}

/* The chain from @next on; @c ends with the IP packet. */
static void ref_chain(const struct frame *f, struct cursor c, unsigned next, struct parse_answer *a)
{
	int depth = 0, is_later = 0;

	for (; is_extension(next); depth++) {
		unsigned kind = next, length;

		if (depth == SEK_V6_EXT_MAX || is_later)
			return;
		next = take(&c, 1);
		length = take(&c, 1);
		if (kind == 44) {
			unsigned field = take(&c, 2);

			skip(&c, 4);
			if (c.is_short)
				return;
			is_later = field >> 3 != 0;
			if (is_later || field & 1)
				a->is_fragment = 1;
		} else {
			struct cursor eight = c;

			skip(&eight, 6);
			skip(&c, kind == 51 ? (length + 2) * 4 - 2 : (length + 1) * 8 - 2);
			if (eight.is_short || c.is_short)
				return;
		}
	}
	a->proto = next;
	a->state = PROBE_L4_PROTO;
	a->l4_offset = c.at - f->bytes;
	if (!is_later)
		ref_ports(c, a);
}

static int ref_ipv6(const struct frame *f, struct cursor c, struct parse_answer *a)
{
	unsigned version = take(&c, 1) >> 4, payload, next, hops;
	struct cursor icmp;

	skip(&c, 3);
	payload = take(&c, 2);
	next = take(&c, 1);
	hops = take(&c, 1);
	for (int i = 0; i < 16; i++)
		a->addr_be[i] = take(&c, 1);
	skip(&c, 16);
	if (c.is_short || version != 6 || payload > (size_t)(c.end - c.at))
		return PROBE_MALFORMED;
	c.end = c.at + payload;
	icmp = c;
	if (next == 58 && hops == 255 && payload >= 8) {
		unsigned type = take(&icmp, 1);

		if (type >= 133 && type <= 137 && take(&icmp, 1) == 0)
			return PROBE_LINK;
	}
	a->family = 6;
	a->ip_bytes = 40 + payload;
	a->proto = 255;
	ref_chain(f, c, next, a);
	return PROBE_SOURCE;
}

int parse_ref(const struct frame *f, struct parse_answer *ret_answer)
{
	struct cursor c = { f->bytes, f->bytes + f->len, 0 };
	struct parse_answer a = { 0 };
	unsigned type, tags = 0;
	int result;

	skip(&c, 12);
	type = take(&c, 2);
	while ((type == 0x8100 || type == 0x88a8) && tags++ < SEK_VLAN_MAX) {
		skip(&c, 2);
		type = take(&c, 2);
	}
	a.ip_offset = c.at - f->bytes;
	if (c.is_short)
		result = PROBE_MALFORMED;
	else if (type == 0x8100 || type == 0x88a8)
		result = PROBE_PILE;
	else if (type == 0x0800)
		result = ref_ipv4(f, c, &a);
	else if (type == 0x86dd)
		result = ref_ipv6(f, c, &a);
	else
		result = PROBE_LINK;
	if (result != PROBE_SOURCE)
		memset(&a, 0, sizeof(a));
	a.frame_bytes = f->len;
	*ret_answer = a;
	return result;
}
