// SPDX-License-Identifier: GPL-2.0
/*
 * Which frames have a source to judge, which have none and why: action, and the one counter that
 * moved. Every frame that drops while its source is blocked passes while it is not.
 */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include "sekisho.skel.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/*
 * One past the bound is dropped: Linux would peel further and find the source; an honest sender has
 * two tags at most.
 */
static void vlan_depths(void **state)
{
	struct frame f;
	char row[32];

	for (unsigned tags = 0; tags <= SEK_VLAN_MAX + 1; tags++)
		for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
			snprintf(row, sizeof(row), "%u tags, IPv%d", tags, is_v6 ? 6 : 4);
			frame_eth(&f, tags, is_v6 ? FRAME_IPV6 : FRAME_IPV4);
			is_v6 ? frame_ipv6(&f, 0, 59, 64) : frame_ipv4(&f, 5, 28, 17, 0, 8);
			if (tags <= SEK_VLAN_MAX)
				harness_judged(row, &f);
			else {
				harness_reset();
				harness_expect(row, &f, XDP_DROP, SEK_R_MALFORMED,
					       HARNESS_NO_WOULD);
			}
		}
}

/* Every kind of tag in every place, priority tags (VLAN 0) as well. */
static void vlan_kinds(void **state)
{
	static const unsigned kinds[] = { 0x8100, 0x88a8 };
	struct frame f;

	for (int outer = 0; outer < 2; outer++)
		for (int inner = 0; inner < 2; inner++)
			for (unsigned vid = 0; vid <= 4095; vid += 4095) {
				frame_eth(&f, 0, kinds[outer]);
				frame_put16(&f, vid);
				frame_put16(&f, kinds[inner]);
				frame_put16(&f, vid);
				frame_put16(&f, FRAME_IPV4);
				frame_ipv4(&f, 5, 28, 17, 0, 8);
				harness_judged("tag in tag", &f);
			}
	frame_eth(&f, 0, 0x9100);
	frame_put16(&f, 1);
	frame_put16(&f, FRAME_IPV4);
	frame_ipv4(&f, 5, 28, 17, 0, 8);
	harness_unjudged("0x9100, which Linux does not take for a tag", &f, SEK_R_LINK);
}

/*
 * Below 0x600 the field is a length (IEEE 802.3 3.2.6); Linux hands no IP packet up from LLC or
 * SNAP.
 */
static void other_ethertypes(void **state)
{
	static const struct {
		const char *row;
		unsigned ethertype;
	} rows[] = {
		{ "arp", 0x0806 },	   { "rarp", 0x8035 },	      { "lldp", 0x88cc },
		{ "pause", 0x8808 },	   { "mpls", 0x8847 },	      { "pppoe session", 0x8864 },
		{ "length 0", 0 },	   { "length 38", 38 },	      { "length 1500", 1500 },
		{ "last length", 0x05ff }, { "first type", 0x0600 },  { "next to IPv4", 0x0801 },
		{ "next to IPv6", 0x86de }, { "last type", 0xffff },
	};
	struct frame f;

	for (unsigned tags = 0; tags <= 2; tags++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			frame_eth(&f, tags, rows[i].ethertype);
			harness_unjudged(rows[i].row, &f, SEK_R_LINK);
			frame_put(&f, NULL, 46);
			harness_unjudged(rows[i].row, &f, SEK_R_LINK);
		}
	frame_eth(&f, 0, 0x88cc);
	frame_put(&f, NULL, 6000);
	harness_unjudged("in two buffers, all bytes counted", &f, SEK_R_LINK);
	frame_eth(&f, 0, 36);
	frame_put(&f, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	frame_ipv4(&f, 5, 28, 17, 0, 8);
	harness_unjudged("IPv4 in SNAP", &f, SEK_R_LINK);
}

static void ipv4_shapes(void **state)
{
	static const struct {
		const char *row;
		unsigned ihl, total, proto, fragment, payload;
		int judged;
	} rows[] = {
		{ "udp", 5, 28, 17, 0, 8, 1 },
		{ "no payload", 5, 20, 17, 0, 0, 1 },
		{ "one option word", 6, 32, 6, 0, 8, 1 },
		{ "header alone, ihl 6", 6, 24, 6, 0, 0, 1 },
		{ "ihl 15", 15, 68, 6, 0, 8, 1 },
		{ "header alone, ihl 15", 15, 60, 6, 0, 0, 1 },
		{ "ihl 4", 4, 28, 17, 0, 8, 0 },
		{ "ihl 0", 0, 28, 17, 0, 8, 0 },
		{ "total is header less one, ihl 5", 5, 19, 17, 0, 8, 0 },
		{ "total is header less one, ihl 6", 6, 23, 17, 0, 8, 0 },
		{ "total is header less one, ihl 15", 15, 59, 17, 0, 8, 0 },
		{ "total 0", 5, 0, 17, 0, 8, 0 },
		{ "total beyond the frame by one", 5, 29, 17, 0, 8, 0 },
		{ "total 65535", 5, 65535, 17, 0, 8, 0 },
		{ "padded frame", 5, 21, 17, 0, 26, 1 },
		{ "first fragment", 5, 28, 17, 0x2000, 8, 1 },
		{ "later fragment", 5, 28, 17, 0x00b9, 8, 1 },
		{ "last offset", 5, 28, 17, 0x1fff, 8, 1 },
		{ "protocol 0", 5, 28, 0, 0, 8, 1 },
		{ "icmp", 5, 28, 1, 0, 8, 1 },
		{ "igmp", 5, 28, 2, 0, 8, 1 },
		{ "ip in ip", 5, 28, 4, 0, 8, 1 },
		{ "gre", 5, 28, 47, 0, 8, 1 },
		{ "esp", 5, 28, 50, 0, 8, 1 },
		{ "ah", 5, 28, 51, 0, 8, 1 },
		{ "protocol 255", 5, 28, 255, 0, 8, 1 },
		{ "cut udp header", 5, 23, 17, 0, 3, 1 },
		{ "in two buffers", 5, 6000, 17, 0, 5980, 1 },
		{ "in two buffers, total beyond by one", 5, 6001, 17, 0, 5980, 0 },
	};
	struct frame f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		frame_eth(&f, 0, FRAME_IPV4);
		frame_ipv4(&f, rows[i].ihl, rows[i].total, rows[i].proto, rows[i].fragment,
			   rows[i].payload);
		if (rows[i].judged)
			harness_judged(rows[i].row, &f);
		else
			harness_unjudged(rows[i].row, &f, SEK_R_MALFORMED);
	}
	frame_eth(&f, 0, FRAME_IPV4);
	frame_ipv4(&f, 5, 28, 17, 0, 8);
	f.bytes[FRAME_ETH_BYTES] = 0x55;
	harness_unjudged("version 5", &f, SEK_R_MALFORMED);
	f.bytes[FRAME_ETH_BYTES] = 0x65;
	harness_unjudged("version 6 under IPv4's ethertype", &f, SEK_R_MALFORMED);
}

