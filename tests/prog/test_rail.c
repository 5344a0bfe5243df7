// SPDX-License-Identifier: GPL-2.0
/* Never-block rails: who is held back from a drop, by the map and by constants, and who is not. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include "sekisho.skel.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void make_frame(struct frame *f, int family)
{
	frame_eth(f, 0, family == 4 ? FRAME_IPV4 : FRAME_IPV6);
	family == 4 ? frame_ipv4(f, 5, 28, 17, 0, 8) : frame_ipv6(f, 0, 59, 64);
}

static struct sek_rail_key rail_key(int family)
{
	struct sek_rail_key key = { .family = family };

	memcpy(key.addr_be, family == 4 ? frame_source4 : frame_source6, family == 4 ? 4 : 16);
	return key;
}

/* Rails in the map need their bloom bit and their exact key, each alone does nothing. */
static void map_rails(void **state)
{
	int fd = bpf_map__fd(harness_skel->maps.sek_rails);
	struct frame f;

	for (int family = 4; family <= 6; family += 2)
		for (__u32 kind = SEK_RAIL_OWN; kind <= SEK_RAIL_SSH; kind++) {
			struct sek_rail_key key = rail_key(family), other = key;
			const uint8_t *source = family == 4 ? frame_source4 : frame_source6;
			__u32 words[4], bit;

			memcpy(words, key.addr_be, sizeof(words));
			bit = sek_rail_bit(words[0] ^ words[1] ^ words[2] ^ words[3]);
			make_frame(&f, family);
			harness_block_both();
			assert_int_equal(bpf_map_update_elem(fd, &key, &kind, 0), 0);
			harness_expect("no bloom bit", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
			harness_control.rail_bloom[bit / 64] |= 1ull << bit % 64;
			harness_apply();
			harness_expect("protected", &f, XDP_PASS, SEK_R_PROTECTED, HARNESS_NO_WOULD);
			assert_int_equal(harness_explain(family, source).rail, kind);
			assert_int_equal(harness_explain(family, source).verdict, SEK_V_PASS);
			harness_control.mode = SEK_MODE_MONITOR;
			harness_apply();
			harness_expect("protected, monitor", &f, XDP_PASS, SEK_R_PROTECTED, HARNESS_NO_WOULD);
			harness_control.mode = SEK_MODE_ENFORCE;
			harness_apply();
			assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
			other.family = 10 - family;
			assert_int_equal(bpf_map_update_elem(fd, &other, &kind, 0), 0);
			harness_expect("bloom bit and the other family's key", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
		}
}

/* An address in each word of the bloom bits: its own bit is enough, all the others are not. */
static void bloom_words(void **state)
{
	int fd = bpf_map__fd(harness_skel->maps.sek_rails);
	__u32 kind = SEK_RAIL_OWN, words_met = 0;
	struct frame f;

	make_frame(&f, 4);
	for (unsigned last = 0; last < 256; last++) {
		struct sek_rail_key key = { .addr_be = { 203, 0, 113, last }, .family = 4 };
		__u32 addr_be, bit;

		memcpy(&addr_be, key.addr_be, 4);
		bit = sek_rail_bit(addr_be);
		if (words_met & 1u << bit / 64)
			continue;
		words_met |= 1u << bit / 64;
		harness_block_both();
		harness_entry_of(4, key.addr_be, 32, (struct sek_entry){ .block_until_ns = SEK_FOREVER });
		frame_set_source(&f, FRAME_ETH_BYTES, 4, key.addr_be);
		assert_int_equal(bpf_map_update_elem(fd, &key, &kind, 0), 0);
		harness_control.rail_bloom[bit / 64] = 1ull << bit % 64;
		harness_apply();
		harness_expect("its own bit", &f, XDP_PASS, SEK_R_PROTECTED, HARNESS_NO_WOULD);
		memset(harness_control.rail_bloom, 0xff, sizeof(harness_control.rail_bloom));
		harness_control.rail_bloom[bit / 64] &= ~(1ull << bit % 64);
		harness_apply();
		harness_expect("every bit but its own", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
	}
	assert_int_equal(words_met, 15);
}

/* A rail holds back drops only: a source that nothing would drop is not counted as protected. */
static void rails_need_a_drop(void **state)
{
	struct sek_rail_key key = rail_key(4);
	__u32 kind = SEK_RAIL_GATEWAY;
	struct frame f;

	make_frame(&f, 4);
	harness_reset();
	memset(harness_control.rail_bloom, 0xff, sizeof(harness_control.rail_bloom));
	harness_apply();
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_rails), &key, &kind, 0), 0);
	harness_expect("not blocked", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
	harness_block_both();
	harness_expect("blocked, rail gone", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
}

/* First, last and the neighbours of every constant rail, each blocked by a /1 over it. */
static void local_rails(void **state)
{
	static const struct { const char *addr; int is_kept; } rows[] = {
		{ "0.0.0.0", 1 }, { "0.0.0.1", 0 }, { "126.255.255.255", 0 }, { "127.0.0.0", 1 },
		{ "127.255.255.255", 1 }, { "128.0.0.0", 0 }, { "169.253.255.255", 0 }, { "169.254.0.0", 1 },
		{ "169.254.255.255", 1 }, { "169.255.0.0", 0 }, { "255.255.255.255", 0 },
		{ "::", 1 }, { "::1", 1 }, { "::2", 0 }, { "0:0:0:1::1", 0 }, { "0:0:0:1::", 0 },
		{ "1::1", 0 }, { "7f00::1", 0 }, { "a9fe::1", 0 },
		{ "fe7f:ffff::1", 0 }, { "fe80::", 1 }, { "febf:ffff::1", 1 }, { "fec0::", 0 },
	};
	struct frame f;

	harness_block_all();
	for (size_t i = 0; i < COUNT(rows); i++) {
		int family = strchr(rows[i].addr, ':') ? 6 : 4;
		uint8_t addr[16];

		make_frame(&f, family);
		assert_int_equal(inet_pton(family == 6 ? AF_INET6 : AF_INET, rows[i].addr, addr), 1);
		frame_set_source(&f, FRAME_ETH_BYTES, family, addr);
		if (rows[i].is_kept)
			harness_expect(rows[i].addr, &f, XDP_PASS, SEK_R_PROTECTED, HARNESS_NO_WOULD);
		else
			harness_expect(rows[i].addr, &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
		assert_int_equal(harness_explain(family, addr).rail, rows[i].is_kept ? SEK_RAIL_LOCAL : 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_rails),
		cmocka_unit_test(bloom_words),
		cmocka_unit_test(rails_need_a_drop),
		cmocka_unit_test(local_rails),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
