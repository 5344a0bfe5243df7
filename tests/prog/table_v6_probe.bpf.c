// SPDX-License-Identifier: GPL-2.0
/*
 * Answers a batch of IPv6 table lookups in place: packet data is PROBES pairs of hi, lo in host
 * order, and lo becomes the class. It runs the very lookup the packet program runs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "table_v6.bpf.h"

#define PROBES 128

struct lines {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 64);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, struct lines);
} table SEC(".maps");

__attribute__((noinline)) __u32 probe_one(__u64 hi, __u64 lo)
{
	__u32 slot = 0;
	void *lines = bpf_map_lookup_elem(&table, &slot);

	return lines ? sek_table_v6(lines, hi, lo) : 0xffffffff;
}

SEC("xdp")
int probe(struct xdp_md *ctx)
{
	__u64 *pair = (void *)(long)ctx->data;
	int i;

	for (i = 0; i < PROBES; i++) {
		if ((void *)(pair + 2) > (void *)(long)ctx->data_end)
			return XDP_ABORTED;
		pair[1] = probe_one(pair[0], pair[1]);
		pair += 2;
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
