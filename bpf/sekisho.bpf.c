// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel program. sek_xdp: parse, decide, count, act. sek_explain: the same decision for an
 * address that BPF_PROG_TEST_RUN brings, counted nowhere. Our own failures pass.
 */
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "policy.bpf.h"
#include "account.bpf.h"

SEC("xdp.frags")
int sek_xdp(struct xdp_md *ctx)
{
	struct pkt pkt = {};
	struct decision d = {};

	policy_frame(parse_frame(ctx, &pkt), &pkt, &d);
	account(&d, pkt.frame_bytes);
	switch (d.verdict) {
	case SEK_V_DROP:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

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
	policy_judge(&source, control, &d);
	explain_answer(q, &d);
	q->rail = rail_find(&source, control);
	q->mode = control->mode;
	q->answered = 1;
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
	if (q->family == 4)
		explain_source(q, control, 4);
	else if (q->family == 6)
		explain_source(q, control, 6);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
