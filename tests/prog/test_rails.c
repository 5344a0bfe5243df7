// SPDX-License-Identifier: GPL-2.0
/*
 * The rail map and its bloom bits as the keeper fills them, asked through the kernel program: under
 * a block of everything each protected address passes, its neighbours drop, and a new set leaves
 * nothing of the old one.
 */
/* link: sys/bpf_rails.c sys/bpf_entries.c sys/bpf_lens.c sys/bpf_load.c sys/bpf_table.c sys/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/bpf_entries.h"
#include "sys/bpf_load.h"
#include "sys/bpf_rails.h"

static struct bpf_side side;
static struct bpf_entries entries;

static void block(uint8_t family, uint8_t first, uint32_t flags)
{
	struct sek_entry_key key = {.addr_be = {first}, .family = family, .len = 1};
	struct sek_entry value = {.block_until_ns = SEK_FOREVER, .flags = flags};

	assert_int_equal(bpf_entries_put(&entries, &key, &value), 0);
}

static void block_all(uint32_t flags)
{
	block(4, 0, flags);
	block(4, 0x80, flags);
	block(6, 0, flags);
	block(6, 0x80, flags);
}

static struct sek_explain ask(const struct sek_rail_key *key)
{
	struct sek_explain explain = {.family = key->family};

	memcpy(explain.addr_be, key->addr_be, sizeof(explain.addr_be));
	assert_int_equal(bpf_explain(&side, &explain), 0);
	return explain;
}

static void expect(const struct sek_rail_key *key, bool is_protected, uint32_t kind)
{
	struct sek_explain got = ask(key);

	assert_int_equal(got.reason, is_protected ? SEK_R_PROTECTED : SEK_R_BLOCK);
	assert_int_equal(got.verdict, is_protected ? SEK_V_PASS : SEK_V_DROP);
	if (is_protected)
		assert_int_equal(got.rail, kind);
}

/* Random rails of both families, none of them local; their last bit is 0, so that the neighbour is
 * no rail. */
static void make_rails(struct role_rail *rails, unsigned n, unsigned seed)
{
	unsigned i, byte;

	srandom(seed);
	memset(rails, 0, n * sizeof(*rails));
	for (i = 0; i < n; i++) {
		struct sek_rail_key *key = &rails[i].key;

		key->family = i % 2 ? 6 : 4;
		for (byte = 0; byte < (i % 2 ? 16u : 4u); byte++)
			key->addr_be[byte] = random();
		key->addr_be[0] = i % 2 ? 0x20 : 10;
		key->addr_be[1] = seed;
		key->addr_be[2] = i; /* no two alike */
		key->addr_be[i % 2 ? 15 : 3] &= 0xfe;
		rails[i].kind = SEK_RAIL_OWN + i % 4;
	}
}

static void check(const struct role_rail *rails, unsigned n, bool is_protected)
{
	struct sek_rail_key neighbour;
	unsigned i;

	for (i = 0; i < n; i++) {
		expect(&rails[i].key, is_protected, rails[i].kind);
		neighbour = rails[i].key;
		neighbour.addr_be[neighbour.family == 4 ? 3 : 15] |= 1;
		expect(&neighbour, false, 0);
	}
}

static void every_rail_and_no_neighbour(void **state)
{
	static const unsigned sizes[] = {1, 2, 17, SEK_RAILS_MAX - 1, SEK_RAILS_MAX};
	static struct role_rail old[SEK_RAILS_MAX], new[SEK_RAILS_MAX];
	unsigned i, n_old = 0;

	block_all(0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_rails(new, sizes[i], i + 1);
		assert_int_equal(bpf_rails_put(&side, new, sizes[i]), 0);
		check(new, sizes[i], true);
		check(old, n_old, false);
		memcpy(old, new, sizeof(old));
		n_old = sizes[i];
	}
	/* A full map whose every address is another one: room is made first. */
	make_rails(new, SEK_RAILS_MAX, 99);
	assert_int_equal(bpf_rails_put(&side, new, SEK_RAILS_MAX), 0);
	check(new, SEK_RAILS_MAX, true);
	check(old, n_old, false);
	assert_int_equal(bpf_rails_put(&side, NULL, 0), 0);
	check(new, SEK_RAILS_MAX, false);
}

static void force_overrides_all_but_local(void **state)
{
	static const struct sek_rail_key locals[] = {
	    {{127, 0, 0, 1}, 4}, {{169, 254, 3, 4}, 4},       {{0}, 4},
	    {{[15] = 1}, 6},     {{0xfe, 0x80, [15] = 9}, 6}, {{0}, 6},
	};
	static struct role_rail rails[4];
	unsigned i;

	make_rails(rails, 4, 7);
	assert_int_equal(bpf_rails_put(&side, rails, 4), 0);
	block_all(0);
	check(rails, 4, true);
	block_all(SEK_E_FORCED);
	check(rails, 4, false);
	for (i = 0; i < sizeof(locals) / sizeof(locals[0]); i++)
		expect(&locals[i], true, SEK_RAIL_LOCAL);
	block_all(0);
	check(rails, 4, true);
}

static int set_up(void **state)
{
	const char *why = "";

	return bpf_side_open(&side, "/sys/fs/bpf/rails", SEK_LIMIT_LINES_MIN_BITS, &why) ||
	       bpf_entries_open(&entries, &side);
}

static int tear_down(void **state)
{
	close(entries.fd);
	bpf_side_unpin(&side);
	bpf_side_close(&side);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_rail_and_no_neighbour),
	    cmocka_unit_test(force_overrides_all_but_local),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
