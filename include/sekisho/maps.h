// SPDX-License-Identifier: GPL-2.0
/*
 * Keys and values of the kernel program's maps, beside the table image (table.h).
 * Byte order is the host's unless a name ends in _be. Growth of any of these changes
 * SEK_LAYOUT, which is part of the pin path: an upgrade never reads another layout. Every layout calls its control map
 * `control` and its links link-*, by which others know what is on an interface.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limit.h>
#include <sekisho/limits.h>
#include <sekisho/types.h>

#ifndef SEK_LAYOUT /* a test builds an agent of another one */
#define SEK_LAYOUT 7 /* version of this header and table.h together; in the pin path */
#endif

#define SEK_FOREVER (~0ull) /* an expiry that never comes */

/* Key of a hand-made entry: one exact prefix. Unused address bytes are 0. */
struct sek_entry_key {
	__u8 addr_be[16]; /* network order; IPv4 in the first four bytes */
	__u8 family;	  /* 4 or 6 */
	__u8 len;	  /* prefix length, 1..32 or 1..128 */
	__u8 pad[2];
};
_Static_assert(sizeof(struct sek_entry_key) == 20, "shared with the kernel program");

/* A hand-made entry: one block part, one allow part, each with its own end. */
struct sek_entry {
	__u64 block_until_ns; /* CLOCK_BOOTTIME; 0: no block part; SEK_FOREVER: no end */
	__u64 allow_until_ns; /* the same for the allow part */
	__u32 block_origin;   /* engine's origin id of the block part's last-ending row */
	__u32 allow_origin;
	__u32 flags;	      /* SEK_E_* of the block part */
	__u32 pad;
};
_Static_assert(sizeof(struct sek_entry) == 32, "shared with the kernel program");
#define SEK_E_BAN 1u	/* it came from a limit */
#define SEK_E_FORCED 2u /* a person said --force: it overrides the rails inside it, while it lives */

/*
 * A ban that the program began by itself when a source stayed over a limit. Key: struct sek_entry_key, its len the
 * limit's len4 or len6. Written by the program; only the keeper deletes or restores one. Times are CLOCK_BOOTTIME ns.
 * After until_ns the record drops nothing; until trial_until_ns the next offence is a repeat; then it says nothing.
 */
struct sek_ban {
	__u64 since_ns;
	__u64 until_ns; /* drops end here by themselves */
	__u64 trial_until_ns;
	__u64 generation;      /* of the table at the trigger */
	__u64 dropped;	       /* packets during the ban; two CPUs may lose a few, as in all that follows */
	__u64 dropped_bytes;
	__u64 dropped_first_s; /* packets in its first second */
	__u64 last_ns;	       /* last packet dropped */
	__u64 last_second;     /* boot second that last_s counts */
	__u32 last_s;	       /* packets in that second */
	__u32 level;	       /* 0 the first ban, 1 the first repeat, ... */
	__u32 limit;	       /* number of the limit */
	__u32 random;	       /* with the key and since_ns, names the ban for good; 0: it is being written */
};
_Static_assert(sizeof(struct sek_ban) == 88, "shared with the kernel program");

/*
 * The one control record (ARRAY, 1 entry, mmapable), read by every packet's second half: keep the hot part in the first
 * line. Written by the keeper only, but for n_bans.
 */
