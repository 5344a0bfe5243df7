// SPDX-License-Identifier: GPL-2.0
/*
 * What stands above IP: protocol, ports, flags, fragments, by rows; each chain also cut at every
 * byte.
 */
#include "parse_run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <sekisho/limits.h>
#include "parse_ref.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define UNKNOWN 255

/* Ports 0x1234 and 0x0016; TCP with SYN and ECE, whatever the protocol. */
static const uint8_t header[20] = { 0x12, 0x34, 0, 22, [12] = 0x50, 0x42 };

struct want {
	unsigned state, proto, is_fragment, flags;
};

static void check(const char *row, const struct frame *f, struct want want, size_t l4_offset)
{
	struct parse_answer a, ref;
	int got = parse_run(f, &a), by_ref = parse_ref(f, &ref);
	int has_ports = want.state == PROBE_L4_PORTS;

	assert_int_equal(got, PROBE_SOURCE);
	if (a.state != want.state || a.proto != want.proto || a.is_fragment != want.is_fragment ||
	    a.tcp_flags != want.flags || a.sport != (has_ports ? 0x1234 : 0) ||
	    a.dport != (has_ports ? 22 : 0))
		fail_msg("%s: state %u proto %u fragment %u flags %x ports %u %u", row, a.state,
			 a.proto, a.is_fragment, a.tcp_flags, a.sport, a.dport);
	if (want.state != PROBE_L4_UNKNOWN && a.l4_offset != l4_offset)
		fail_msg("%s: L4 at %u, not %zu", row, a.l4_offset, l4_offset);
	if (got != by_ref || memcmp(&a, &ref, sizeof(a)))
		parse_run_differ(row, f, got, &a, by_ref, &ref);
}

static void ipv4_rows(void **state)
{
	static const struct {
		const char *row;
		unsigned ihl, proto, fragment, payload;
		struct want want;
	} rows[] = {
		{ "tcp", 5, 6, 0, 20, { PROBE_L4_PORTS, 6, 0, 0x42 } },
		{ "tcp cut by one byte", 5, 6, 0, 19, { PROBE_L4_PROTO, 6, 0, 0 } },
		{ "tcp, no byte", 5, 6, 0, 0, { PROBE_L4_PROTO, 6, 0, 0 } },
		{ "tcp behind options", 15, 6, 0, 20, { PROBE_L4_PORTS, 6, 0, 0x42 } },
		{ "tcp behind options, cut", 15, 6, 0, 19, { PROBE_L4_PROTO, 6, 0, 0 } },
		{ "udp", 5, 17, 0, 8, { PROBE_L4_PORTS, 17, 0, 0 } },
		{ "udp cut by one byte", 5, 17, 0, 7, { PROBE_L4_PROTO, 17, 0, 0 } },
		{ "udp-lite", 5, 136, 0, 8, { PROBE_L4_PORTS, 136, 0, 0 } },
		{ "udp-lite cut by one byte", 5, 136, 0, 7, { PROBE_L4_PROTO, 136, 0, 0 } },
		{ "sctp", 6, 132, 0, 12, { PROBE_L4_PORTS, 132, 0, 0 } },
		{ "sctp cut by one byte", 6, 132, 0, 11, { PROBE_L4_PROTO, 132, 0, 0 } },
		{ "icmp", 5, 1, 0, 20, { PROBE_L4_PROTO, 1, 0, 0 } },
		{ "gre", 5, 47, 0, 20, { PROBE_L4_PROTO, 47, 0, 0 } },
		{ "no extension header in IPv4: 0", 5, 0, 0, 20, { PROBE_L4_PROTO, 0, 0, 0 } },
		{ "no extension header in IPv4: 60", 5, 60, 0, 20, { PROBE_L4_PROTO, 60, 0, 0 } },
		{ "protocol 255", 5, 255, 0, 20, { PROBE_L4_PROTO, 255, 0, 0 } },
		{ "don't fragment", 5, 17, 0x4000, 8, { PROBE_L4_PORTS, 17, 0, 0 } },
		{ "reserved flag", 5, 17, 0x8000, 8, { PROBE_L4_PORTS, 17, 0, 0 } },
		{ "first fragment", 5, 6, 0x2000, 20, { PROBE_L4_PORTS, 6, 1, 0x42 } },
		{ "first fragment, tiny", 5, 6, 0x2000, 8, { PROBE_L4_PORTS, 6, 1, 0 } },
		{ "first fragment, tinier", 5, 6, 0x2000, 7, { PROBE_L4_PROTO, 6, 1, 0 } },
		{ "first fragment, flags but no whole header", 5, 6, 0x2000, 16, { PROBE_L4_PORTS, 6, 1, 0 } },
		{ "later fragment, offset 1", 5, 6, 0x2001, 20, { PROBE_L4_PROTO, 6, 1, 0 } },
		{ "last fragment, offset 1", 5, 17, 0x0001, 20, { PROBE_L4_PROTO, 17, 1, 0 } },
		{ "last fragment, highest offset bit",
		  5,
		  17,
		  0x1000,
		  20,
		  { PROBE_L4_PROTO, 17, 1, 0 } },
	};
	struct frame f;

	for (unsigned tags = 0; tags <= SEK_VLAN_MAX; tags++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			frame_eth(&f, tags, FRAME_IPV4);
			frame_ipv4(&f, rows[i].ihl, rows[i].ihl * 4 + rows[i].payload,
				   rows[i].proto, rows[i].fragment, 0);
			frame_put(&f, header, rows[i].payload);
			check(rows[i].row, &f, rows[i].want, f.len - rows[i].payload);
			frame_put(&f, NULL, 30); /* padding is no header */
			check(rows[i].row, &f, rows[i].want, f.len - rows[i].payload - 30);
		}
}

