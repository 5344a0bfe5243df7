// SPDX-License-Identifier: GPL-2.0
/*
 * Bans that the program begins: when, how long, what a repeat is, what a full map does; what its record counts; and what
 * holds over them. Ends of bans are moved in the record instead of waited for, but once.
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

#define CLOCK_BEHIND_NS 50000000 /* more than the program's clock may be behind */
#define SECOND_NS 1000000000ull
#define HOUR_S 3600
#define DEADLINE_NS (20 * SECOND_NS)
#define SHORT_NS 50000000ull
#define NUMBER 6

static struct frame frame;

static struct limit_settings limit(void)
{
	struct limit_settings l = { .name = "l", .protocol = LIMIT_ANY, .packets_per_s = 0.1, .burst = 2, .len4 = 32, .number = NUMBER };

	l.ban = (struct limit_ban){ .is_set = true, .for_s = HOUR_S, .repeat = 2, .most_s = 3 * HOUR_S };
	return l;
}

static void set_limit(const struct limit_settings *l, int family)
{
	harness_reset();
	harness_limits(l, 1, NULL, 0);
	frame_l4(&frame, family, IPPROTO_UDP, 1, 53, 0);
}

static struct sek_entry_key key_of(int family, unsigned len)
{
	struct sek_entry_key key = { .family = family, .len = len };

	memcpy(key.addr_be, family == 4 ? frame_source4 : frame_source6, family == 4 ? 4 : 16);
	for (unsigned bit = len; bit < 128; bit++)
		key.addr_be[bit / 8] &= ~(0x80 >> bit % 8);
	return key;
}

static int get_ban(int family, unsigned len, struct sek_ban *ret_ban)
{
	struct sek_entry_key key = key_of(family, len);

	return bpf_map_lookup_elem(harness_fd(BPF_MAP_BANS), &key, ret_ban);
}

static void put_ban(int family, unsigned len, const struct sek_ban *ban)
{
	struct sek_entry_key key = key_of(family, len);

	assert_int_equal(bpf_map_update_elem(harness_fd(BPF_MAP_BANS), &key, ban, 0), 0);
}

/* The control record as the program left it. */
static struct sek_control control_now(void)
{
	struct sek_control control;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(harness_skel->maps.sek_control), &zero, &control), 0);
	return control;
}

/* Sends until the source's ban begins; how long that took. */
static uint64_t offend(int family, unsigned len)
{
	uint64_t start = harness_now_ns(), begun = HARNESS_COUNTER(limit_bans[NUMBER]);
	struct sek_ban ban;

	while (HARNESS_COUNTER(limit_bans[NUMBER]) == begun) {
		(void)harness_run(&frame);
		if (harness_now_ns() - start > DEADLINE_NS)
			fail_msg("no ban in %llu s", DEADLINE_NS / SECOND_NS);
	}
	assert_int_equal(HARNESS_COUNTER(limit_bans[NUMBER]), begun + 1);
	assert_int_equal(get_ban(family, len, &ban), 0);
	return harness_now_ns() - start;
}

static void is_banned(const char *row)
{
	harness_expect(row, &frame, XDP_DROP, SEK_R_BAN, HARNESS_NO_WOULD);
}

/* Over for `after`: banned then and not before, for `for`; the record says so. */
static void begins(void **state)
{
	static const struct { int family; unsigned len4, len; } rows[] = { { 4, 32, 32 }, { 4, 24, 24 }, { 6, 32, 64 } };
	struct limit_settings l = limit();
	uint64_t took, now;
	struct sek_ban ban;

	l.ban.after_ms = 300;
	for (size_t i = 0; i < 3; i++) {
		l.len4 = rows[i].len4;
		set_limit(&l, rows[i].family);
		assert_int_equal(control_now().n_bans, 0);
		took = offend(rows[i].family, rows[i].len);
		assert_in_range(took, 280000000, DEADLINE_NS);
		assert_int_equal(control_now().n_bans, 1);
		is_banned("banned");
		now = harness_now_ns();
		assert_int_equal(get_ban(rows[i].family, rows[i].len, &ban), 0);
		assert_in_range(ban.since_ns, now - DEADLINE_NS, now);
		assert_int_equal(ban.until_ns - ban.since_ns, HOUR_S * SECOND_NS);
		assert_int_equal(ban.trial_until_ns - ban.until_ns, HOUR_S * SECOND_NS);
		assert_int_equal(ban.level, 0);
		assert_int_equal(ban.limit, NUMBER);
		assert_int_equal(ban.generation, 1);
	}
}

