// SPDX-License-Identifier: GPL-2.0
/* What test_limit.c and limit_probe.bpf.c share: the scene that is played, and what came of it. */
#pragma once

#include <linux/types.h>
#include <sekisho/limit.h>

#define LIMIT_PROBE_CPUS 8

/*
 * One played second of 1 M spoofed sources has a million steps; every step is one packet, at its
 * own time.
 */
struct limit_scene {
	struct sek_limit limit;
	struct sek_limit_keys keys;
	__u64 ahead;
	__u64
	    clock_ns; /* shared by all CPUs: a step adds step_ns and takes what it reads as its time */
	__u64 step_ns;
	__u64 tick_ns;	   /* the coarse clock's; 0: as good as the precise one */
	__u32 bits;	   /* of the table's lines */
	__u32 family;
	__u32 bytes;	   /* of each frame */
	__u32
	    every; /* 0: every step is the one source; else every so many steps the innocent source sends, */
	__u32 burst;	   /* so many packets at once, */
	__u32 first;	   /* and before that, once, so many */
	__u32 is_spoofed;  /* and at every step a new source */
	__u32
	    offender_every; /* so many steps between two packets of a source over its limit; 0: none */
	__u32 has_ban;	   /* ask limit_over() too */
	__u32 line;	   /* out, of place_probe: where a source's slots are, */
	__u32 tag;	   /* and how they are marked */
	__u8 addr_be[16];  /* in, of place_probe */
};

struct limit_count {
	__u64 passed, over, evicted, gave_up, ban_due;
};

struct limit_counts {
	struct limit_count source, innocent, offender;
	__u64 pad; /* a cache line of two: no sharing between CPUs */
};
