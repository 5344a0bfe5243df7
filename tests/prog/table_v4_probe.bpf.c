// SPDX-License-Identifier: GPL-2.0
/*
 * Test only: answers the classes of up to 64 IPv4 addresses (u32, host order) that are the
 * packet's data, in place. A packet cut short ends the batch.
 */
#include "table_v4.bpf.h"

#define BATCH 64

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__uint(max_entries, 1);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
		__uint(key_size, 4);
		__uint(value_size, 64);
		__uint(max_entries, 1);
	});
} probe_table SEC(".maps");

static __noinline __u32 probe_one(__u32 addr)
{
	__u32 zero = 0;
	void *table = bpf_map_lookup_elem(&probe_table, &zero);

	return table ? sek_table_v4(table, addr) : 0;
}

SEC("xdp")
int table_v4_probe(struct xdp_md *ctx)
{
	for (int i = 0; i < BATCH; i++) {
		__u32 *at = (__u32 *)(long)ctx->data + i;

		if ((void *)(at + 1) > (void *)(long)ctx->data_end)
			break;
		*at = probe_one(*at);
	}
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
