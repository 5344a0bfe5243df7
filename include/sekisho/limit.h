// SPDX-License-Identifier: GPL-2.0
/*
 * Per-source limits: their settings in the table image, the slots that hold each source's state, and the few formulas
 * both sides must agree on. GCRA (virtual scheduling, ITU-T I.371): a source's whole state is its theoretical arrival
 * time, TAT; a TAT that has passed says no more than an empty slot, so a slot can be reused without losing anything.
 *
 * Slot (u64), eight to a 64-byte line, all limits of one source in one line:
 *   63..24  TAT, units of 16 ns of CLOCK_MONOTONIC modulo 2^40 (wraps every 4 h 53 min)
 *   23      kind: 0 TAT, 1 "over since"
 *   22..19  limit number
 *   18      family, 1 = IPv6
 *   17      parity of the limit's settings that the TAT is by; 0 of an "over since" slot
 *   16..0   what is left of the source's hash
 * An "over since" slot has the expiry (bits 63..44) and the start (43..24) in quanta of 2^20 units (16.8 ms), so that
 * read as a TAT it is its own expiry.
 *
 * A TAT says how much of a burst is used only by the settings it was put by. So a limit whose rate or burst changes gets the
 * other parity: no slot is taken for one by the new settings, and the first packet of a source that has one of the former
 * parity converts it (former_* of struct sek_limit): what the source had used it has used still.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limits.h>

#define SEK_LIMITS_MAX 16	 /* limits: four bits of a slot */
#define SEK_LIMIT_MATCH_MAX 8	 /* limits one packet may match: the config refuses more, warns above 4 */
#define SEK_LIMIT_SETS_MAX 64	 /* distinct sets of limits by destination port: one line each */
#define SEK_LIMIT_UNIT_NS 16	 /* ns: what a TAT counts in */
#define SEK_LIMIT_FRACTION 24	 /* bits below a unit in costs */
#define SEK_LIMIT_TAT_SHIFT 24	 /* where the TAT starts in a slot */
#define SEK_LIMIT_NUMBER_SHIFT 19 /* where the four bits of the limit's number start in a slot */
#define SEK_LIMIT_QUANTUM_SHIFT 20 /* units in a quantum of an over-since slot: 16.8 ms */
#define SEK_LIMIT_BURST_MAX_S 3600 /* s: burst / rate; keeps tau under 2^39 units */
#define SEK_LIMIT_SLOTS 8	 /* slots a line */
#define SEK_LIMIT_EDGE_BYTES 512 /* half a usual frame: what a source over a bits limit is over it, on average */
#define SEK_LIMIT_KIND_SHIFT 23 /* where the kind lies in a slot */
#define SEK_LIMIT_PARITY_SHIFT 17 /* where the parity of its settings lies in a slot */
#define SEK_LIMIT_LINES_MIN_BITS 15 /* 2^15 lines = 2 MiB: below it an IPv4 tag would not be exact */
#define SEK_LIMIT_LINES_BITS 16	 /* default: 4 MiB, half a million slots: a line is mostly in the cache still */
#define SEK_LIMIT_LINES_MAX_BITS 20 /* 64 MiB */

/* Level of a slot of former settings, in units, by those that sek_limit.former_* is for. */
#define sek_limit_level(units, mant, shift) ((units) * (__u64)(mant) >> (shift))

/* What a packet is to the limits. A later fragment is of its protocol, to no port: set 0. */
enum sek_limit_kind {
	SEK_LIMIT_TCP = 0,     /* TCP but a first SYN */
	SEK_LIMIT_TCP_SYN = 1, /* SYN without ACK */
	SEK_LIMIT_UDP = 2,
	SEK_LIMIT_ICMP = 3, /* ICMP and ICMPv6 */
	SEK_LIMIT_OTHER = 4, /* every other protocol, and what cannot be told */
	SEK_LIMIT_KINDS = 5,
};

#define SEK_LIMIT_F_MONITOR 1u /* count, drop nothing */
#define SEK_LIMIT_F_DITHER 2u  /* the cost of a packet is no whole number of units worth rounding */
#define SEK_LIMIT_F_BAN 8u     /* 4 is free: the coarse clock alone made conforming sources lose packets */

