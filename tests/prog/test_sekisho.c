// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel program on crafted frames by BPF_PROG_TEST_RUN: action, the one counter that moved
 * and by how much, and what explain says. Every drop row has a control row that passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sekisho/maps.h>

#include "sekisho.skel.h"

#define FRAME_MAX 8192
#define SRC4 0xcb007107u /* 203.0.113.7 */
#define ETH_BYTES 14
#define WOULD_NONE -1

static struct sekisho_bpf *skel;
static int entries_fd;
static struct sek_control control;
static struct sek_cpu *cpu_buf;

static const uint8_t src6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
};

/* Frames */

static void put(struct frame *f, const void *bytes, size_t len)
{
	if (bytes)
		memcpy(f->bytes + f->len, bytes, len);
	else
		memset(f->bytes + f->len, 0, len);
	f->len += len;
}

static void put16(struct frame *f, unsigned value)
{
	uint8_t be[2] = { value >> 8, value };

	put(f, be, 2);
}

static void put_eth(struct frame *f, unsigned tags, unsigned ethertype)
{
	static const unsigned outer[] = { 0x8100, 0x8100, 0x88a8, 0x88a8 };

	memset(f, 0, sizeof(*f));
	put(f, NULL, 12);
	for (unsigned i = 0; i < tags; i++) {
		put16(f, i + 1 == tags ? 0x8100 : outer[tags]);
		put16(f, 100 + i);
	}
	put16(f, ethertype);
}

/* IPv4 header of @ihl words (at least 5 are written) and @payload bytes of payload. */
static void put_ipv4(struct frame *f, unsigned ihl, unsigned total, unsigned proto, unsigned frag,
		     size_t payload)
{
	size_t at = f->len;
	uint32_t saddr_be = htonl(SRC4);

	put(f, NULL, ihl > 5 ? ihl * 4 : 20);
	f->bytes[at] = 0x40 | ihl;
	f->bytes[at + 2] = total >> 8;
	f->bytes[at + 3] = total;
	f->bytes[at + 6] = frag >> 8;
	f->bytes[at + 7] = frag;
	f->bytes[at + 8] = 64;
	f->bytes[at + 9] = proto;
	memcpy(f->bytes + at + 12, &saddr_be, 4);
	put(f, NULL, payload);
}

static void put_ipv6(struct frame *f, unsigned payload, unsigned next, unsigned hops)
{
	uint8_t start[8] = { 0x60, 0, 0, 0, payload >> 8, payload, next, hops };

	put(f, start, 8);
	put(f, src6, 16);
	put(f, NULL, 16);
}

/* Runs, maps */

static void snapshot(struct sek_counter ret_sum[SEK_V_MAX][SEK_R_MAX])
{
	int n = libbpf_num_possible_cpus();

	memset(ret_sum, 0, sizeof(struct sek_counter) * SEK_V_MAX * SEK_R_MAX);
	for (__u32 cpu = 0; cpu < (__u32)n; cpu++) {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.sek_counters), &cpu, cpu_buf), 0);
		for (int v = 0; v < SEK_V_MAX; v++)
			for (int r = 0; r < SEK_R_MAX; r++) {
				ret_sum[v][r].packets += cpu_buf->verdicts[0][v][r].packets;
				ret_sum[v][r].bytes += cpu_buf->verdicts[0][v][r].bytes;
			}
	}
}

static int run(const struct frame *f)
{
	static uint8_t out[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = f->len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sek_xdp), &opts), 0);
	return opts.retval;
}

/* Runs @f: @reason's counter of the action moves by one frame, @would's too, nothing else. */
static void expect(const char *row, const struct frame *f, int action, int reason, int would)
{
	struct sek_counter before[SEK_V_MAX][SEK_R_MAX], after[SEK_V_MAX][SEK_R_MAX];
	int verdict = action == XDP_DROP ? SEK_V_DROP : SEK_V_PASS, got;

	snapshot(before);
	got = run(f);
	snapshot(after);
	if (got != action)
		fail_msg("%s: action %d, not %d", row, got, action);
	for (int v = 0; v < SEK_V_MAX; v++)
		for (int r = 0; r < SEK_R_MAX; r++) {
			__u64 want = (v == verdict && r == reason) || (v == SEK_V_WOULD && r == would);
			__u64 packets = after[v][r].packets - before[v][r].packets;
			__u64 bytes = after[v][r].bytes - before[v][r].bytes;

			if (packets != want || bytes != want * f->len)
				fail_msg("%s: verdict %d reason %d moved by %llu packets, %llu bytes", row,
					 v, r, (unsigned long long)packets, (unsigned long long)bytes);
		}
}

