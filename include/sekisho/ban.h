// SPDX-License-Identifier: GPL-2.0
/*
 * Bans made by the program itself when a source stays over its limit, and the evidence beside them. The program
 * writes both; the engine reads; only the keeper deletes or restores a ban. A full map refuses, it never evicts.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limit.h>
#include <sekisho/maps.h>

#define SEK_BANS_MAX (1u << 18)	  /* bans and trials at once: 100 k live ones with room */
#define SEK_BAN_LENS_MAX 8	  /* distinct prefix lengths of bans a family: 16 limits with per: are seldom more than two */
#define SEK_EVIDENCE_MAX 4096u	  /* records; only sources more than half full of a limit touch one */
#define SEK_EVIDENCE_IDLE_NS 60000000000ull /* ns without an update: the record may go to another source */

/* Key of sek_bans: struct sek_entry_key, len as the limit's len4 or len6. Times are CLOCK_BOOTTIME ns. */
struct sek_ban {
	__u64 since_ns;
	__u64 until_ns;	   /* drops end here by themselves */
	__u64 trial_until_ns; /* until here the next offence is a repeat; then the record says nothing any more */
	__u64 generation;  /* of the table at the trigger */
	__u64 dropped;	   /* packets during the ban */
	__u64 dropped_bytes;
	__u64 dropped_first_s; /* packets in its first second */
	__u64 last_ns;	   /* last packet dropped */
	__u64 last_second; /* boot second that last_s counts */
	__u32 last_s;	   /* packets in that second */
	__u32 level;	   /* 0 the first ban, 1 the first repeat, ... */
	__u32 limit;	   /* number of the limit */
	__u32 random;	   /* with the key and since_ns, names the ban for good */
};
_Static_assert(sizeof(struct sek_ban) == 88, "shared with the kernel program");

/* What a source that is near or over a limit did lately. Counts of two CPUs may lose a few: the ban's own are exact enough to judge. */
struct sek_evidence {
	struct sek_entry_key source; /* as for the ban */
	__u32 busy;		     /* claimed by compare-and-swap: 0 free */
	__u64 first_ns, last_ns;     /* CLOCK_MONOTONIC */
	__u64 packets, bytes;
	__u32 passed, dropped;
	__u32 tcp, udp, icmp, other; /* packets by protocol */
	__u32 syn, ack, fin, rst;    /* TCP: first SYNs; ACK without SYN; FIN; RST */
	__u32 established;	     /* ACK packets whose connection this host has open (bpf_skc_lookup_tcp) */
	__u32 established_asked;     /* of so many looked up */
	__u32 min_bytes, max_bytes;
	__u32 size_log2[12];	     /* packets by frame size: < 64, < 96, < 128, < 192, < 256, < 384, < 512, < 768, < 1024, < 1280, < 1514, more */
	__u64 port_bitmap;	     /* bit hash(dport) % 64: linear counting of distinct ports */
	__u16 ports[4];		     /* last different destination ports */
	__u8 min_ttl, max_ttl;
	__u8 pad[14];
};
_Static_assert(sizeof(struct sek_evidence) == 192, "shared with the kernel program");
