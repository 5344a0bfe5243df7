// SPDX-License-Identifier: GPL-2.0
/*
 * Per-source limits: a source's line of slots, one limit and one packet in; within the limit or
 * over it out. GCRA in 64-bit slots (sekisho/limit.h). An active source is charged by one
 * fetch-and-add: exact on all CPUs, no retry. Compare-and-swap only starts or takes over a slot; an
 * over-limit packet writes nothing. A full line gives the slot nearest to idle to a newcomer, and a
 * newcomer always passes. Looks nothing up; drops nothing itself.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <sekisho/limit.h>
#include "parse.bpf.h"

#ifndef LIMIT_TRIES
#define LIMIT_TRIES 4 /* tries: a second only when a slot changes hands under us; a test takes none */
#endif
#define LIMIT_TAG 0xffffffull
#define LIMIT_TAG_PARITY (1u << SEK_LIMIT_PARITY_SHIFT)
#define LIMIT_TAG_FAMILY6 (1u << 18)
#define LIMIT_TAG_OVER (1u << SEK_LIMIT_KIND_SHIFT)
#define LIMIT_TAG_REST ((1u << 17) - 1)
#define LIMIT_QUANTUM_SHIFT (SEK_LIMIT_TAT_SHIFT + SEK_LIMIT_QUANTUM_SHIFT) /* of a slot word */
#define LIMIT_QUANTA_MASK ((1u << 20) - 1)
#define LIMIT_SINCE_SHIFT SEK_LIMIT_TAT_SHIFT
#define LIMIT_HALF_UNIT (1u << (SEK_LIMIT_FRACTION - 1))

/* CLOCK_MONOTONIC ns; a test brings its own before it includes this file. */
#ifndef LIMIT_PRECISE_NS
#define LIMIT_PRECISE_NS() bpf_ktime_get_ns()
#endif

/* One packet, as its source's line sees it. */
struct limit_packet {
	__u64 now_ns; /* coarse CLOCK_MONOTONIC: never ahead of the precise clock */
	__u32 tag;    /* limit_tag() */
	__u32 bytes;  /* of the frame */
};

/* What limit_charge() answers, bits. */
enum limit_answer {
	LIMIT_OVER = 1,    /* over the limit; else within it, and charged */
	LIMIT_EVICTED = 2, /* another source's live slot was taken for this one */
	LIMIT_GAVE_UP = 4, /* passed uncharged: the slot changed hands at every try */
	LIMIT_NEAR = 8,	   /* within it, and more than half of the burst was used before */
	LIMIT_AGAIN = 16,  /* of a try: the slot changed hands, nothing is charged */
};

/* What limit_over() answers, bits. */
enum limit_over_answer {
	LIMIT_BAN_DUE = 1, /* over for as long as the limit's ban asks for */
	LIMIT_OVER_NEW = 2, /* it was not over before, or not for gap_quanta */
};

static __always_inline __u64 limit_word(__u64 ns)
{
	return ns / SEK_LIMIT_UNIT_NS << SEK_LIMIT_TAT_SHIFT;
}

/* What a packet adds to the arrival time, as a slot word: rounded, or dithered where that errs. */
static __always_inline __u64 limit_cost(const struct sek_limit *limit, __u32 bytes)
{
	__u64 units = limit->cost_packet + limit->cost_byte * bytes;

	if (limit->flags & SEK_LIMIT_F_DITHER)
		units += bpf_get_prandom_u32() & ((1u << SEK_LIMIT_FRACTION) - 1);
	else
		units += LIMIT_HALF_UNIT;
	return units >> SEK_LIMIT_FRACTION << SEK_LIMIT_TAT_SHIFT;
}

/* Of the slot that says since when the source is over: whatever its limit's settings. */
static __always_inline __u32 limit_tag_over(__u32 tag)
{
	return (tag & ~LIMIT_TAG_PARITY) | LIMIT_TAG_OVER;
}

/* 1 if @slot has another tag, else 0: no branch, as where a source's slot lies is anybody's guess to the CPU. */
static __always_inline __u64 limit_differs(__u64 slot, __u64 tag)
{
	return (((slot ^ tag) & LIMIT_TAG) + LIMIT_TAG) >> SEK_LIMIT_TAT_SHIFT;
}

