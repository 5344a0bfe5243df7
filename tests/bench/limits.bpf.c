// SPDX-License-Identifier: GPL-2.0
/* The programs that sek_xdp's limits are compared with; lookup.bpf.c's driver calls them. Its parser stands before each. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include "gcra.bpf.h"

static __always_inline struct iphdr *parse4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return NULL;
	if (ip->version != 4 || ip->ihl < 5 || (void *)ip + bpf_ntohs(ip->tot_len) > end)
		return NULL;
	return ip;
}

SEC("xdp.frags")
int parse_pass(struct xdp_md *ctx)
{
	return parse4(ctx) ? XDP_PASS : XDP_DROP;
}

SEC("xdp.frags")
int gcra_precise(struct xdp_md *ctx)
{
	struct iphdr *ip = parse4(ctx);

	return ip && gcra_passes(ip->saddr, false) ? XDP_PASS : XDP_DROP;
}

SEC("xdp.frags")
int gcra_coarse(struct xdp_md *ctx)
{
	struct iphdr *ip = parse4(ctx);

	return ip && gcra_passes(ip->saddr, true) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
