// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel program. sek_xdp: parse, decide, count, act. sek_explain: the same decision for an
 * address that BPF_PROG_TEST_RUN brings, counted nowhere. Our own failures pass.
 */
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "policy.bpf.h"
#include "limits.bpf.h"
#include "account.bpf.h"
#include "explain.bpf.h"

/* What the limits say where no list or entry has decided; a would-drop of a list stays one of that list. */
static __always_inline void ask_limits(struct xdp_md *ctx, const struct pkt *pkt, struct decision *d)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);
	__u32 answer = limits_charge(ctx, pkt, cpu, d->front);

	if (answer & LIMITS_F_NOTE)
		limits_evidence(ctx, pkt, cpu, d->front, answer);
	if (answer & (LIMITS_F_NEW | LIMITS_F_DUE))
		limits_punish(ctx, pkt, d->table_slot, answer);
	if (!LIMITS_REASON(answer) || (d->verdict == SEK_V_WOULD && LIMITS_VERDICT(answer) == SEK_V_WOULD))
		return;
	d->verdict = LIMITS_VERDICT(answer);
	d->reason = LIMITS_REASON(answer);
	d->limit = LIMITS_NUMBER(answer);
}

/* Samples for people: drops as events, and which sources are busy. A global function, beside the table's many paths. */
__noinline int observe(struct xdp_md *ctx, const struct pkt *pkt, __u64 note, __u32 table_slot, __u32 rest)
{
	if (!pkt)
		return 0;
	if (rest & ACCOUNT_EVENT)
		event_frame(ctx, pkt, note, table_slot);
	if (rest & ACCOUNT_RATE)
		limits_rate_all(pkt, table_slot);
	if (rest & ACCOUNT_TOP && pkt->source.family)
		top_note(&pkt->source, pkt->frame_bytes, (note >> 8 & 0xff) == SEK_V_DROP);
	return 0;
}

SEC("xdp.frags")
int sek_xdp(struct xdp_md *ctx)
{
	struct pkt pkt = {};
	struct decision d = { .limit = EVENT_NO_LIMIT };
	__u32 rest;

	policy_frame(parse_frame(ctx, &pkt), &pkt, &d);
	if (d.goes_on && d.has_limits)
		ask_limits(ctx, &pkt, &d);
	rest = account(&d, pkt.frame_bytes);
	if (rest)
		observe(ctx, &pkt, EVENT_NOTE(SEK_EVENT_DROP, d.verdict, d.reason, d.limit, d.counter), d.table_slot, rest);
	switch (d.verdict) {
	case SEK_V_DROP:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

char LICENSE[] SEC("license") = "GPL";
