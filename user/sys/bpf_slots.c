// SPDX-License-Identifier: GPL-2.0
/* Slots through a mapping, by compare-and-swap beside the program. See bpf_slots.h. */
#include "bpf_slots.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bpf_load.h"
#include "lib/limit.h"

#define TRIES 8 /* a slot that is charged more often while we look is a busy source's */
#define TAG ((1ull << SEK_LIMIT_TAT_SHIFT) - 1)
#define PARITY (1ull << SEK_LIMIT_PARITY_SHIFT)

struct wipe {
	uint32_t whole;
	const struct limit_fold *fold[2][SEK_LIMITS_MAX]; /* by parity and number; NULL: none */
};

static unsigned number_of(__u64 slot)
{
	return slot >> SEK_LIMIT_NUMBER_SHIFT & (SEK_LIMITS_MAX - 1);
}

/* Of the slot's limit and parity. One of "over since" has no parity, and stays for the limit's other settings. */
static const struct limit_fold *fold_of(const struct wipe *wipe, __u64 slot)
{
	if (slot >> SEK_LIMIT_KIND_SHIFT & 1)
		return NULL;
	return wipe->fold[slot >> SEK_LIMIT_PARITY_SHIFT & 1][number_of(slot)];
}

static bool has_tag(const __u64 *line, __u64 tag)
{
	unsigned i;

	for (i = 0; i < SEK_LIMIT_SLOTS; i++) {
		if ((__atomic_load_n(&line[i], __ATOMIC_RELAXED) & TAG) == tag)
			return true;
	}
	return false;
}

/* What becomes of @slot of @line: one of the other parity, as limit_convert() of the program makes it; 0: it is idle, or its source has one. */
static __u64 folded(const struct limit_fold *fold, const __u64 *line, __u64 slot)
{
	__u64 tag = (slot & TAG) ^ PARITY, now_word, units;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_word = (now.tv_sec * 1000000000ull + now.tv_nsec) / SEK_LIMIT_UNIT_NS << SEK_LIMIT_TAT_SHIFT;
	if (slot - now_word > fold->former_maxd || has_tag(line, tag))
		return 0;
	units = sek_limit_level((slot - now_word) >> SEK_LIMIT_TAT_SHIFT, fold->former_mant, fold->former_shift);
	if (units > fold->most)
		units = fold->most;
	return (now_word + (units << SEK_LIMIT_TAT_SHIFT)) | tag;
}

static void wipe_slot(const struct wipe *wipe, __u64 *line, unsigned index)
{
	__u64 now = __atomic_load_n(&line[index], __ATOMIC_RELAXED), next;
	unsigned i;

	for (i = 0; i < TRIES && now; i++) {
		const struct limit_fold *fold = fold_of(wipe, now);
		bool is_whole = wipe->whole >> number_of(now) & 1;

		if (!is_whole && !fold)
			return;
		next = is_whole ? 0 : folded(fold, line, now);
		if (__atomic_compare_exchange_n(&line[index], &now, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return;
	}
}

static int take_folds(struct wipe *wipe, const struct limit_fold *folds, uint32_t n_folds)
{
	uint32_t i;

	if (n_folds > SEK_LIMITS_MAX)
		return -EINVAL;
	for (i = 0; i < n_folds; i++) {
		if (!limit_fold_is_sound(&folds[i]))
			return -EINVAL;
		wipe->fold[folds[i].parity][folds[i].number] = &folds[i];
	}
	return 0;
}

int bpf_slots_wipe(const struct bpf_side *side, uint32_t whole, const struct limit_fold *folds, uint32_t n_folds)
{
	size_t n = (size_t)SEK_LIMIT_SLOTS << side->limiter_bits, i;
	struct wipe wipe = {.whole = whole};
	__u64 *slots;
	int fd, err;

	err = take_folds(&wipe, folds, n_folds);
	if (err)
		return err;
	if (side->map_fd[BPF_MAP_LIMIT_LINES] < 0)
		return 0; /* no limit was ever in force */
	fd = bpf_map_open(side, BPF_MAP_LIMIT_LINES);
	if (fd < 0)
		return fd;
	slots = mmap(NULL, n * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (slots == MAP_FAILED)
		return -errno;
	for (i = 0; i < n; i++)
		wipe_slot(&wipe, slots + (i & ~(size_t)(SEK_LIMIT_SLOTS - 1)), i & (SEK_LIMIT_SLOTS - 1));
	munmap(slots, n * sizeof(*slots));
	return 0;
}
