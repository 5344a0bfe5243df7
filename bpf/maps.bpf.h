// SPDX-License-Identifier: GPL-2.0
/*
 * Every map of the kernel program and its rodata knobs. All maps are pinned and written by the
 * keeper only (the counters by the program only); they outlive the agent and the program.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <sekisho/ban.h>
#include <sekisho/event.h>
#include <sekisho/limit.h>
#include <sekisho/maps.h>
#include <sekisho/table.h>
#include <sekisho/top.h>

/*
 * Table images by segment (host order, table.h): two halves of SEK_SEGMENTS_MAX slots. control.table_slot names the half in
 * force; the keeper fills the other and then moves it. A slot that no image uses is empty or repeats another.
 * Empty until the keeper's first image: no source is on a list then.
 * The inner sizes are given without types: Linux 6.1 refuses an inner map without BTF otherwise.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2 * SEK_SEGMENTS_MAX);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(map_flags, BPF_F_MMAPABLE);
		__uint(key_size, 4);
		__uint(value_size, SEK_SEGMENT_BYTES);
		__uint(max_entries, 1);
	});
} sek_table SEC(".maps");

/* Hand-made entries and bans, slot 0: struct sek_entry_key -> struct sek_entry. Replaced to grow. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(map_flags, BPF_F_NO_PREALLOC);
		__uint(key_size, sizeof(struct sek_entry_key));
		__uint(value_size, sizeof(struct sek_entry));
		__uint(max_entries, SEK_ENTRIES_MIN);
	});
} sek_entries SEC(".maps");

/* The one control record, host order: written through mmap by the keeper, read by every packet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sek_control);
} sek_control SEC(".maps");

/* Protected addresses, network order: exact address -> enum sek_rail. Read behind the bloom bits. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SEK_RAILS_MAX);
	__type(key, struct sek_rail_key);
	__type(value, __u32);
} sek_rails SEC(".maps");

/* Counters, host order, one entry a possible CPU (size set before load); read through mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sek_cpu);
} sek_counters SEC(".maps");

/*
 * The limiter's large maps, each in slot 0 of an outer one: there from the first limit or ban on (bpf_limiter.h of the agent). Until
 * then they cost no memory, and no limit holds anything.
 *
 * Every source's slots by keyed hash (size set before load, control.limit_bits says it again). The program alone writes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(map_flags, BPF_F_MMAPABLE); /* else an element is not one cache line */
		__uint(key_size, 4);
		__uint(value_size, sizeof(struct sek_limit_line));
		__uint(max_entries, 1u << SEK_LIMIT_LINES_BITS);
	});
} sek_limiter_lines SEC(".maps");

/* Bans of limits, network order: begun and counted by the program, deleted and restored by the keeper. Full: it refuses. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(map_flags, BPF_F_NO_PREALLOC);
		__uint(key_size, sizeof(struct sek_entry_key));
		__uint(value_size, sizeof(struct sek_ban));
		__uint(max_entries, 1);
	});
} sek_limiter_bans SEC(".maps");

/* What sources near or over a limit did, by hash of the source. The program writes, the engine reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(map_flags, BPF_F_MMAPABLE);
		__uint(key_size, 4);
		__uint(value_size, sizeof(struct sek_evidence));
		__uint(max_entries, SEK_EVIDENCE_MAX);
	});
} sek_limiter_evidence SEC(".maps");

/* struct sek_event, or struct sek_ban_event: written by the program, read by the engine; full, it loses and counts. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SEK_EVENTS_BYTES);
} sek_events SEC(".maps");

/* The busiest sources, SEK_TOP_SETS a possible CPU (size set before load). The program writes, the engine reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SEK_TOP_SETS);
	__type(key, __u32);
	__type(value, struct sek_top_set);
} sek_top SEC(".maps");

/* Rates of a sample of sources, by hash of source and limit. The program writes, the engine reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SEK_RATES_MAX);
	__type(key, __u32);
	__type(value, struct sek_rate_row);
} sek_rates SEC(".maps");

const volatile __u32 sek_iface_slot = 0; /* which of SEK_IFACES_MAX counter slots this load feeds */

/*
 * 0 where the kernel has no bpf_xdp_get_buff_len (before 5.18); the loader must then clear
 * BPF_F_XDP_HAS_FRAGS too, so that a frame is always linear.
 */
const volatile __u32 sek_has_buff_len = 1;

/* 0 where the kernel refuses bpf_skc_lookup_tcp in XDP: evidence then knows no open connections. */
const volatile __u32 sek_has_skc_lookup = 1;

/* The one map inside @outer, NULL where there is none yet. */
static __always_inline void *map_inside(void *outer)
{
	__u32 slot = 0;

	return bpf_map_lookup_elem(outer, &slot);
}