/*
 * One extension header of a chain: its number, its second byte, its third and fourth, its length.
 */
struct ext {
	uint8_t kind, second;
	uint16_t field;
	unsigned bytes;
};

struct chain {
	const char *row;
	struct ext ext[3];
	uint8_t last;
	struct want want;
};

static const struct chain chains[] = {
	{ "none", { { 0 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "udp", { { 0 } }, 17, { PROBE_L4_PORTS, 17, 0, 0 } },
	{ "sctp", { { 0 } }, 132, { PROBE_L4_PORTS, 132, 0, 0 } },
	{ "icmp6", { { 0 } }, 58, { PROBE_L4_PROTO, 58, 0, 0 } },
	{ "no next header", { { 0 } }, 59, { PROBE_L4_PROTO, 59, 0, 0 } },
	{ "esp", { { 0 } }, 50, { PROBE_L4_PROTO, 50, 0, 0 } },
	{ "experiment 253 is none we know", { { 0 } }, 253, { PROBE_L4_PROTO, 253, 0, 0 } },
	{ "hop-by-hop", { { 0, 0, 0, 8 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "hop-by-hop of 16", { { 0, 1, 0, 16 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "destination options of 2048",
	  { { 60, 255, 0, 2048 } },
	  6,
	  { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "routing", { { 43, 2, 0, 24 } }, 17, { PROBE_L4_PORTS, 17, 0, 0 } },
	{ "ah, least", { { 51, 0, 0, 8 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "ah, 24 bytes", { { 51, 4, 0, 24 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "ah, longest", { { 51, 255, 0, 1028 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "mobility", { { 135, 1, 0, 16 } }, 59, { PROBE_L4_PROTO, 59, 0, 0 } },
	{ "hip", { { 139, 4, 0, 40 } }, 17, { PROBE_L4_PORTS, 17, 0, 0 } },
	{ "shim6", { { 140, 1, 0, 16 } }, 17, { PROBE_L4_PORTS, 17, 0, 0 } },
	{ "three kinds",
	  { { 0, 0, 0, 8 }, { 43, 1, 0, 16 }, { 60, 0, 0, 8 } },
	  6,
	  { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "atomic fragment", { { 44, 0, 0, 8 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "fragment, reserved byte 255", { { 44, 255, 0, 8 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "fragment, reserved bits", { { 44, 0, 6, 8 } }, 6, { PROBE_L4_PORTS, 6, 0, 0x42 } },
	{ "first fragment", { { 44, 0, 1, 8 } }, 6, { PROBE_L4_PORTS, 6, 1, 0x42 } },
	{ "later fragment", { { 44, 0, 9, 8 } }, 6, { PROBE_L4_PROTO, 6, 1, 0 } },
	{ "last fragment", { { 44, 0, 8, 8 } }, 17, { PROBE_L4_PROTO, 17, 1, 0 } },
	{ "last fragment, highest bit",
	  { { 44, 0, 0x8000, 8 } },
	  17,
	  { PROBE_L4_PROTO, 17, 1, 0 } },
	{ "first fragment behind routing",
	  { { 43, 0, 0, 8 }, { 44, 9, 1, 8 } },
	  6,
	  { PROBE_L4_PORTS, 6, 1, 0x42 } },
	{ "first fragment before options",
	  { { 44, 0, 1, 8 }, { 60, 1, 0, 16 } },
	  6,
	  { PROBE_L4_PORTS, 6, 1, 0x42 } },
	{ "later fragment of options",
	  { { 44, 0, 9, 8 }, { 60, 1, 0, 16 } },
	  6,
	  { PROBE_L4_UNKNOWN, UNKNOWN, 1, 0 } },
};

/* Returns the offset of the last header. */
static size_t make_chain(struct frame *f, const struct chain *c)
{
	size_t payload = sizeof(header), at;
	unsigned n = 0;

	for (; n < COUNT(c->ext) && c->ext[n].bytes; n++)
		payload += c->ext[n].bytes;
	frame_eth(f, 0, FRAME_IPV6);
	frame_ipv6(f, payload, n ? c->ext[0].kind : c->last, 64);
	for (unsigned i = 0; i < n; i++) {
		uint8_t start[4] = { i + 1 < n ? c->ext[i + 1].kind : c->last, c->ext[i].second,
				     c->ext[i].field >> 8, c->ext[i].field };

		frame_put(f, start, sizeof(start));
		frame_put(f, NULL, c->ext[i].bytes - sizeof(start));
	}
	at = f->len;
	frame_put(f, header, sizeof(header));
	return at;
}

static void ipv6_rows(void **state)
{
	struct frame f;

	for (size_t i = 0; i < COUNT(chains); i++)
		check(chains[i].row, &f, chains[i].want, make_chain(&f, &chains[i]));
}

/*
 * Cut the packet, with its length field, at every byte: the source stays, and the answer is the
 * reference's.
 */
static void ipv6_cut(void **state)
{
	struct parse_answer a, ref;
	struct frame f;

	for (size_t i = 0; i < COUNT(chains); i++) {
		make_chain(&f, &chains[i]);
		for (; f.len >= FRAME_ETH_BYTES + 40; f.len--) {
			size_t payload = f.len - FRAME_ETH_BYTES - 40;
			int got, want;

			f.bytes[FRAME_ETH_BYTES + 4] = payload >> 8;
			f.bytes[FRAME_ETH_BYTES + 5] = payload;
			got = parse_run(&f, &a);
			want = parse_ref(&f, &ref);
			if (got != PROBE_SOURCE || want != PROBE_SOURCE ||
			    memcmp(&a, &ref, sizeof(a)))
				parse_run_differ(chains[i].row, &f, got, &a, want, &ref);
		}
	}
}

/* At the bound the protocol is still found, one deeper it is not; the source is known in both. */
static void ipv6_bound(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 44, 51, 60, 135, 139, 140 };
	struct parse_answer a;
	struct frame f;
	char row[64];

	for (size_t k = 0; k < COUNT(kinds); k++)
		for (unsigned depth = 1; depth <= SEK_V6_EXT_MAX + 1; depth++) {
			struct want want = { PROBE_L4_PORTS, 6, 0, 0x42 };

			if (depth > SEK_V6_EXT_MAX)
				want = (struct want){ PROBE_L4_UNKNOWN, UNKNOWN, 0, 0 };
			frame_eth(&f, 0, FRAME_IPV6);
			frame_ipv6(&f, depth * 8 + sizeof(header), kinds[k], 64);
			for (unsigned i = 1; i <= depth; i++)
				frame_put(&f, (uint8_t[8]){ i == depth ? 6 : kinds[k] }, 8);
			frame_put(&f, header, sizeof(header));
			snprintf(row, sizeof(row), "header %u, %u deep", kinds[k], depth);
			check(row, &f, want, f.len - sizeof(header));
		}
	frame_eth(&f, SEK_VLAN_MAX, FRAME_IPV6);
	frame_ipv6(&f, SEK_V6_EXT_MAX * 2048 + sizeof(header), 60, 64);
	for (unsigned i = 1; i <= SEK_V6_EXT_MAX; i++) {
		frame_put(&f, (uint8_t[2]){ i == SEK_V6_EXT_MAX ? 6 : 60, 255 }, 2);
		frame_put(&f, NULL, 2046);
	}
	frame_put(&f, header, sizeof(header));
	/* 16 kB of headers: beyond the first buffer, which is at most a page. */
	assert_int_equal(parse_run(&f, &a), PROBE_SOURCE);
	assert_int_equal(a.state, PROBE_L4_UNKNOWN);
}

static void skip_linear(void)
{
	print_message("this kernel's BPF_PROG_TEST_RUN takes no linear size\n");
	skip();
}

/* The frame's first buffer ends at every byte of the headers: unread or no L4, never malformed. */
static void split_buffers(void **state)
{
	struct parse_answer a, whole;
	struct frame f;
	int got;

	frame_eth(&f, 1, FRAME_IPV6);
	frame_ipv6(&f, 8 + sizeof(header), 60, 64);
	frame_put(&f, (uint8_t[8]){ 6 }, 8);
	frame_put(&f, header, sizeof(header));
	frame_put(&f, NULL, 30);
	assert_int_equal(parse_run(&f, &whole), PROBE_SOURCE);
	assert_int_equal(whole.state, PROBE_L4_PORTS);
	for (unsigned linear = 14; linear < f.len; linear++) {
		f.linear = linear;
		got = parse_run(&f, &a);
		if (got == -EINVAL)
			skip_linear();
		assert_int_equal(got, linear < 18 + 40 ? PROBE_UNREAD : PROBE_SOURCE);
		assert_int_equal(a.frame_bytes, got == PROBE_UNREAD ? f.len : a.frame_bytes);
		if (got != PROBE_SOURCE)
			continue;
		assert_memory_equal(a.addr_be, whole.addr_be, sizeof(a.addr_be));
		assert_int_equal(a.state, linear < 66   ? PROBE_L4_UNKNOWN
					  : linear < 86 ? PROBE_L4_PROTO
							: PROBE_L4_PORTS);
		assert_int_equal(a.ip_bytes, whole.ip_bytes);
	}
}

/*
 * The frame ends with the header that the first buffer cuts: whole it is unread, a byte less is
 * malformed.
 */
static void split_headers(void **state)
{
	struct parse_answer a;
	struct frame f;
	int got;

	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		frame_eth(&f, 1, is_v6 ? FRAME_IPV6 : FRAME_IPV4);
		is_v6 ? frame_ipv6(&f, 0, 59, 64) : frame_ipv4(&f, 5, 20, 17, 0, 0);
		for (unsigned linear = 14; linear < f.len - 1; linear++) {
			f.linear = linear;
			got = parse_run(&f, &a);
			if (got == -EINVAL)
				skip_linear();
			assert_int_equal(got, PROBE_UNREAD);
			f.len--;
			assert_int_equal(parse_run(&f, &a),
					 linear < 18 ? PROBE_UNREAD : PROBE_MALFORMED);
			f.len++;
		}
		f.len = 18; /* the tag alone */
		f.linear = 17;
		assert_int_equal(parse_run(&f, &a), PROBE_UNREAD);
		f.len = 17;
		f.linear = 16;
		assert_int_equal(parse_run(&f, &a), PROBE_MALFORMED);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_rows),     cmocka_unit_test(ipv6_rows),
		cmocka_unit_test(ipv6_cut),      cmocka_unit_test(ipv6_bound),
		cmocka_unit_test(split_buffers), cmocka_unit_test(split_headers),
	};

	return cmocka_run_group_tests(tests, parse_run_setup, parse_run_teardown);
}