/* What the ban covers is its prefix: the limit's, not the address. */
static void covers_its_prefix(void **state)
{
	struct limit_settings l = limit();
	uint8_t other[4] = { frame_source4[0], frame_source4[1], frame_source4[2], frame_source4[3] ^ 1 };

	for (unsigned len = 24; len <= 32; len += 8) {
		l.len4 = len;
		set_limit(&l, 4);
		offend(4, len);
		frame_set_source(&frame, FRAME_ETH_BYTES, 4, other);
		harness_expect("its neighbour", &frame, len == 24 ? XDP_DROP : XDP_PASS, len == 24 ? SEK_R_BAN : SEK_R_NONE, HARNESS_NO_WOULD);
	}
}

/* The clock ends a ban, with nobody's help. */
static void ends_by_the_clock(void **state)
{
	struct limit_settings l = limit();
	struct sek_ban ban;
	uint64_t end;

	set_limit(&l, 4);
	offend(4, 32);
	assert_int_equal(get_ban(4, 32, &ban), 0);
	is_banned("before");
	end = ban.until_ns = harness_now_ns() + SHORT_NS;
	put_ban(4, 32, &ban);
	while (harness_now_ns() < end)
		; /* a packet that comes late would begin the next ban */
	/* Still over the limit, whose drops begin again, with a reason of their own. */
	harness_expect("after", &frame, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
}

/* The next offence: a repeat while on trial, longer each time up to the cap; past it, a first one. */
static void repeats(void **state)
{
	static const struct { const char *row; bool is_trial; double repeat; uint64_t trial_s; unsigned level; uint64_t for_s; } rows[] = {
		{ "first repeat", true, 2, 0, 1, 2 * HOUR_S },
		{ "second, capped", true, 2, 0, 2, 3 * HOUR_S },
		{ "third, capped", true, 2, 60, 3, 3 * HOUR_S },
		{ "past its trial", false, 2, 0, 0, HOUR_S },
		{ "no growth", true, 1, 0, 1, HOUR_S },
		{ "half as long again", true, 1.5, 0, 2, HOUR_S * 9 / 4 },
	};
	struct limit_settings l = limit();
	struct sek_ban ban;

	set_limit(&l, 4);
	offend(4, 32);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(get_ban(4, 32, &ban), 0);
		ban.until_ns = harness_now_ns() - 1;
		ban.trial_until_ns = rows[i].is_trial ? harness_now_ns() + HOUR_S * SECOND_NS : ban.until_ns;
		put_ban(4, 32, &ban);
		l.ban.repeat = rows[i].repeat;
		l.ban.trial_s = rows[i].trial_s;
		harness_control = control_now();
		harness_relimit(&l, 1);
		offend(4, 32);
		assert_int_equal(get_ban(4, 32, &ban), 0);
		if (ban.level != rows[i].level || (ban.until_ns - ban.since_ns + 500000000) / SECOND_NS != rows[i].for_s)
			fail_msg("%s: level %u, %llu s", rows[i].row, ban.level, (ban.until_ns - ban.since_ns) / SECOND_NS);
		assert_int_equal(ban.trial_until_ns - ban.until_ns,
				 rows[i].trial_s ? rows[i].trial_s * SECOND_NS : ban.until_ns - ban.since_ns);
		assert_int_equal(control_now().n_bans, 1);
		is_banned(rows[i].row);
	}
}

