// SPDX-License-Identifier: GPL-2.0
/*
 * Limits through the whole program: which packets one holds, what is charged and taken back, and
 * what comes before it. Rates are one packet in ten seconds, so that a burst of BURST passes
 * exactly BURST packets in the time of a test.
 */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include "sekisho.skel.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define BURST 3
#define SENT 5
#define SLOW 0.1 /* packets/s */
#define SYN 0x02
#define ACK 0x10
#define SECOND_NS 1000000000ull

static struct limit_settings limit(enum limit_protocol protocol, unsigned first, unsigned last)
{
	struct limit_settings l = {
		.name = "l", .protocol = protocol, .packets_per_s = SLOW, .burst = BURST, .len4 = 32
	};

	if (last) {
		l.n_ports = 1;
		l.ports[0] = (struct limit_range){ first, last };
	}
	return l;
}

static void set_limits(const struct limit_settings *limits, size_t n)
{
	harness_reset();
	harness_limits(limits, n, NULL, 0);
}

/* Sends @f SENT times: BURST pass, the others are dropped for the limit; or all pass. */
static void check_held(const char *row, const struct frame *f, bool is_held)
{
	for (int i = 0; i < SENT; i++) {
		bool is_over = is_held && i >= BURST;

		harness_expect(row, f, is_over ? XDP_DROP : XDP_PASS,
			       is_over ? SEK_R_LIMIT : SEK_R_NONE, HARNESS_NO_WOULD);
	}
}

struct match_row {
	const char *row;
	enum limit_protocol protocol;
	unsigned first, last; /* ports; last 0: none */
	unsigned proto, dport, flags;
	bool is_held;
};

static const struct match_row match_rows[] = {
	{ "any, udp", LIMIT_ANY, 0, 0, IPPROTO_UDP, 53, 0, true },
	{ "any, gre", LIMIT_ANY, 0, 0, 47, 0, 0, true },
	{ "any on a port, udp to it", LIMIT_ANY, 53, 53, IPPROTO_UDP, 53, 0, true },
	{ "any on a port, tcp to it", LIMIT_ANY, 53, 53, IPPROTO_TCP, 53, ACK, true },
	{ "any on a port, one below", LIMIT_ANY, 53, 53, IPPROTO_UDP, 52, 0, false },
	{ "any on a port, one above", LIMIT_ANY, 53, 53, IPPROTO_UDP, 54, 0, false },
	{ "any on a port, gre", LIMIT_ANY, 53, 53, 47, 53, 0, false },
	{ "range, first", LIMIT_UDP, 1000, 2000, IPPROTO_UDP, 1000, 0, true },
	{ "range, last", LIMIT_UDP, 1000, 2000, IPPROTO_UDP, 2000, 0, true },
	{ "range, below", LIMIT_UDP, 1000, 2000, IPPROTO_UDP, 999, 0, false },
	{ "range, above", LIMIT_UDP, 1000, 2000, IPPROTO_UDP, 2001, 0, false },
	{ "last port", LIMIT_UDP, 65535, 65535, IPPROTO_UDP, 65535, 0, true },
	{ "udp, tcp packet", LIMIT_UDP, 0, 0, IPPROTO_TCP, 53, ACK, false },
	{ "tcp, a first syn", LIMIT_TCP, 0, 0, IPPROTO_TCP, 80, SYN, true },
	{ "tcp, an ack", LIMIT_TCP, 0, 0, IPPROTO_TCP, 80, ACK, true },
	{ "tcp, udp packet", LIMIT_TCP, 0, 0, IPPROTO_UDP, 80, 0, false },
	{ "tcp-syn, a first syn", LIMIT_TCP_SYN, 80, 80, IPPROTO_TCP, 80, SYN, true },
	{ "tcp-syn, syn and ack", LIMIT_TCP_SYN, 80, 80, IPPROTO_TCP, 80, SYN | ACK, false },
	{ "tcp-syn, an ack", LIMIT_TCP_SYN, 0, 0, IPPROTO_TCP, 80, ACK, false },
	{ "tcp-syn, another port", LIMIT_TCP_SYN, 80, 80, IPPROTO_TCP, 81, SYN, false },
	{ "icmp, udp packet", LIMIT_ICMP, 0, 0, IPPROTO_UDP, 80, 0, false },
};

