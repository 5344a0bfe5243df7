// SPDX-License-Identifier: GPL-2.0
/* What flood.c and flood.bpf.c share: who sends, how often, and what became of it. */
#pragma once

#include <linux/types.h>

enum sender { SPOOFED, OFFENDER, INNOCENT, SENDERS };

struct flood_count {
	__u64 sent, dropped;
};

struct flood {
	__u64 clock_ns, step_ns; /* played time: a packet a step */
	__u32 share[SENDERS];	 /* packets of each in a million, at random; together a million */
	__u32 n[SENDERS];	 /* offenders and innocents, each in turn; spoofed sources are new ones */
	__u32 next[SENDERS];
	__u32 last;		 /* enum sender of the packet before: its verdict shows in the drops since */
	__u64 drops;		 /* when it was sent */
	struct flood_count count[SENDERS];
};

#define FLOOD_OFFENDER 0x0a000000u /* 10.0.0.0 and on: no spoofed source is there */
#define FLOOD_INNOCENT 0x0b000000u
#define FLOOD_MILLION 1000000u
