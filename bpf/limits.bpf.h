// SPDX-License-Identifier: GPL-2.0
/*
 * A packet that neither a list nor an entry decided, and the limits of the image that match it: which, over or not, and
 * what follows: evidence, events, a ban. Reads no list. Global functions, each verified once, beside the table's many paths;
 * they get the image's front and the CPU's record, which is cheaper than to look them up again.
 */
#pragma once

#include "account.bpf.h"
#include "ban.bpf.h"
#include "clock.bpf.h"
#include "event.bpf.h"
#include "evidence.bpf.h"
#include "image.bpf.h"
#include "limit.bpf.h"
#include "maps.bpf.h"
#include "parse_l4.bpf.h"
#include "top.bpf.h"

#define LIMITS_SOURCE_LEN6 64 /* rates of all packets where no limit says ipv6-source-prefix */
#ifndef LIMIT_COARSE_NS /* a test brings its own */
#define LIMIT_COARSE_NS(cpu) clock_coarse_ns(cpu)
#endif
#define LIMITS_NEAR 4 /* limits of a packet that are charged without a call */
#define LIMITS_INDEX(i) ((i) & (SEK_LIMITS_MAX - 1))
#define LIMITS_ROW_MONITOR(limit) ((limit)->flags & SEK_LIMIT_F_MONITOR)

/* What limits_charge() answers: verdict and reason in the low bytes, then these and the limit's index that is to be noted. */
#define LIMITS_VERDICT(answer) ((answer) & 0xff)
#define LIMITS_REASON(answer) ((answer) >> 8 & 0xff)
#define LIMITS_F_NOTE 0x10000 /* near or over: limits_evidence() */
#define LIMITS_F_OVER 0x20000 /* over */
#define LIMITS_F_NEW 0x40000  /* and it was not before: limits_punish() */
#define LIMITS_F_DUE 0x80000  /* and for long enough for a ban: limits_punish() */
#define LIMITS_NOTED(answer) ((answer) >> 24 & (SEK_LIMITS_MAX - 1)) /* index in the image */
#define LIMITS_NUMBER(answer) ((answer) >> 28 & (SEK_LIMITS_MAX - 1)) /* of the same */

/* What every step needs; pointers are checked once. */
struct limits_run {
	struct image image; /* its front alone: all that limits have lies there */
	const struct sek_table_limits *head;
	struct sek_control *control;
	struct sek_cpu *cpu;
	void *lines; /* the map of the sources' slots; NULL: there is none yet */
};

static __always_inline bool limits_take(struct limits_run *run, struct sek_cpu *cpu, struct image_front *front)
{
	__u32 zero = 0;

	run->control = bpf_map_lookup_elem(&sek_control, &zero);
	if (!run->control || !cpu || !front)
		return false;
	run->cpu = cpu;
	run->image.first = front;
	run->head = image_front(&run->image, SEK_TABLE_LIMITS_LINE);
	run->lines = map_inside(&sek_limiter_lines);
	return true;
}

/* The same where packets are few. */
static __always_inline bool limits_open(struct limits_run *run, __u32 table_slot)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct image image = image_at(table_slot);

	return limits_take(run, bpf_map_lookup_elem(&sek_counters, &cpu_id), image.first);
}

static __always_inline const struct sek_limit *limits_get(const struct limits_run *run, __u32 index)
{
	return image_front_pair(&run->image, run->head->limit_base + 2 * LIMITS_INDEX(index));
}

/* The line with the source's slots for @limit, and its tag: four limits a line, the others in its neighbours. */
static __always_inline struct sek_limit_line *limits_slots(const struct limits_run *run, const struct limit_place *place,
							   const struct sek_limit *limit, __u32 *ret_tag)
{
	__u32 line = place->line ^ (limit->number >> 2 & 3);

	*ret_tag = limit_tag(place, limit);
	return run->lines ? bpf_map_lookup_elem(run->lines, &line) : NULL;
}

/* Names the source at @place in 64 bits, evenly; another boot has other ones. */
static __always_inline __u64 limits_hash(const struct limit_place *place, const struct sek_limit_keys *keys, __u32 bits)
{
	return ((__u64)place->rest << (bits & 31) | place->line) * (keys->mul6[2] | 1) * SPREAD;
}