/* BIG TCP: what this host merged itself is longer than its field can say, which is 0 then. */
static void ipv4_longer_than_its_field(void **state)
{
	static const struct {
		const char *row;
		unsigned tags, ihl, total, ip_bytes;
		int judged;
	} rows[] = {
		{ "0, the longest that the field could say", 0, 5, 0, 65535, 0 },
		{ "0, one longer", 0, 5, 0, 65536, 1 },
		{ "0, one longer, two tags", 2, 5, 0, 65536, 1 },
		{ "0, two tags that do not count", 2, 5, 0, 65535, 0 },
		{ "0, one longer, options", 0, 15, 0, 65536, 1 },
		{ "0, one longer, ihl 4", 0, 4, 0, 65536, 0 },
		{ "0, 70000", 0, 5, 0, 70000, 1 },
		{ "1, one longer", 0, 5, 1, 65536, 0 },
		{ "19, one longer", 0, 5, 19, 65536, 0 },
	};
	struct frame f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned header = rows[i].ihl < 5 ? 20 : rows[i].ihl * 4;

		frame_eth(&f, rows[i].tags, FRAME_IPV4);
		frame_ipv4(&f, rows[i].ihl, rows[i].total, 6, 0, rows[i].ip_bytes - header);
		if (rows[i].judged)
			harness_judged(rows[i].row, &f);
		else
			harness_unjudged(rows[i].row, &f, SEK_R_MALFORMED);
	}
}

/*
 * Depths 0..SEK_V6_EXT_MAX + 1 of each extension header; a fragment header's reserved byte is 255.
 */
static void ipv6_extensions(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 44, 51, 60, 135, 139, 140, 253, 254 };
	struct frame f;
	char row[64];

	for (size_t k = 0; k < COUNT(kinds); k++)
		for (unsigned depth = 0; depth <= SEK_V6_EXT_MAX + 1; depth++) {
			frame_eth(&f, 0, FRAME_IPV6);
			frame_ipv6(&f, depth * 8 + 8, depth ? kinds[k] : 17, 64);
			for (unsigned i = 1; i <= depth; i++) {
				uint8_t ext[8] = { i == depth ? 17 : kinds[k],
						   kinds[k] == 44 ? 255 : 0 };

				frame_put(&f, ext, 8);
			}
			frame_put(&f, NULL, 8);
			snprintf(row, sizeof(row), "header %u, %u deep", kinds[k], depth);
			harness_judged(row, &f);
		}
	for (size_t k = 0; k < COUNT(kinds); k++) {
		uint8_t ext[8] = { 58, 255 };

		frame_eth(&f, 0, FRAME_IPV6);
		frame_ipv6(&f, 8, kinds[k], 64);
		frame_put(&f, ext, 8);
		harness_judged("extension longer than the packet", &f);
		frame_eth(&f, 0, FRAME_IPV6);
		frame_ipv6(&f, 0, kinds[k], 64);
		harness_judged("extension with no byte", &f);
	}
}

