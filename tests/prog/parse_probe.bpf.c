// SPDX-License-Identifier: GPL-2.0
/*
 * Test only: what the parser makes of a frame, written into a map. The action is enum parse_result.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 sek_has_buff_len = 1;

#include "parse_l4.bpf.h"
#include "parse_probe.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct parse_answer);
} probe_answer SEC(".maps");

SEC("xdp.frags")
int parse_probe(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct parse_answer *answer = bpf_map_lookup_elem(&probe_answer, &zero);
	struct pkt pkt = {};
	struct l4 l4 = {};
	enum parse_result result;

	if (!answer)
		return -1;
	result = parse_frame(ctx, &pkt);
	if (result == PARSE_SOURCE)
		parse_l4(ctx, &pkt, &l4);
	__builtin_memcpy(answer->addr_be, pkt.source.words_be, sizeof(answer->addr_be));
	answer->family = pkt.source.family;
	answer->frame_bytes = pkt.frame_bytes;
	answer->ip_offset = pkt.ip_offset;
	answer->ip_bytes = pkt.ip_bytes;
	answer->state = l4.state;
	answer->proto = l4.proto;
	answer->tcp_flags = l4.tcp_flags;
	answer->is_fragment = l4.is_fragment;
	answer->sport = l4.sport;
	answer->dport = l4.dport;
	answer->l4_offset = l4.offset;
	return result;
}

char _license[] SEC("license") = "GPL";