static __always_inline __u32 limits_kind(const struct l4 *l4)
{
	switch (l4->proto) {
	case IPPROTO_TCP:
		if (l4->is_cut)
			return SEK_LIMIT_TCP_SYN;
		return (l4->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN ? SEK_LIMIT_TCP_SYN : SEK_LIMIT_TCP;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return SEK_LIMIT_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return SEK_LIMIT_ICMP;
	default:
		return SEK_LIMIT_OTHER;
	}
}

/* The limits of packets of @kind to @dport, -1: not known. NULL: the image is not what the keeper checked. */
static __always_inline const struct sek_limit_list *limits_list(const struct limits_run *run, __u32 kind, __s32 dport)
{
	const struct sek_limit_list *lists;
	const __u8 *ports;
	__u32 set = 0;
	__u64 at;

	if (run->head->port_base && dport >= 0 && kind <= SEK_LIMIT_UDP) {
		ports = image_front(&run->image, run->head->port_base + ((__u32)dport >> 6));
		set = ports[dport & 63];
	}
	lists = image_front(&run->image, run->head->set_base + set);
	/* Opaque: the check is then made on the very copy that is added. */
	at = kind * sizeof(*lists);
	asm volatile("" : "+r"(at));
	return at <= SEK_LIMIT_OTHER * sizeof(*lists) ? (const void *)lists + at : NULL;
}

static __always_inline void limits_rate(const struct limits_run *run, const struct limit_place *place, __u32 number,
					const struct pkt *pkt)
{
	__u64 hash = limits_hash(place, &run->control->limit_keys, run->control->limit_bits);

	if ((__u32)(hash >> 32) < run->control->rates_threshold)
		rates_note(hash, number | pkt->source.family << 8, pkt->frame_bytes);
}

/* Takes back what the first @n limits of @list, those in the set @charged, charged. */
static __always_inline void limits_refund(const struct limits_run *run, const struct sek_limit_list *list, __u32 n,
					  __u32 charged, const struct pkt *pkt, struct limit_packet *packet)
{
	const struct sek_limit *limit;
	struct sek_limit_line *line;
	struct limit_place place;

	for (__u32 i = 0; i < SEK_LIMIT_MATCH_MAX; i++) {
		if (i >= n)
			break;
		if (!(charged >> i & 1))
			continue;
		limit = limits_get(run, list->index[i]);
		if (!limit)
			break;
		place = limit_place(&pkt->source, limit, &run->control->limit_keys, run->control->limit_bits);
		line = limits_slots(run, &place, limit, &packet->tag);
		if (line)
			limit_refund(line, limit, packet);
	}
}

/* What a packet met on its way through its limits. */
struct limits_met {
	__u32 charged; /* set of places in the list */
	__u32 woulds;  /* set of numbers of monitor limits it was over */
	__u32 noted;   /* index + 1 of the limit to note: what it was over, a dropping one before others; else near first */
	__u32 number;  /* its number */
	__u32 over;    /* place in the list of the limit that drops it, + 1 */
	__u32 is_over; /* 1: any */
};

static __always_inline void limits_meet(struct limits_met *met, __u32 index, const struct sek_limit *limit)
{
	met->noted = LIMITS_INDEX(index) + 1;
	met->number = LIMITS_INDEX(limit->number);
}

/* Charges limit @i of @list. False: it drops the packet, or is not there; no other is asked then. @is_near: without a call, which costs more. */
static __always_inline bool limits_charge_one(const struct limits_run *run, const struct sek_limit_list *list, __u32 i, bool is_near,
					      const struct pkt *pkt, struct limit_packet *packet, struct limits_met *met)
{
	const struct sek_limit *limit = limits_get(run, list->index[i]);
	struct limit_place place = limit_place(&pkt->source, limit, &run->control->limit_keys, run->control->limit_bits);
	struct sek_limit_line *line = limits_slots(run, &place, limit, &packet->tag);
	int answer = LIMIT_AGAIN;

	if (!line)
		return false;
	if (run->control->rates_threshold)
		limits_rate(run, &place, limit->number, pkt);
	if (is_near && LIMIT_TRIES)
		answer = limit_try(line, limit, packet, run->head->ahead, false);
	if (answer == LIMIT_AGAIN)
		answer = limit_charge(line, limit, packet, run->head->ahead);
	answer |= run->cpu->zero; /* one state to the verifier, whatever the way here */
	if (answer & LIMIT_EVICTED)
		run->cpu->limit_evictions++;
	if (answer & LIMIT_GAVE_UP)
		run->cpu->limit_gave_up++;
	if (answer & (LIMIT_OVER | LIMIT_NEAR) && (!met->noted || (answer & LIMIT_OVER && !met->is_over)))
		limits_meet(met, list->index[i], limit);
	if (!(answer & LIMIT_OVER)) {
		met->charged |= 1u << i;
		return true;
	}
	met->is_over |= 1;
	if (!LIMITS_ROW_MONITOR(limit)) {
		limits_meet(met, list->index[i], limit);
		met->over = i + 1;
		return false;
	}
	met->woulds |= 1u << LIMITS_INDEX(limit->number);
	return true;
}

/* Charges limit by limit until one drops. A return from a call costs more than a charge: only those that a config is warned of are called. */
static __always_inline void limits_walk(const struct limits_run *run, const struct sek_limit_list *list, const struct pkt *pkt,
					struct limit_packet *packet, struct limits_met *met)
{
#pragma unroll
	for (__u32 i = 0; i < LIMITS_NEAR; i++) {
		if (i >= list->n || !limits_charge_one(run, list, i, true, pkt, packet, met))
			return;
	}
	for (__u32 i = LIMITS_NEAR; i < SEK_LIMIT_MATCH_MAX; i++) {
		if (i >= list->n || !limits_charge_one(run, list, i, false, pkt, packet, met))
			break;
	}
}

static __always_inline void limits_count(struct sek_counter *counters, __u32 number, __u64 frame_bytes)
{
	asm volatile("" : "+r"(number)); /* Linux 6.1 forgets the bound of a spilled copy */
	if (number < SEK_LIMITS_MAX)
		account_add(&counters[number], frame_bytes);
}

/* The verdict over a limit; limits_charge()'s answer. The rails and the mode hold as for the lists. */
static __always_inline __u32 limits_judge(const struct limits_run *run, const struct pkt *pkt, const struct limits_met *met)
{
	if (rail_find(&pkt->source, run->control))
		return SEK_V_PASS | SEK_R_PROTECTED << 8;
	for (__u32 i = 0; met->woulds && i < SEK_LIMITS_MAX; i++) {
		if (met->woulds >> i & 1)
			limits_count(run->cpu->limit_woulds, i, pkt->frame_bytes);
	}
	if (!met->over)
		return SEK_V_WOULD | SEK_R_LIMIT << 8;
	if (run->control->mode == SEK_MODE_MONITOR) {
		limits_count(run->cpu->limit_woulds, met->number, pkt->frame_bytes);
		return SEK_V_WOULD | SEK_R_LIMIT << 8;
	}
	limits_count(run->cpu->limit_drops, met->number, pkt->frame_bytes);
	return SEK_V_DROP | SEK_R_LIMIT << 8;
}

/* The limit that @answer of limits_charge() names, its source's place, slots and tag. NULL: it is not there. */
static __always_inline const struct sek_limit *limits_noted(const struct limits_run *run, const struct pkt *pkt, __u32 answer,
							    struct limit_place *ret_place)
{
	const struct sek_limit *limit = limits_get(run, LIMITS_NOTED(answer));

	if (limit)
		*ret_place = limit_place(&pkt->source, limit, &run->control->limit_keys, run->control->limit_bits);
	return limit;
}

/* Notes that the source is over the limit that @answer names; LIMITS_F_NEW and LIMITS_F_DUE of it. */
static __always_inline __u32 limits_over(const struct limits_run *run, const struct pkt *pkt, __u32 answer, struct limit_packet *packet)
{
	struct limit_place place;
	const struct sek_limit *limit = limits_noted(run, pkt, answer, &place);
	struct sek_limit_line *line = limit ? limits_slots(run, &place, limit, &packet->tag) : NULL;
	__u32 over = line ? limit_over(line, limit, packet, run->head->ahead) : 0;

	return (over & LIMIT_OVER_NEW ? LIMITS_F_NEW : 0) | (over & LIMIT_BAN_DUE ? LIMITS_F_DUE : 0);
}

/*
 * Charges a packet to every limit it matches in the image at @table_slot, and notes its source's rates by them. Over one, what the limits
 * before it charged is taken back: a packet that is dropped costs only nothing. Returns as of LIMITS_VERDICT().
 */
__noinline int limits_charge(struct xdp_md *ctx, const struct pkt *pkt, struct sek_cpu *cpu, struct image_front *front)
{
	struct limit_packet packet = {};
	struct limits_met met;
	struct limits_run run;
	const struct sek_limit_list *list;
	struct l4 l4 = {};
	__u32 answer;

	if (!pkt || !limits_take(&run, cpu, front) || !run.control->limit_bits || !run.lines)
		return 0;
	if (!run.head->n_limits)
		return 0;
	if (run.head->by_kind) {
		l4_read(ctx, pkt, &l4);
		list = limits_list(&run, limits_kind(&l4), l4.state == L4_PORTS ? l4.dport : -1);
	} else {
		list = limits_list(&run, SEK_LIMIT_OTHER, -1);
	}
	if (!list || !list->n)
		return 0;
	packet.now_ns = LIMIT_COARSE_NS(run.cpu);
	packet.bytes = pkt->frame_bytes;
	met.charged = met.woulds = met.noted = met.number = met.over = met.is_over = run.cpu->zero;
	limits_walk(&run, list, pkt, &packet, &met);
	if (!met.noted)
		return 0;
	answer = LIMITS_F_NOTE | LIMITS_INDEX(met.noted - 1) << 24 | met.number << 28;
	if (!met.is_over)
		return answer;
	if (met.over)
		limits_refund(&run, list, met.over - 1, met.charged, pkt, &packet);
	return answer | LIMITS_F_OVER | limits_over(&run, pkt, answer, &packet) | limits_judge(&run, pkt, &met);
}

/*
 * The source's row of all packets, whatever the limits: of one that rates_pick() picked. A global function, as above; few packets
 * call it.
 */
__noinline int limits_rate_all(const struct pkt *pkt, __u32 table_slot)
{
	struct sek_limit whole = { .len4 = 32 };
	const struct sek_limit_keys *keys;
	struct limit_place place;
	struct limits_run run;
	__u64 pick;

	if (!pkt || !limits_open(&run, table_slot))
		return 0;
	keys = &run.control->limit_keys;
	whole.len6 = run.head->source_len6 ? run.head->source_len6 : LIMITS_SOURCE_LEN6;
	place = limit_place(&pkt->source, &whole, keys, run.control->limit_bits);
	pick = rates_pick(&pkt->source, keys);
	return rates_note(pick << 32 | (__u32)limits_hash(&place, keys, run.control->limit_bits), SEK_LIMITS_MAX | pkt->source.family << 8,
			  pkt->frame_bytes);
}

static __always_inline __u32 limits_evidence_index(const struct limits_run *run, const struct limit_place *place)
{
	return limits_hash(place, &run->control->limit_keys, run->control->limit_bits) >> 32 & (SEK_EVIDENCE_MAX - 1);
}

/* A packet near or over a limit (LIMITS_F_NOTE) into its source's evidence. */
__noinline int limits_evidence(struct xdp_md *ctx, const struct pkt *pkt, struct sek_cpu *cpu, struct image_front *front, __u32 answer)
{
	struct evidence_packet evidence = {};
	const struct sek_limit *limit;
	struct limit_place place;
	struct limits_run run;

	if (!pkt || !limits_take(&run, cpu, front))
		return 0;
	limit = limits_noted(&run, pkt, answer, &place);
	if (!limit)
		return 0;
	entry_key(&pkt->source, pkt->source.family == 4 ? limit->len4 : limit->len6, &evidence.key);
	evidence.index = limits_evidence_index(&run, &place);
	evidence.is_over = !!(answer & LIMITS_F_OVER);
	evidence.is_new = !!(answer & LIMITS_F_NEW);
	evidence.number = LIMITS_INDEX(limit->number);
	parse_l4(ctx, pkt, &evidence.l4);
	return evidence_note(ctx, pkt, run.cpu, &evidence);
}

/*
 * A packet over a limit (LIMITS_F_NEW, LIMITS_F_DUE): an event, and the ban that is due. Only an enforced limit bans, and
 * only a source whose packet was dropped for it. After limits_evidence(), which then knows this packet.
 */
__noinline int limits_punish(struct xdp_md *ctx, const struct pkt *pkt, __u32 table_slot, __u32 answer)
{
	struct sek_entry_key key __attribute__((aligned(8))) = {};
	const struct sek_table_head *head;
	const struct sek_limit *limit;
	struct limit_place place;
	struct limits_run run;
	__u32 over, number;
	__u64 note;

	if (!pkt || !limits_open(&run, table_slot))
		return 0;
	limit = limits_noted(&run, pkt, answer, &place);
	if (!limit)
		return 0;
	number = LIMITS_NUMBER(answer);
	note = EVENT_NOTE(0, LIMITS_VERDICT(answer), LIMITS_REASON(answer), number, 0);
	if (answer & LIMITS_F_NEW)
		event_frame(ctx, pkt, note | SEK_EVENT_OVER, table_slot);
	if (!(answer & LIMITS_F_DUE) || LIMITS_VERDICT(answer) != SEK_V_DROP)
		return 0;
	entry_key(&pkt->source, pkt->source.family == 4 ? limit->len4 : limit->len6, &key);
	head = image_front(&run.image, 0);
	over = ban_begin(&key, limit, head->generation);
	asm volatile("%0 &= 15" : "+r"(number)); /* Linux 6.1 forgets the bound of a spilled copy */
	if (over == BAN_BEGUN) {
		run.cpu->limit_bans[number]++;
		event_ban(ctx, pkt, &key, note | SEK_EVENT_BAN, limits_evidence_index(&run, &place));
	} else if (over == BAN_REFUSED) {
		run.cpu->bans_refused[number]++;
		event_frame(ctx, pkt, note | SEK_EVENT_BAN_REFUSED, table_slot);
	}
	return 0;
}
