// SPDX-License-Identifier: GPL-2.0
/*
 * What sources near or over a limit did: a packet in, one record of sek_evidence updated. A record belongs to one source
 * until it is quiet for SEK_EVIDENCE_IDLE_NS; another that meets it is counted and has none. Decides nothing.
 */
#pragma once

#include "clock.bpf.h"
#include "maps.bpf.h"
#include "parse_l4.bpf.h"

#define EVIDENCE_SECOND_NS 1000000000ull
#define EVIDENCE_MS_NS 1000000
#define EVIDENCE_ASK_MASK 7 /* one ACK packet in eight, the first included, is looked up among the connections */
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

/* One packet for the record of its source. */
struct evidence_packet {
	struct sek_entry_key key;
	__u32 index; /* of the record */
	struct l4 l4;
	__u32 number; /* of the limit it is near or over, below SEK_LIMITS_MAX */
	__u32 is_over;
	__u32 is_new; /* it was not over that limit before */
};

/* Record @index, NULL where there are none. */
static __always_inline struct sek_evidence *evidence_at(__u32 index)
{
	void *records = map_inside(&sek_limiter_evidence);

	return records ? bpf_map_lookup_elem(records, &index) : NULL;
}

static __always_inline bool evidence_is_of(const struct sek_evidence *e, const struct sek_entry_key *key)
{
	const __u64 *a = (const void *)e->source.addr_be, *b = (const void *)key->addr_be;

	return e->busy && a[0] == b[0] && a[1] == b[1] && e->source.family == key->family && e->source.len == key->len;
}

/* Signed: another CPU's clock may be ahead of ours. */
static __always_inline bool evidence_is_quiet(const struct sek_evidence *e, __u64 now_ns)
{
	return (__s64)(now_ns - e->last_ns) >= (__s64)SEK_EVIDENCE_IDLE_NS;
}

/* The same for other sources: a small record goes sooner. Its own source, which may be slow, goes on with it. */
static __always_inline bool evidence_is_free(const struct sek_evidence *e, __u64 now_ns)
{
	return (__s64)(now_ns - e->last_ns) >=
	       (__s64)(e->dropped < SEK_EVIDENCE_SMALL ? SEK_EVIDENCE_SMALL_IDLE_NS : SEK_EVIDENCE_IDLE_NS);
}

/* Takes the record over: it is the source's own, to begin anew, or free for another. */
static __always_inline bool evidence_claim(struct sek_evidence *e, const struct sek_entry_key *key, __u64 now_ns, bool is_ours)
{
	__u32 busy = *(volatile __u32 *)&e->busy;

	if (busy && !is_ours && !evidence_is_free(e, now_ns))
		return false;
	/* Grows, never 0: two CPUs that find the same quiet owner cannot both win. */
	if (__sync_val_compare_and_swap(&e->busy, busy, (busy + (is_ours ? SEK_EVIDENCE_AGAIN : SEK_EVIDENCE_OWNER)) | 1) != busy)
		return false;
	__builtin_memset(&e->first_ns, 0, sizeof(*e) - __builtin_offsetof(struct sek_evidence, first_ns));
	e->source = *key;
	e->first_ns = e->last_ns = now_ns;
	e->min_bytes = ~0u;
	e->min_ttl = 0xff;
	return true;
}

static __always_inline __u32 evidence_size_class(__u32 bytes)
{
	if (bytes < 256)
		return bytes < 128 ? (bytes < 64 ? 0 : bytes < 96 ? 1 : 2) : bytes < 192 ? 3 : 4;
	if (bytes < 768)
		return bytes < 384 ? 5 : bytes < 512 ? 6 : 7;
	return bytes < 1024 ? 8 : bytes < 1280 ? 9 : bytes <= 1514 ? 10 : 11;
}

static __always_inline void evidence_size(struct sek_evidence *e, __u32 bytes)
{
	__u32 class = evidence_size_class(bytes);

	e->bytes += bytes;
	if (bytes < e->min_bytes)
		e->min_bytes = bytes;
	if (bytes > e->max_bytes)
		e->max_bytes = bytes;
	asm volatile("" : "+r"(class));
	if (class < SEK_EVIDENCE_SIZES)
		e->size_log2[class]++;
}

static __always_inline void evidence_rate(struct sek_evidence *e, __u64 now_ns, __u32 bytes)
{
	__u64 second = now_ns / EVIDENCE_SECOND_NS;

	if (e->second != second) {
		e->second = second;
		e->now_packets = 0;
		e->now_bytes = 0;
	}
	e->now_packets++;
	e->now_bytes += bytes;
	if (e->now_packets > e->peak_packets)
		e->peak_packets = e->now_packets;
	if (e->now_bytes > e->peak_bytes)
		e->peak_bytes = e->now_bytes;
}

static __always_inline void evidence_limit_add(struct sek_evidence_rate *rate, __u32 bytes)
{
	rate->packets++;
	rate->bytes += bytes;
}

/* Counts by the limit, from the packet on that went over it. */
static __always_inline void evidence_limit(struct sek_evidence *e, const struct evidence_packet *packet, __u64 now_ns, __u32 bytes)
{
	__u8 of = packet->number + 1;
	__u32 at;

	e->limits |= 1u << (packet->number & (SEK_LIMITS_MAX - 1));
	if (packet->is_new) {
		at = e->rate_of[0] == of ? 0 : e->rate_of[1] == of || !e->rate_of[1] ? 1 : (__s32)(e->rate[0].since_ms - e->rate[1].since_ms) > 0;
		if (!e->rate_of[0])
			at = 0;
		at &= SEK_EVIDENCE_RATES - 1;
		e->rate_of[at] = of;
		e->rate[at].since_ms = now_ns / EVIDENCE_MS_NS;
		e->rate[at].packets = 0;
		e->rate[at].bytes = 0;
	}
	if (e->rate_of[0] == of)
		evidence_limit_add(&e->rate[0], bytes);
	else if (e->rate_of[1] == of)
		evidence_limit_add(&e->rate[1], bytes);
}

