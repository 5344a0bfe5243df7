// SPDX-License-Identifier: GPL-2.0
/* Slots through a mapping, by compare-and-swap beside the program. See bpf_slots.h. */
#include "bpf_slots.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sekisho/limit.h>
#include "bpf_load.h"

#define TRIES 8 /* a slot that is charged more often while we look is a busy source's */

struct wipe {
	uint16_t whole, parity[2];
};

/* A slot of "over since" has no parity: it stays for the limit's other settings. */
static bool is_to_go(const struct wipe *wipe, __u64 slot)
{
	unsigned number = slot >> SEK_LIMIT_NUMBER_SHIFT & (SEK_LIMITS_MAX - 1);
	bool is_time = !(slot >> SEK_LIMIT_KIND_SHIFT & 1);

	return wipe->whole >> number & 1 ||
	       (is_time && wipe->parity[slot >> SEK_LIMIT_PARITY_SHIFT & 1] >> number & 1);
}

static void wipe_slot(__u64 *slot, const struct wipe *wipe)
{
	__u64 now = __atomic_load_n(slot, __ATOMIC_RELAXED);
	unsigned i;

	for (i = 0; i < TRIES && now && is_to_go(wipe, now); i++) {
		if (__atomic_compare_exchange_n(slot, &now, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return;
	}
}

int bpf_slots_wipe(const struct bpf_side *side, uint16_t whole, const uint16_t parity[2])
{
	struct wipe wipe = {whole, {parity[0], parity[1]}};
	size_t n = (size_t)SEK_LIMIT_SLOTS << side->limiter_bits, i;
	__u64 *slots;
	int fd;

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
		wipe_slot(&slots[i], &wipe);
	munmap(slots, n * sizeof(*slots));
	return 0;
}