/* Index of the first slot with @tag, SEK_LIMIT_SLOTS if there is none. */
static __always_inline __u32 limit_find(const volatile struct sek_limit_line *line, __u64 tag, __u64 *ret_slot)
{
	__u64 differ = 1, slot;
	__u32 index = 0;

#pragma unroll
	for (__u32 i = 0; i < SEK_LIMIT_SLOTS; i++) {
		differ &= limit_differs(line->slot[i], tag);
		asm volatile("" : "+r"(differ)); /* else it is a branch again */
		index += differ;
	}
	if (index >= SEK_LIMIT_SLOTS)
		return SEK_LIMIT_SLOTS;
	slot = line->slot[index & (SEK_LIMIT_SLOTS - 1)];
	if (limit_differs(slot, tag)) /* another source has just taken it */
		return SEK_LIMIT_SLOTS;
	*ret_slot = slot;
	return index;
}

/*
 * How soon @slot is idle, 62 bits: the least is the one to give away. An empty slot is idle even just before a wrap, where an arrival time of
 * 0 is near. The tag's bits say nothing about it; the low three are free for the slot's index.
 */
static __always_inline __u64 limit_rank(__u64 slot, __u64 now, __u64 ahead)
{
	__u64 is_used = -((slot | -slot) >> 63);

	return ((slot - now - ahead) & is_used) >> 1 & ~(__u64)(SEK_LIMIT_SLOTS - 1);
}

/* The slot to give away: any whose time has passed or cannot be, else the one nearest to idle. SEK_LIMIT_SLOTS: it changed under us. */
static __always_inline __u32 limit_victim(const volatile struct sek_limit_line *line, __u64 now, __u64 ahead, __u64 *ret_slot, bool *ret_live)
{
	__u64 least = ~0ull >> 1, less, slot;
	__u32 index;

#pragma unroll
	for (__u32 i = 0; i < SEK_LIMIT_SLOTS; i++) {
		less = (limit_rank(line->slot[i], now, ahead) | i) - least;
		asm volatile("" : "+r"(less));
		least += less & (__u64)((__s64)less >> 63);
	}
	index = least & (SEK_LIMIT_SLOTS - 1);
	slot = line->slot[index];
	least &= ~(__u64)(SEK_LIMIT_SLOTS - 1);
	if (limit_rank(slot, now, ahead) != least)
		return SEK_LIMIT_SLOTS;
	*ret_slot = slot;
	*ret_live = least >= -ahead >> 1;
	return index;
}

/*
 * How far ahead an arrival time is by @limit's settings that was @d ahead by the former ones, slot words: what was used of the
 * burst is used still, and of a smaller burst no more than all of it (of a bits limit, and half a usual frame).
 */
static __always_inline __u64 limit_converted(const struct sek_limit *limit, __u64 d)
{
	__u64 edge = limit->tau + (limit->cost_packet >> 1) + limit->cost_byte * SEK_LIMIT_EDGE_BYTES;
	__u64 units = sek_limit_level(d >> SEK_LIMIT_TAT_SHIFT, limit->former_mant, limit->former_shift & 63);

	if (units > edge >> SEK_LIMIT_TAT_SHIFT)
		units = edge >> SEK_LIMIT_TAT_SHIFT;
	return units << SEK_LIMIT_TAT_SHIFT;
}

/* Index of the slot of @tag's other parity that is live by @limit's former settings at *ret_now, slot word; else SEK_LIMIT_SLOTS. */
static __always_inline __u32 limit_find_former(const volatile struct sek_limit_line *line, const struct sek_limit *limit, __u64 tag,
					       __u64 *ret_slot, __u64 *ret_now)
{
	__u32 index = limit_find(line, tag ^ LIMIT_TAG_PARITY, ret_slot);

	if (index >= SEK_LIMIT_SLOTS)
		return SEK_LIMIT_SLOTS;
	*ret_now = limit_word(LIMIT_PRECISE_NS()); /* after the slot, as in limit_try() */
	return *ret_slot - *ret_now <= limit->former_maxd ? index : SEK_LIMIT_SLOTS;
}

/*
 * Converts the source's slot of the former settings, if it has one and none by these. False: it changed under us. In place, by
 * compare-and-swap: whoever else charges it meanwhile by the former settings finds another tag, and begins again.
 */
