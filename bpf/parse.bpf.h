// SPDX-License-Identifier: GPL-2.0
/*
 * Frame in, struct pkt out: the source address, or why there is none. Reads no map.
 * The source is judged whatever follows it: options, extension headers, fragments and L4 are not
 * looked at (but for neighbour discovery), so none of them is a way round the lists. Who needs
 * ports asks parse_l4.bpf.h, after the source has been judged.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <sekisho/limits.h>

#define ND_TYPE_MIN 133	      /* router solicitation, RFC 4861 */
#define ND_TYPE_MAX 137	      /* redirect */
#define ND_HOP_LIMIT 255      /* RFC 4861: any other was forwarded and is not neighbour discovery */
#define ND_MIN_BYTES 8	      /* the shortest message, a router solicitation without options */
#define IPV4_TOTAL_MAX 65535  /* bytes: what its 16 bits can say, RFC 791 3.1 */

enum parse_result {
	PARSE_SOURCE,	 /* pkt.source is set */
	PARSE_LINK,	 /* ARP, neighbour discovery, other ethertypes, 802.3 frames */
	PARSE_MALFORMED, /* shorter than its headers, lengths that cannot be: Linux drops it, too */
	PARSE_UNREAD,	 /* the headers are in a fragment of the buffer: our limit, not the sender's */
	PARSE_PILE,	 /* more VLAN tags than are walked; Linux would find the source behind them */
};

/* A source address; unused words are 0. */
struct source {
	union {
		__u8 addr_be[16];
		__u32 words_be[4];
		__u64 halves_be[2];
	};
	__u32 family; /* 4 or 6 */
};

struct pkt {
	struct source source;
	__u64 frame_bytes; /* the whole frame, from the Ethernet header on */
	__u32 ip_offset;   /* bytes from the frame's start to the IP header; of PARSE_SOURCE only */
	__u32 ip_bytes;	   /* the IP packet by its own header, padding left out; of PARSE_SOURCE only */
};

struct vlan_tag {
	__be16 tci;
	__be16 ethertype;
};

struct icmp6_start {
	__u8 type;
	__u8 code;
};

static __always_inline bool parse_is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/* Sets frame_bytes to the whole frame, buffer fragments included: off the common path only. */
static __always_inline void parse_whole(struct xdp_md *ctx, struct pkt *pkt)
{
	if (sek_has_buff_len)
		pkt->frame_bytes = bpf_xdp_get_buff_len(ctx);
}

static __always_inline enum parse_result parse_malformed(struct xdp_md *ctx, struct pkt *pkt)
{
	parse_whole(ctx, pkt); /* all its bytes are counted */
	return PARSE_MALFORMED;
}

/* The linear part ends before offset @need_bytes: is it the frame that does? */
static __always_inline enum parse_result parse_short(struct xdp_md *ctx, struct pkt *pkt,
						     __u64 need_bytes)
{
	parse_whole(ctx, pkt);
	return pkt->frame_bytes < need_bytes ? PARSE_MALFORMED : PARSE_UNREAD;
}

/* Does an IP packet of @ip_bytes at @offset fit the frame? The helper runs only if it seems not to. */
static __always_inline bool parse_fits(struct xdp_md *ctx, struct pkt *pkt, __u64 offset,
				       __u64 ip_bytes)
{
	if (offset + ip_bytes <= pkt->frame_bytes)
		return true;
	parse_whole(ctx, pkt);
	return offset + ip_bytes <= pkt->frame_bytes;
}

/*
 * Bytes of an IPv4 packet that says 0: the host's own merging of TCP segments (BIG TCP, gro_ipv4_max_size) does for one
 * that is longer than the field can say; Linux goes by the frame then (iph_totlen()). 0: it is not that long.
 */
static __always_inline __u32 parse_big_ipv4(struct xdp_md *ctx, struct pkt *pkt, __u64 offset)
{
	parse_whole(ctx, pkt);
	return pkt->frame_bytes - offset > IPV4_TOTAL_MAX ? pkt->frame_bytes - offset : 0;
}

