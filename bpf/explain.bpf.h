// SPDX-License-Identifier: GPL-2.0
/*
 * sek_explain: what the program would do with a packet of a source, and why, for BPF_PROG_TEST_RUN with a struct
 * sek_explain as its data. The lists' part runs the functions a packet runs; the limits are looked at. Counts and charges nothing.
 */
#pragma once

#include "limits.bpf.h"
#include "maps.bpf.h"
#include "policy.bpf.h"

/* Writes a decision into the question. */
static __always_inline void explain_answer(struct sek_explain *q, const struct decision *d)
{
	q->verdict = d->verdict;
	q->reason = d->reason;
	q->class_action = d->class_action;
	q->class_id = d->class_id;
	q->counter = d->counter;
	q->block_len = d->entries.block_len;
	q->allow_len = d->entries.allow_len;
	if (d->entries.block)
		q->block = *d->entries.block;
	if (d->entries.allow)
		q->allow = *d->entries.allow;
}

static __always_inline void explain_table(const struct source *source, const struct sek_control *control,
					  struct sek_explain *q, struct decision *d)
{
	struct image image = image_open(control);
	const struct sek_table_head *head;
	__u32 id;

	if (!image.first)
		return;
	head = image_front(&image, 0);
	q->generation = head->generation;
	if (source->family == 4)
		id = sek_table_v4(&image, bpf_ntohl(source->words_be[0]));
	else
		id = sek_table_v6(&image, bpf_be64_to_cpu(source->halves_be[0]), bpf_be64_to_cpu(source->halves_be[1]));
	if (id)
		policy_class(&image, id, d);
}

/* @family is a constant at each call: Linux 6.1 walks every mix of both families' branches otherwise. */
static __always_inline void explain_source(struct sek_explain *q, const struct sek_control *control, __u32 family)
{
	struct source source = { .family = family };
	struct decision d = {};

	if (family == 4)
		__builtin_memcpy(source.words_be, q->addr_be, sizeof(__u32));
	else
		__builtin_memcpy(source.words_be, q->addr_be, sizeof(q->addr_be));
	q->generation = 0;
	explain_table(&source, control, q, &d);
	policy_judge(&source, control, 0, &d);
	explain_answer(q, &d);
	q->rail = rail_find(&source, control);
	q->mode = control->mode;
	q->answered = 1;
}

/* How far ahead the source's arrival time is, slot word; 0: it is idle. By the former settings, too: converted, as its next packet will. */
static __always_inline __s64 explain_ahead(const struct sek_limit_line *line, const struct sek_limit *limit, __u32 tag, __u64 now)
{
	__u64 slot = 0;
	__s64 ahead;

	if (limit_find(line, tag, &slot) < SEK_LIMIT_SLOTS) {
		ahead = slot - now;
		return ahead > 0 && ahead <= (__s64)limit->maxd ? ahead : 0;
	}
	if (limit->former_maxd && limit_find_former(line, limit, tag, &slot, &now) < SEK_LIMIT_SLOTS)
		return limit_converted(limit, slot - now);
	return 0;
}

/* One limit's state for @source. */
static __always_inline void explain_limit(const struct limits_run *run, const struct source *source,
					  const struct sek_limit *limit, struct sek_explain_limit *row)
{
	__u64 now = limit_word(bpf_ktime_get_ns()), slot = 0;
	struct sek_limit_line *line;
	struct limit_place place;
	__u32 tag, since;
	__s64 ahead;

	row->number = limit->number;
	row->flags = limit->flags;
	row->len = source->family == 4 ? limit->len4 : limit->len6;
	row->tau_ns = (limit->tau >> SEK_LIMIT_TAT_SHIFT) * SEK_LIMIT_UNIT_NS;
	place = limit_place(source, limit, &run->control->limit_keys, run->control->limit_bits);
	line = limits_slots(run, &place, limit, &tag);
	if (!line)
		return;
	ahead = explain_ahead(line, limit, tag, now);
	row->ahead_ns = ((__u64)ahead >> SEK_LIMIT_TAT_SHIFT) * SEK_LIMIT_UNIT_NS;
	row->is_over = ahead > (__s64)limit->tau;
	if (limit_find(line, limit_tag_over(tag), &slot) >= SEK_LIMIT_SLOTS)
		return;
	ahead = slot - now;
	if (ahead < 0 || (__u64)ahead >> LIMIT_QUANTUM_SHIFT > limit->gap_quanta)
		return;
	since = ((now >> LIMIT_QUANTUM_SHIFT) - (slot >> LIMIT_SINCE_SHIFT)) & LIMIT_QUANTA_MASK;
	row->over_ns = ((__u64)since << SEK_LIMIT_QUANTUM_SHIFT) * SEK_LIMIT_UNIT_NS;
	if (!row->over_ns)
		row->over_ns = 1; /* it is over, in this very step of the clock */
}