static __always_inline bool limit_convert(struct sek_limit_line *line, const struct sek_limit *limit, __u64 tag)
{
	__u64 slot = 0, now = 0, converted;
	__u32 index;

	if (limit_find(line, tag, &slot) < SEK_LIMIT_SLOTS)
		return true;
	index = limit_find_former(line, limit, tag, &slot, &now);
	if (index >= SEK_LIMIT_SLOTS)
		return true;
	converted = now + limit_converted(limit, slot - now);
	return __sync_val_compare_and_swap(&line->slot[index & 7], slot, converted | tag) == slot;
}

/* One try of limit_charge(); LIMIT_AGAIN: the slot changed hands, or, unless @is_converted, there may be one of the former settings. */
static __always_inline int limit_try(struct sek_limit_line *line, const struct sek_limit *limit, const struct limit_packet *packet, __u64 ahead,
				     bool is_converted)
{
	__u64 now = limit_word(packet->now_ns), cost = limit_cost(limit, packet->bytes), slot = 0;
	__u32 index = limit_find(line, packet->tag, &slot);
	bool is_live = false;
	__s64 d;

	if (index < SEK_LIMIT_SLOTS) {
		d = slot - now;
		/*
		 * The coarse clock may say "over" too early, never too late, so the precise one decides. It is read after the slot: one
		 * that another CPU just wrote is then never too far ahead.
		 */
		if (d > (__s64)limit->tau) {
			now = limit_word(LIMIT_PRECISE_NS());
			d = slot - now;
		}
		if (d > (__s64)limit->tau && d <= (__s64)limit->maxd)
			return LIMIT_OVER;
		if (d >= 0 && d <= (__s64)limit->tau) {
			if (!((__sync_fetch_and_add(&line->slot[index & 7], cost) ^ packet->tag) & LIMIT_TAG))
				return d > (__s64)(limit->tau >> 1) ? LIMIT_NEAR : 0;
			__sync_fetch_and_add(&line->slot[index & 7], -cost);
			return LIMIT_AGAIN;
		}
	} else {
		if (!is_converted && limit->former_maxd)
			return LIMIT_AGAIN;
		index = limit_victim(line, now, ahead, &slot, &is_live);
		if (index >= SEK_LIMIT_SLOTS)
			return LIMIT_AGAIN;
	}
	if (__sync_val_compare_and_swap(&line->slot[index & 7], slot, (now | packet->tag) + cost) != slot)
		return LIMIT_AGAIN;
	return is_live ? LIMIT_EVICTED : 0;
}

/*
 * Charges one packet to one limit of its source. @ahead is sek_table_limits.ahead. Returns enum limit_answer. A global function:
 * verified once, whatever the number of limits.
 */
__noinline int limit_charge(struct sek_limit_line *line, const struct sek_limit *limit,
			    const struct limit_packet *packet, __u64 ahead)
{
	int answer;

	if (!line || !limit || !packet)
		return LIMIT_GAVE_UP;
	for (int i = 0; i < LIMIT_TRIES; i++) {
		if (limit->former_maxd && !limit_convert(line, limit, packet->tag))
			continue;
		answer = limit_try(line, limit, packet, ahead, true);
		if (answer != LIMIT_AGAIN)
			return answer;
	}
	return LIMIT_GAVE_UP;
}

/*
 * Takes back what limit_charge() put on this packet's account, because a later limit drops it. One
 * try: a charge that stays costs the source at most one packet.
 */
__noinline int limit_refund(struct sek_limit_line *line, const struct sek_limit *limit,
			    const struct limit_packet *packet)
{
	__u64 slot = 0;
	__u32 index;

	if (!line || !limit || !packet)
		return 0;
	index = limit_find(line, packet->tag, &slot);
	if (index < SEK_LIMIT_SLOTS)
		(void)__sync_val_compare_and_swap(&line->slot[index & 7], slot,
						  slot - limit_cost(limit, packet->bytes));
	return 0;
}

/*
 * A packet was over @limit: has its source been so for after_quanta, with no pause of gap_quanta?
 * Keeps "over since" in a second slot of the line, written once a quantum (16.8 ms). @packet->tag
 * as for limit_charge(). Returns enum limit_over_answer; a ban that is due is so at every packet from then on.
 */