struct sek_control {
	__u32 mode;	      /* enum sek_mode */
	__u32 malformed_drop; /* 1: drop malformed frames; 0: pass and count them */
	__u32 n_entry_lens4;  /* places taken in entry_lens4: 0 costs nothing */
	__u32 n_entry_lens6;
	__u64 epoch;	      /* random, set once when the maps are created: which life the counters have */
	__u32 table_slot;     /* first slot of sek_table in force: 0 or SEK_SEGMENTS_MAX; one store swaps a generation */
	__u32 n_bans;	      /* records in sek_bans, ended ones too; 0: no lookup. Atomic: the program adds, the keeper both */
	__u64 rail_bloom[4];  /* 256 bits, sek_rail_bit(): is a source perhaps protected? */
	/*
	 * second line on: prefix lengths to look for in the entry map, longest first, 0 behind the last. A length in use moves
	 * only towards the end, so that a packet in the middle of its walk meets each of them at least once.
	 */
	__u8 entry_lens4[SEK_ENTRY_LENS_MAX];
	__u8 entry_lens6[SEK_ENTRY_LENS_MAX];
	/*
	 * third line: the same for sek_bans: lengths of all limits that ban (set before their image is in force) and of all bans
	 * there are.
	 */
	__u8 ban_lens4[SEK_BAN_LENS_MAX];
	__u8 ban_lens6[SEK_BAN_LENS_MAX];
	struct sek_limit_keys limit_keys; /* random, set once with the maps; keys of the rates' sample too */
	/* fourth line */
	__u32 limit_bits;      /* log2 of the lines in sek_limit_lines, set once with the maps; 0: limits do nothing */
	__u32 events_per_s;    /* sampled drops a CPU and second, and as many sources that go over; 0: bans alone */
	__u64 rates_window;    /* grows: rows of another window are free */
	__u32 rates_threshold; /* a source is in the sample if its 32-bit hash is below it; 0: none is */
	__u32 top_gap;	       /* at least one packet in so many goes into sek_top, at random; 0: none; at most 65536 */
	__u64 top_ignore_be[2]; /* address bits that tell no sources of sek_top apart: of IPv6 those behind ipv6-source-prefix, which no IPv4 address has */
	__u64 pad[3];
};
_Static_assert(sizeof(struct sek_control) == 256, "shared with the kernel program");

/* Key of the rail map (HASH, exact addresses, value __u32 kind). Same form as an entry key's address. */
struct sek_rail_key {
	__u8 addr_be[16];
	__u32 family; /* 4 or 6 */
};
_Static_assert(sizeof(struct sek_rail_key) == 20, "shared with the kernel program");

/* Why an address is protected: values of the rail map. */
enum sek_rail {
	SEK_RAIL_OWN = 1,      /* address of this host */
	SEK_RAIL_GATEWAY = 2,  /* default gateway */
	SEK_RAIL_RESOLVER = 3, /* nameserver in use */
	SEK_RAIL_SSH = 4,      /* source of the SSH session that started the agent */
	SEK_RAIL_LOCAL = 5,    /* loopback, link-local, unspecified: constants in the program, not in the map */
};

/* Bit of rail_bloom for an address: @fold is the XOR of the address's 32-bit words as loaded. */
#define sek_rail_bit(fold) (((__u32)(fold) * 0x9E3779B1u) >> 24)

struct sek_counter {
	__u64 packets;
	__u64 bytes; /* frame bytes from the Ethernet header on */
};

/*
 * One CPU's counters (ARRAY of nr_possible_cpus entries, mmapable: readers map it, no system
 * call). Only that CPU writes; a reader may see packets and bytes one packet apart.
 */