static void set_control(void)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.sek_control), &zero, &control, 0), 0);
}

static struct sek_entry_key entry_key(int family, unsigned len)
{
	struct sek_entry_key key = { .family = family, .len = len };
	uint32_t saddr_be = htonl(SRC4);

	memcpy(key.addr_be, family == 4 ? (void *)&saddr_be : (void *)src6, family == 4 ? 4 : 16);
	for (unsigned bit = len; bit < 128; bit++)
		key.addr_be[bit / 8] &= ~(0x80 >> bit % 8);
	return key;
}

static void set_entry(int family, unsigned len, __u64 block_until_ns, __u64 allow_until_ns, __u32 flags)
{
	struct sek_entry_key key = entry_key(family, len);
	struct sek_entry entry = { .block_until_ns = block_until_ns, .allow_until_ns = allow_until_ns,
				   .flags = flags };

	assert_int_equal(bpf_map_update_elem(entries_fd, &key, &entry, 0), 0);
}

/* Every row starts from here: no entry, no rail, enforce. */
static void reset(void)
{
	struct sek_entry_key key;
	struct sek_rail_key rail;

	while (!bpf_map_get_next_key(entries_fd, NULL, &key))
		assert_int_equal(bpf_map_delete_elem(entries_fd, &key), 0);
	while (!bpf_map_get_next_key(bpf_map__fd(skel->maps.sek_rails), NULL, &rail))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.sek_rails), &rail), 0);
	memset(&control, 0, sizeof(control));
	set_control();
}

/* Blocks both test sources for ever by their full length. */
static void block_both(void)
{
	reset();
	set_entry(4, 32, SEK_FOREVER, 0, 0);
	set_entry(6, 128, SEK_FOREVER, 0, 0);
	control.n_entry_lens4 = control.n_entry_lens6 = 1;
	control.entry_lens4[0] = 32;
	control.entry_lens6[0] = 128;
	set_control();
}

/* The frame drops while its source is blocked and passes while it is not. */
static void expect_judged(const char *row, const struct frame *f)
{
	block_both();
	expect(row, f, XDP_DROP, SEK_R_BLOCK, WOULD_NONE);
	reset();
	expect(row, f, XDP_PASS, SEK_R_NONE, WOULD_NONE);
}

/* The frame passes for @reason, blocked source or not. */
static void expect_unjudged(const char *row, const struct frame *f, int reason)
{
	block_both();
	expect(row, f, XDP_PASS, reason, WOULD_NONE);
	reset();
	expect(row, f, XDP_PASS, reason, WOULD_NONE);
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static struct sek_explain explain(int family)
{
	struct sek_explain q = { .family = family };
	uint32_t saddr_be = htonl(SRC4);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &q, .data_size_in = sizeof(q), .data_out = &q,
		    .data_size_out = sizeof(q), .repeat = 1);
	struct sek_counter before[SEK_V_MAX][SEK_R_MAX], after[SEK_V_MAX][SEK_R_MAX];

	memcpy(q.addr_be, family == 4 ? (void *)&saddr_be : (void *)src6, family == 4 ? 4 : 16);
	snapshot(before);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sek_explain), &opts), 0);
	snapshot(after);
	assert_int_equal(opts.retval, XDP_PASS);
	assert_memory_equal(before, after, sizeof(before));
	return q;
}

/* Tests */

