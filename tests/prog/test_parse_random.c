// SPDX-License-Identifier: GPL-2.0
/*
 * The parser against the reference on random frames: built layer by layer from likely and unlikely
 * values, then some bytes changed, then perhaps cut. Both must agree on every field.
 */
#include "parse_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bpf.h>
#include <sekisho/limits.h>
#include "harness.h"
#include "parse_ref.h"
#include "slow.h"

#define FRAMES 150000
#define NOISE 20000
#define WHOLE 20000
#define FRAME_BYTES_MAX 3000 /* one buffer: what lies in the next one the program cannot read */

static uint64_t random_state = 1;

static unsigned random_below(unsigned n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % n;
}

static unsigned pick(const unsigned *from, unsigned n)
{
	return from[random_below(n)];
}
#define PICK(...) \
	pick((const unsigned[]){ __VA_ARGS__ }, sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

static void put_noise(struct frame *f, unsigned bytes)
{
	while (bytes--)
		frame_put(f, &(uint8_t){ random_below(256) }, 1);
}

static unsigned some_proto(void)
{
	return PICK(6, 6, 17, 17, 132, 136, 1, 58, 59, 50, 47, 4, 41, 0, 43, 44, 51, 60, 135, 139, 140, 253, 255, 5);
}

static void put_ipv4(struct frame *f)
{
	unsigned ihl = random_below(8) ? 5 + random_below(3) : random_below(16);
	unsigned payload = PICK(0, 7, 8, 11, 12, 19, 20, 21, 40);
	unsigned total = (ihl > 5 ? ihl : 5) * 4 + payload;
	size_t at;

	if (!random_below(6))
		total = PICK(0, ihl * 4 - 1, ihl * 4, total - 1, total + 1, 65535);
	frame_ipv4(f, ihl, total, some_proto(), PICK(0, 0, 0x4000, 0x2000, 0x2001, 1, 0x1fff, 0x8000), 0);
	at = f->len;
	put_noise(f, payload);
	if (payload >= 4 && random_below(2))
		f->bytes[at] = 0; /* ports of small numbers */
	put_noise(f, PICK(0, 0, 0, 1, 6, 30));
}

static unsigned some_extension(void)
{
	return PICK(0, 43, 44, 44, 51, 60, 135, 139, 140);
}

static void put_ipv6(struct frame *f)
{
	unsigned depth = PICK(0, 0, 1, 1, 2, 3, SEK_V6_EXT_MAX - 1, SEK_V6_EXT_MAX, SEK_V6_EXT_MAX + 1);
	unsigned kind = depth ? some_extension() : some_proto();
	size_t ip = f->len, payload;

	frame_ipv6(f, 0, kind, PICK(255, 255, 64, 1));
	for (unsigned i = 1; i <= depth; i++) {
		unsigned next = i < depth ? some_extension() : some_proto(), length = random_below(3);
		uint8_t start[4] = { next, length, 0, PICK(0, 1, 8, 6, 0xff) };
		unsigned bytes = kind == 51 ? (length + 2) * 4 : (length + 1) * 8;

		if (kind == 44) {
			bytes = 8;
			start[1] = PICK(0, 1, 255);
			start[2] = PICK(0, 0, 0, 1, 0x80);
		} else if (!random_below(20)) {
			start[1] = random_below(256); /* a length that is not so */
		}
		frame_put(f, start, 4);
		put_noise(f, bytes - 4);
		kind = next;
	}
	if (kind == 58)
		frame_put(f, (uint8_t[2]){ 130 + random_below(10), random_below(4) == 0 }, 2);
	put_noise(f, PICK(0, 5, 6, 7, 8, 11, 12, 19, 20, 40));
	payload = f->len - ip - 40;
	if (!random_below(6))
		payload = PICK(0, payload - 1, payload + 1, payload / 2, 65535);
	f->bytes[ip + 4] = payload >> 8;
	f->bytes[ip + 5] = payload;
	put_noise(f, PICK(0, 0, 0, 1, 6, 30));
}

static void make(struct frame *f)
{
	unsigned tags = PICK(0, 0, 0, 1, 2, SEK_VLAN_MAX, SEK_VLAN_MAX + 1), kind = random_below(16);

	frame_eth(f, tags, kind < 6 ? FRAME_IPV4 : kind < 15 ? FRAME_IPV6 : random_below(65536));
	if (kind < 6)
		put_ipv4(f);
	else if (kind < 15)
		put_ipv6(f);
	else
		put_noise(f, random_below(80));
	for (unsigned n = PICK(0, 0, 0, 1, 2, 8); n; n--)
		f->bytes[random_below(f->len)] = random_below(4) ? 1u << random_below(8) : random_below(256);
	if (!random_below(4))
		f->len -= random_below(f->len - FRAME_ETH_BYTES + 1);
	assert_true(f->len <= FRAME_BYTES_MAX);
}

static unsigned seen[PROBE_PILE + 1][3][2]; /* by action, L4 state and fragment: has the test met them all? */

static void compare(const char *row, const struct frame *f)
{
	struct parse_answer a, ref;
	int got = parse_run(f, &a), want = parse_ref(f, &ref);

	if (got != want || memcmp(&a, &ref, sizeof(a)))
		parse_run_differ(row, f, got, &a, want, &ref);
	seen[got][a.state][a.is_fragment]++;
}

static void built_frames(void **state)
{
	unsigned n = slow_share(FRAMES);
	struct frame f;

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < n; i++) {
		make(&f);
		compare("built frame", &f);
	}
	print_message("%u frames: %u without L4, %u protocol alone, %u with ports, %u fragments, %u link, %u malformed\n",
		      n, seen[PROBE_SOURCE][0][0] + seen[PROBE_SOURCE][0][1],
		      seen[PROBE_SOURCE][1][0] + seen[PROBE_SOURCE][1][1], seen[PROBE_SOURCE][2][0] + seen[PROBE_SOURCE][2][1],
		      seen[PROBE_SOURCE][0][1] + seen[PROBE_SOURCE][1][1] + seen[PROBE_SOURCE][2][1], seen[PROBE_LINK][0][0],
		      seen[PROBE_MALFORMED][0][0]);
	for (int l4 = 0; l4 < 3; l4++)
		for (int fragment = 0; fragment < 2; fragment++)
			assert_true(seen[PROBE_SOURCE][l4][fragment] > n / 1000);
	assert_true(seen[PROBE_LINK][0][0] > n / 1000 && seen[PROBE_MALFORMED][0][0] > n / 1000 &&
		    seen[PROBE_PILE][0][0] > n / 1000);
}

