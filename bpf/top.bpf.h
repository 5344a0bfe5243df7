// SPDX-License-Identifier: GPL-2.0
/*
 * The busiest sources and the rates of a sample of sources (top.h): a source and a packet in, one row updated. Decides
 * nothing. Rows of sek_top are the CPU's own; those of sek_rates are shared and may lose a few packets between two CPUs.
 */
#pragma once

#include "clock.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"

#define TOP_GAP_OFF 1024 /* packets until it is asked again whether sek_top is on: a thousandth of the cost of asking */
#define TOP_GAP_MAX 65536
#define TOP_SAMPLES 4096 /* a CPU and second at one gap: the gap doubles beyond it, and halves again below a quarter of it */
#define RATES_LEN6 48
#define RATES_SECOND_NS 1000000000ull
#define SPREAD 0x9E3779B97F4A7C15ull /* odd, 2^64 / golden ratio: the high bits depend on all */

/*
 * The gap to come: 1 on a quiet CPU, so that every packet counts, doubling to control.top_gap where there are more samples than
 * TOP_SAMPLES a second. It settles within 30,000 samples of a flood's beginning, and comes back a step a second.
 */
static __always_inline __u32 top_adapt(struct sek_cpu *cpu, __u32 gap, __u32 gap_most, __u64 second)
{
	if (++cpu->top_count >= TOP_SAMPLES) {
		cpu->top_count = TOP_SAMPLES / 2; /* no step back in this second */
		gap *= 2;
	}
	if (cpu->top_second != second) {
		if (cpu->top_count < TOP_SAMPLES / 4)
			gap /= 2;
		cpu->top_second = second;
		cpu->top_count = 0;
	}
	if (gap > gap_most)
		gap = gap_most;
	if (gap > TOP_GAP_MAX)
		gap = TOP_GAP_MAX;
	return gap ? gap : 1;
}

/* Packets that are passed over before the next sample: 0 to 2 * gap - 2, so one in gap on average, so that no traffic can step in time with it. */
static __always_inline __u32 top_next(__u32 gap)
{
	return gap > 1 ? bpf_get_prandom_u32() % (2 * gap - 1) : 0;
}

static __always_inline void top_take(struct sek_top_row *row, const struct source *source)
{
	/* Space-saving: whoever had the row may have been this source, so its count is the error. */
	row->error = row->packets;
	__builtin_memcpy(row->addr_be, source->addr_be, sizeof(row->addr_be));
	row->family = source->family;
	row->bytes = row->drops = row->drop_bytes = 0;
}

static __always_inline struct sek_top_row *top_row(struct sek_top_set *set, const struct source *source, const struct sek_control *control)
{
	struct sek_top_row *least = &set->row[0];

	for (__u32 i = 0; i < SEK_TOP_WAYS; i++) {
		struct sek_top_row *row = &set->row[i];
		const __u64 *addr = (const void *)row->addr_be;

		if (!((addr[0] ^ source->halves_be[0]) & ~control->top_ignore_be[0]) &&
		    !((addr[1] ^ source->halves_be[1]) & ~control->top_ignore_be[1]) && row->family == source->family)
			return row;
		if (row->packets < least->packets)
			least = row;
	}
	top_take(least, source);
	return least;
}

/* One packet of the sample; sets the gap to the next. A global function: verified once, beside the paths that lead to it. */
__noinline int top_note(const struct source *source, __u32 frame_bytes, __u32 is_drop)
{
	__u32 cpu_id = bpf_get_smp_processor_id(), zero = 0, index;
	struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	struct sek_top_set *set;
	struct sek_top_row *row;
	__u64 now_ns;
	__u32 gap;

	if (!control || !cpu || !source)
		return 0;
	if (!control->top_gap) {
		cpu->top_left = TOP_GAP_OFF;
		return 0;
	}
	now_ns = clock_coarse_ns(cpu);
	gap = cpu->top_gap ? cpu->top_gap : 1; /* this packet stands for so many */
	cpu->top_gap = top_adapt(cpu, gap, control->top_gap, now_ns / RATES_SECOND_NS);
	cpu->top_left = top_next(cpu->top_gap);
	index = (((source->halves_be[0] & ~control->top_ignore_be[0]) ^ control->limit_keys.add6) * SPREAD ^
		 (source->halves_be[1] & ~control->top_ignore_be[1])) * SPREAD >> 55;
	index = cpu_id * SEK_TOP_SETS + (index & (SEK_TOP_SETS - 1));
	set = bpf_map_lookup_elem(&sek_top, &index);
	if (!set)
		return 0;
	row = top_row(set, source, control);
	row->packets += gap;
	row->bytes += (__u64)gap * frame_bytes;
	if (is_drop) {
		row->drops += gap;
		row->drop_bytes += (__u64)gap * frame_bytes;
	}
	row->last_ns = now_ns;
	return 0;
}

/*
 * 32 bits of @source that decide whether it is in the sample: below control.rates_threshold. An IPv6 source by its first 48
 * bits, the least that ipv6-source-prefix may be: sources with those in common are in it together. Cheap, as every packet that
 * passes asks.
 */
static __always_inline __u32 rates_pick(const struct source *source, const struct sek_limit_keys *keys)
{
	__u64 half = source->halves_be[0];

	if (source->family == 6)
		half &= bpf_cpu_to_be64(~0ull << (64 - RATES_LEN6));
	half = (half ^ keys->add6) * (keys->mul6[2] | 1);
	return (half ^ half >> 32) * (__u64)(keys->mul4[0] | 1) >> 16;
}

static __always_inline bool rates_claim(struct sek_rate_row *row, __u64 tag, __u64 window)
{
	__u64 owner = *(volatile __u64 *)&row->tag;

	if (row->window == window && owner)
		return owner == tag;
	/* Two CPUs may both take it for the same source: the later one starts it again, a few packets are lost. */
	if (__sync_val_compare_and_swap(&row->tag, owner, tag) != owner)
		return false;
	row->packets = row->bytes = row->peak_bytes = row->now_bytes = row->second = 0;
	row->now_packets = row->peak_packets = 0;
	row->window = window;
	return true;
}

/*
 * One packet of a source by its limit (@number_family: number | family << 8; SEK_LIMITS_MAX: of all packets), @source_hash
 * limits_hash(). Only if it is below the sample's threshold. A global function, as above.
 */
__noinline int rates_note(__u64 source_hash, __u32 number_family, __u64 frame_bytes)
{
	__u32 cpu_id = bpf_get_smp_processor_id(), zero = 0, index;
	struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	__u64 tag = (source_hash + (number_family & 0xff)) * SPREAD | 1, second;
	struct sek_rate_row *row;

	if (!control || !cpu || (__u32)(source_hash >> 32) >= control->rates_threshold)
		return 0;
	index = tag >> 40 & (SEK_RATES_MAX - 1);
	row = bpf_map_lookup_elem(&sek_rates, &index);
	if (!row)
		return 0;
	if (!rates_claim(row, tag, control->rates_window)) {
		cpu->rates_missed++;
		return 0;
	}
	row->limit = number_family & 0xff;
	row->family = number_family >> 8;
	second = clock_coarse_ns(cpu) / RATES_SECOND_NS;
	if (row->second != second) {
		row->second = second;
		row->now_packets = 0;
		row->now_bytes = 0;
	}
	row->packets++;
	row->bytes += frame_bytes;
	row->now_packets++;
	row->now_bytes += frame_bytes;
	if (row->now_packets > row->peak_packets)
		row->peak_packets = row->now_packets;
	if (row->now_bytes > row->peak_bytes)
		row->peak_bytes = row->now_bytes;
	return 0;
}