static __always_inline enum parse_result parse_ipv4(struct xdp_md *ctx, void *start, void *end,
						    struct pkt *pkt)
{
	struct iphdr *ip = start;
	__u64 offset = start - (void *)(long)ctx->data;
	__u32 header_bytes, total_bytes;

	if ((void *)(ip + 1) > end)
		return parse_short(ctx, pkt, offset + sizeof(*ip));
	header_bytes = ip->ihl * 4;
	total_bytes = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header_bytes < sizeof(*ip))
		return parse_malformed(ctx, pkt);
	if (total_bytes < header_bytes) {
		total_bytes = total_bytes ? 0 : parse_big_ipv4(ctx, pkt, offset);
		if (!total_bytes)
			return parse_malformed(ctx, pkt);
	}
	if (!parse_fits(ctx, pkt, offset, total_bytes))
		return PARSE_MALFORMED;
	pkt->source.words_be[0] = ip->saddr;
	pkt->source.family = 4;
	pkt->ip_offset = offset;
	pkt->ip_bytes = total_bytes;
	return PARSE_SOURCE;
}

/*
 * Neighbour discovery as a neighbour sends it: not forwarded, nothing between IPv6 and ICMPv6.
 * Source: RFC 4861 6.1, 7.1, 8.1 (hop limit, code, length); RFC 6980 (never fragmented). Multicast
 * listener discovery comes from link-local or no address (RFC 3810 5), which the rails hold.
 */
static __always_inline bool parse_is_nd(struct ipv6hdr *ip, void *end)
{
	struct icmp6_start *icmp = (void *)(ip + 1);

	if (ip->nexthdr != IPPROTO_ICMPV6 || ip->hop_limit != ND_HOP_LIMIT)
		return false;
	if ((void *)(icmp + 1) > end || bpf_ntohs(ip->payload_len) < ND_MIN_BYTES)
		return false;
	return icmp->type >= ND_TYPE_MIN && icmp->type <= ND_TYPE_MAX && icmp->code == 0;
}

static __always_inline enum parse_result parse_ipv6(struct xdp_md *ctx, void *start, void *end,
						    struct pkt *pkt)
{
	struct ipv6hdr *ip = start;
	__u64 offset = start - (void *)(long)ctx->data;
	__u32 total_bytes;

	if ((void *)(ip + 1) > end)
		return parse_short(ctx, pkt, offset + sizeof(*ip));
	if (ip->version != 6)
		return parse_malformed(ctx, pkt);
	total_bytes = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (!parse_fits(ctx, pkt, offset, total_bytes))
		return PARSE_MALFORMED;
	if (parse_is_nd(ip, end))
		return PARSE_LINK;
	__builtin_memcpy(pkt->source.words_be, &ip->saddr, sizeof(ip->saddr));
	pkt->source.family = 6;
	pkt->ip_offset = offset;
	pkt->ip_bytes = total_bytes;
	return PARSE_SOURCE;
}

/*
 * @pkt must be zeroed; frame_bytes is always set. The kernel peels priority tags (VLAN 0) however
 * many there are, so a tag more than two is no reason to leave a source unjudged.
 */
static __always_inline enum parse_result parse_frame(struct xdp_md *ctx, struct pkt *pkt)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	void *next = eth + 1;
	struct vlan_tag *tag;
	__be16 ethertype;

	pkt->frame_bytes = end - data;
	if (next > end)
		return parse_short(ctx, pkt, sizeof(*eth));
	ethertype = eth->h_proto;
#pragma unroll
	for (int i = 0; i < SEK_VLAN_MAX; i++) {
		if (!parse_is_vlan(ethertype))
			break;
		tag = next;
		if ((void *)(tag + 1) > end)
			return parse_short(ctx, pkt, next - data + sizeof(*tag));
		ethertype = tag->ethertype;
		next = tag + 1;
	}
	if (ethertype == bpf_htons(ETH_P_IP))
		return parse_ipv4(ctx, next, end, pkt);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(ctx, next, end, pkt);
	parse_whole(ctx, pkt);
	return parse_is_vlan(ethertype) ? PARSE_PILE : PARSE_LINK;
}