static void vlan_depths(void **state)
{
	static const char *const rows[] = { "no tag", "one tag", "two tags", "three tags" };
	struct frame f;

	for (unsigned tags = 0; tags <= 3; tags++) {
		put_eth(&f, tags, 0x0800);
		put_ipv4(&f, 5, 28, 17, 0, 8);
		tags <= SEK_VLAN_MAX ? expect_judged(rows[tags], &f) : expect_unjudged(rows[tags], &f, SEK_R_LINK);
		put_eth(&f, tags, 0x86dd);
		put_ipv6(&f, 8, 17, 64);
		put(&f, NULL, 8);
		tags <= SEK_VLAN_MAX ? expect_judged(rows[tags], &f) : expect_unjudged(rows[tags], &f, SEK_R_LINK);
	}
}

static void ipv4_shapes(void **state)
{
	static const struct {
		const char *row;
		unsigned ihl, total, proto, frag, payload;
		int judged;
	} rows[] = {
		{ "udp", 5, 28, 17, 0, 8, 1 },
		{ "no payload", 5, 20, 17, 0, 0, 1 },
		{ "one option word", 6, 32, 6, 0, 8, 1 },
		{ "ihl 15", 15, 68, 6, 0, 8, 1 },
		{ "ihl 4", 4, 28, 17, 0, 8, 0 },
		{ "ihl 0", 0, 28, 17, 0, 8, 0 },
		{ "total is header less one", 6, 23, 17, 0, 8, 0 },
		{ "total 0", 5, 0, 17, 0, 8, 0 },
		{ "total beyond the frame by one", 5, 29, 17, 0, 8, 0 },
		{ "total 65535", 5, 65535, 17, 0, 8, 0 },
		{ "padded frame", 5, 21, 17, 0, 26, 1 },
		{ "first fragment", 5, 28, 17, 0x2000, 8, 1 },
		{ "later fragment", 5, 28, 17, 0x00b9, 8, 1 },
		{ "gre", 5, 28, 47, 0, 8, 1 },
		{ "esp", 5, 28, 50, 0, 8, 1 },
		{ "unknown protocol", 5, 28, 253, 0, 8, 1 },
		{ "cut udp header", 5, 23, 17, 0, 3, 1 },
		{ "larger than the linear part", 5, 6000, 17, 0, 5980, 1 },
	};
	struct frame f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put_eth(&f, 0, 0x0800);
		put_ipv4(&f, rows[i].ihl, rows[i].total, rows[i].proto, rows[i].frag, rows[i].payload);
		if (rows[i].judged)
			expect_judged(rows[i].row, &f);
		else
			expect_unjudged(rows[i].row, &f, SEK_R_MALFORMED);
	}
	put_eth(&f, 0, 0x0800);
	put_ipv4(&f, 5, 28, 17, 0, 8);
	f.bytes[ETH_BYTES] = 0x55;
	expect_unjudged("version 5", &f, SEK_R_MALFORMED);
}

/* Depths 0..9 of each extension header; a fragment header's reserved byte is 255. */
static void ipv6_extensions(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 60, 44, 51 };
	struct frame f;
	char row[64];

	for (size_t k = 0; k < sizeof(kinds); k++)
		for (unsigned depth = 0; depth <= 9; depth++) {
			put_eth(&f, 0, 0x86dd);
			put_ipv6(&f, depth * 8 + 8, depth ? kinds[k] : 17, 64);
			for (unsigned i = 1; i <= depth; i++) {
				uint8_t ext[8] = { i == depth ? 17 : kinds[k], kinds[k] == 44 ? 255 : 0 };

				put(&f, ext, 8);
			}
			put(&f, NULL, 8);
			snprintf(row, sizeof(row), "header %u, %u deep", kinds[k], depth);
			expect_judged(row, &f);
		}
	put_eth(&f, 0, 0x86dd);
	put_ipv6(&f, 8, 0, 64);
	put(&f, "\x3a\xff\0\0\0\0\0", 8);
	expect_judged("extension longer than the packet", &f);
	put_eth(&f, 0, 0x86dd);
	put_ipv6(&f, 9, 17, 64);
	put(&f, NULL, 8);
	expect_unjudged("payload beyond the frame by one", &f, SEK_R_MALFORMED);
	f.bytes[ETH_BYTES + 5] = 8;
	f.bytes[ETH_BYTES] = 0x50;
	expect_unjudged("version 5", &f, SEK_R_MALFORMED);
}