static __always_inline int limit_over(struct sek_limit_line *line, const struct sek_limit *limit,
				      const struct limit_packet *packet, __u64 ahead)
{
	__u64 now, slot = 0, until;
	__u32 index, tag, quantum, since;
	int answer = LIMIT_OVER_NEW;
	bool is_live;
	__s64 left;

	tag = limit_tag_over(packet->tag);
	now = limit_word(packet->now_ns);
	quantum = since = now >> LIMIT_QUANTUM_SHIFT;
	until = (__u64)((quantum + limit->gap_quanta) & LIMIT_QUANTA_MASK) << LIMIT_QUANTUM_SHIFT;
	index = limit_find(line, tag, &slot);
	if (index < SEK_LIMIT_SLOTS) {
		left = slot - now;
		if (left >= 0 && left >> LIMIT_QUANTUM_SHIFT <= limit->gap_quanta) {
			since = slot >> LIMIT_SINCE_SHIFT & LIMIT_QUANTA_MASK;
			answer = 0;
			if (limit->flags & SEK_LIMIT_F_BAN &&
			    ((quantum - since) & LIMIT_QUANTA_MASK) >= limit->after_quanta)
				answer = LIMIT_BAN_DUE;
			if (slot >> LIMIT_QUANTUM_SHIFT == until >> LIMIT_QUANTUM_SHIFT)
				return answer;
		}
	} else {
		index = limit_victim(line, now, ahead, &slot, &is_live);
		if (index >= SEK_LIMIT_SLOTS)
			return 0;
	}
	/* Lost: another CPU wrote the same, or the slot went to a newcomer. */
	if (__sync_val_compare_and_swap(&line->slot[index & 7], slot,
					until | (__u64)since << LIMIT_SINCE_SHIFT | tag) != slot)
		return answer & LIMIT_BAN_DUE;
	return answer;
}

/* The source's prefix of @len bits, 0 behind it. */
static __always_inline __u64 limit_mask(__u64 half, __u32 len)
{
	return len >= 64 ? half : len ? half & ~0ull << ((64 - len) & 63) : 0;
}

/*
 * The source's place: a line of 2^bits and what of the hash the line does not say. IPv4 is exact
 * (the mix is a bijection and 32 - bits <= 17); two IPv6 sources share a place with a chance below
 * 2^-14 in a full table.
 */
struct limit_place {
	__u32 line;
	__u32 rest; /* with the family's bit */
};

static __always_inline struct limit_place
limit_place4(__u32 addr_host, __u32 len, const struct sek_limit_keys *keys, __u32 bits)
{
	__u32 h = len >= 32 ? addr_host : addr_host & ~0u << ((32 - len) & 31);

	h ^= keys->add4;
	h ^= h >> 16;
	h *= keys->mul4[0] | 1;
	h ^= h >> 15;
	h *= keys->mul4[1] | 1;
	h ^= h >> 16;
	return (struct limit_place){h & ((1u << (bits & 31)) - 1),
				    h >> (bits & 31) & LIMIT_TAG_REST};
}

static __always_inline struct limit_place
limit_place6(__u64 hi, __u64 lo, __u32 len, const struct sek_limit_keys *keys, __u32 bits)
{
	__u64 h = limit_mask(hi, len) ^ keys->add6;

	h ^= h >> 32;
	h *= keys->mul6[0] | 1;
	h ^= h >> 29;
	if (len > 64)
		h ^= limit_mask(lo, len - 64) * (keys->mul6[2] | 1);
	h ^= h >> 32;
	h *= keys->mul6[1] | 1;
	h ^= h >> 32;
	return (struct limit_place){h & ((1u << (bits & 31)) - 1),
				    (h >> 46 & LIMIT_TAG_REST) | LIMIT_TAG_FAMILY6};
}

static __always_inline struct limit_place limit_place(const struct source *source,
						      const struct sek_limit *limit,
						      const struct sek_limit_keys *keys, __u32 bits)
{
	if (source->family == 4)
		return limit_place4(bpf_ntohl(source->words_be[0]), limit->len4, keys, bits);
	return limit_place6(bpf_be64_to_cpu(source->halves_be[0]),
			    bpf_be64_to_cpu(source->halves_be[1]), limit->len6, keys, bits);
}

static __always_inline __u32 limit_tag(const struct limit_place *place,
				       const struct sek_limit *limit)
{
	return place->rest | limit->mark;
}
