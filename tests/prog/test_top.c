// SPDX-License-Identifier: GPL-2.0
/*
 * The busiest sources, as the program counts them: the stated error, what one source is, a sample of a flood.
 */
#include "harness.h"

#include <endian.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sekisho/top.h>
#include "sekisho.skel.h"

#define SOURCES 3000
#define PACKETS 40000
#define TOP_FLOOD 60000 /* drops, more than 4096 a second on any machine */

static struct frame frame;

static void send_udp(int family, int times)
{
	frame_l4(&frame, family, IPPROTO_UDP, 4000, 1, 0);
	while (times--)
		(void)harness_run(&frame);
}

/* Source number of a skewed draw: half of all packets from 16 sources. */
static unsigned draw(void)
{
	return random() & 1 ? random() % 16 : random() % SOURCES;
}

static void source_of(unsigned number, uint8_t addr_be[4])
{
	addr_be[0] = 198;
	addr_be[1] = 51;
	addr_be[2] = number >> 8;
	addr_be[3] = number;
}

/* sek_top with one packet in @gap, empty. While it is off a CPU asks for the gap every 1024 packets only. */
static void start_top(unsigned gap)
{
	harness_control.top_gap = gap;
	harness_apply();
	send_udp(4, 1024 + 2 * gap);
	harness_limits(NULL, 0, NULL, 0);
}

/* Every packet sampled: count - error <= true <= count for each row, and the busiest sources are all there. */
static void top_bounds(void **state)
{
	static unsigned sent[SOURCES];
	struct sek_top_set set;
	unsigned seen = 0, number, total = 0;
	__u32 n_sets = bpf_map__max_entries(harness_skel->maps.sek_top);
	uint8_t addr[4];

	harness_reset();
	start_top(1);
	memset(sent, 0, sizeof(sent));
	frame_l4(&frame, 4, IPPROTO_UDP, 1, 1, 0);
	srandom(1);
	for (int i = 0; i < PACKETS; i++) {
		number = draw();
		source_of(number, addr);
		frame_set_source(&frame, FRAME_ETH_BYTES, 4, addr);
		(void)harness_run(&frame);
		sent[number]++;
	}
	for (__u32 s = 0; s < n_sets; s++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(harness_skel->maps.sek_top), &s, &set), 0);
		for (int w = 0; w < SEK_TOP_WAYS; w++) {
			const struct sek_top_row *row = &set.row[w];

			if (!row->family)
				continue;
			number = row->addr_be[2] << 8 | row->addr_be[3];
			assert_true(number < SOURCES);
			total += row->packets;
			seen |= number < 16 ? 1u << number : 0;
			assert_true(row->packets - row->error <= sent[number]);
			assert_true(sent[number] <= row->packets);
			assert_true(row->bytes <= (uint64_t)sent[number] * frame.len);
			assert_int_equal(row->drops, 0);
		}
	}
	assert_int_equal(seen, 0xffff);
	assert_int_equal(total, PACKETS);
}

/* IPv6 sources with the bits in common that are not to be ignored are one row; one of another network has its own, IPv4 is as before. */
static void top_networks(void **state)
{
	static const struct {
		unsigned len, n_rows;
		uint64_t ignore[2]; /* host order */
	} rows[] = { { 128, 4, { 0, 0 } }, { 127, 3, { 0, 1 } }, { 64, 2, { 0, ~0ull } }, { 56, 1, { 0xff, ~0ull } }, { 48, 1, { 0xffff, ~0ull } } };
	static const uint8_t last[4][2] = { { 1, 2 }, { 1, 3 }, { 1, 200 }, { 2, 2 } }; /* bytes 7 and 15 of the address */
	uint8_t addr[16] = { 0x20, 0x01, 0x0d, 0xb8 }, addr4[4];
	struct sek_top_set set;

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		unsigned n_rows = 0, n_rows4 = 0, packets = 0;

		harness_reset();
		harness_control.top_ignore_be[0] = htobe64(rows[r].ignore[0]);
		harness_control.top_ignore_be[1] = htobe64(rows[r].ignore[1]);
		start_top(1);
		frame_l4(&frame, 6, IPPROTO_UDP, 1, 1, 0);
		for (int i = 0; i < 4; i++) {
			addr[7] = last[i][0];
			addr[15] = last[i][1];
			frame_set_source(&frame, FRAME_ETH_BYTES, 6, addr);
			(void)harness_run(&frame);
		}
		frame_l4(&frame, 4, IPPROTO_UDP, 1, 1, 0);
		for (unsigned i = 0; i < 3; i++) {
			source_of(i, addr4);
			frame_set_source(&frame, FRAME_ETH_BYTES, 4, addr4);
			(void)harness_run(&frame);
		}
		for (__u32 s = 0; s < bpf_map__max_entries(harness_skel->maps.sek_top); s++) {
			assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(harness_skel->maps.sek_top), &s, &set), 0);
			for (int w = 0; w < SEK_TOP_WAYS; w++) {
				n_rows += set.row[w].family == 6;
				n_rows4 += set.row[w].family == 4;
				packets += set.row[w].family == 6 ? set.row[w].packets : 0;
			}
		}
		if (n_rows != rows[r].n_rows || n_rows4 != 3 || packets != 4)
			fail_msg("/%u: %u rows of IPv6 with %u packets, %u of IPv4", rows[r].len, n_rows, packets, n_rows4);
	}
	harness_control.top_ignore_be[0] = harness_control.top_ignore_be[1] = 0;
}

/*
 * A flood makes the gap grow to its ceiling: few packets are looked at, and what they stand for is still the sum of all, within
 * five standard deviations; the drops are a drop's.
 */
static void top_sample(void **state)
{
	struct sek_top_set set;
	__u64 total = 0, drops = 0;
	__u32 n_sets = bpf_map__max_entries(harness_skel->maps.sek_top);

	harness_block_both();
	start_top(SEK_TOP_GAP);
	send_udp(6, TOP_FLOOD);
	for (__u32 s = 0; s < n_sets; s++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(harness_skel->maps.sek_top), &s, &set), 0);
		for (int w = 0; w < SEK_TOP_WAYS; w++) {
			total += set.row[w].packets;
			drops += set.row[w].drops;
		}
	}
	assert_in_range(total, TOP_FLOOD / 20 * 19, TOP_FLOOD / 20 * 21); /* 2048 samples at a gap scatter by 1.5 % */
	assert_int_equal(drops, total);
	assert_in_range(HARNESS_COUNTER(top_left) >> 32, 2, SEK_TOP_GAP); /* top_gap, the word's upper half */
}
int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_bounds),
		cmocka_unit_test(top_networks),
		cmocka_unit_test(top_sample),
	};

	return cmocka_run_group_tests(tests, harness_setup_one_cpu, harness_teardown);
}
