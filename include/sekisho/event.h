// SPDX-License-Identifier: GPL-2.0
/*
 * Records of the ring buffer sek_events: sampled drops, and each ban with its evidence. A full ring
 * is counted, never waited for.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/ban.h>

#define SEK_EVENT_HEADER_BYTES                                                                     \
	96 /* bytes of the frame kept: Ethernet, two tags, IPv6 and TCP with options */
#define SEK_EVENTS_BYTES (1u << 20) /* bytes of the ring: some seconds at the largest sample rate */

enum sek_event_type {
	SEK_EVENT_DROP = 1,	   /* a sampled packet that was, or would have been, dropped */
	SEK_EVENT_BAN = 2,	   /* a ban begins; evidence and ban are set */
	SEK_EVENT_BAN_REFUSED = 3, /* the ban map is full: the source stays limited, not banned */
	SEK_EVENT_OVER = 4,	   /* a source has just gone over a limit: header of that packet */
};

struct sek_event {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u64 generation;
	struct sek_entry_key source; /* len 32 or 128 for a drop; the ban's key for a ban */
	__u8 type;	 /* enum sek_event_type */
	__u8 verdict;	 /* enum sek_verdict */
	__u8 reason;	 /* enum sek_reason */
	__u8 limit;	 /* number of the limit; 0xff none */
	__u16 counter;	 /* class counter, for reason feed */
	__u8 l4_proto;
	__u8 tcp_flags;
	__be16 sport_be, dport_be;
	__u32 frame_bytes;
	__u32 iface_slot;
	__u16 header_bytes;
	__u16 pad;
	__u8 header[SEK_EVENT_HEADER_BYTES];
};
_Static_assert(sizeof(struct sek_event) == 160, "shared with the kernel program");

/* A SEK_EVENT_BAN record is this long; others are a struct sek_event. */
struct sek_ban_event {
	struct sek_event event;
	struct sek_ban ban;
	struct sek_evidence evidence; /* busy 0: there was no record free */
};
