// SPDX-License-Identifier: GPL-2.0
/*
 * Test only: the whole kernel program as shipped, but its clocks are a number that the test brings. The driver moves it,
 * writes the next source into the frame and tail-calls sek_xdp.
 */
#include <linux/types.h>
#include "played.h"

struct played_scene scene;

#define SCENE_NS() (*(volatile __u64 *)&scene.clock_ns)
#define LIMIT_PRECISE_NS() SCENE_NS()
#define LIMIT_COARSE_NS(cpu) played_coarse_ns()

static inline __u64 played_coarse_ns(void)
{
	__u64 now_ns = SCENE_NS(), tick_ns = scene.tick_ns;

	return tick_ns ? now_ns - now_ns % tick_ns : now_ns;
}

#include "sekisho.bpf.c"

/* Slot 0: sek_xdp. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} played_target SEC(".maps");

static __always_inline __u32 played_source(__u64 step)
{
	if (scene.innocent_every && step % scene.innocent_every == 0)
		return PLAYED_INNOCENT;
	if (scene.offender_every && step % scene.offender_every == 0) {
		__sync_fetch_and_add(&scene.offered, 1);
		return PLAYED_OFFENDER;
	}
	return bpf_get_prandom_u32();
}

SEC("xdp.frags")
int played(struct xdp_md *ctx)
{
	__u64 now_ns = __sync_fetch_and_add(&scene.clock_ns, scene.step_ns) + scene.step_ns;
	__u8 *frame = (void *)(long)ctx->data;

	if (frame + 34 > (__u8 *)(long)ctx->data_end)
		return XDP_ABORTED;
	*(__u32 *)(frame + 26) = bpf_htonl(played_source(scene.step_ns ? now_ns / scene.step_ns : 0));
	bpf_tail_call_static(ctx, &played_target, 0);
	return XDP_ABORTED;
}
