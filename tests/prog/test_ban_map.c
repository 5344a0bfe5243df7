// SPDX-License-Identifier: GPL-2.0
/* link: sys/bpf_ban_map.c sys/bpf_lens.c -lpthread */
/*
 * The keeper's side of the ban map: records put, deleted and swept, how many the program is told
 * of, and which prefix lengths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <sekisho/table.h>

#include "sys/bpf_ban_map.h"

#define NOW_NS 1000000000000ull
#define SIZE 8

static struct sek_control control;
static struct bpf_side side = { .control = &control };
static struct bpf_ban_map bans;

static int make(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	memset(&control, 0, sizeof(control));
	side.map_fd[BPF_MAP_BANS] =
	    bpf_map_create(BPF_MAP_TYPE_HASH, "bans", sizeof(struct sek_entry_key),
			   sizeof(struct sek_ban), SIZE, &opts);
	return side.map_fd[BPF_MAP_BANS] < 0 || bpf_ban_map_open(&bans, &side);
}

static int unmake(void **state)
{
	return close(side.map_fd[BPF_MAP_BANS]);
}

static struct sek_entry_key key(unsigned family, unsigned len, unsigned char first)
{
	return (struct sek_entry_key){ .family = family, .len = len, .addr_be = { first } };
}

static struct sek_ban ban(uint64_t until_ns, uint64_t trial_ns)
{
	return (struct sek_ban){ .since_ns = 1, .until_ns = until_ns, .trial_until_ns = trial_ns };
}

static void put(unsigned family, unsigned len, unsigned char first, uint64_t end_ns)
{
	struct sek_entry_key k = key(family, len, first);
	struct sek_ban b = ban(end_ns - 1, end_ns);

	assert_int_equal(bpf_ban_map_put(&bans, &k, &b), 0);
}

static void test_put_and_delete(void **state)
{
	struct sek_entry_key one = key(4, 32, 1), two = key(4, 24, 2);
	struct sek_ban b = ban(5, 9), full = b;
	unsigned i;

	assert_int_equal(bpf_ban_map_put(&bans, &one, &b), 0);
	assert_int_equal(bpf_ban_map_put(&bans, &one, &b), 0); /* again: the same record */
	assert_int_equal(control.n_bans, 1);
	assert_int_equal(bpf_ban_map_put(&bans, &two, &b), 0);
	assert_int_equal(control.n_bans, 2);
	assert_memory_equal(control.ban_lens4, "\x20\x18\0\0\0\0\0\0", 8);
	assert_true(bpf_ban_map_has(&bans, &one));
	assert_int_equal(bpf_ban_map_delete(&bans, &one), 0);
	assert_int_equal(bpf_ban_map_delete(&bans, &one),
			 0); /* it is gone: no error, and not counted */
	assert_int_equal(control.n_bans, 1);
	assert_false(bpf_ban_map_has(&bans, &one));
	for (i = 1; i < SIZE; i++)
		put(4, 32, 100 + i, NOW_NS);
	assert_int_equal(bpf_ban_map_put(&bans, &one, &full), -ENOSPC);
	assert_int_equal(control.n_bans, SIZE);
}

static void test_sweep(void **state)
{
	struct sek_entry_key live = key(4, 32, 1), trial = key(4, 32, 2), old = key(6, 64, 3);

	put(4, 32, 1, NOW_NS + 1);
	put(4, 32, 2, NOW_NS - BPF_BAN_GRACE_NS);
	put(6, 64, 3, NOW_NS - BPF_BAN_GRACE_NS - 1);
	assert_memory_equal(control.ban_lens6, "\x40\0", 2);
	assert_int_equal(bpf_ban_map_sweep(&bans, NOW_NS), 1);
	assert_true(bpf_ban_map_has(&bans, &live));
	assert_true(bpf_ban_map_has(&bans, &trial));
	assert_false(bpf_ban_map_has(&bans, &old));
	assert_int_equal(control.n_bans, 2);
	assert_int_equal(control.ban_lens6[0], 0); /* no ban has it any more */
	assert_int_equal(control.ban_lens4[0], 32);
}

struct image {
	char front[SEK_TABLE_FIXED_LINES * SEK_LINE_BYTES];
	struct sek_limit limit[SEK_LIMITS_MAX];
};

static struct image *image_of(unsigned n, const uint8_t *lens4, const uint8_t *lens6)
{
	static struct image image;
	struct sek_table_limits *head =
	    (void *)(image.front + SEK_TABLE_LIMITS_LINE * SEK_LINE_BYTES);
	unsigned i;

	memset(&image, 0, sizeof(image));
	head->n_limits = n;
	head->limit_base = SEK_TABLE_FIXED_LINES;
	for (i = 0; i < n; i++)
		image.limit[i] = (struct sek_limit){ .flags = SEK_LIMIT_F_BAN,
						     .len4 = lens4[i],
						     .len6 = lens6[i] };
	return &image;
}

