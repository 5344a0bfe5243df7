// SPDX-License-Identifier: GPL-2.0
/* Ways to set the program up on one list, to see what each adds to a packet; and the verdict each must give. */
#pragma once

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <sekisho/maps.h>
#include <sekisho/table.h>
#include <sekisho/top.h>

/* The keeper's knobs on a host of two CPUs: 100 events a second, and the rates of one source in 256, as a million sources leave. */
#define VARIANT_EVENTS_PER_S 50
#define VARIANT_RATES_THRESHOLD (1u << 24)

enum variant { PLAIN, MORE_LIST, ALLOW_LIST, MONITOR_LIST, MONITOR_MODE, HAND_BLOCK, HAND_ALLOW, VARIANTS };

static const char *const variant_names[VARIANTS] = {
	[PLAIN] = "one block list",	    [MORE_LIST] = "one more list",    [ALLOW_LIST] = "an allow list",
	[MONITOR_LIST] = "a monitor list",  [MONITOR_MODE] = "monitor mode",  [HAND_BLOCK] = "a block entry",
	[HAND_ALLOW] = "an allow entry",
};

#define VARIANT_ALLOWED 100 /* the allow list holds every 100th entry of the block list, and wins there */

/* Class of the entry at @index of the list: 1 the block list alone, 2 with the other list. */
static inline uint32_t variant_class(enum variant variant, size_t index)
{
	if (variant == ALLOW_LIST)
		return index % VARIANT_ALLOWED ? 1 : 2;
	return variant == MORE_LIST || variant == MONITOR_LIST ? 1 + index % 2 : 1;
}

static inline void variant_classes(enum variant variant, struct sek_class classes[3])
{
	memset(classes, 0, 3 * sizeof(*classes));
	classes[1] = (struct sek_class){ .action = SEK_A_BLOCK, .counter = 1, .winner = 1, .lists = { 1 << 1 } };
	classes[2] = (struct sek_class){ .action = SEK_A_BLOCK, .counter = 2, .winner = 1, .lists = { 3 << 1 } };
	if (variant == MONITOR_LIST)
		classes[2].flags = SEK_C_MONITORED;
	if (variant == ALLOW_LIST) {
		classes[2].action = SEK_A_ALLOW;
		classes[2].winner = 2;
	}
}

/* What sek_xdp must say to a source in the entry at @index of the list, or in none (-1). */
static inline uint32_t variant_verdict(enum variant variant, long index)
{
	if (index < 0 || variant == MONITOR_MODE)
		return XDP_PASS;
	return variant == ALLOW_LIST && variant_class(variant, index) == 2 ? XDP_PASS : XDP_DROP;
}

/* One hand-made entry for ever, of a documentation address that no source has, in a map put into @outer_fd. */
static inline int variant_put_entry(int outer_fd, int bits, bool is_allow)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	struct sek_entry_key key = { .addr_be = { 192, 0, 2, 1 }, .family = 4, .len = 32 };
	struct sek_entry entry = { 0 };
	uint32_t slot = 0;
	int err = 0, fd;

	if (bits == 128)
		key = (struct sek_entry_key){ .addr_be = { 0x20, 1, 0x0d, 0xb8 }, .family = 6, .len = 128 };
	if (is_allow)
		entry.allow_until_ns = SEK_FOREVER;
	else
		entry.block_until_ns = SEK_FOREVER;
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "sek_entries", sizeof(key), sizeof(entry), SEK_ENTRIES_MIN, &opts);
	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(fd, &key, &entry, BPF_ANY) || bpf_map_update_elem(outer_fd, &slot, &fd, BPF_ANY))
		err = -errno;
	close(fd);
	return err;
}

/* Sets up what of @variant is not in the image. */
static inline int variant_set(enum variant variant, int bits, int control_fd, int entries_fd)
{
	struct sek_control control = {
		.mode = variant == MONITOR_MODE ? SEK_MODE_MONITOR : SEK_MODE_ENFORCE,
		.events_per_s = VARIANT_EVENTS_PER_S,
		.top_gap = SEK_TOP_GAP,
		.rates_window = 1,
		.rates_threshold = VARIANT_RATES_THRESHOLD,
		.limit_bits = SEK_LIMIT_LINES_BITS,
		.limit_keys = { 0x9b1c2d3e, { 0x85ebca6b, 0xc2b2ae35 }, 0, 0x2545f4914f6cdd1d,
				{ 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb } },
	};
	uint32_t slot = 0;
	int err = 0;

	if (variant == HAND_BLOCK || variant == HAND_ALLOW) {
		err = variant_put_entry(entries_fd, bits, variant == HAND_ALLOW);
		control.n_entry_lens4 = bits == 32;
		control.n_entry_lens6 = bits == 128;
		control.entry_lens4[0] = 32;
		control.entry_lens6[0] = 128;
	}
	if (!err && bpf_map_update_elem(control_fd, &slot, &control, BPF_ANY))
		err = -errno;
	return err;
}