static void matching(void **state)
{
	struct frame f;

	for (size_t i = 0; i < COUNT(match_rows); i++) {
		const struct match_row *r = &match_rows[i];
		struct limit_settings l = limit(r->protocol, r->first, r->last);

		for (int family = 4; family <= 6; family += 2) {
			set_limits(&l, 1);
			frame_l4(&f, family, r->proto, 4000, r->dport, r->flags);
			check_held(r->row, &f, r->is_held);
		}
	}
}

/* A first fragment too short for TCP's flags counts as a SYN, and to its port: its SYN arrives here whole. */
static void tiny_fragments(void **state)
{
	struct limit_settings syn = limit(LIMIT_TCP_SYN, 80, 80), other = limit(LIMIT_TCP_SYN, 81, 81), tcp = limit(LIMIT_TCP, 0, 0);
	struct frame f;

	frame_l4(&f, 4, IPPROTO_TCP, 4000, 80, SYN);
	f.bytes[FRAME_ETH_BYTES + 3] = 28; /* 8 bytes of TCP, in a frame that Ethernet pads */
	f.bytes[FRAME_ETH_BYTES + 6] = 0x20; /* more follow */
	set_limits(&syn, 1);
	check_held("tiny first fragment, tcp-syn", &f, true);
	set_limits(&other, 1);
	check_held("tiny first fragment, tcp-syn to another port", &f, false);
	set_limits(&tcp, 1);
	check_held("tiny first fragment, tcp", &f, true);
	f.bytes[FRAME_ETH_BYTES + 6] = 0; /* no fragment: Linux drops it */
	set_limits(&syn, 1);
	check_held("cut TCP, tcp-syn", &f, false);
}

static void icmp_of_both_families(void **state)
{
	struct limit_settings l = limit(LIMIT_ICMP, 0, 0);
	struct frame f;

	set_limits(&l, 1);
	frame_l4(&f, 4, IPPROTO_ICMP, 0x0800, 0, 0);
	check_held("icmp", &f, true);
	frame_l4(&f, 6, 58, 0x8000, 0, 0);
	check_held("icmpv6", &f, true);
}

/*
 * A later fragment is of its protocol, to no port; cutting packets is no way round a limit without
 * ports.
 */
static void fragments(void **state)
{
	struct limit_settings udp = limit(LIMIT_UDP, 0, 0), dns = limit(LIMIT_UDP, 53, 53),
			      low = limit(LIMIT_UDP, 0, 10);
	struct frame f;

	frame_l4(&f, 4, IPPROTO_UDP, 53, 53, 0);
	f.bytes[FRAME_ETH_BYTES + 7] = 100; /* offset of 800 bytes */
	set_limits(&udp, 1);
	check_held("later fragment, udp", &f, true);
	set_limits(&dns, 1);
	check_held("later fragment, a port", &f, false);
	set_limits(&low, 1);
	check_held("later fragment, port 0 and up", &f, false);
	f.bytes[FRAME_ETH_BYTES + 7] = 0;
	f.bytes[FRAME_ETH_BYTES + 6] = 0x20; /* more follow */
	set_limits(&dns, 1);
	check_held("first fragment, a port", &f, true);
}

