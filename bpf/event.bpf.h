// SPDX-License-Identifier: GPL-2.0
/*
 * Records for the engine through the ring buffer: sampled drops, sources that go over a limit, bans with their evidence.
 * A full ring is counted, never waited for.
 */
#pragma once

#include "clock.bpf.h"
#include "entry.bpf.h"
#include "evidence.bpf.h"
#include "image.bpf.h"
#include "maps.bpf.h"
#include "parse_l4.bpf.h"

#define EVENT_SECOND_NS 1000000000ull
#define EVENT_NO_LIMIT 0xff
#define EVENT_SKIP 16 /* drops that pass over without a look at the clock once the second's budget is spent */
#define EVENT_SKIP_OFF 64 /* the same where the config wants none, before that is asked again */

/* What an event says beside its frame, in one word: a global function takes five arguments. */
#define EVENT_NOTE(type, verdict, reason, limit, counter)                                                              \
	((__u64)(type) | (__u64)(verdict) << 8 | (__u64)(reason) << 16 | (__u64)(limit) << 24 | (__u64)(counter) << 32)

static __always_inline void event_header(struct xdp_md *ctx, struct sek_event *event)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 i;

	for (i = 0; i < SEK_EVENT_HEADER_BYTES; i++) {
		if (data + i + 1 > end)
			break;
		event->header[i] = data[i];
	}
	event->header_bytes = i;
}

static __always_inline void event_fill(struct xdp_md *ctx, const struct pkt *pkt, const struct sek_entry_key *key, __u64 note,
				       __u64 generation, struct sek_event *event)
{
	struct l4 l4 = {};

	l4_read(ctx, pkt, &l4);
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = bpf_ktime_get_boot_ns();
	event->generation = generation;
	event->source = *key;
	event->type = note;
	event->verdict = note >> 8;
	event->reason = note >> 16;
	event->limit = note >> 24;
	event->counter = note >> 32;
	event->l4_proto = l4.proto;
	event->tcp_flags = l4.tcp_flags;
	event->sport_be = bpf_htons(l4.sport);
	event->dport_be = bpf_htons(l4.dport);
	event->frame_bytes = pkt->frame_bytes;
	event->iface_slot = sek_iface_slot;
	event_header(ctx, event);
}

/* May this CPU give one more sample in this second? Of sources that go over, as many again. account() minds event_skip. */
static __always_inline bool event_is_due(struct sek_cpu *cpu, __u32 events_per_s, bool is_drop)
{
	__u64 second;

	if (!events_per_s) {
		cpu->event_skip = EVENT_SKIP_OFF;
		return false;
	}
	second = clock_coarse_ns(cpu) / EVENT_SECOND_NS;
	if (cpu->event_second != second) {
		cpu->event_second = second;
		cpu->event_count = 0;
	}
	if (cpu->event_count >= (is_drop ? events_per_s : 2 * events_per_s)) {
		if (is_drop)
			cpu->event_skip = EVENT_SKIP;
		return false;
	}
	cpu->event_count++;
	return true;
}

/*
 * A record of this frame, @note as of EVENT_NOTE(), within the budget of events_per_s. The image is that at @table_slot.
 * A global function: verified once, beside the paths that lead to it.
 */
__noinline int event_frame(struct xdp_md *ctx, const struct pkt *pkt, __u64 note, __u32 table_slot)
{
	struct sek_entry_key key __attribute__((aligned(8))) = {};
	__u32 cpu_id = bpf_get_smp_processor_id(), zero = 0;
	struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	const struct sek_table_head *head;
	struct sek_event *event;
	struct image image;

	if (!control || !cpu || !pkt)
		return 0;
	if (!event_is_due(cpu, control->events_per_s, (__u8)note != SEK_EVENT_OVER)) {
		cpu->events_unsampled++;
		return 0;
	}
	entry_key(&pkt->source, pkt->source.family == 4 ? 32 : 128, &key);
	event = bpf_ringbuf_reserve(&sek_events, sizeof(*event), 0);
	if (!event) {
		cpu->events_lost++;
		return 0;
	}
	cpu->events++;
	image = image_at(table_slot);
	head = image.first ? image_front(&image, 0) : NULL;
	event_fill(ctx, pkt, &key, note, head ? head->generation : 0, event);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* A ban of @source_key began with this frame. @evidence is the index of its record. A global function, as above. */
__noinline int event_ban(struct xdp_md *ctx, const struct pkt *pkt, const struct sek_entry_key *source_key, __u64 note,
			 __u32 evidence_index)
{
	struct sek_entry_key key; /* Linux 6.1 takes no other memory for a key */
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	struct sek_evidence *evidence;
	struct sek_ban_event *event;
	void *bans = map_inside(&sek_limiter_bans);
	struct sek_ban *ban;

	if (!cpu || !pkt || !bans || !source_key)
		return 0;
	key = *source_key;
	ban = bpf_map_lookup_elem(bans, &key);
	evidence = evidence_at(evidence_index);
	if (!ban)
		return 0; /* lifted in the meantime */
	event = bpf_ringbuf_reserve(&sek_events, sizeof(*event), 0);
	if (!event) {
		cpu->events_lost++;
		return 0;
	}
	cpu->events++;
	event_fill(ctx, pkt, &key, note, ban->generation, &event->event);
	event->ban = *ban;
	if (evidence && evidence_is_of(evidence, source_key)) {
		event->evidence = *evidence;
		evidence->is_told = 1;
	} else {
		__builtin_memset(&event->evidence, 0, sizeof(event->evidence));
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}
