// SPDX-License-Identifier: GPL-2.0
/*
 * Test only: a packet that takes very long. It opens the image in force once, as every packet does,
 * and then looks at the head and the last segment of that half over and over: as long as it runs,
 * nobody may write there or take a slot away.
 */
#include "image.bpf.h"
#include "table_reader.h"

const volatile __u32 n_looks = 1; /* at most 1 << 23, bpf_loop's bound */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct table_reader);
} told SEC(".maps");

/* Where the image of @lines lines in the half at @slot has its last segment. */
static __always_inline __u32 last_slot(__u32 slot, __u32 lines)
{
	return slot + (lines - 1) / SEK_SEGMENT_LINES;
}

static long look(__u32 n, void *context)
{
	__u32 slot = *(__u32 *)context, zero = 0;
	struct table_reader *reader = bpf_map_lookup_elem(&told, &zero);
	volatile struct sek_table_head *head = image_segment(slot);
	volatile __u64 *last;

	if (!reader || !head)
		return 1;
	last = image_segment(last_slot(slot, reader->lines));
	reader->n_looks++;
	if (head->generation != reader->generation || head->lines != reader->lines || !last ||
	    *last != reader->last)
		reader->n_changed++;
	return 0;
}

SEC("xdp")
int table_reader(struct xdp_md *ctx)
{
	__u32 zero = 0, slot;
	struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);
	volatile struct table_reader *reader = bpf_map_lookup_elem(&told, &zero);
	volatile struct sek_table_head *head;
	volatile __u64 *last;
	struct image image;

	if (!control || !reader)
		return XDP_ABORTED;
	image = image_open(control);
	head = image.first;
	if (!head)
		return XDP_ABORTED;
	slot = image.slot;
	reader->generation = head->generation;
	reader->lines = head->lines;
	last = image_segment(last_slot(slot, head->lines));
	if (!last)
		return XDP_ABORTED;
	reader->last = *last;
	reader->is_reading = 1;
	bpf_loop(n_looks, look, &slot, 0);
	reader->is_reading = 0;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
