// SPDX-License-Identifier: GPL-2.0
/*
 * The table image as packets read it, line by line. It lies in segments, each the one element of an array map, so that every
 * lookup is inlined by the verifier: a map of any size (BPF_F_INNER_MAP) would cost a call a line. A packet
 * takes the first slot from the control record once and so sees one whole generation.
 */
#pragma once

#include "maps.bpf.h"

/* Masks an offset where C's own mask would be optimised away: Linux 6.1 loses its bounds. */
#define IMAGE_BOUND(offset) asm volatile("%0 &= %1" : "+r"(offset) : "i"(SEK_SEGMENT_BYTES - SEK_LINE_BYTES))

/* Segment 0 as a global function takes it. */
struct image_front {
	__u8 bytes[SEK_SEGMENT_BYTES];
};

struct image {
	void *first; /* segment 0; NULL: no image was ever in force */
	__u32 slot;  /* of segment 0 */
};

static __always_inline void *image_segment(__u32 slot)
{
	void *segment = bpf_map_lookup_elem(&sek_table, &slot);
	__u32 zero = 0;

	return segment ? bpf_map_lookup_elem(segment, &zero) : NULL;
}

static __always_inline struct image image_at(__u32 slot)
{
	struct image image = { .slot = slot, .first = image_segment(slot) };

	return image;
}

/* The image in force. A packet calls this once: a second call may see another generation. */
static __always_inline struct image image_open(const struct sek_control *control)
{
	return image_at(*(volatile const __u32 *)&control->table_slot);
}

/* Any line; NULL past the last segment. */
static __always_inline void *image_line(const struct image *image, __u32 line)
{
	__u64 offset = (__u64)line * SEK_LINE_BYTES;
	void *segment = image_segment(image->slot + line / SEK_SEGMENT_LINES);

	if (!segment)
		return NULL;
	IMAGE_BOUND(offset);
	return segment + offset;
}

/* A line of segment 0, where head, parameters and classes are: no lookup. image->first must be there. */
static __always_inline void *image_front(const struct image *image, __u32 line)
{
	__u64 offset = (__u64)line * SEK_LINE_BYTES;

	IMAGE_BOUND(offset);
	return image->first + offset;
}

/* Two lines of segment 0, from an even one on. */
static __always_inline void *image_front_pair(const struct image *image, __u32 line)
{
	__u64 offset = (__u64)line * SEK_LINE_BYTES;

	asm volatile("%0 &= %1" : "+r"(offset) : "i"(SEK_SEGMENT_BYTES - 2 * SEK_LINE_BYTES));
	return image->first + offset;
}
