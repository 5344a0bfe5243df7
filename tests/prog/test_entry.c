// SPDX-License-Identifier: GPL-2.0
/* Hand-made entries and bans: which of several wins, and that each ends at its time by itself. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bpf.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define PAST 1ull
#define FUTURE 2ull /* replaced by an hour from now */
#define SHORT_NS 200000000ull /* ns: what stands between two lines here takes less on a busy machine too */
#define DEADLINE_NS 10000000000ull
#define PARTS 3

static uint64_t row_ns(uint64_t when)
{
	return when == FUTURE ? harness_now_ns() + 3600000000000ull : when;
}

static void make_frame(struct frame *f, int family)
{
	frame_eth(f, 0, family == 4 ? FRAME_IPV4 : FRAME_IPV6);
	family == 4 ? frame_ipv4(f, 5, 28, 17, 0, 8) : frame_ipv6(f, 0, 59, 64);
}

/* Lengths in use, longest first; not in force until harness_apply(). */
static void set_lens(int family, const unsigned *lens, unsigned n)
{
	*(family == 4 ? &harness_control.n_entry_lens4 : &harness_control.n_entry_lens6) = n;
	for (unsigned i = 0; i < n; i++)
		(family == 4 ? harness_control.entry_lens4 : harness_control.entry_lens6)[i] = lens[i];
}

struct part {
	unsigned len;
	uint64_t block, allow;
	uint32_t flags;
};

struct entry_row {
	const char *row;
	struct part at[PARTS];
	unsigned lens6[PARTS]; /* the same prefixes in IPv6 terms */
	int action, reason;
	unsigned block_part, allow_part; /* index into at, from 1; 0: none */
};