static void ipv6_shapes(void **state)
{
	static const struct {
		const char *row;
		unsigned says, payload;
		int judged;
	} rows[] = {
		{ "no payload", 0, 0, 1 },
		{ "payload to the end", 8, 8, 1 },
		{ "padded frame", 1, 6, 1 },
		{ "jumbo or empty", 0, 100, 1 },
		{ "payload beyond the frame by one", 9, 8, 0 },
		{ "one byte that is not there", 1, 0, 0 },
		{ "payload 65535", 65535, 8, 0 },
		{ "in two buffers", 5960, 5960, 1 },
		{ "in two buffers, beyond by one", 5961, 5960, 0 },
	};
	struct frame f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		frame_eth(&f, 0, FRAME_IPV6);
		frame_ipv6(&f, rows[i].says, 17, 64);
		frame_put(&f, NULL, rows[i].payload);
		if (rows[i].judged)
			harness_judged(rows[i].row, &f);
		else
			harness_unjudged(rows[i].row, &f, SEK_R_MALFORMED);
	}
	frame_eth(&f, 0, FRAME_IPV6);
	frame_ipv6(&f, 0, 59, 64);
	f.bytes[FRAME_ETH_BYTES] = 0x50;
	harness_unjudged("version 5", &f, SEK_R_MALFORMED);
	f.bytes[FRAME_ETH_BYTES] = 0x45;
	harness_unjudged("version 4 under IPv6's ethertype", &f, SEK_R_MALFORMED);
}

static void neighbour_discovery(void **state)
{
	static const struct {
		const char *row;
		unsigned next, hops, type, code, payload;
		int judged;
	} rows[] = {
		{ "router solicitation", 58, 255, 133, 0, 8, 0 },
		{ "router advertisement", 58, 255, 134, 0, 16, 0 },
		{ "neighbour solicitation", 58, 255, 135, 0, 24, 0 },
		{ "neighbour advertisement", 58, 255, 136, 0, 24, 0 },
		{ "redirect", 58, 255, 137, 0, 40, 0 },
		{ "echo request", 58, 255, 128, 0, 24, 1 },
		{ "multicast listener done", 58, 255, 132, 0, 24, 1 },
		{ "type 138", 58, 255, 138, 0, 24, 1 },
		{ "multicast listener report 2", 58, 1, 143, 0, 24, 1 },
		{ "hop limit 254", 58, 254, 135, 0, 24, 1 },
		{ "hop limit 0", 58, 0, 135, 0, 24, 1 },
		{ "code 1", 58, 255, 135, 1, 24, 1 },
		{ "ICMP of IPv4", 1, 255, 135, 0, 24, 1 },
		{ "UDP", 17, 255, 135, 0, 24, 1 },
		{ "behind hop-by-hop", 0, 255, 58, 0, 24, 1 },
		{ "fragmented", 44, 255, 58, 0, 24, 1 },
		{ "seven bytes", 58, 255, 133, 0, 7, 1 },
		{ "one byte", 58, 255, 133, 0, 1, 1 },
	};
	struct frame f;

	for (unsigned tags = 0; tags <= 2; tags++)
		for (size_t i = 0; i < COUNT(rows); i++) {
			frame_eth(&f, tags, FRAME_IPV6);
			frame_ipv6(&f, rows[i].payload, rows[i].next, rows[i].hops);
			frame_put(&f, NULL, rows[i].payload);
			f.bytes[FRAME_ETH_BYTES + 4 * tags + 40] = rows[i].type;
			f.bytes[FRAME_ETH_BYTES + 4 * tags + 41] = rows[i].code;
			if (rows[i].judged)
				harness_judged(rows[i].row, &f);
			else
				harness_unjudged(rows[i].row, &f, SEK_R_LINK);
		}
	frame_eth(&f, 0, FRAME_IPV6);
	frame_ipv6(&f, 25, 58, 255);
	frame_put(&f, "\x87", 1);
	frame_put(&f, NULL, 23);
	harness_unjudged("solicitation beyond the frame by one", &f, SEK_R_MALFORMED);
}

