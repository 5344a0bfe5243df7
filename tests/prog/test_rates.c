// SPDX-License-Identifier: GPL-2.0
/*
 * The rates of a sample of sources, which limits are suggested from: whose rows there are, and what
 * is in them.
 */
#include "harness.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sekisho/top.h>
#include "sekisho.skel.h"

#define NUMBER 3

static struct frame frame;

static void source_of(unsigned number, uint8_t addr_be[4])
{
	addr_be[0] = 198;
	addr_be[1] = 51;
	addr_be[2] = number >> 8;
	addr_be[3] = number;
}

/* Rows of sek_rates in this window, by number; their packets. */
static unsigned rate_rows(unsigned number, uint64_t *ret_packets)
{
	struct sek_rate_row row;
	unsigned n = 0;

	*ret_packets = 0;
	for (__u32 i = 0; i < SEK_RATES_MAX; i++) {
		assert_int_equal(
		    bpf_map_lookup_elem(bpf_map__fd(harness_skel->maps.sek_rates), &i, &row), 0);
		if (!row.tag || row.window != harness_control.rates_window || row.limit != number)
			continue;
		n++;
		*ret_packets += row.packets;
		assert_true(row.peak_packets && row.peak_packets <= row.packets);
		assert_int_equal(row.bytes, row.packets * frame.len);
		assert_int_equal(row.family, 4);
	}
	return n;
}

static void send_sources(unsigned n, int each)
{
	uint8_t addr[4];

	frame_l4(&frame, 4, IPPROTO_UDP, 1, 1, 0);
	for (unsigned i = 0; i < n; i++) {
		source_of(i, addr);
		frame_set_source(&frame, FRAME_ETH_BYTES, 4, addr);
		for (int k = 0; k < each; k++)
			(void)harness_run(&frame);
	}
}

/*
 * With every source in the sample: exact rows for its limit and for all packets; of half, about
 * half; a new window starts anew.
 */
static void rates(void **state)
{
	static const struct limit_settings limit = { .name = "l",
						     .protocol = LIMIT_ANY,
						     .packets_per_s = 0.01,
						     .burst = 30,
						     .len4 = 32,
						     .number = NUMBER };
	uint64_t packets, missed;

	harness_reset();
	harness_limits(&limit, 1, NULL, 0);
	harness_control.rates_window = 5;
	harness_apply();
	send_sources(100, 1);
	assert_int_equal(rate_rows(NUMBER, &packets), 0); /* threshold 0: none */
	harness_control.rates_threshold = ~0u;
	harness_apply();
	missed = HARNESS_COUNTER(rates_missed);
	send_sources(100, 7);
	missed = (HARNESS_COUNTER(rates_missed) - missed) / 7; /* rows that two of 200 wanted */
	assert_in_range(missed, 0, 15);
	assert_int_equal(rate_rows(NUMBER, &packets) + rate_rows(SEK_LIMITS_MAX, &packets),
			 200 - missed);
	assert_int_equal(packets, 7 * rate_rows(SEK_LIMITS_MAX, &packets));
	harness_control.rates_window = 6;
	harness_apply();
	assert_int_equal(rate_rows(NUMBER, &packets), 0);
	send_sources(1, 3);
	assert_int_equal(rate_rows(NUMBER, &packets), 1);
	assert_int_equal(packets, 3);
	harness_control.rates_window = 7;
	harness_control.rates_threshold = 1u << 31;
	harness_apply();
	send_sources(1000, 1);
	assert_in_range(rate_rows(SEK_LIMITS_MAX, &packets), 400, 600);
}

/* Without limits the rates of all packets are kept too: that is what `suggest` starts from. */
static void rates_without_limits(void **state)
{
	uint64_t packets;

	harness_reset();
	harness_limits(NULL, 0, NULL, 0);
	harness_control.rates_threshold = ~0u;
	harness_apply();
	send_sources(1, 9);
	assert_int_equal(rate_rows(SEK_LIMITS_MAX, &packets), 1);
	assert_int_equal(packets, 9);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(rates),
						   cmocka_unit_test(rates_without_limits) };

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