static void check_row(const struct entry_row *r, int family)
{
	const uint8_t *source = family == 4 ? frame_source4 : frame_source6;
	unsigned lens[PARTS + 1] = { 0 }, n = 0;
	struct sek_explain q;
	struct frame f;

	make_frame(&f, family);
	harness_reset();
	for (; n < PARTS && r->at[n].len; n++) {
		lens[n + 1] = family == 4 ? r->at[n].len : r->lens6[n];
		harness_entry(family, lens[n + 1], (struct sek_entry){ .block_until_ns = row_ns(r->at[n].block),
								       .allow_until_ns = row_ns(r->at[n].allow),
								       .flags = r->at[n].flags });
	}
	set_lens(family, lens + 1, n);
	harness_expect("lengths not in force yet", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
	harness_apply();
	harness_expect(r->row, &f, r->action, r->reason, HARNESS_NO_WOULD);
	q = harness_explain(family, source);
	assert_int_equal(q.answered, 1);
	assert_int_equal(q.verdict, r->action == XDP_DROP ? SEK_V_DROP : SEK_V_PASS);
	assert_int_equal(q.reason, r->reason);
	assert_int_equal(q.block_len, lens[r->block_part]);
	assert_int_equal(q.allow_len, lens[r->allow_part]);
	assert_int_equal(q.rail, 0);
}

static void precedence(void **state)
{
	static const struct entry_row rows[] = {
		{ "for ever", { { 32, SEK_FOREVER, 0, 0 } }, { 128 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "future", { { 32, FUTURE, 0, 0 } }, { 128 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "past", { { 32, PAST, 0, 0 } }, { 128 }, XDP_PASS, SEK_R_NONE, 0, 0 },
		{ "no parts", { { 32, 0, 0, 0 } }, { 128 }, XDP_PASS, SEK_R_NONE, 0, 0 },
		{ "ban", { { 32, FUTURE, 0, SEK_E_BAN } }, { 64 }, XDP_DROP, SEK_R_BAN, 1, 0 },
		{ "shortest", { { 1, SEK_FOREVER, 0, 0 } }, { 1 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "allow over block", { { 32, SEK_FOREVER, SEK_FOREVER, 0 } }, { 65 }, XDP_PASS, SEK_R_ALLOW, 1, 1 },
		{ "wide allow over narrow block", { { 32, SEK_FOREVER, 0, 0 }, { 8, 0, SEK_FOREVER, 0 } }, { 128, 16 },
		  XDP_PASS, SEK_R_ALLOW, 1, 2 },
		{ "narrow allow over wide ban", { { 32, 0, SEK_FOREVER, 0 }, { 8, FUTURE, 0, SEK_E_BAN } }, { 128, 16 },
		  XDP_PASS, SEK_R_ALLOW, 2, 1 },
		{ "expired allow", { { 32, SEK_FOREVER, PAST, 0 } }, { 63 }, XDP_DROP, SEK_R_BLOCK, 1, 0 },
		{ "longest of three", { { 32, FUTURE, 0, SEK_E_BAN }, { 24, FUTURE, 0, 0 }, { 8, FUTURE, 0, 0 } },
		  { 128, 64, 32 }, XDP_DROP, SEK_R_BAN, 1, 0 },
		{ "expired longest hides nothing", { { 32, PAST, 0, SEK_E_BAN }, { 24, FUTURE, 0, 0 }, { 8, FUTURE, 0, 0 } },
		  { 128, 64, 32 }, XDP_DROP, SEK_R_BLOCK, 2, 0 },
		{ "longest of two allows is named", { { 32, 0, FUTURE, 0 }, { 24, 0, FUTURE, 0 }, { 8, FUTURE, 0, 0 } },
		  { 128, 64, 32 }, XDP_PASS, SEK_R_ALLOW, 3, 1 },
		{ "expired allow hides no wider one", { { 32, SEK_FOREVER, PAST, 0 }, { 24, 0, PAST, 0 }, { 8, 0, FUTURE, 0 } },
		  { 128, 64, 32 }, XDP_PASS, SEK_R_ALLOW, 1, 3 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		check_row(&rows[i], 4);
		check_row(&rows[i], 6);
	}
}

/* Every length holds the source, and stops holding it when a bit inside it differs. */
static void every_length(void **state)
{
	struct frame f;

	for (int family = 4; family <= 6; family += 2)
		for (unsigned len = 1; len <= (family == 4 ? 32u : 128u); len++) {
			uint8_t other[16];

			make_frame(&f, family);
			harness_reset();
			harness_entry(family, len, (struct sek_entry){ .block_until_ns = SEK_FOREVER });
			set_lens(family, &len, 1);
			harness_apply();
			harness_expect("inside", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
			memcpy(other, family == 4 ? frame_source4 : frame_source6, family == 4 ? 4 : 16);
			if (len < (family == 4 ? 32u : 128u)) {
				other[len / 8] ^= 0x80 >> len % 8;
				frame_set_source(&f, FRAME_ETH_BYTES, family, other);
				harness_expect("first bit behind the length differs", &f, XDP_DROP, SEK_R_BLOCK,
					       HARNESS_NO_WOULD);
				other[len / 8] ^= 0x80 >> len % 8;
			}
			other[(len - 1) / 8] ^= 0x80 >> (len - 1) % 8;
			frame_set_source(&f, FRAME_ETH_BYTES, family, other);
			harness_expect("last bit of the length differs", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
		}
}

/* The first and the last of SEK_ENTRY_LENS_MAX lengths are looked at; one behind a 0 is not. */
static void length_bound(void **state)
{
	unsigned lens[SEK_ENTRY_LENS_MAX];
	struct frame f;

	make_frame(&f, 6);
	for (unsigned i = 0; i < SEK_ENTRY_LENS_MAX; i++)
		lens[i] = 128 - i;
	harness_reset();
	harness_entry(6, lens[SEK_ENTRY_LENS_MAX - 1], (struct sek_entry){ .block_until_ns = SEK_FOREVER });
	set_lens(6, lens, SEK_ENTRY_LENS_MAX);
	for (unsigned i = 0; i < SEK_ENTRY_LENS_MAX; i++)
		harness_control.entry_lens6[i] = i == SEK_ENTRY_LENS_MAX - 2 ? 0 : lens[i];
	harness_apply();
	harness_expect("length behind a 0", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
	set_lens(6, lens, SEK_ENTRY_LENS_MAX);
	harness_apply();
	harness_expect("last length", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
	harness_control.n_entry_lens6 = ~0u;
	harness_apply();
	harness_expect("a count out of bounds", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
}

/* Runs @f until its action changes to @action; the run before the last one began at *ret_before_ns. */
static uint64_t wait_for(const struct frame *f, int action, uint64_t *ret_before_ns)
{
	uint64_t start_ns = harness_now_ns(), at_ns = start_ns, last_ns = start_ns;

	while (harness_run(f) != action) {
		last_ns = at_ns;
		at_ns = harness_now_ns();
		if (at_ns - start_ns > DEADLINE_NS)
			fail_msg("the entry did not end");
	}
	*ret_before_ns = last_ns;
	return harness_now_ns();
}

/* A block, a ban and an allow end at their own time: never before, and at the first packet after it. */
static void ends_on_time(void **state)
{
	static const struct {
		const char *row;
		int is_allow;
		uint32_t flags;
		int reason;
	} rows[] = { { "block", 0, 0, SEK_R_BLOCK }, { "ban", 0, SEK_E_BAN, SEK_R_BAN }, { "allow", 1, 0, SEK_R_ALLOW } };
	uint64_t end_ns, before_ns, seen_ns;
	struct frame f;

	for (size_t i = 0; i < COUNT(rows) * 2; i++) {
		const typeof(rows[0]) *r = &rows[i / 2];
		int family = i & 1 ? 6 : 4, is = r->is_allow ? XDP_PASS : XDP_DROP;
		unsigned len = family == 4 ? 32 : 128;

		make_frame(&f, family);
		harness_reset();
		set_lens(family, &len, 1);
		harness_apply();
		end_ns = harness_now_ns() + SHORT_NS;
		harness_entry(family, len, (struct sek_entry){ .block_until_ns = r->is_allow ? SEK_FOREVER : end_ns,
							       .allow_until_ns = r->is_allow ? end_ns : 0,
							       .flags = r->flags });
		harness_expect(r->row, &f, is, r->reason, HARNESS_NO_WOULD);
		seen_ns = wait_for(&f, r->is_allow ? XDP_DROP : XDP_PASS, &before_ns);
		if (seen_ns < end_ns)
			fail_msg("%s ended %llu ns early", r->row, (unsigned long long)(end_ns - seen_ns));
		if (before_ns > end_ns)
			fail_msg("%s held a packet %llu ns after its end", r->row, (unsigned long long)(before_ns - end_ns));
		harness_expect("after the end", &f, r->is_allow ? XDP_DROP : XDP_PASS,
			       r->is_allow ? SEK_R_BLOCK : SEK_R_NONE, HARNESS_NO_WOULD);
	}
}

/* The narrow one ends first: the wide one then answers, and is named. */
static void ends_between(void **state)
{
	static const unsigned lens[] = { 32, 24 };
	uint64_t end_ns, deadline_ns;
	struct frame f;

	make_frame(&f, 4);
	harness_reset();
	set_lens(4, lens, 2);
	harness_apply();
	end_ns = harness_now_ns() + SHORT_NS;
	deadline_ns = end_ns + DEADLINE_NS;
	harness_entry(4, 24, (struct sek_entry){ .block_until_ns = SEK_FOREVER });
	harness_entry(4, 32, (struct sek_entry){ .block_until_ns = end_ns, .flags = SEK_E_BAN });
	assert_int_equal(harness_explain(4, frame_source4).block_len, 32);
	harness_expect("ban", &f, XDP_DROP, SEK_R_BAN, HARNESS_NO_WOULD);
	while (harness_explain(4, frame_source4).block_len != 24) {
		assert_int_equal(harness_run(&f), XDP_DROP);
		assert_true(harness_now_ns() < deadline_ns);
	}
	assert_true(harness_now_ns() >= end_ns);
	harness_expect("block around it", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
}

static void monitor_mode(void **state)
{
	struct frame f;

	for (int family = 4; family <= 6; family += 2) {
		const uint8_t *source = family == 4 ? frame_source4 : frame_source6;

		make_frame(&f, family);
		harness_block_both();
		harness_control.mode = SEK_MODE_MONITOR;
		harness_apply();
		harness_expect("monitor", &f, XDP_PASS, SEK_R_NONE, SEK_R_BLOCK);
		assert_int_equal(harness_explain(family, source).verdict, SEK_V_WOULD);
		assert_int_equal(harness_explain(family, source).reason, SEK_R_BLOCK);
		assert_int_equal(harness_explain(family, source).mode, SEK_MODE_MONITOR);
		harness_control.mode = SEK_MODE_ENFORCE;
		harness_apply();
		harness_expect("enforce", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(precedence),	cmocka_unit_test(every_length), cmocka_unit_test(length_bound),
		cmocka_unit_test(ends_on_time), cmocka_unit_test(ends_between), cmocka_unit_test(monitor_mode),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