static __always_inline void explain_source_of(const struct sek_explain *q, struct source *ret_source)
{
	ret_source->family = q->family;
	if (q->family == 4)
		__builtin_memcpy(ret_source->words_be, q->addr_be, sizeof(__u32));
	else
		__builtin_memcpy(ret_source->words_be, q->addr_be, sizeof(q->addr_be));
}

/* Rows of the limits for the packets asked about, or of all. A global function: verified once, beside the table's paths. */
__noinline int explain_limits(struct xdp_md *ctx)
{
	struct sek_explain *q = (void *)(long)ctx->data;
	const struct sek_limit_list *list = NULL;
	const struct sek_limit *limit;
	struct source source = {};
	struct limits_run run;
	__u32 zero = 0, n = 0, kind;
	struct sek_control *control = bpf_map_lookup_elem(&sek_control, &zero);

	if ((void *)(q + 1) > (void *)(long)ctx->data_end || !control)
		return 0;
	if (!limits_open(&run, image_open(control).slot) || !run.control->limit_bits || !run.head->n_limits)
		return 0;
	explain_source_of(q, &source);
	kind = q->l4_kind;
	asm volatile("" : "+r"(kind)); /* or the bound is checked on q->l4_kind, and not on what is added */
	if (kind) {
		list = limits_list(&run, kind - 1, q->dport);
		if (!list)
			return 0;
	}
	for (__u32 i = 0; i < SEK_LIMITS_MAX; i++) {
		if (i >= (list ? list->n : run.head->n_limits) || (list && i >= SEK_LIMIT_MATCH_MAX))
			break;
		limit = limits_get(&run, list ? list->index[i & (SEK_LIMIT_MATCH_MAX - 1)] : i);
		if (!limit)
			break;
		explain_limit(&run, &source, limit, &q->limits[i]);
		n = i + 1;
	}
	q->n_limits = n;
	return 0;
}

/* The ban record that holds the source, live before one on trial. A global function, as above. */
__noinline int explain_ban(struct xdp_md *ctx)
{
	struct sek_entry_key key __attribute__((aligned(8))) = {};
	struct sek_explain *q = (void *)(long)ctx->data;
	__u64 now_ns = bpf_ktime_get_boot_ns();
	struct source source = {};
	struct sek_control *control;
	struct sek_ban *ban;
	__u32 zero = 0, len;
	const __u8 *lens;
	void *bans;

	control = bpf_map_lookup_elem(&sek_control, &zero);
	bans = map_inside(&sek_limiter_bans);
	if ((void *)(q + 1) > (void *)(long)ctx->data_end || !control || !bans)
		return 0;
	explain_source_of(q, &source);
	lens = q->family == 4 ? control->ban_lens4 : control->ban_lens6;
	for (__u32 i = 0; i < SEK_BAN_LENS_MAX; i++) {
		len = *(const volatile __u8 *)&lens[i];
		if (!len)
			break;
		entry_key(&source, len, &key);
		ban = bpf_map_lookup_elem(bans, &key);
		if (!ban || ban->trial_until_ns <= now_ns || (q->ban_len && ban->until_ns <= now_ns))
			continue;
		q->ban = *ban;
		q->ban_len = len;
		if (ban->until_ns > now_ns)
			break;
	}
	return 0;
}

SEC("xdp")
int sek_explain(struct xdp_md *ctx)
{
	struct sek_explain *q = (void *)(long)ctx->data;
	struct sek_control *control;
	__u32 zero = 0;

	if ((void *)(q + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	control = bpf_map_lookup_elem(&sek_control, &zero);
	if (!control)
		return XDP_PASS;
	if (q->family != 4 && q->family != 6)
		return XDP_PASS;
	explain_limits(ctx);
	explain_ban(ctx);
	/* Again: a function that was called may have moved the data, as far as the verifier knows. */
	q = (void *)(long)ctx->data;
	if ((void *)(q + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (q->family == 4)
		explain_source(q, control, 4);
	else
		explain_source(q, control, 6);
	return XDP_PASS;
}
