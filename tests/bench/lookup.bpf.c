// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of the lookup benchmark and the programs it is compared with. The driver writes the
 * next source address into the packet, then tail-calls the program under test; the clock is read
 * here, as the time round BPF_PROG_TEST_RUN holds waits for RCU. All programs are xdp.frags like
 * sek_xdp: a tail call needs the same attach type and the same frags flag on both sides.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include "lookup.h"

/* Slot 0: the program under test. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

/* Each family's list, network order: prefix -> 1. Sized to the list before load. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct trie4_key);
	__type(value, __u8);
} trie4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct trie6_key);
	__type(value, __u8);
} trie6 SEC(".maps");

/* The host lists, network order: address -> 1. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct host4_key);
	__type(value, __u8);
} hash4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct host6_key);
	__type(value, __u8);
} hash6 SEC(".maps");

struct host4_key sources4[BENCH_SOURCES]; /* network order, written through mmap */
struct host6_key sources6[BENCH_SOURCES];

const volatile __u32 n_sources = BENCH_SOURCES; /* in use; packets of a run */

__u64 next_packet; /* 0 before a run */
__u64 start_ns, end_ns;

/*
 * Index of this packet's source. Reads the clock at the first packet and at the one behind the
 * last.
 */
static __always_inline __u32 drive_next(void)
{
	__u64 i = next_packet;

	next_packet = i + 1;
	if (i == 0) {
		start_ns = bpf_ktime_get_ns();
	} else if (i == n_sources) {
		end_ns = bpf_ktime_get_ns();
		i = 0;
	}
	return i & (BENCH_SOURCES - 1);
}

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

static __always_inline struct ipv6hdr *parse6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct ipv6hdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6))
		return NULL;
	if (ip->version != 6 || (void *)(ip + 1) + bpf_ntohs(ip->payload_len) > end)
		return NULL;
	return ip;
}

SEC("xdp.frags")
int drive4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct iphdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	ip->saddr = sources4[drive_next()].addr_be;
	bpf_tail_call_static(ctx, &targets, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int drive6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&ip->saddr, &sources6[drive_next()], sizeof(ip->saddr));
	bpf_tail_call_static(ctx, &targets, 0);
	return XDP_ABORTED;
}

/* The next two send the frame on into the stack, for what is judged there. */
SEC("xdp")
int stack4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	__u32 sum = 0, i;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	ip->saddr = sources4[drive_next()].addr_be;
	ip->check = 0;
	for (i = 0; i < sizeof(*ip) / 2; i++)
		sum += ((__u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	return XDP_PASS;
}

SEC("xdp")
int stack6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(&ip->saddr, &sources6[drive_next()], sizeof(ip->saddr));
	return XDP_PASS;
}

SEC("xdp.frags")
int floor_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp.frags")
int parse_drop(struct xdp_md *ctx)
{
	return parse4(ctx) || parse6(ctx) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int trie4_drop(struct xdp_md *ctx)
{
	struct iphdr *ip = parse4(ctx);
	struct trie4_key key = { .len = 32 };

	if (!ip)
		return XDP_PASS;
	key.addr_be = ip->saddr;
	return bpf_map_lookup_elem(&trie4, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int trie6_drop(struct xdp_md *ctx)
{
	struct ipv6hdr *ip = parse6(ctx);
	struct trie6_key key = { .len = 128 };

	if (!ip)
		return XDP_PASS;
	__builtin_memcpy(key.addr_be, &ip->saddr, sizeof(key.addr_be));
	return bpf_map_lookup_elem(&trie6, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int hash4_drop(struct xdp_md *ctx)
{
	struct iphdr *ip = parse4(ctx);
	struct host4_key key;

	if (!ip)
		return XDP_PASS;
	key.addr_be = ip->saddr;
	return bpf_map_lookup_elem(&hash4, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int hash6_drop(struct xdp_md *ctx)
{
	struct ipv6hdr *ip = parse6(ctx);
	struct host6_key key;

	if (!ip)
		return XDP_PASS;
	__builtin_memcpy(key.addr_be, &ip->saddr, sizeof(key.addr_be));
	return bpf_map_lookup_elem(&hash6, &key) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