struct sek_cpu {
	struct sek_counter verdicts[SEK_IFACES_MAX][SEK_V_MAX][SEK_R_MAX];
	/*
	 * By the class's counter id (struct sek_class): a packet dropped by it, and one that
	 * would have been. Lists are credited from these in user space (see table.h).
	 */
	struct sek_counter class_drops[SEK_CLASSES_MAX];
	struct sek_counter class_woulds[SEK_CLASSES_MAX];
	/* By a limit's number. A packet over a monitor limit is a would of it, whatever becomes of the packet later. */
	struct sek_counter limit_drops[SEK_LIMITS_MAX];
	struct sek_counter limit_woulds[SEK_LIMITS_MAX];
	__u64 limit_bans[SEK_LIMITS_MAX];   /* bans begun, repeats too */
	__u64 bans_refused[SEK_LIMITS_MAX]; /* packets that would have begun one: the map is full */
	__u64 limit_evictions; /* live slots of other sources given to newcomers: the table is too small */
	__u64 limit_gave_up;   /* packets passed uncharged: a slot changed hands at every try */
	__u64 evidence_missed; /* packets of a source without a record: it is another's */
	__u64 rates_missed;    /* the same for a row of sek_rates */
	__u64 events;	       /* records given to the ring */
	__u64 events_lost;     /* the ring was full */
	__u64 events_unsampled; /* drops over the budget of events_per_s */
	/* the program's own */
	__u64 clock_tick;    /* jiffies when the two below were read */
	__u64 clock_ns;	     /* CLOCK_MONOTONIC, coarse */
	__u64 clock_boot_ns; /* CLOCK_BOOTTIME */
	__u64 event_second; /* that event_count is of */
	__u32 event_count;
	__u32 event_skip; /* drops to come that are no sample */
	__u32 top_left;	  /* packets until the next one for sek_top */
	__u32 top_gap;	  /* the gap that one was drawn in; 0: none yet */
	__u64 top_second; /* that top_count is of */
	__u32 top_count;  /* samples in it at this gap */
	__u32 zero;	  /* always 0, which the verifier cannot know: what starts from it is one state to it, not many */
	struct sek_ban ban; /* one that is being made */
};

/* One limit's state for one source, as sek_explain saw it. ahead_ns / (tau_ns + a packet's cost) says how full it is. */
struct sek_explain_limit {
	__u8 number;
	__u8 flags;   /* SEK_LIMIT_F_* */
	__u8 len;     /* prefix length that counts as this source */
	__u8 is_over; /* the next packet would be over */
	__u32 pad;
	__u64 ahead_ns; /* arrival time less now: what the source has used of its burst; 0: idle */
	__u64 tau_ns;	/* ahead_ns beyond this is over */
	__u64 over_ns;	/* over for so long, in steps of 16.8 ms, with SEK_LIMIT_F_BAN only; 0: not */
};
_Static_assert(sizeof(struct sek_explain_limit) == 32, "shared with the kernel program");

/*
 * What the program thinks of one source, for `explain`: the first bytes of the data given to
 * the program sek_explain by BPF_PROG_TEST_RUN, answered in place. It runs the very functions
 * a packet runs, on the maps in force, and counts nothing.
 */
struct sek_explain {
	__u8 addr_be[16];  /* in */
	__u8 family;	   /* in: 4 or 6 */
	__u8 verdict;	   /* out: enum sek_verdict */
	__u8 reason;	   /* out: enum sek_reason; of a would-drop, what would have dropped it */
	__u8 class_action; /* out: enum sek_action of the table's class */
	__u32 class_id;	   /* out: 0 none; index into the image's classes */
	__u32 counter;	   /* out: the class's counter id */
	__u32 rail;	   /* out: enum sek_rail, 0 not protected */
	__u64 generation;  /* out: the table image that answered */
	__u32 block_len;   /* out: prefix length of the block entry that holds it; 0 none */
	__u32 allow_len;   /* out: the same for allow */
	struct sek_entry block; /* out: that entry */
	struct sek_entry allow;
	__u32 mode;	   /* out: enum sek_mode in force */
	__u32 answered;	   /* out: 1 if the program ran to its end */
	__u8 l4_kind;	   /* in: enum sek_limit_kind + 1: limits for such packets to dport; 0: every limit */
	__u8 n_limits;	   /* out: rows of limits[]; they are looked at, never charged */
	__u16 dport;	   /* in: host order */
	__u32 ban_len;	   /* out: prefix length of the ban below, live or on trial; 0 none */
	struct sek_ban ban; /* out */
	struct sek_explain_limit limits[SEK_LIMITS_MAX]; /* out: in the order a packet meets them */
};
_Static_assert(sizeof(struct sek_explain) == 216 + 32 * SEK_LIMITS_MAX, "shared with the kernel program");
