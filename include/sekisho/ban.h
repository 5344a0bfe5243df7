// SPDX-License-Identifier: GPL-2.0
/*
 * The evidence beside bans: what a source that is near or over a limit did lately. The program
 * writes it, the engine reads it, from the map at any time and from the ring buffer as it was when
 * a ban began.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limit.h>
#include <sekisho/maps.h>

#define SEK_EVIDENCE_MAX 4096u /* records; only sources more than half full of a limit touch one */
#define SEK_EVIDENCE_IDLE_NS                                                                       \
	60000000000ull /* ns without an update: the record may go to another source */
#define SEK_EVIDENCE_SMALL 64		      /* fewer packets over a limit than that, */
#define SEK_EVIDENCE_SMALL_IDLE_NS 2000000000ull /* and it may go so soon: spoofed sources cannot hold the records */
#define SEK_EVIDENCE_OWNER 2u	   /* added to busy by a new owner, */
#define SEK_EVIDENCE_AGAIN 0x10000u /* and by the same one that begins anew */
#define SEK_EVIDENCE_SIZES 12

/* What a source did by one limit since it went over it: what the limit's ban is measured by. */
struct sek_evidence_rate {
	__u32 since_ms; /* of CLOCK_BOOTTIME, modulo 2^32 */
	__u32 packets;
	__u64 bytes;
};
#define SEK_EVIDENCE_RATES 2 /* limits measured at once: a third takes the place of the older */

/*
 * Counts of two CPUs may lose a few: the ban's own are exact enough to judge. Times are
 * CLOCK_BOOTTIME, coarse.
 */
struct sek_evidence {
	struct sek_entry_key
	    source; /* as for the ban: len is that of the limit that is nearest to over */
	__u32 busy;		     /* claimed by compare-and-swap: 0 free; grows by SEK_EVIDENCE_* */
	__u64 first_ns, last_ns;
	__u64 packets, bytes;
	__u64 second;			 /* boot second that now_* count */
	__u64 now_bytes, peak_bytes;	 /* in that second; the most in any second of this record */
	__u32 now_packets, peak_packets;
	__u32
	    dropped; /* packets over a limit, or that would have been dropped by it; all others passed */
	__u32 limits;	 /* set of the numbers of limits it was near or over */
	__u32 tcp, udp, icmp, other; /* packets by protocol */
	__u32 syn, ack, fin, rst;    /* TCP: first SYNs; ACK without SYN; FIN; RST */
	__u32
	    established; /* ACK packets whose connection this host has open (bpf_skc_lookup_tcp) */
	__u32 established_asked;     /* of so many looked up */
	__u32 fragments;
	__u32 min_bytes, max_bytes;
	__u32 size_log2
	    [SEK_EVIDENCE_SIZES]; /* packets by frame size: < 64, < 96, < 128, < 192, < 256, < 384, < 512, < 768, < 1024, < 1280, <= 1514, more */
	__u32 pad;
	__u64 port_bitmap;	     /* bit hash(dport) % 64: linear counting of distinct ports */
	__u16 ports[4];		     /* last different destination ports, 0 none */
	__u8 min_ttl, max_ttl;
	__u8 rate_of[SEK_EVIDENCE_RATES]; /* number + 1 of each rate's limit, 0 none */
	__u8 is_told; /* a ban began and has this record's copy: the source's next offence starts anew */
	__u8 pad2[3];
	struct sek_evidence_rate rate[SEK_EVIDENCE_RATES];
};
_Static_assert(sizeof(struct sek_evidence) == 256, "shared with the kernel program");