static void neighbour_discovery(void **state)
{
	static const struct {
		const char *row;
		unsigned next, hops, type, code, payload;
		int judged;
	} rows[] = {
		{ "router solicitation", 58, 255, 133, 0, 8, 0 },
		{ "neighbour solicitation", 58, 255, 135, 0, 24, 0 },
		{ "redirect", 58, 255, 137, 0, 40, 0 },
		{ "type 132", 58, 255, 132, 0, 24, 1 },
		{ "type 138", 58, 255, 138, 0, 24, 1 },
		{ "hop limit 254", 58, 254, 135, 0, 24, 1 },
		{ "code 1", 58, 255, 135, 1, 24, 1 },
		{ "not ICMPv6", 17, 255, 135, 0, 24, 1 },
		{ "behind hop-by-hop", 0, 255, 58, 0, 24, 1 },
		{ "seven bytes", 58, 255, 133, 0, 7, 1 },
	};
	struct frame f;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		put_eth(&f, 0, 0x86dd);
		put_ipv6(&f, rows[i].payload, rows[i].next, rows[i].hops);
		put(&f, NULL, rows[i].payload);
		f.bytes[ETH_BYTES + 40] = rows[i].type;
		f.bytes[ETH_BYTES + 41] = rows[i].code;
		rows[i].judged ? expect_judged(rows[i].row, &f) : expect_unjudged(rows[i].row, &f, SEK_R_LINK);
	}
	put_eth(&f, 0, 0x0806);
	put(&f, NULL, 28);
	expect_unjudged("arp", &f, SEK_R_LINK);
	put_eth(&f, 0, 0x88cc);
	expect_unjudged("lldp, no payload", &f, SEK_R_LINK);
}

/* Cut at every byte: malformed, whatever is missing; with the length field cut too, judged. */
static void cut_frames(void **state)
{
	struct frame f, cut;

	for (unsigned tags = 0; tags <= SEK_VLAN_MAX; tags++) {
		size_t ip = ETH_BYTES + 4 * tags;

		put_eth(&f, tags, 0x0800);
		put_ipv4(&f, 5, 28, 17, 0, 8);
		for (cut = f, cut.len = ETH_BYTES; cut.len < f.len; cut.len++)
			expect_unjudged("cut IPv4", &cut, SEK_R_MALFORMED);
		for (cut.len = ip + 20; cut.len <= f.len; cut.len++) {
			cut.bytes[ip + 3] = cut.len - ip;
			expect_judged("cut IPv4, honest length", &cut);
		}
		put_eth(&f, tags, 0x86dd);
		put_ipv6(&f, 8, 17, 64);
		put(&f, NULL, 8);
		for (cut = f, cut.len = ETH_BYTES; cut.len < f.len; cut.len++)
			expect_unjudged("cut IPv6", &cut, SEK_R_MALFORMED);
		for (cut.len = ip + 40; cut.len <= f.len; cut.len++) {
			cut.bytes[ip + 5] = cut.len - ip - 40;
			expect_judged("cut IPv6, honest length", &cut);
		}
	}
}

static void malformed_knob(void **state)
{
	struct frame f;

	put_eth(&f, 0, 0x0800);
	put_ipv4(&f, 4, 28, 17, 0, 8);
	reset();
	control.malformed_drop = 1;
	set_control();
	expect("drop", &f, XDP_DROP, SEK_R_MALFORMED, WOULD_NONE);
	control.mode = SEK_MODE_MONITOR;
	set_control();
	expect("monitor", &f, XDP_PASS, SEK_R_MALFORMED, SEK_R_MALFORMED);
}

#define PAST 1ull
#define FUTURE 2ull /* replaced by an hour from now */

static __u64 row_ns(__u64 when)
{
	return when == FUTURE ? now_ns() + 3600000000000ull : when;
}

