// SPDX-License-Identifier: GPL-2.0
/*
 * Answers a batch of IPv6 table lookups in place: packet data is PROBES pairs of hi, lo in host
 * order, and lo becomes the class. It runs the very lookup the packet program runs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "table_v6.bpf.h"

#define PROBES 128

__attribute__((noinline)) __u32 probe_one(__u64 hi, __u64 lo)
{
	struct image image = image_at(0);

	return image.first ? sek_table_v6(&image, hi, lo) : 0xffffffff;
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
