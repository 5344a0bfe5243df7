// SPDX-License-Identifier: GPL-2.0
/*
 * Bans that limits began: is a source under one, and the beginning of one. A ban ends here, by the clock, whether or not
 * the agent runs. A full map refuses; nothing is ever evicted for a new ban.
 */
#pragma once

#include "clock.bpf.h"
#include "entry.bpf.h"
#include "maps.bpf.h"
#include "rail.bpf.h"

#define BAN_SECOND_NS 1000000000ull
#define BAN_LEVELS_MAX 64 /* repeats that still lengthen a ban: 2^64 times any length is over every cap */
#define BAN_EEXIST (-17)

/* What ban_begin() answers. */
enum ban_answer {
	BAN_THERE = 0, /* it is banned already, by another CPU */
	BAN_BEGUN = 1,
	BAN_REFUSED = 2, /* the map is full */
};

/* @now_ns is of the coarse clock, which may still be before the beginning. */
static __always_inline void ban_count(struct sek_ban *ban, __u64 now_ns, __u64 frame_bytes)
{
	__u64 second;

	if ((__s64)(now_ns - ban->since_ns) < 0)
		now_ns = ban->since_ns;
	second = now_ns / BAN_SECOND_NS;
	ban->dropped++;
	ban->dropped_bytes += frame_bytes;
	if (now_ns - ban->since_ns < BAN_SECOND_NS)
		ban->dropped_first_s++;
	if (ban->last_second != second) {
		ban->last_second = second;
		ban->last_s = 0;
	}
	ban->last_s++;
	ban->last_ns = now_ns;
}

/*
 * Prefix length of the ban that @source is under now, 0 for none. A packet of @frame_bytes that is dropped for it is counted in
 * its record; 0 counts nothing. A global function: verified once, beside the paths that lead to it.
 */
__noinline int ban_find(const struct source *source, __u64 frame_bytes)
{
	struct sek_entry_key key __attribute__((aligned(8))) = {};
	__u32 cpu_id = bpf_get_smp_processor_id(), zero = 0, len;
	struct sek_control *control;
	struct sek_cpu *cpu;
	struct sek_ban *ban;
	const __u8 *lens;
	__u64 now_ns;
	void *bans;

	control = bpf_map_lookup_elem(&sek_control, &zero);
	cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	bans = map_inside(&sek_limiter_bans);
	if (!control || !cpu || !bans || !source)
		return 0;
	lens = source->family == 4 ? control->ban_lens4 : control->ban_lens6;
	for (__u32 i = 0; i < SEK_BAN_LENS_MAX; i++) {
		len = *(const volatile __u8 *)&lens[i]; /* once: it may change under us */
		if (!len)
			break;
		entry_key(source, len, &key);
		ban = bpf_map_lookup_elem(bans, &key);
		if (!ban)
			continue;
		now_ns = clock_boot_ns(cpu);
		if (ban->until_ns <= now_ns)
			continue;
		if (frame_bytes && control->mode == SEK_MODE_ENFORCE && !rail_find(source, control))
			ban_count(ban, now_ns, frame_bytes);
		return len;
	}
	return 0;
}

/* How long the ban of @level lasts: for * repeat^level, at most the cap. A global function, as ban_find(). */
__noinline __u64 ban_length_ns(const struct sek_limit *limit, __u32 level)
{
	__u64 ns, most, repeat;

	if (!limit)
		return 0;
	ns = limit->ban_for_ns;
	most = limit->ban_most_ns;
	repeat = limit->repeat_x256;
	for (__u32 i = 0; i < BAN_LEVELS_MAX; i++) {
		if (i >= level || repeat <= 256)
			break;
		if (ns >> 8 >= most / repeat) /* before it can overflow */
			return most;
		ns = (ns >> 8) * repeat;
	}
	return ns < most ? ns : most;
}

static __always_inline void ban_fill(struct sek_ban *ban, const struct sek_limit *limit, __u32 level, __u64 now_ns,
				     __u64 length_ns, __u64 generation)
{
	ban->since_ns = now_ns;
	ban->trial_until_ns = now_ns + length_ns + (limit->trial_ns ? limit->trial_ns : length_ns);
	ban->generation = generation;
	ban->dropped = ban->dropped_bytes = ban->dropped_first_s = 0;
	ban->last_ns = ban->last_second = 0;
	ban->last_s = 0;
	ban->level = level;
	ban->limit = limit->number;
	*(volatile __u32 *)&ban->random = bpf_get_prandom_u32() | 1; /* 0 says that it is being written */
}

/*
 * A record is there and drops nothing any more: on trial, the ban is a repeat; past it, a first one. One CPU wins the name and
 * clears it; the end comes last, so that what is in force is whole, and a reader that meets no name or an end before the
 * beginning looks again.
 */
static __always_inline int ban_again(struct sek_ban *ban, const struct sek_limit *limit, __u64 now_ns, __u64 generation)
{
	__u32 name = *(volatile __u32 *)&ban->random, level;
	__u64 length_ns;

	if (!name || *(volatile __u64 *)&ban->until_ns > now_ns)
		return BAN_THERE;
	if (__sync_val_compare_and_swap(&ban->random, name, 0) != name)
		return BAN_THERE;
	level = ban->trial_until_ns > now_ns ? ban->level + 1 : 0;
	length_ns = ban_length_ns(limit, level);
	ban_fill(ban, limit, level, now_ns, length_ns, generation);
	__sync_lock_test_and_set(&ban->until_ns, now_ns + length_ns);
	return BAN_BEGUN;
}

/*
 * Begins the ban of @source_key for having been over @limit, whose number is below SEK_LIMITS_MAX. Returns enum ban_answer.
 * A global function, as ban_find().
 */
__noinline int ban_begin(const struct sek_entry_key *source_key, const struct sek_limit *limit, __u64 generation)
{
	struct sek_entry_key key; /* Linux 6.1 takes no other memory for a key */
	__u32 cpu_id = bpf_get_smp_processor_id(), zero = 0;
	struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	struct sek_ban *ban;
	__u64 now_ns, length_ns;
	void *bans = map_inside(&sek_limiter_bans);
	long err;

	if (!control || !cpu || !bans || !source_key || !limit)
		return BAN_THERE;
	key = *source_key;
	now_ns = bpf_ktime_get_boot_ns();
	ban = bpf_map_lookup_elem(bans, &key);
	if (ban)
		return ban_again(ban, limit, now_ns, generation);
	length_ns = ban_length_ns(limit, 0);
	ban_fill(&cpu->ban, limit, 0, now_ns, length_ns, generation);
	cpu->ban.until_ns = now_ns + length_ns;
	/* Before the ban is there: a packet that asks for none of it in between would miss it. */
	__sync_fetch_and_add(&control->n_bans, 1);
	err = bpf_map_update_elem(bans, &key, &cpu->ban, BPF_NOEXIST);
	if (!err)
		return BAN_BEGUN;
	__sync_fetch_and_add(&control->n_bans, -1);
	return err == BAN_EEXIST ? BAN_THERE : BAN_REFUSED;
}