static void entries(void **state)
{
	static const struct {
		const char *row;
		struct { unsigned len; __u64 block, allow; __u32 flags; } at[3];
		unsigned lens6[3]; /* the same prefixes in IPv6 terms */
		int action, reason;
		unsigned block_len, allow_len; /* index into at, from 1 */
	} rows[] = {
		{ "for ever", { { 32, SEK_FOREVER, 0, 0 } }, { 128 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "future", { { 32, FUTURE, 0, 0 } }, { 128 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "past", { { 32, PAST, 0, 0 } }, { 128 }, XDP_PASS, SEK_R_NONE, 0, 0 },
		{ "no parts", { { 32, 0, 0, 0 } }, { 128 }, XDP_PASS, SEK_R_NONE, 0, 0 },
		{ "ban", { { 32, FUTURE, 0, SEK_E_BAN } }, { 64 }, XDP_DROP, SEK_R_BAN, 1, 0 },
		{ "shortest", { { 1, SEK_FOREVER, 0, 0 } }, { 1 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "allow over block", { { 32, SEK_FOREVER, SEK_FOREVER, 0 } }, { 65 }, XDP_PASS, SEK_R_ALLOW, 1, 1 },
		{ "wide allow over narrow block", { { 32, SEK_FOREVER, 0, 0 }, { 8, 0, SEK_FOREVER, 0 } }, { 128, 16 },
		  XDP_PASS, SEK_R_ALLOW, 1, 2 },
		{ "expired allow", { { 32, SEK_FOREVER, PAST, 0 } }, { 63 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "longest of three", { { 32, FUTURE, 0, SEK_E_BAN }, { 24, FUTURE, 0, 0 }, { 8, FUTURE, 0, 0 } },
		  { 128, 64, 32 }, XDP_DROP, SEK_R_BAN, 1, 0 },
		{ "expired longest hides nothing", { { 32, PAST, 0, SEK_E_BAN }, { 24, FUTURE, 0, 0 }, { 8, FUTURE, 0, 0 } },
		  { 128, 64, 32 }, XDP_DROP, SEK_R_BLOCK, 2, 0 },
	};
	struct frame f[2];

	put_eth(&f[0], 0, 0x0800);
	put_ipv4(&f[0], 5, 28, 17, 0, 8);
	put_eth(&f[1], 0, 0x86dd);
	put_ipv6(&f[1], 0, 59, 64);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) * 2; i++) {
		typeof(&rows[0]) r = &rows[i / 2];
		int family = i & 1 ? 6 : 4;
		unsigned lens[4] = { 0 };
		struct sek_explain q;

		reset();
		for (int j = 0; j < 3 && r->at[j].len; j++) {
			lens[j + 1] = family == 4 ? r->at[j].len : r->lens6[j];
			set_entry(family, lens[j + 1], row_ns(r->at[j].block), row_ns(r->at[j].allow), r->at[j].flags);
			*(family == 4 ? &control.n_entry_lens4 : &control.n_entry_lens6) = j + 1;
			(family == 4 ? control.entry_lens4 : control.entry_lens6)[j] = lens[j + 1];
		}
		expect("lengths not in force yet", &f[i & 1], XDP_PASS, SEK_R_NONE, WOULD_NONE);
		set_control();
		expect(r->row, &f[i & 1], r->action, r->reason, WOULD_NONE);
		q = explain(family);
		assert_int_equal(q.answered, 1);
		assert_int_equal(q.verdict, r->action == XDP_DROP ? SEK_V_DROP : SEK_V_PASS);
		assert_int_equal(q.reason, r->reason);
		assert_int_equal(q.block_len, lens[r->block_len]);
		assert_int_equal(q.allow_len, lens[r->allow_len]);
		assert_int_equal(q.rail, 0);
	}
}

static void monitor_mode(void **state)
{
	struct frame f;

	put_eth(&f, 0, 0x0800);
	put_ipv4(&f, 5, 28, 17, 0, 8);
	block_both();
	control.mode = SEK_MODE_MONITOR;
	set_control();
	expect("monitor", &f, XDP_PASS, SEK_R_NONE, SEK_R_BLOCK);
	assert_int_equal(explain(4).verdict, SEK_V_WOULD);
	assert_int_equal(explain(4).reason, SEK_R_BLOCK);
	assert_int_equal(explain(4).mode, SEK_MODE_MONITOR);
}

static void rails(void **state)
{
	struct sek_rail_key key = { .family = 4 };
	__u32 kind = SEK_RAIL_SSH, saddr_be = htonl(SRC4), bit = sek_rail_bit(saddr_be);
	struct frame f;

	put_eth(&f, 0, 0x0800);
	put_ipv4(&f, 5, 28, 17, 0, 8);
	memcpy(key.addr_be, &saddr_be, 4);
	block_both();
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.sek_rails), &key, &kind, 0), 0);
	expect("no bloom bit", &f, XDP_DROP, SEK_R_BLOCK, WOULD_NONE);
	control.rail_bloom[bit / 64] |= 1ull << bit % 64;
	set_control();
	expect("protected", &f, XDP_PASS, SEK_R_PROTECTED, WOULD_NONE);
	assert_int_equal(explain(4).rail, SEK_RAIL_SSH);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.sek_rails), &key), 0);
	expect("bloom bit alone", &f, XDP_DROP, SEK_R_BLOCK, WOULD_NONE);
}

