// SPDX-License-Identifier: GPL-2.0
/*
 * Keys and values of the kernel program's maps, beside the table image (table.h).
 * Byte order is the host's unless a name ends in _be. Growth of any of these changes
 * SEK_LAYOUT, which is part of the pin path: an upgrade never reads another layout. Every layout calls its control map
 * `control` and its links link-*, by which others know what is on an interface.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limits.h>
#include <sekisho/types.h>

#ifndef SEK_LAYOUT /* a test builds an agent of another one */
#define SEK_LAYOUT 2 /* version of this header and table.h together; in the pin path */
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
 * The one control record (ARRAY, 1 entry, mmapable). Written by the keeper only, read by
 * every packet's second half: keep the hot part in the first line.
 */
struct sek_control {
	__u32 mode;	      /* enum sek_mode */
	__u32 malformed_drop; /* 1: drop malformed frames; 0: pass and count them */
	__u32 n_entry_lens4;  /* places taken in entry_lens4: 0 costs nothing */
	__u32 n_entry_lens6;
	__u64 epoch;	      /* random, set once when the maps are created: which life the counters have */
	__u32 table_slot;     /* first slot of sek_table in force: 0 or SEK_SEGMENTS_MAX; one store swaps a generation */
	__u32 pad;
	__u64 rail_bloom[4];  /* 256 bits, sek_rail_bit(): is a source perhaps protected? */
	/*
	 * second line on: prefix lengths to look for in the entry map, longest first, 0 behind the last. A length in use moves
	 * only towards the end, so that a packet in the middle of its walk meets each of them at least once.
	 */
	__u8 entry_lens4[SEK_ENTRY_LENS_MAX];
	__u8 entry_lens6[SEK_ENTRY_LENS_MAX];
};
_Static_assert(sizeof(struct sek_control) == 128, "shared with the kernel program");

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
};

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
};
_Static_assert(sizeof(struct sek_explain) == 120, "shared with the kernel program");