static __always_inline void evidence_port(struct sek_evidence *e, __u16 port)
{
	e->port_bitmap |= 1ull << (port * 0x9E3779B1u >> 26);
	if (e->ports[0] == port || e->ports[1] == port || e->ports[2] == port || e->ports[3] == port)
		return;
	e->ports[3] = e->ports[2];
	e->ports[2] = e->ports[1];
	e->ports[1] = e->ports[0];
	e->ports[0] = port;
}

static __always_inline void evidence_l4(struct sek_evidence *e, const struct l4 *l4)
{
	if (l4->is_fragment)
		e->fragments++;
	if (l4->state == L4_PORTS)
		evidence_port(e, l4->dport);
	switch (l4->proto) {
	case IPPROTO_TCP:
		e->tcp++;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE: /* as a limit of udp holds it */
		e->udp++;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		e->icmp++;
		break;
	default:
		e->other++;
	}
}

static __always_inline void evidence_tcp(struct sek_evidence *e, __u8 flags)
{
	if (flags & TCP_FLAG_SYN && !(flags & TCP_FLAG_ACK))
		e->syn++;
	if (flags & TCP_FLAG_ACK && !(flags & TCP_FLAG_SYN))
		e->ack++;
	if (flags & TCP_FLAG_FIN)
		e->fin++;
	if (flags & TCP_FLAG_RST)
		e->rst++;
}

static __always_inline void evidence_ttl(struct xdp_md *ctx, const struct pkt *pkt, struct sek_evidence *e)
{
	__u8 *ip = l4_bytes(ctx, pkt, pkt->ip_offset, sizeof(struct iphdr)), ttl;

	if (!ip)
		return;
	ttl = pkt->source.family == 4 ? ip[8] : ip[7];
	if (ttl < e->min_ttl)
		e->min_ttl = ttl;
	if (ttl > e->max_ttl)
		e->max_ttl = ttl;
}

/* Has a connection between the packet's two ends been completed here? */
static __always_inline bool evidence_is_open(struct xdp_md *ctx, const struct pkt *pkt, const struct l4 *l4)
{
	struct bpf_sock_tuple tuple = {};
	__u32 tuple_bytes = sizeof(tuple.ipv6), state;
	struct bpf_sock *sk;
	__u8 *ip;

	if (pkt->source.family == 4) {
		ip = l4_bytes(ctx, pkt, pkt->ip_offset, sizeof(struct iphdr));
		if (!ip)
			return false;
		__builtin_memcpy(&tuple.ipv4.saddr, ip + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, ip + 16, 4);
		tuple.ipv4.sport = bpf_htons(l4->sport);
		tuple.ipv4.dport = bpf_htons(l4->dport);
		tuple_bytes = sizeof(tuple.ipv4);
	} else {
		ip = l4_bytes(ctx, pkt, pkt->ip_offset, sizeof(struct ipv6hdr));
		if (!ip)
			return false;
		__builtin_memcpy(tuple.ipv6.saddr, ip + 8, 16);
		__builtin_memcpy(tuple.ipv6.daddr, ip + 24, 16);
		tuple.ipv6.sport = bpf_htons(l4->sport);
		tuple.ipv6.dport = bpf_htons(l4->dport);
	}
	sk = bpf_skc_lookup_tcp(ctx, &tuple, tuple_bytes, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	state = sk->state;
	bpf_sk_release(sk);
	/* Not of a listener, a half-open or a closed one; SYN_RECV and NEW_SYN_RECV still lack the client's ACK. */
	return state != BPF_TCP_LISTEN && state != BPF_TCP_SYN_SENT && state != BPF_TCP_SYN_RECV &&
	       state != BPF_TCP_NEW_SYN_RECV && state != BPF_TCP_CLOSE;
}

/* Notes one packet. */
static __always_inline int evidence_note(struct xdp_md *ctx, const struct pkt *pkt, struct sek_cpu *cpu, const struct evidence_packet *packet)
{
	struct sek_evidence *e = evidence_at(packet->index);
	__u64 now_ns = clock_boot_ns(cpu);
	bool is_ours;

	if (!e)
		return 0;
	is_ours = evidence_is_of(e, &packet->key);
	if ((!is_ours || e->is_told || evidence_is_quiet(e, now_ns)) && !evidence_claim(e, &packet->key, now_ns, is_ours)) {
		cpu->evidence_missed++;
		return 0;
	}
	e->last_ns = now_ns;
	e->packets++;
	e->dropped += packet->is_over;
	evidence_limit(e, packet, now_ns, pkt->frame_bytes);
	evidence_size(e, pkt->frame_bytes);
	evidence_rate(e, now_ns, pkt->frame_bytes);
	evidence_l4(e, &packet->l4);
	evidence_ttl(ctx, pkt, e);
	if (packet->l4.proto != IPPROTO_TCP || packet->l4.state != L4_PORTS)
		return 0;
	evidence_tcp(e, packet->l4.tcp_flags);
	if (!sek_has_skc_lookup || !(packet->l4.tcp_flags & TCP_FLAG_ACK) || packet->l4.tcp_flags & TCP_FLAG_SYN ||
	    ((e->ack - 1) & EVIDENCE_ASK_MASK))
		return 0;
	e->established_asked++;
	if (evidence_is_open(ctx, pkt, &packet->l4))
		e->established++;
	return 0;
}
