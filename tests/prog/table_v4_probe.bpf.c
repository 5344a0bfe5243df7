// SPDX-License-Identifier: GPL-2.0
/*
 * Test only: answers the classes of up to 64 IPv4 addresses (u32, host order) that are the
 * packet's data, in place. A packet cut short ends the batch.
 */
#include "table_v4.bpf.h"

#define BATCH 64

static __noinline __u32 probe_one(__u32 addr)
{
	struct image image = image_at(0);

	return image.first ? sek_table_v4(&image, addr) : 0;
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