/* What counts as one source: 24 bits are shared, the 25th is not; an IPv6 source is its /64. */
static void sources_together(void **state)
{
	uint8_t addr4[4], addr6[16];
	struct limit_settings l = limit(LIMIT_ANY, 0, 0);
	struct frame f;

	memcpy(addr4, frame_source4, 4);
	memcpy(addr6, frame_source6, 16);
	for (unsigned len = 24; len <= 32; len += 8) {
		l.len4 = len;
		set_limits(&l, 1);
		frame_l4(&f, 4, IPPROTO_UDP, 1, 1, 0);
		check_held("source", &f, true);
		addr4[3] ^= 0x80;
		frame_set_source(&f, FRAME_ETH_BYTES, 4, addr4);
		if (len == 24)
			harness_expect("its /24", &f, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
		else
			check_held("its neighbour", &f, true);
		addr4[2] ^= 1;
		frame_set_source(&f, FRAME_ETH_BYTES, 4, addr4);
		check_held("another /24", &f, true);
		memcpy(addr4, frame_source4, 4);
	}
	frame_l4(&f, 6, IPPROTO_UDP, 1, 1, 0);
	check_held("source6", &f, true);
	addr6[8] ^= 0x80;
	frame_set_source(&f, FRAME_ETH_BYTES, 6, addr6);
	harness_expect("its /64", &f, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
	addr6[7] ^= 1;
	frame_set_source(&f, FRAME_ETH_BYTES, 6, addr6);
	check_held("another /64", &f, true);
}

/* The stricter limit is asked first and charged; when the other drops, it gets its charge back. */
static void refund(void **state)
{
	struct limit_settings l[2] = { limit(LIMIT_ANY, 0, 0), limit(LIMIT_UDP, 0, 0) };
	const uint64_t packet_ns = SECOND_NS / SLOW;
	struct sek_explain q;
	struct frame f;

	l[0].burst = 100;
	l[1].packets_per_s = 2 * SLOW;
	l[1].number = 7; /* in a neighbour line */
	set_limits(l, 2);
	frame_l4(&f, 4, IPPROTO_UDP, 1, 1, 0);
	check_held("two limits", &f, true);
	for (int i = 0; i < 20; i++)
		harness_expect("over the second", &f, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
	q = harness_explain(4, frame_source4);
	assert_int_equal(q.n_limits, 2);
	assert_int_equal(q.limits[0].number, 0);
	assert_in_range(q.limits[0].ahead_ns, BURST * packet_ns - SECOND_NS, BURST * packet_ns);
	assert_false(q.limits[0].is_over);
	assert_true(q.limits[1].is_over);
	/* Control: what no later limit drops stays charged. */
	frame_l4(&f, 4, 47, 1, 1, 0);
	for (int i = 0; i < 20; i++)
		harness_expect("the first alone", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
	q = harness_explain(4, frame_source4);
	assert_in_range(q.limits[0].ahead_ns, (BURST + 20) * packet_ns - SECOND_NS,
			(BURST + 20) * packet_ns);
}

/*
 * Sixteen limits, eight of which match: the one of the smallest burst holds, whatever its place and
 * number.
 */
static void many_limits(void **state)
{
	struct limit_settings l[SEK_LIMITS_MAX];
	struct frame f;

	for (unsigned strict = 0; strict < 8; strict++) {
		for (unsigned i = 0; i < SEK_LIMITS_MAX; i++) {
			l[i] = limit(LIMIT_UDP, i < 8 ? 53 : 80, i < 8 ? 53 : 80);
			l[i].number = SEK_LIMITS_MAX - 1 - i;
			l[i].burst = i == strict ? BURST : 200;
		}
		set_limits(l, SEK_LIMITS_MAX);
		frame_l4(&f, 4, IPPROTO_UDP, 1, 53, 0);
		check_held("eight match", &f, true);
		assert_int_equal(harness_explain_l4(4, frame_source4, SEK_LIMIT_UDP, 53).n_limits,
				 8);
		frame_l4(&f, 4, IPPROTO_UDP, 1, 80, 0);
		check_held("eight others", &f, false);
	}
}

/* A monitor limit counts its would-drops and lets the next one decide. */
static void monitor(void **state)
{
	struct limit_settings l[2] = { limit(LIMIT_ANY, 0, 0), limit(LIMIT_UDP, 0, 0) };
	uint64_t woulds, drops;
	struct frame f;

	l[0].is_monitor = true;
	l[0].number = 2;
	l[1].number = 3;
	l[1].burst = SENT;
	set_limits(l, 2);
	frame_l4(&f, 4, IPPROTO_UDP, 1, 1, 0);
	woulds = HARNESS_COUNTER(limit_woulds[2].packets);
	drops = HARNESS_COUNTER(limit_drops[3].bytes);
	for (int i = 0; i < SENT + 2; i++) {
		bool is_would = i >= BURST, is_drop = i >= SENT;

		harness_expect("both", &f, is_drop ? XDP_DROP : XDP_PASS,
			       is_drop ? SEK_R_LIMIT : SEK_R_NONE,
			       is_would && !is_drop ? SEK_R_LIMIT : HARNESS_NO_WOULD);
		assert_int_equal(HARNESS_COUNTER(limit_woulds[2].packets) - woulds,
				 is_would ? i - BURST + 1 : 0);
		assert_int_equal(HARNESS_COUNTER(limit_drops[3].bytes) - drops,
				 is_drop ? (i - SENT + 1) * f.len : 0);
	}
}

/*
 * What decides before the limits, or over them. Two packets within a limit of two, then two over
 * it.
 */
struct order_row {
	const char *row;
	int list; /* enum sek_action of a list with the source, 0 none */
	uint64_t entry_block, entry_allow;
	bool is_mode_monitor, is_rail;
	int action, reason, would;		/* within */
	int over_action, over_reason, over_would;
};

#define NO HARNESS_NO_WOULD
static const struct order_row order_rows[] = {
	{ "the limit alone", 0, 0, 0, 0, 0, XDP_PASS, SEK_R_NONE, NO, XDP_DROP, SEK_R_LIMIT, NO },
	{ "allow list", SEK_A_ALLOW, 0, 0, 0, 0, XDP_PASS, SEK_R_ALLOW, NO, XDP_PASS, SEK_R_ALLOW,
	  NO },
	{ "allow entry", 0, 0, SEK_FOREVER, 0, 0, XDP_PASS, SEK_R_ALLOW, NO, XDP_PASS, SEK_R_ALLOW,
	  NO },
	{ "block entry", 0, SEK_FOREVER, 0, 0, 0, XDP_DROP, SEK_R_BLOCK, NO, XDP_DROP, SEK_R_BLOCK,
	  NO },
	{ "block list", SEK_A_BLOCK, 0, 0, 0, 0, XDP_DROP, SEK_R_FEED, NO, XDP_DROP, SEK_R_FEED,
	  NO },
	{ "monitor list", SEK_A_MONITOR, 0, 0, 0, 0, XDP_PASS, SEK_R_NONE, SEK_R_FEED, XDP_DROP,
	  SEK_R_LIMIT, NO },
	{ "monitor mode", 0, 0, 0, 1, 0, XDP_PASS, SEK_R_NONE, NO, XDP_PASS, SEK_R_NONE,
	  SEK_R_LIMIT },
	{ "monitor mode, block list", SEK_A_BLOCK, 0, 0, 1, 0, XDP_PASS, SEK_R_NONE, SEK_R_FEED,
	  XDP_PASS, SEK_R_NONE, SEK_R_FEED },
	{ "monitor mode, monitor list", SEK_A_MONITOR, 0, 0, 1, 0, XDP_PASS, SEK_R_NONE, SEK_R_FEED,
	  XDP_PASS, SEK_R_NONE, SEK_R_FEED },
	{ "a rail", 0, 0, 0, 0, 1, XDP_PASS, SEK_R_NONE, NO, XDP_PASS, SEK_R_PROTECTED, NO },
	{ "a rail, monitor mode", 0, 0, 0, 1, 1, XDP_PASS, SEK_R_NONE, NO, XDP_PASS,
	  SEK_R_PROTECTED, NO },
	{ "ended block entry", 0, 1, 0, 0, 0, XDP_PASS, SEK_R_NONE, NO, XDP_DROP, SEK_R_LIMIT, NO },
};

static void set_order_row(const struct order_row *r, const struct limit_settings *l)
{
	struct prefix4 v4 = { .addr = 203u << 24 | 113 << 8, .len = 24 };
	struct policy_list list = {
		.id = 10, .action = r->list, .keep_private = true, .v4 = &v4, .n4 = 1
	};
	struct sek_rail_key rail = { .family = 4 };
	uint32_t kind = SEK_RAIL_GATEWAY;

	harness_reset();
	harness_limits(l, 1, &list, r->list ? 1 : 0);
	if (r->entry_block || r->entry_allow)
		harness_entry(4, 32,
			      (struct sek_entry){ .block_until_ns = r->entry_block,
						  .allow_until_ns = r->entry_allow });
	harness_control.n_entry_lens4 = 1;
	harness_control.entry_lens4[0] = 32;
	harness_control.mode = r->is_mode_monitor ? SEK_MODE_MONITOR : SEK_MODE_ENFORCE;
	if (r->is_rail) {
		memcpy(rail.addr_be, frame_source4, 4);
		assert_int_equal(
		    bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_rails), &rail, &kind, 0),
		    0);
		memset(harness_control.rail_bloom, 0xff, sizeof(harness_control.rail_bloom));
	}
	harness_apply();
}

static void order(void **state)
{
	struct limit_settings l = limit(LIMIT_ANY, 0, 0);
	struct frame f;

	l.burst = 2;
	frame_l4(&f, 4, IPPROTO_UDP, 1, 1, 0);
	for (size_t i = 0; i < COUNT(order_rows); i++) {
		const struct order_row *r = &order_rows[i];

		set_order_row(r, &l);
		for (int n = 0; n < 2; n++)
			harness_expect(r->row, &f, r->action, r->reason, r->would);
		for (int n = 0; n < 2; n++)
			harness_expect(r->row, &f, r->over_action, r->over_reason, r->over_would);
	}
}

/* A source that an allow entry holds is not even charged. */
static void allowed_is_not_charged(void **state)
{
	const struct order_row *allow = &order_rows[2];
	struct limit_settings l = limit(LIMIT_ANY, 0, 0);
	struct frame f;

	set_order_row(allow, &l);
	frame_l4(&f, 4, IPPROTO_UDP, 1, 1, 0);
	harness_expect("allowed", &f, XDP_PASS, SEK_R_ALLOW, HARNESS_NO_WOULD);
	assert_int_equal(harness_explain(4, frame_source4).limits[0].ahead_ns, 0);
	set_order_row(&order_rows[0], &l);
	harness_expect("control", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
	assert_true(harness_explain(4, frame_source4).limits[0].ahead_ns);
}

/*
 * explain: which limits, how full, over since when; and it charges nothing, however often it is
 * asked.
 */
static void explained(void **state)
{
	struct limit_settings l[2] = { limit(LIMIT_UDP, 53, 53), limit(LIMIT_TCP, 0, 0) };
	struct sek_explain q;
	struct frame f;

	l[0].number = 5;
	l[1].number = 6;
	l[1].len4 = 24;
	for (int family = 4; family <= 6; family += 2) {
		const uint8_t *source = family == 4 ? frame_source4 : frame_source6;

		set_limits(l, 2);
		frame_l4(&f, family, IPPROTO_UDP, 1, 53, 0);
		for (int i = 0; i < 10; i++)
			q = harness_explain(family, source);
		assert_int_equal(q.n_limits, 2);
		assert_int_equal(q.limits[0].ahead_ns, 0);
		assert_int_equal(q.limits[0].over_ns, 0);
		check_held("after it was explained", &f, true);
		q = harness_explain(family, source);
		assert_int_equal(q.limits[0].number, 5);
		assert_int_equal(q.limits[1].number, 6);
		assert_int_equal(q.limits[0].len, family == 4 ? 32 : 64);
		assert_int_equal(q.limits[1].len, family == 4 ? 24 : 64);
		assert_true(q.limits[0].is_over && q.limits[0].over_ns &&
			    q.limits[0].over_ns < SECOND_NS);
		assert_true(q.limits[0].ahead_ns > q.limits[0].tau_ns);
		assert_false(q.limits[1].is_over);
		assert_int_equal(
		    harness_explain_l4(family, source, SEK_LIMIT_UDP, 53).limits[0].number, 5);
		assert_int_equal(harness_explain_l4(family, source, SEK_LIMIT_UDP, 54).n_limits, 0);
		assert_int_equal(
		    harness_explain_l4(family, source, SEK_LIMIT_TCP_SYN, 53).limits[0].number, 6);
		assert_int_equal(harness_explain_l4(family, source, SEK_LIMIT_KINDS, 53).n_limits,
				 0);
	}
}

/* A new generation with other limits keeps what the old one's numbers know of a source. */
static void generations(void **state)
{
	struct limit_settings l[2] = { limit(LIMIT_ANY, 0, 0), limit(LIMIT_UDP, 0, 0) };
	struct frame f;

	l[0].number = 9;
	set_limits(l, 1);
	frame_l4(&f, 4, IPPROTO_UDP, 1, 1, 0);
	check_held("first", &f, true);
	l[1] = l[0];
	l[0] = limit(LIMIT_TCP, 0, 0);
	harness_relimit(l, 2);
	harness_expect("still over", &f, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
	l[1].number = 10;
	harness_relimit(l, 2);
	check_held("another number", &f, true);
}

/* Changed settings: explain says what the next packet finds, before and after it was converted. */
static void explained_over_a_change(void **state)
{
	struct limit_settings l = limit(LIMIT_UDP, 0, 0);
	const uint64_t packet_ns = SECOND_NS / SLOW;
	struct sek_explain q;
	struct frame f;

	for (int family = 4; family <= 6; family += 2) {
		const uint8_t *source = family == 4 ? frame_source4 : frame_source6;

		l = limit(LIMIT_UDP, 0, 0);
		l.burst = 6;
		set_limits(&l, 1);
		frame_l4(&f, family, IPPROTO_UDP, 1, 53, 0);
		for (int i = 0; i < 4; i++)
			harness_expect("four of six", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
		assert_int_equal(limit_scale(&l, &l.former), 0);
		l.packets_per_s = SLOW / 10;
		l.parity = 1;
		harness_relimit(&l, 1);
		q = harness_explain(family, source);
		assert_in_range(q.limits[0].ahead_ns, 40 * packet_ns - 10 * SECOND_NS, 40 * packet_ns);
		assert_false(q.limits[0].is_over);
		for (int i = 0; i < 4; i++)
			harness_expect("two more", &f, i < 2 ? XDP_PASS : XDP_DROP, i < 2 ? SEK_R_NONE : SEK_R_LIMIT, HARNESS_NO_WOULD);
		q = harness_explain(family, source);
		assert_in_range(q.limits[0].ahead_ns, 60 * packet_ns - 10 * SECOND_NS, 60 * packet_ns);
		assert_true(q.limits[0].is_over && q.limits[0].over_ns);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching),
		cmocka_unit_test(tiny_fragments),
		cmocka_unit_test(icmp_of_both_families),
		cmocka_unit_test(fragments),
		cmocka_unit_test(sources_together),
		cmocka_unit_test(refund),
		cmocka_unit_test(many_limits),
		cmocka_unit_test(monitor),
		cmocka_unit_test(order),
		cmocka_unit_test(allowed_is_not_charged),
		cmocka_unit_test(explained),
		cmocka_unit_test(explained_over_a_change),
		cmocka_unit_test(generations),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
