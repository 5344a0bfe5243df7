// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper's pass over the limiter's slots, on a file instead of a map: what goes, what is folded
 * into the limit's other parity, and what stays.
 */
/* link: sys/bpf_slots.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/limit.h"
#include "sys/bpf_load.h"
#include "sys/bpf_slots.h"

#define BITS 3 /* 8 lines: a file shorter than a page will do */
#define UNITS_PER_S 62500000ull
#define NUMBER 5
#define REST 0x1abcd
#define OVER (1ull << SEK_LIMIT_KIND_SHIFT)
#define FAR_S 7200

static struct bpf_side side;
static uint64_t (*lines)[SEK_LIMIT_SLOTS];

int bpf_map_open(const struct bpf_side *asked, enum bpf_map_name name)
{
	assert_int_equal(name, BPF_MAP_LIMIT_LINES);
	return dup(asked->map_fd[name]);
}

static int setup(void **state)
{
	for (int i = 0; i < BPF_MAP_ALL; i++)
		side.map_fd[i] = -1;
	side.limiter_bits = BITS;
	side.map_fd[BPF_MAP_LIMIT_LINES] = memfd_create("slots", MFD_CLOEXEC);
	if (ftruncate(side.map_fd[BPF_MAP_LIMIT_LINES], SEK_LINE_BYTES << BITS))
		return -1;
	lines = mmap(NULL, SEK_LINE_BYTES << BITS, PROT_READ | PROT_WRITE, MAP_SHARED,
		     side.map_fd[BPF_MAP_LIMIT_LINES], 0);
	return lines == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	munmap(lines, SEK_LINE_BYTES << BITS);
	return close(side.map_fd[BPF_MAP_LIMIT_LINES]);
}

static uint64_t now_units(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000000000ull + now.tv_nsec) / SEK_LIMIT_UNIT_NS;
}

/* A slot @ahead_s ahead, of @number and @parity. */
static uint64_t slot(double ahead_s, unsigned number, unsigned parity)
{
	uint64_t at = now_units() + (int64_t)(ahead_s * UNITS_PER_S);

	return at << SEK_LIMIT_TAT_SHIFT | (uint64_t)number << SEK_LIMIT_NUMBER_SHIFT |
	       (uint64_t)parity << SEK_LIMIT_PARITY_SHIFT | REST;
}

/* Seconds that @word is ahead. */
static double ahead_s(uint64_t word)
{
	int64_t ahead = (int64_t)(word - (now_units() << SEK_LIMIT_TAT_SHIFT)) >> SEK_LIMIT_TAT_SHIFT;

	return (double)ahead / UNITS_PER_S;
}

/* Slots of parity 1 by one packet in 60 s, burst 10; in force is one in 600 s, burst 5. */
static struct limit_fold stricter(void)
{
	struct limit_settings one = {.packets_per_s = 1. / 60, .burst = 10, .len4 = 32};
	struct limit_scale former, own;
	struct limit_fold fold;

	assert_int_equal(limit_scale(&one, &former), 0);
	one.packets_per_s /= 10;
	one.burst = 5;
	assert_int_equal(limit_scale(&one, &own), 0);
	limit_fold(&former, &own, NUMBER, 1, &fold);
	assert_true(limit_fold_is_sound(&fold));
	return fold;
}

static void test_fold(void **state)
{
	static const struct {
		const char *row;
		double ahead_s, want_s; /* 0: it goes */
	} rows[] = {
		{"two used", 120, 1200}, {"one used in part", 30, 300},	  {"just all", 300, 3000},
		{"more than all", 600, 3000}, {"idle", -0.001, 0},	  {"long idle", -FAR_S, 0},
		{"from before a wrap", FAR_S, 0},
	};
	struct limit_fold fold = stricter();
	uint64_t word;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(lines, 0, SEK_LINE_BYTES << BITS);
		lines[i][i] = word = slot(rows[i].ahead_s, NUMBER, 1);
		assert_int_equal(bpf_slots_wipe(&side, 0, &fold, 1), 0);
		if (!rows[i].want_s && lines[i][i])
			fail_msg("%s: it stays", rows[i].row);
		if (!rows[i].want_s)
			continue;
		assert_int_equal((lines[i][i] ^ word) & 0xffffff, 1 << SEK_LIMIT_PARITY_SHIFT);
		if (ahead_s(lines[i][i]) > rows[i].want_s || ahead_s(lines[i][i]) < rows[i].want_s - 20)
			fail_msg("%s: %.3f s ahead", rows[i].row, ahead_s(lines[i][i]));
	}
	/* Slots of which nobody knows by what they are just go. */
	memset(&fold, 0, sizeof(fold));
	fold.number = NUMBER;
	fold.parity = 1;
	lines[0][0] = slot(120, NUMBER, 1);
	assert_int_equal(bpf_slots_wipe(&side, 0, &fold, 1), 0);
	assert_int_equal(lines[0][0], 0);
}

