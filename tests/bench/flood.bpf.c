// SPDX-License-Identifier: GPL-2.0
/*
 * The whole kernel program in time that the driver plays, and GCRA in a BPF LRU hash in the same time, under a flood of spoofed
 * sources. The driver picks the sender of each packet, tail-calls one of the two, and at the next packet sees what came of it.
 */
#include <linux/types.h>
#include "flood.h"

struct flood flood;
__u64 gcra_drops;

#define FLOOD_NS() (*(volatile __u64 *)&flood.clock_ns)
#define LIMIT_PRECISE_NS() FLOOD_NS()
#define LIMIT_COARSE_NS(cpu) FLOOD_NS()
#define GCRA_PRECISE_NS() FLOOD_NS()
#define GCRA_COARSE_NS() FLOOD_NS()

#include "sekisho.bpf.c"
#include "gcra.bpf.h"

/* Slot 0: the program under test. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} flood_target SEC(".maps");

static __always_inline __u64 drops_now(void)
{
	__u32 cpu_id = bpf_get_smp_processor_id();
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &cpu_id);

	return gcra_drops + (cpu ? cpu->verdicts[0][SEK_V_DROP][SEK_R_LIMIT].packets : 0);
}

static __always_inline __u32 pick(void)
{
	__u32 at = bpf_get_prandom_u32() % FLOOD_MILLION;

	return at < flood.share[SPOOFED] ? SPOOFED : at < flood.share[SPOOFED] + flood.share[OFFENDER] ? OFFENDER : INNOCENT;
}

/* The source's address, host order. */
static __always_inline __u32 source_of(__u32 sender)
{
	__u32 random, next, who = sender == OFFENDER ? OFFENDER : INNOCENT; /* a bound the verifier sees */

	if (sender == SPOOFED) {
		random = bpf_get_prandom_u32();
		return random >> 25 == 5 ? random ^ 0x80000000u : random; /* not 10/8 or 11/8 */
	}
	next = flood.next[who];
	flood.next[who] = next + 1 < flood.n[who] ? next + 1 : 0;
	return (sender == OFFENDER ? FLOOD_OFFENDER : FLOOD_INNOCENT) + next;
}

SEC("xdp.frags")
int flood_drive(struct xdp_md *ctx)
{
	__u8 *frame = (void *)(long)ctx->data;
	__u64 drops = drops_now();
	__u32 sender = pick(), last = flood.last;

	if (frame + 34 > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (last < SENDERS)
		flood.count[last].dropped += drops - flood.drops;
	flood.drops = drops;
	flood.last = sender;
	flood.count[sender].sent++;
	flood.clock_ns += flood.step_ns;
	*(__u32 *)(frame + 26) = bpf_htonl(source_of(sender));
	bpf_tail_call_static(ctx, &flood_target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int flood_gcra(struct xdp_md *ctx)
{
	__u8 *frame = (void *)(long)ctx->data;

	if (frame + 34 > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (gcra_passes(*(__u32 *)(frame + 26), true))
		return XDP_PASS;
	gcra_drops++;
	return XDP_DROP;
}