/* One CPU writes a repeat: a record without a name is being written by another, and drops nothing until it is whole. */
static void one_writer_at_a_time(void **state)
{
	struct limit_settings l = limit();
	struct sek_ban ban, again;
	uint64_t begun;

	set_limit(&l, 4);
	offend(4, 32);
	assert_int_equal(get_ban(4, 32, &ban), 0);
	assert_int_not_equal(ban.random, 0);
	for (unsigned i = 0; i < 2; i++) {
		ban.until_ns = harness_now_ns() - CLOCK_BEHIND_NS;
		ban.random = i ? 8 : 0;
		put_ban(4, 32, &ban);
		begun = HARNESS_COUNTER(limit_bans[NUMBER]);
		for (unsigned n = 0; n < 20 && !i; n++)
			harness_expect("being written", &frame, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
		if (i)
			offend(4, 32);
		assert_int_equal(HARNESS_COUNTER(limit_bans[NUMBER]), begun + i);
		assert_int_equal(get_ban(4, 32, &again), 0);
		assert_true(i ? again.random != 8 && again.random && again.until_ns > again.since_ns && again.level == 1 : !memcmp(&again, &ban, sizeof(ban)));
	}
}

/* A full map refuses, says so, evicts nobody; the source stays limited. */
static void full_map(void **state)
{
	struct limit_settings l = limit();
	struct sek_entry_key key = { .family = 4, .len = 32 };
	struct sek_ban other = { .until_ns = SEK_FOREVER, .trial_until_ns = SEK_FOREVER }, got;
	uint64_t refused = HARNESS_COUNTER(bans_refused[NUMBER]), begun = HARNESS_COUNTER(limit_bans[NUMBER]);

	set_limit(&l, 4);
	for (int i = 0; i < HARNESS_BANS_MAX; i++) {
		key.addr_be[0] = i + 1;
		assert_int_equal(bpf_map_update_elem(harness_fd(BPF_MAP_BANS), &key, &other, 0), 0);
	}
	for (int i = 0; i < 2; i++)
		harness_expect("within", &frame, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
	for (int i = 0; i < 5; i++)
		harness_expect("over", &frame, XDP_DROP, SEK_R_LIMIT, HARNESS_NO_WOULD);
	assert_true(HARNESS_COUNTER(bans_refused[NUMBER]) > refused);
	assert_int_equal(HARNESS_COUNTER(limit_bans[NUMBER]), begun);
	assert_int_equal(control_now().n_bans, 0);
	for (int i = 0; i < HARNESS_BANS_MAX; i++) {
		key.addr_be[0] = i + 1;
		assert_int_equal(bpf_map_lookup_elem(harness_fd(BPF_MAP_BANS), &key, &got), 0);
	}
	assert_int_equal(bpf_map_delete_elem(harness_fd(BPF_MAP_BANS), &key), 0);
	offend(4, 32);
}

/* Packets of the ban in its own record: all, of the first second, of the last. */
static void counts_its_drops(void **state)
{
	struct limit_settings l = limit();
	struct sek_ban ban;

	set_limit(&l, 6);
	offend(6, 64);
	for (int i = 0; i < 7; i++)
		is_banned("first second");
	assert_int_equal(get_ban(6, 64, &ban), 0);
	assert_int_equal(ban.dropped, 7);
	assert_int_equal(ban.dropped_bytes, 7 * frame.len);
	assert_int_equal(ban.dropped_first_s, 7);
	assert_in_range(ban.last_ns, ban.since_ns, harness_now_ns());
	ban.since_ns -= 2 * SECOND_NS;
	ban.last_second -= 2;
	put_ban(6, 64, &ban);
	is_banned("later");
	assert_int_equal(get_ban(6, 64, &ban), 0);
	assert_int_equal(ban.dropped, 8);
	assert_int_equal(ban.dropped_first_s, 7);
	assert_int_equal(ban.last_s, 1);
	assert_int_equal(ban.last_second, ban.last_ns / SECOND_NS);
	/* explain tells, and counts nothing. */
	assert_int_equal(harness_explain(6, frame_source6).ban.dropped, 8);
	assert_int_equal(harness_explain(6, frame_source6).ban_len, 64);
	assert_int_equal(harness_explain(6, frame_source6).reason, SEK_R_BAN);
	assert_int_equal(get_ban(6, 64, &ban), 0);
	assert_int_equal(ban.dropped, 8);
}

/* What holds over a ban of the source. */
struct over_row {
	const char *row;
	int list;
	uint64_t entry_block, entry_allow, ban_until;
	bool is_mode_monitor, is_rail;
	int action, reason, would;
};

#define NO HARNESS_NO_WOULD
static const struct over_row over_rows[] = {
	{ "a ban", 0, 0, 0, SEK_FOREVER, 0, 0, XDP_DROP, SEK_R_BAN, NO },
	{ "an ended ban", 0, 0, 0, 1, 0, 0, XDP_PASS, SEK_R_NONE, NO },
	{ "allow entry", 0, 0, SEK_FOREVER, SEK_FOREVER, 0, 0, XDP_PASS, SEK_R_ALLOW, NO },
	{ "allow list", SEK_A_ALLOW, 0, 0, SEK_FOREVER, 0, 0, XDP_PASS, SEK_R_ALLOW, NO },
	{ "block entry", 0, SEK_FOREVER, 0, SEK_FOREVER, 0, 0, XDP_DROP, SEK_R_BLOCK, NO },
	{ "block list", SEK_A_BLOCK, 0, 0, SEK_FOREVER, 0, 0, XDP_DROP, SEK_R_BAN, NO },
	{ "block list, ended ban", SEK_A_BLOCK, 0, 0, 1, 0, 0, XDP_DROP, SEK_R_FEED, NO },
	{ "monitor list", SEK_A_MONITOR, 0, 0, SEK_FOREVER, 0, 0, XDP_DROP, SEK_R_BAN, NO },
	{ "monitor mode", 0, 0, 0, SEK_FOREVER, 1, 0, XDP_PASS, SEK_R_NONE, SEK_R_BAN },
	{ "a rail", 0, 0, 0, SEK_FOREVER, 0, 1, XDP_PASS, SEK_R_PROTECTED, NO },
};

static void over_a_ban(void **state)
{
	struct sek_rail_key rail = { .family = 4 };
	struct prefix4 v4 = { .addr = 203u << 24 | 113 << 8, .len = 24 };
	uint32_t kind = SEK_RAIL_OWN;
	struct sek_ban got;

	memcpy(rail.addr_be, frame_source4, 4);
	for (size_t i = 0; i < sizeof(over_rows) / sizeof(*over_rows); i++) {
		const struct over_row *r = &over_rows[i];
		struct policy_list list = { .id = 10, .action = r->list, .keep_private = true, .v4 = &v4, .n4 = 1 };
		struct sek_ban ban = { .until_ns = r->ban_until, .trial_until_ns = SEK_FOREVER };

		harness_reset();
		harness_limits(NULL, 0, &list, r->list ? 1 : 0);
		put_ban(4, 32, &ban);
		frame_l4(&frame, 4, IPPROTO_UDP, 1, 53, 0);
		harness_entry(4, 32, (struct sek_entry){ .block_until_ns = r->entry_block, .allow_until_ns = r->entry_allow });
		harness_control.n_entry_lens4 = 1;
		harness_control.entry_lens4[0] = 32;
		harness_control.n_bans = 1;
		harness_control.mode = r->is_mode_monitor ? SEK_MODE_MONITOR : SEK_MODE_ENFORCE;
		memset(harness_control.rail_bloom, r->is_rail ? 0xff : 0, sizeof(harness_control.rail_bloom));
		if (r->is_rail)
			assert_int_equal(bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_rails), &rail, &kind, 0), 0);
		harness_apply();
		harness_expect(r->row, &frame, r->action, r->reason, r->would);
		assert_int_equal(get_ban(4, 32, &got), 0);
		assert_int_equal(got.dropped, r->reason == SEK_R_BAN);
	}
}