/* Other limits' slots, those of the settings in force, and since when a source is over. */
static void test_others_stay(void **state)
{
	struct limit_fold fold = stricter();
	uint64_t kept[SEK_LIMIT_SLOTS] = {slot(60, NUMBER, 0), slot(60, NUMBER + 1, 1),
					  slot(60, NUMBER, 0) | OVER, 0, slot(-60, NUMBER, 0)};

	memset(lines, 0, SEK_LINE_BYTES << BITS);
	memcpy(lines[2], kept, sizeof(kept));
	assert_int_equal(bpf_slots_wipe(&side, 0, &fold, 1), 0);
	assert_memory_equal(lines[2], kept, sizeof(kept));
	/* A source that has a slot by the settings in force keeps that one. */
	lines[2][7] = slot(60, NUMBER, 1);
	lines[3][7] = slot(60, NUMBER, 1);
	assert_int_equal(bpf_slots_wipe(&side, 0, &fold, 1), 0);
	assert_memory_equal(lines[2], kept, sizeof(kept));
	assert_int_not_equal(lines[3][7], 0); /* control: in another line it has none */
}

/* A number that is another limit's now: all its slots, whatever folds say. */
static void test_whole(void **state)
{
	struct limit_fold fold = stricter();
	uint64_t other = slot(60, NUMBER + 1, 1);

	memset(lines, 0, SEK_LINE_BYTES << BITS);
	lines[0][0] = slot(60, NUMBER, 0);
	lines[1][1] = slot(60, NUMBER, 1);
	lines[7][7] = slot(60, NUMBER, 0) | OVER;
	lines[4][4] = other;
	assert_int_equal(bpf_slots_wipe(&side, 1u << NUMBER, &fold, 1), 0);
	for (int i = 0; i < 1 << BITS; i++) {
		for (int k = 0; k < SEK_LIMIT_SLOTS; k++)
			assert_int_equal(lines[i][k], i == 4 && k == 4 ? other : 0);
	}
}

/* The keeper does nothing of what an engine that means harm says. */
static void test_unsound(void **state)
{
	const struct limit_fold sound = stricter();
	struct limit_fold many[SEK_LIMITS_MAX + 1], bad[6] = {sound, sound, sound, sound, sound, sound};
	uint64_t word = slot(60, NUMBER, 1);

	memset(lines, 0, SEK_LINE_BYTES << BITS);
	lines[0][0] = word;
	bad[0].number = SEK_LIMITS_MAX;
	bad[1].parity = 2;
	bad[2].former_maxd = 1ull << 63;
	bad[3].former_mant = 1u << 24;
	bad[4].former_shift = 64;
	bad[5].most = 1ull << 39;
	for (int i = 0; i < 6; i++) {
		many[0] = sound;
		many[1] = bad[i];
		assert_int_equal(bpf_slots_wipe(&side, 1u << NUMBER, many, 2), -EINVAL);
	}
	for (int i = 0; i <= SEK_LIMITS_MAX; i++)
		many[i] = sound;
	assert_int_equal(bpf_slots_wipe(&side, 1u << NUMBER, many, SEK_LIMITS_MAX + 1), -EINVAL);
	assert_int_equal(lines[0][0], word);
	assert_int_equal(bpf_slots_wipe(&side, 0, many, SEK_LIMITS_MAX), 0); /* control */
	assert_int_not_equal(lines[0][0], word);
}

static void test_no_limiter(void **state)
{
	struct bpf_side none = side;
	struct limit_fold fold = stricter();

	none.map_fd[BPF_MAP_LIMIT_LINES] = -1;
	assert_int_equal(bpf_slots_wipe(&none, 0xffff, &fold, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold),	cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_whole),	cmocka_unit_test(test_unsound),
		cmocka_unit_test(test_no_limiter),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
