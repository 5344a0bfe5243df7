// SPDX-License-Identifier: GPL-2.0
/*
 * A parsed packet in, what stands above IP out: protocol, ports, TCP flags, fragment or not.
 * Reads no map. Never a reason to leave the source unjudged: call it after the address verdict,
 * and only where somebody asks (a limit with a protocol or ports), so that others pay nothing.
 */
#pragma once

#include "parse.bpf.h"

#define L4_PROTO_UNKNOWN 255 /* IANA: reserved */
#define L4_OFFSET_MAX 0x7fff /* bytes, a mask: above VLAN_MAX tags and EXT_MAX headers of 2048 */
#define IPV4_MORE_FRAGMENTS 0x2000 /* RFC 791 3.1 */
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_MORE_FRAGMENTS 0x0001 /* RFC 8200 4.5 */
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define TCP_FLAGS_AT 13 /* byte of the TCP header, RFC 9293 3.1 */
#define TCP_BYTES 20
#define UDP_BYTES 8
#define SCTP_BYTES 12

enum l4_state {
	L4_UNKNOWN, /* proto is L4_PROTO_UNKNOWN: the chain of headers is cut short or too deep */
	L4_PROTO,   /* proto alone: it has no ports, its header is cut short, or a later fragment */
	L4_PORTS,   /* proto and ports, for TCP flags too unless is_cut */
};

/* What is not there is 0. */
struct l4 {
	__u8 state;       /* enum l4_state */
	__u8 proto;       /* IANA protocol number above IP and its extension headers */
	__u8 tcp_flags;   /* from bit 0: FIN SYN RST PSH ACK URG ECE CWR */
	bool is_fragment; /* first or later; an atomic fragment (RFC 6946) is none */
	bool is_cut;	  /* a first fragment too short for TCP's flags (RFC 1858 3): tcp_flags is 0 and says nothing */
	__u16 sport;      /* host order */
	__u16 dport;
	__u32 offset; /* bytes from the frame's start to the L4 header; of L4_PROTO and L4_PORTS */
};

/*
 * An extension header's length is 8 + factor * its second byte. The Fragment header's second byte
 * is reserved, never a length (RFC 8200 4.5); AH counts in 4 bytes less 2 (RFC 4302 2.2), the
 * others in 8 bytes less 1 (RFC 8200 4.3-4.6, RFC 6275 6.1, RFC 7401 5.1, RFC 5533 5.1).
 */
#define EXT_IS 0x80 /* this number is an extension header */
#define EXT_FACTOR 0x0f
static const __u8 ext_kinds[256] = {
    [0] = EXT_IS | 8,   /* hop-by-hop options */
    [43] = EXT_IS | 8,  /* routing */
    [44] = EXT_IS | 0,  /* fragment */
    [51] = EXT_IS | 4,  /* authentication header */
    [60] = EXT_IS | 8,  /* destination options */
    [135] = EXT_IS | 8, /* mobility */
    [139] = EXT_IS | 8, /* host identity protocol */
    [140] = EXT_IS | 8, /* shim6 */
};

struct ext_start {
	__u8 next;
	__u8 length;
	__be16 fragment; /* of a Fragment header */
	__be32 rest;
};

/* @need bytes at @offset of the frame; NULL: beyond the IP packet or the linear part. */
static __always_inline void *l4_bytes(struct xdp_md *ctx, const struct pkt *pkt, __u32 offset,
				      __u32 need)
{
	void *at = (void *)(long)ctx->data;

	if (offset > L4_OFFSET_MAX || offset + need > pkt->ip_offset + pkt->ip_bytes)
		return NULL;
	/* Opaque and masked: the verifier has to see the bound on the very copy that is added. */
	asm volatile("" : "+r"(offset));
	at += offset & L4_OFFSET_MAX;
	return at + need > (void *)(long)ctx->data_end ? NULL : at;
}

/* Bytes of the header with the ports; 0: the protocol has none. */
static __always_inline __u32 l4_header_bytes(__u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return TCP_BYTES;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return UDP_BYTES;
	case IPPROTO_SCTP:
		return SCTP_BYTES;
	default:
		return 0;
	}
}

