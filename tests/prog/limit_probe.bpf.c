// SPDX-License-Identifier: GPL-2.0
/*
 * Test only: plays a scene (limit_probe.h) against the limiter, one step a run, in time that the
 * scene brings.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "limit_probe.h"

struct limit_scene scene;
struct limit_counts counts[LIMIT_PROBE_CPUS];

/* Newer than the step's own time: other CPUs have gone on. */
#define LIMIT_PRECISE_NS() (*(volatile __u64 *)&scene.clock_ns)
const volatile __u32 sek_has_buff_len = 1;
#include "limit.bpf.h"

#define INNOCENT 0xcb007101u
#define OFFENDER 0xcb007102u
#define SOURCE 0xcb007103u

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << SEK_LIMIT_LINES_MIN_BITS);
	__type(key, __u32);
	__type(value, struct sek_limit_line);
} probe_lines SEC(".maps");

static __always_inline struct sek_limit_line *find_line(__u32 addr, struct limit_packet *packet)
{
	struct source source = { .family = scene.family };
	struct limit_place place;

	if (scene.family == 4) {
		source.words_be[0] = bpf_htonl(addr);
	} else {
		source.halves_be[0] = bpf_cpu_to_be64((__u64)addr << 16);
		source.halves_be[1] = bpf_get_prandom_u32(); /* other hosts of the /64 */
	}
	place = limit_place(&source, &scene.limit, &scene.keys, scene.bits);
	packet->tag = limit_tag(&place, &scene.limit);
	return bpf_map_lookup_elem(&probe_lines, &place.line);
}

__noinline int send(__u32 addr, __u64 now_ns, __u32 who)
{
	struct limit_packet packet = { .bytes = scene.bytes };
	struct sek_limit_line *line = find_line(addr, &packet);
	__u32 cpu = bpf_get_smp_processor_id();
	struct limit_count *count;
	int answer;

	if (!line || cpu >= LIMIT_PROBE_CPUS)
		return 0;
	packet.now_ns = scene.tick_ns ? now_ns - now_ns % scene.tick_ns : now_ns;
	answer = limit_charge(line, &scene.limit, &packet, scene.ahead);
	count = who == INNOCENT   ? &counts[cpu].innocent
		: who == OFFENDER ? &counts[cpu].offender
				  : &counts[cpu].source;
	if (answer & LIMIT_OVER)
		count->over++;
	else
		count->passed++;
	if (answer & LIMIT_EVICTED)
		count->evicted++;
	if (answer & LIMIT_GAVE_UP)
		count->gave_up++;
	if (answer & LIMIT_OVER && scene.has_ban)
		count->ban_due +=
		    limit_over(line, &scene.limit, &packet, scene.ahead) & LIMIT_BAN_DUE;
	return 0;
}

SEC("xdp")
int limit_probe(struct xdp_md *ctx)
{
	__u64 now_ns = __sync_fetch_and_add(&scene.clock_ns, scene.step_ns) + scene.step_ns;
	__u64 step = scene.step_ns ? now_ns / scene.step_ns : 0;

	if (!scene.every) {
		send(SOURCE, now_ns, SOURCE);
		return XDP_PASS;
	}
	if (scene.is_spoofed)
		send(bpf_get_prandom_u32(), now_ns, SOURCE);
	if (scene.offender_every && step % scene.offender_every == 0)
		send(OFFENDER, now_ns, OFFENDER);
	if (step % scene.every)
		return XDP_PASS;
	for (__u32 i = 0; i < 1024 && i < scene.burst + scene.first; i++)
		send(INNOCENT, now_ns, INNOCENT);
	scene.first = 0;
	return XDP_PASS;
}

/* Charges and refunds: the arrival time must be as before. */
SEC("xdp")
int refund_probe(struct xdp_md *ctx)
{
	struct limit_packet packet = { .bytes = scene.bytes, .now_ns = scene.clock_ns };
	struct sek_limit_line *line = find_line(SOURCE, &packet);

	if (!line)
		return XDP_ABORTED;
	if (limit_charge(line, &scene.limit, &packet, scene.ahead))
		return XDP_DROP;
	limit_refund(line, &scene.limit, &packet);
	return XDP_PASS;
}

SEC("xdp")
int place_probe(struct xdp_md *ctx)
{
	struct source source = { .family = scene.family };
	struct limit_place place;

	__builtin_memcpy(source.words_be, scene.addr_be, sizeof(source.words_be));
	place = limit_place(&source, &scene.limit, &scene.keys, scene.bits);
	scene.line = place.line;
	scene.tag = limit_tag(&place, &scene.limit);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