/* One limit, two lines of the image: the first is all that a packet within its rate reads. */
struct sek_limit {
	__u64 cost_packet; /* units << SEK_LIMIT_FRACTION a packet; 0: bytes are counted */
	__u64 cost_byte;   /* the same a byte of the frame, Ethernet header included */
	__u64 tau;	   /* slot word: (burst - 1/2) * T << SEK_LIMIT_TAT_SHIFT | 0xffffff */
	__u64 maxd;	   /* slot word: a TAT further ahead than this is left from before a wrap */
	__u32 after_quanta; /* over for this long: a ban is due; with SEK_LIMIT_F_BAN */
	__u32 gap_quanta;  /* not over for this long: "over since" starts anew; max(1 s, T); every limit has it */
	__u8 number;	   /* 0..15, the limit's for good while it is configured */
	__u8 flags;	   /* SEK_LIMIT_F_* */
	__u8 len4;	   /* prefix length that counts as one source: 32, or less with per: /N */
	__u8 len6;	   /* the same for IPv6: ipv6-source-prefix, or less */
	__u32 mark;    /* number and parity, as they stand in a slot */
	/* Slots of the other parity, until all of them are idle: sek_limit_level() is their level by these settings. */
	__u64 former_maxd; /* slot word: one further ahead says nothing; 0: there are none */
	__u32 former_mant; /* below 2^24: a level is below 2^40 */
	__u8 former_shift; /* at most 63 */
	__u8 pad[3];
	/* second line: read when a ban is due */
	__u64 ban_for_ns;
	__u64 ban_most_ns;  /* at-most: cap of repeats */
	__u64 trial_ns;	    /* probation after a ban; 0: as long as the ban was */
	__u32 repeat_x256;  /* each repeat is this much longer, in 1/256: 512 doubles */
	__u32 pad3;
	__u64 pad4[4];
};
_Static_assert(sizeof(struct sek_limit) == 2 * SEK_LINE_BYTES, "two lines");

/* Limits of one packet: how many, then their indexes into sek_table_limits' array, strictest rate first. */
struct sek_limit_list {
	__u8 n; /* 0..SEK_LIMIT_MATCH_MAX */
	__u8 index[SEK_LIMIT_MATCH_MAX];
	__u8 pad[3];
};
_Static_assert(sizeof(struct sek_limit_list) == 12, "five to a line");

/* At line SEK_TABLE_LIMITS_LINE of the image. All zero: no limits, and they cost one test. */
struct sek_table_limits {
	__u32 n_limits;
	__u32 limit_base; /* line of struct sek_limit[n_limits]; even, so that none lies in two segments */
	__u32 set_base;	  /* line of the first set: struct sek_limit_list[SEK_LIMIT_KINDS] each, one line a set */
	__u32 n_sets;	  /* at most SEK_LIMIT_SETS_MAX; set 0 is what every port without a limit of its own has */
	__u32 port_base;  /* line of u8 set[65536] by destination port, 1024 lines; 0: all ports are set 0; with by_kind only */
	__u32 has_ban;	  /* any limit has SEK_LIMIT_F_BAN */
	__u64 ahead;	  /* slot word: largest maxd or former_maxd + 1 s */
	__u32 source_len6; /* ipv6-source-prefix: what a ban of an IPv6 source blocks */
	__u32 by_kind;	   /* 1: which limits a packet meets depends on its protocol or port; 0: every packet meets those of any kind */
	__u32 pad[6];
};
_Static_assert(sizeof(struct sek_table_limits) == SEK_LINE_BYTES, "one line");

/* Value of sek_limit_lines: one source's slots, all its limits. In an mmapable array, so that it is one cache line. */
struct sek_limit_line {
	__u64 slot[SEK_LIMIT_SLOTS];
};
_Static_assert(sizeof(struct sek_limit_line) == SEK_LINE_BYTES, "one line");

/* Keys of the hashes that place a source among the slots: random, made with the slots; another key forgets every source. */
struct sek_limit_keys {
	__u32 add4;
	__u32 mul4[2]; /* taken as odd, as all mul */
	__u32 pad;
	__u64 add6;
	__u64 mul6[3];
};
_Static_assert(sizeof(struct sek_limit_keys) == 48, "shared with the kernel program");
