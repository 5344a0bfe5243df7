// SPDX-License-Identifier: GPL-2.0
/* A table image into the kernel, segment by segment, and in force by one store. */
#pragma once

#include <linux/types.h>

/*
 * Puts an image of @n_lines lines into the half of @outer_fd (the map sek_table) that is not in
 * force, then moves *@slot (the control record's table_slot, mapped for writing) to it: every
 * packet sees the old image or the new one, whole. The old one's memory goes back when no packet
 * can read it any more. Waits for RCU, once for an image of one segment, three times for a larger
 * one (1-220 ms each); before Linux 6.8 twice a segment. Never call it from an event loop. One call
 * at a time. Killed at any point, one whole image stays in force.
 *
 * Errors: -EINVAL no lines; -E2BIG over SEK_TABLE_LINES_MAX; -ENOMEM and what else bpf(2) and
 * mmap(2) say. The image in force stays.
 * Source: map-in-map updates wait for running programs since Linux 4.20 (1ae80cf31938, "bpf: wait
 * for running BPF programs when updating map-in-map").
 */
int bpf_table_put(int outer_fd, __u32 *slot, const void *lines, unsigned n_lines);