/* The first 8 bytes of TCP are all that a first fragment must have: a limit on SYNs or ports is not passed by cutting behind them. */
static __always_inline bool l4_is_tiny(const struct pkt *pkt, const struct l4 *l4)
{
	return l4->proto == IPPROTO_TCP && l4->is_fragment && l4->offset + TCP_BYTES > pkt->ip_offset + pkt->ip_bytes;
}

static __always_inline void l4_ports(struct xdp_md *ctx, const struct pkt *pkt, struct l4 *l4)
{
	__u32 need = l4_header_bytes(l4->proto);
	__u8 *ports, *tcp;

	l4->is_cut = l4_is_tiny(pkt, l4);
	if (l4->is_cut)
		need = UDP_BYTES;
	if (!need || l4->offset + need > pkt->ip_offset + pkt->ip_bytes)
		return;
	ports = l4_bytes(ctx, pkt, l4->offset, UDP_BYTES);
	if (!ports)
		return;
	if (l4->proto == IPPROTO_TCP && !l4->is_cut) {
		tcp = l4_bytes(ctx, pkt, l4->offset, TCP_BYTES);
		if (!tcp)
			return;
		l4->tcp_flags = tcp[TCP_FLAGS_AT];
	}
	l4->sport = ports[0] << 8 | ports[1];
	l4->dport = ports[2] << 8 | ports[3];
	l4->state = L4_PORTS;
}

/* True: a later fragment, whose first bytes are not a header. */
static __always_inline bool l4_fragment(__u16 field, __u16 more, __u16 offset, struct l4 *l4)
{
	if (field & (more | offset))
		l4->is_fragment = true;
	return field & offset;
}

/* Both return false if there is no more to read: no such bytes, too deep, or a later fragment. */
static __always_inline bool l4_find_v4(struct xdp_md *ctx, const struct pkt *pkt, struct l4 *l4)
{
	struct iphdr *ip = l4_bytes(ctx, pkt, pkt->ip_offset, sizeof(*ip));

	if (!ip)
		return false;
	l4->proto = ip->protocol;
	l4->state = L4_PROTO;
	l4->offset = pkt->ip_offset + ip->ihl * 4;
	return !l4_fragment(bpf_ntohs(ip->frag_off), IPV4_MORE_FRAGMENTS, IPV4_FRAGMENT_OFFSET, l4);
}

static __always_inline bool l4_find_v6(struct xdp_md *ctx, const struct pkt *pkt, struct l4 *l4)
{
	struct ipv6hdr *ip = l4_bytes(ctx, pkt, pkt->ip_offset, sizeof(*ip));
	__u32 offset = pkt->ip_offset + sizeof(*ip);
	bool is_later = false;
	__u8 next, kind;

	if (!ip)
		return false;
	next = ip->nexthdr;
	for (int i = 0; i <= SEK_V6_EXT_MAX; i++) {
		struct ext_start *ext;

		kind = ext_kinds[next];
		if (offset > pkt->ip_offset + pkt->ip_bytes)
			return false;
		if (!(kind & EXT_IS)) {
			l4->proto = next;
			l4->state = L4_PROTO;
			l4->offset = offset;
			return !is_later;
		}
		ext = l4_bytes(ctx, pkt, offset, sizeof(*ext));
		if (is_later || i == SEK_V6_EXT_MAX || !ext)
			return false;
		if (next == IPPROTO_FRAGMENT)
			is_later = l4_fragment(bpf_ntohs(ext->fragment), IPV6_MORE_FRAGMENTS,
					       IPV6_FRAGMENT_OFFSET, l4);
		next = ext->next;
		offset += sizeof(*ext) + ext->length * (kind & EXT_FACTOR);
	}
	return false;
}

/* Of a PARSE_SOURCE packet. @l4 must be zeroed. */
static __always_inline void parse_l4(struct xdp_md *ctx, const struct pkt *pkt, struct l4 *l4)
{
	l4->proto = L4_PROTO_UNKNOWN;
	if (pkt->source.family == 4 ? l4_find_v4(ctx, pkt, l4) : l4_find_v6(ctx, pkt, l4))
		l4_ports(ctx, pkt, l4);
}

/* The same as a global function: verified once, beside the paths that lead to it. */
__noinline int l4_read(struct xdp_md *ctx, const struct pkt *pkt, struct l4 *l4)
{
	if (pkt && l4)
		parse_l4(ctx, pkt, l4);
	return 0;
}