/* First, last and the neighbours of every constant rail, each blocked by a /1 over it. */
static void local_rails(void **state)
{
	static const struct { const char *addr; int is_kept; } rows[] = {
		{ "0.0.0.0", 1 }, { "0.0.0.1", 0 }, { "126.255.255.255", 0 }, { "127.0.0.0", 1 },
		{ "127.255.255.255", 1 }, { "128.0.0.0", 0 }, { "169.253.255.255", 0 }, { "169.254.0.0", 1 },
		{ "169.254.255.255", 1 }, { "169.255.0.0", 0 }, { "::", 1 }, { "::1", 1 }, { "::2", 0 },
		{ "1::1", 0 }, { "fe7f:ffff::1", 0 }, { "fe80::", 1 }, { "febf:ffff::1", 1 }, { "fec0::", 0 },
	};
	struct frame f;

	reset();
	control.n_entry_lens4 = control.n_entry_lens6 = 1;
	control.entry_lens4[0] = control.entry_lens6[0] = 1;
	set_control();
	for (int family = 4; family <= 6; family += 2)
		for (int top = 0; top <= 0x80; top += 0x80) {
			struct sek_entry_key key = { .addr_be = { top }, .family = family, .len = 1 };
			struct sek_entry entry = { .block_until_ns = SEK_FOREVER };

			assert_int_equal(bpf_map_update_elem(entries_fd, &key, &entry, 0), 0);
		}
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int is_v6 = strchr(rows[i].addr, ':') != NULL;

		put_eth(&f, 0, is_v6 ? 0x86dd : 0x0800);
		is_v6 ? put_ipv6(&f, 0, 59, 64) : put_ipv4(&f, 5, 20, 17, 0, 0);
		inet_pton(is_v6 ? AF_INET6 : AF_INET, rows[i].addr, f.bytes + ETH_BYTES + (is_v6 ? 8 : 12));
		if (rows[i].is_kept)
			expect(rows[i].addr, &f, XDP_PASS, SEK_R_PROTECTED, WOULD_NONE);
		else
			expect(rows[i].addr, &f, XDP_DROP, SEK_R_BLOCK, WOULD_NONE);
	}
}

static int setup(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	__u32 zero = 0;

	cpu_buf = malloc(sizeof(*cpu_buf));
	skel = sekisho_bpf__open();
	if (!skel || !cpu_buf)
		return -1;
	bpf_map__set_max_entries(skel->maps.sek_counters, libbpf_num_possible_cpus());
	if (sekisho_bpf__load(skel))
		return -1;
	entries_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "entries", sizeof(struct sek_entry_key),
				    sizeof(struct sek_entry), SEK_ENTRIES_MIN, &opts);
	return bpf_map_update_elem(bpf_map__fd(skel->maps.sek_entries), &zero, &entries_fd, 0);
}

static int teardown(void **state)
{
	sekisho_bpf__destroy(skel);
	free(cpu_buf);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_depths),	     cmocka_unit_test(ipv4_shapes),
		cmocka_unit_test(ipv6_extensions),   cmocka_unit_test(neighbour_discovery),
		cmocka_unit_test(cut_frames),	     cmocka_unit_test(malformed_knob),
		cmocka_unit_test(entries),	     cmocka_unit_test(monitor_mode),
		cmocka_unit_test(rails),	     cmocka_unit_test(local_rails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