/*
 * What the next image bans is looked for before it is in force; what only the last one banned is
 * not, after it.
 */
static void test_lengths_of_limits(void **state)
{
	static const uint8_t first4[] = { 32, 24 }, first6[] = { 64, 48 }, next4[] = { 16 },
			     next6[] = { 64 };

	assert_int_equal(bpf_ban_map_prepare(&bans, image_of(2, first4, first6)), 0);
	bpf_ban_map_settle(&bans, image_of(2, first4, first6));
	assert_memory_equal(control.ban_lens4, "\x20\x18\0", 3);
	assert_memory_equal(control.ban_lens6, "\x40\x30\0", 3);
	put(4, 24, 9, NOW_NS);
	assert_int_equal(bpf_ban_map_prepare(&bans, image_of(1, next4, next6)), 0);
	assert_memory_equal(control.ban_lens4, "\x20\x18\x10\0", 4);
	bpf_ban_map_settle(&bans, image_of(1, next4, next6));
	assert_memory_equal(control.ban_lens6, "\x40\0", 2);
	assert_non_null(memchr(control.ban_lens4, 24, SEK_BAN_LENS_MAX)); /* a ban has it */
	assert_non_null(memchr(control.ban_lens4, 16, SEK_BAN_LENS_MAX));
}

/* The program's own beginning of a ban: the keeper is not told. */
static void begin(unsigned family, unsigned len, unsigned char first)
{
	struct sek_entry_key k = key(family, len, first);
	struct sek_ban b = ban(NOW_NS, NOW_NS + 1);

	assert_int_equal(bpf_map_update_elem(side.map_fd[BPF_MAP_BANS], &k, &b, BPF_NOEXIST), 0);
	control.n_bans++;
}

/* Bans outlive their limit at once, not from the next sweep on. */
static void test_bans_of_a_limit_that_went(void **state)
{
	static const uint8_t len4[] = { 32, 28 }, len6[] = { 128, 56 }, next4[] = { 24 }, next6[] = { 64 };

	assert_int_equal(bpf_ban_map_prepare(&bans, image_of(2, len4, len6)), 0);
	bpf_ban_map_settle(&bans, image_of(2, len4, len6));
	begin(4, 32, 1);
	begin(6, 128, 2);
	assert_int_equal(bpf_ban_map_prepare(&bans, image_of(1, next4, next6)), 0);
	bpf_ban_map_settle(&bans, image_of(1, next4, next6));
	assert_non_null(memchr(control.ban_lens4, 32, SEK_BAN_LENS_MAX));
	assert_non_null(memchr(control.ban_lens6, 128, SEK_BAN_LENS_MAX));
	bpf_ban_map_settle(&bans, image_of(0, NULL, NULL));
	assert_memory_equal(control.ban_lens4, "\x20\0", 2); /* and the lengths that no ban has are gone */
	assert_memory_equal(control.ban_lens6, "\x80\0", 2);
	assert_int_equal(bpf_ban_map_sweep(&bans, NOW_NS + 2 + BPF_BAN_GRACE_NS), 2);
	assert_int_equal(control.ban_lens4[0] + control.ban_lens6[0], 0);
}

static void test_too_many_lengths(void **state)
{
	static const uint8_t lens4[] = { 32, 31, 30, 29, 28, 27, 26, 25, 24 },
			     lens6[9] = { 64, 64, 64, 64, 64, 64, 64, 64, 64 };
	struct sek_entry_key k = key(4, 8, 1);
	struct sek_ban b = ban(1, 2);

	assert_int_equal(bpf_ban_map_prepare(&bans, image_of(9, lens4, lens6)), -E2BIG);
	assert_int_equal(bpf_ban_map_put(&bans, &k, &b), -E2BIG);
	assert_int_equal(control.n_bans, 0);
}

/* An agent that comes after another goes on with the lengths it finds. */
static void test_adopted(void **state)
{
	struct bpf_ban_map again;

	put(4, 24, 9, NOW_NS);
	put(4, 32, 9, NOW_NS);
	assert_int_equal(bpf_ban_map_open(&again, &side), 0);
	assert_memory_equal(control.ban_lens4, "\x20\x18\0", 3);
	bpf_ban_map_settle(&again, image_of(0, NULL, NULL));
	assert_memory_equal(control.ban_lens4, "\x20\x18\0", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_delete, make, unmake),
		cmocka_unit_test_setup_teardown(test_sweep, make, unmake),
		cmocka_unit_test_setup_teardown(test_lengths_of_limits, make, unmake),
		cmocka_unit_test_setup_teardown(test_bans_of_a_limit_that_went, make, unmake),
		cmocka_unit_test_setup_teardown(test_too_many_lengths, make, unmake),
		cmocka_unit_test_setup_teardown(test_adopted, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