/* Cut at every byte: malformed, whatever is missing; with the length field cut too, judged. */
static void cut_frames(void **state)
{
	struct frame f, cut;

	for (unsigned tags = 0; tags <= SEK_VLAN_MAX; tags++) {
		size_t ip = FRAME_ETH_BYTES + 4 * tags;

		frame_eth(&f, tags, FRAME_IPV4);
		frame_ipv4(&f, 5, 28, 17, 0, 8);
		for (cut = f, cut.len = FRAME_ETH_BYTES; cut.len < f.len; cut.len++)
			harness_unjudged("cut IPv4", &cut, SEK_R_MALFORMED);
		for (cut.len = ip + 20; cut.len <= f.len; cut.len++) {
			cut.bytes[ip + 3] = cut.len - ip;
			harness_judged("cut IPv4, honest length", &cut);
		}
		frame_eth(&f, tags, FRAME_IPV6);
		frame_ipv6(&f, 8, 17, 64);
		frame_put(&f, NULL, 8);
		for (cut = f, cut.len = FRAME_ETH_BYTES; cut.len < f.len; cut.len++)
			harness_unjudged("cut IPv6", &cut, SEK_R_MALFORMED);
		for (cut.len = ip + 40; cut.len <= f.len; cut.len++) {
			cut.bytes[ip + 5] = cut.len - ip - 40;
			harness_judged("cut IPv6, honest length", &cut);
		}
	}
}

/*
 * Headers in the second buffer are our limit, not the sender's: passed, counted as such, never as
 * malformed.
 */
static void second_buffer(void **state)
{
	struct frame f;

	for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
		size_t headers = FRAME_ETH_BYTES + (is_v6 ? 40 : 20);

		frame_eth(&f, 0, is_v6 ? FRAME_IPV6 : FRAME_IPV4);
		is_v6 ? frame_ipv6(&f, 100, 17, 64) : frame_ipv4(&f, 5, 120, 17, 0, 0);
		frame_put(&f, NULL, 100);
		f.linear = headers - 1;
		if (harness_run(&f) < 0) {
			print_message("this kernel's BPF_PROG_TEST_RUN takes no linear size\n");
			skip();
		}
		harness_unjudged("header cut by the first buffer", &f, SEK_R_INTERNAL);
		f.linear = headers;
		harness_judged("payload in the second buffer", &f);
		f.len = headers + 99;
		harness_unjudged("payload in the second buffer, cut by one", &f, SEK_R_MALFORMED);
	}
}

/* Every malformed shape but a pile of tags obeys the knob; what is not malformed does not. */
static void malformed_knob(void **state)
{
	static const struct {
		const char *row;
		unsigned tags, ihl, total, cut;
		int malformed;
	} rows[] = {
		{ "good", 0, 5, 28, 0, 0 },
		{ "good, tagged", SEK_VLAN_MAX, 5, 28, 0, 0 },
		{ "ihl 4", 0, 4, 28, 0, 1 },
		{ "total below the header", 0, 5, 19, 0, 1 },
		{ "cut by one byte", 0, 5, 28, 1, 1 },
		{ "cut in the header", 0, 5, 28, 9, 1 },
		{ "cut in a tag", 1, 5, 28, 29, 1 },
		{ "too many tags", SEK_VLAN_MAX + 1, 5, 28, 0, 1 },
	};
	struct frame f;

	for (size_t i = 0; i < COUNT(rows); i++) {
		frame_eth(&f, rows[i].tags, FRAME_IPV4);
		frame_ipv4(&f, rows[i].ihl, rows[i].total, 17, 0, 8);
		f.len -= rows[i].cut;
		harness_reset();
		harness_expect(rows[i].row, &f, rows[i].tags > SEK_VLAN_MAX ? XDP_DROP : XDP_PASS,
			       rows[i].malformed ? SEK_R_MALFORMED : SEK_R_NONE, HARNESS_NO_WOULD);
		harness_control.malformed_drop = 1;
		harness_apply();
		harness_expect(rows[i].row, &f, rows[i].malformed ? XDP_DROP : XDP_PASS,
			       rows[i].malformed ? SEK_R_MALFORMED : SEK_R_NONE, HARNESS_NO_WOULD);
		harness_control.mode = SEK_MODE_MONITOR;
		harness_apply();
		harness_expect(rows[i].row, &f, XDP_PASS,
			       rows[i].malformed ? SEK_R_MALFORMED : SEK_R_NONE,
			       rows[i].malformed ? SEK_R_MALFORMED : HARNESS_NO_WOULD);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_depths),
		cmocka_unit_test(vlan_kinds),
		cmocka_unit_test(other_ethertypes),
		cmocka_unit_test(ipv4_shapes),
		cmocka_unit_test(ipv4_longer_than_its_field),
		cmocka_unit_test(ipv6_extensions),
		cmocka_unit_test(ipv6_shapes),
		cmocka_unit_test(neighbour_discovery),
		cmocka_unit_test(cut_frames),
		cmocka_unit_test(second_buffer),
		cmocka_unit_test(malformed_knob),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
