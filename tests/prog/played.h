// SPDX-License-Identifier: GPL-2.0
/* What test_played.c and played.bpf.c share: who sends when, in played time. */
#pragma once

#include <linux/types.h>

/* A step is one packet, at its own time. Who sends it: the innocent, else the offender, else a new spoofed source or nobody new. */
struct played_scene {
	__u64 clock_ns; /* the program's both clocks; shared by all CPUs: a step adds step_ns */
	__u64 step_ns;
	__u64 tick_ns; /* of the coarse clock; 0: as good as the precise one */
	__u32 innocent_every; /* steps between two packets of the innocent source; 0: it sends none */
	__u32 offender_every; /* the same for the source over its limit; 1: it alone sends */
	__u64 offered; /* out: packets of the offender */
};

#define PLAYED_INNOCENT 0xcb007101u /* 203.0.113.1 */
#define PLAYED_OFFENDER 0xcb007102u
