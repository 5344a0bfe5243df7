// SPDX-License-Identifier: GPL-2.0
/*
 * What to do with a source: the table's class, the entries, the rails and the mode in, one
 * struct decision out. Reads no packet byte and counts nothing, so `explain` runs the same code.
 */
#pragma once

#include "ban.bpf.h"
#include "entry.bpf.h"
#include "maps.bpf.h"
#include "rail.bpf.h"
#include "table_v4.bpf.h"
#include "table_v6.bpf.h"
#include "top.bpf.h"

struct decision {
	__u32 verdict; /* enum sek_verdict */
	__u32 reason;  /* enum sek_reason; of a would-drop, what would have dropped it */
	__u32 class_id;
	__u32 class_action; /* enum sek_action, 0 without a class */
	__u32 class_flags;
	__u32 counter;
	__u32 ban_len;	  /* prefix length of the ban that holds the source, 0 none */
	__u32 limit;	  /* number of the limit, of SEK_R_LIMIT; else EVENT_NO_LIMIT */
	__u32 table_slot; /* the image that answered, for the limits */
	struct image_front *front; /* the same */
	struct entry_hit entries;
	bool has_limits;  /* that image has some */
	__u32 is_rated;	  /* 1: its source's rate is recorded; only with goes_on */
	bool goes_on;	  /* no list, entry or ban decided: the limits do */
	bool is_failed; /* one of our lookups that cannot fail did */
};

static __always_inline void policy_class(const struct image *image, __u32 id, struct decision *d)
{
	const struct sek_table_head *head = image_front(image, 0);
	const struct sek_class *class;

	if (id >= head->n_classes) {
		d->is_failed = true;
		return;
	}
	class = image_front(image, head->class_base + id);
	d->class_id = id;
	d->class_action = class->action;
	d->class_flags = class->flags;
	d->counter = class->counter;
}

static __always_inline void policy_lookup(const struct source *source, const struct sek_control *control,
					  struct decision *d)
{
	struct image image = image_open(control);
	const struct sek_table_limits *limits;
	__u32 id;

	if (!image.first)
		return;
	limits = image_front(&image, SEK_TABLE_LIMITS_LINE);
	d->has_limits = limits->n_limits;
	d->table_slot = image.slot;
	d->front = image.first;
	if (source->family == 4)
		id = sek_table_v4(&image, bpf_ntohl(source->words_be[0]));
	else
		id = sek_table_v6(&image, bpf_be64_to_cpu(source->halves_be[0]),
				  bpf_be64_to_cpu(source->halves_be[1]));
	if (id)
		policy_class(&image, id, d);
}

/* Precedence: any live allow, a block entry, a ban, a block class, a monitor class. Sets no rail or mode. */
static __always_inline void policy_rank(struct decision *d)
{
	const struct sek_entry *block = d->entries.block;

	d->verdict = SEK_V_PASS;
	d->reason = SEK_R_NONE;
	if (d->class_action == SEK_A_ALLOW || d->entries.allow) {
		d->reason = SEK_R_ALLOW;
	} else if (block) {
		d->verdict = SEK_V_DROP;
		d->reason = block->flags & SEK_E_BAN ? SEK_R_BAN : SEK_R_BLOCK;
	} else if (d->ban_len) {
		d->verdict = SEK_V_DROP;
		d->reason = SEK_R_BAN;
	} else if (d->class_action == SEK_A_BLOCK) {
		d->verdict = SEK_V_DROP;
		d->reason = SEK_R_FEED;
	} else if (d->class_action == SEK_A_MONITOR || d->class_flags & SEK_C_MONITORED) {
		d->verdict = SEK_V_WOULD;
		d->reason = SEK_R_FEED;
		d->goes_on = true;
	} else if (d->is_failed || d->entries.is_failed) {
		d->reason = SEK_R_INTERNAL;
	} else {
		d->goes_on = true;
	}
}

/* Only an entry that a person forced overrides a rail, and nothing overrides the local ones. */
static __always_inline bool policy_is_protected(const struct source *source,
						const struct sek_control *control,
						const struct decision *d)
{
	const struct sek_entry *block = d->entries.block;

	if (block && block->flags & SEK_E_FORCED)
		return rail_is_local(source);
	return rail_find(source, control);
}

/* The ban that holds the source, if it counts: an allow or a block entry comes first. */
static __always_inline void policy_ban(const struct source *source, const struct sek_control *control, __u64 frame_bytes,
					struct decision *d)
{
	if (!d->entries.block && !d->entries.allow && d->class_action != SEK_A_ALLOW)
		d->ban_len = ban_find(source, frame_bytes);
}

/* All but the table, which @d has been asked about. @frame_bytes are counted in a ban; 0: nothing is. */
static __always_inline void policy_judge(const struct source *source, const struct sek_control *control, __u64 frame_bytes,
					 struct decision *d)
{
	entry_find(source, control, &d->entries);
	if (control->n_bans)
		policy_ban(source, control, frame_bytes, d);
	policy_rank(d);
	if (d->verdict == SEK_V_PASS)
		return;
	if (policy_is_protected(source, control, d)) {
		d->verdict = SEK_V_PASS;
		d->reason = SEK_R_PROTECTED;
	} else if (control->mode == SEK_MODE_MONITOR) {
		d->verdict = SEK_V_WOULD;
	}
}

/* A pile of tags is dropped whatever the config says: to pass it is to leave a source unjudged that Linux will find. */
static __always_inline void policy_malformed(const struct sek_control *control, bool is_pile, struct decision *d)
{
	d->reason = SEK_R_MALFORMED;
	if (control->malformed_drop || is_pile)
		d->verdict = control->mode == SEK_MODE_MONITOR ? SEK_V_WOULD : SEK_V_DROP;
}

static __always_inline void policy_source(const struct pkt *pkt, const struct sek_control *control, struct decision *d)
{
	policy_lookup(&pkt->source, control, d);
	policy_judge(&pkt->source, control, pkt->frame_bytes, d);
	/* By subtraction, not comparison: one way on for the verifier, not two. */
	if (d->goes_on)
		d->is_rated = ((__u64)rates_pick(&pkt->source, &control->limit_keys) - control->rates_threshold) >> 63;
}

/* One parsed frame's decision; @d must be zeroed. */
static __always_inline void policy_frame(enum parse_result parsed, const struct pkt *pkt,
					 struct decision *d)
{
	__u32 zero = 0;
	const struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);

	if (!control || parsed == PARSE_UNREAD)
		d->reason = SEK_R_INTERNAL;
	else if (parsed == PARSE_LINK)
		d->reason = SEK_R_LINK;
	else if (parsed == PARSE_MALFORMED || parsed == PARSE_PILE)
		policy_malformed(control, parsed == PARSE_PILE, d);
	else
		policy_source(pkt, control, d);
}