/* Nothing but noise behind an IP ethertype. */
static void noise(void **state)
{
	struct frame f;

	for (unsigned i = 0; i < slow_share(NOISE); i++) {
		frame_eth(&f, 0, i & 1 ? FRAME_IPV4 : FRAME_IPV6);
		put_noise(&f, random_below(200));
		if (f.len > FRAME_ETH_BYTES && random_below(4))
			f.bytes[FRAME_ETH_BYTES] = i & 1 ? 0x40 | random_below(16) : 0x60;
		if (f.len > FRAME_ETH_BYTES + 5 && random_below(4))
			f.bytes[FRAME_ETH_BYTES + (i & 1 ? 2 : 4)] = 0;
		compare("noise", &f);
	}
}

/* The whole program while every source is blocked: it drops just what has one, but for the rails. */
static void whole_program(void **state)
{
	struct parse_answer ref;
	struct sek_explain q;
	struct frame f;

	harness_block_all();
	for (unsigned i = 0; i < slow_share(WHOLE); i++) {
		int want;

		make(&f);
		want = parse_ref(&f, &ref);
		if (want == PROBE_PILE) {
			harness_expect("pile of tags", &f, XDP_DROP, SEK_R_MALFORMED, HARNESS_NO_WOULD);
			continue;
		}
		if (want != PROBE_SOURCE) {
			harness_expect("no source", &f, XDP_PASS, want == PROBE_LINK ? SEK_R_LINK : SEK_R_MALFORMED,
				       HARNESS_NO_WOULD);
			continue;
		}
		q = harness_explain(ref.family, ref.addr_be);
		assert_int_equal(q.reason, q.rail ? SEK_R_PROTECTED : SEK_R_BLOCK);
		harness_expect("source", &f, q.rail ? XDP_PASS : XDP_DROP, q.reason, HARNESS_NO_WOULD);
	}
}

int main(void)
{
	static const struct CMUnitTest parser[] = { cmocka_unit_test(built_frames), cmocka_unit_test(noise) };
	static const struct CMUnitTest program[] = { cmocka_unit_test(whole_program) };
	int failed = cmocka_run_group_tests(parser, parse_run_setup, parse_run_teardown);

	return failed + cmocka_run_group_tests(program, harness_setup, harness_teardown);
}