/* No ban begins where nothing was dropped: monitor mode, a monitor limit, a protected source, a limit without `ban`. */
static void begins_none(void **state)
{
	struct sek_rail_key rail = { .family = 4 };
	uint32_t kind = SEK_RAIL_OWN;
	uint64_t begun;

	memcpy(rail.addr_be, frame_source4, 4);
	for (int row = 0; row < 5; row++) {
		struct limit_settings l = limit();

		l.is_monitor = row == 1;
		l.ban.is_set = row != 3;
		set_limit(&l, 4);
		harness_control.mode = row == 0 ? SEK_MODE_MONITOR : SEK_MODE_ENFORCE;
		memset(harness_control.rail_bloom, 0xff, sizeof(harness_control.rail_bloom));
		harness_apply();
		if (row == 2)
			assert_int_equal(bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_rails), &rail, &kind, 0), 0);
		begun = HARNESS_COUNTER(limit_bans[NUMBER]);
		for (int i = 0; i < 20; i++)
			(void)harness_run(&frame);
		if (HARNESS_COUNTER(limit_bans[NUMBER]) - begun != (row == 4))
			fail_msg("row %d: %d bans", row, (int)(HARNESS_COUNTER(limit_bans[NUMBER]) - begun));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins),	   cmocka_unit_test(covers_its_prefix), cmocka_unit_test(ends_by_the_clock),
		cmocka_unit_test(repeats),	   cmocka_unit_test(full_map),		cmocka_unit_test(counts_its_drops),
		cmocka_unit_test(over_a_ban),	   cmocka_unit_test(begins_none),		cmocka_unit_test(one_writer_at_a_time),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
