// SPDX-License-Identifier: GPL-2.0
/*
 * The busiest sources in bounded memory, and the rates of a fixed sample of sources.
 *
 * top: space-saving (Metwally et al. 2005) in sets of four, per CPU, on one packet in a gap that grows with the CPU's rate, from
 * 1 to control.top_gap; each stands for as many packets as the gap it was drawn in. A new source takes the smallest row of its
 * set and inherits its count as its error: count - error <= true count <= count, beside the sample's own scatter.
 *
 * rates: of all sources, those whose keyed hash falls below a threshold are counted exactly, per limit they match: a fair
 * sample of sources, whatever their rate, so that `limit suggest` can say how many of all a threshold would have hit.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limit.h>
#include <sekisho/maps.h>

#define SEK_TOP_GAP 64		/* the keeper's control.top_gap: one packet in 64, by random, on a busy CPU; 2 ns a packet */
#define SEK_TOP_SETS 512u	/* sets a CPU: 2048 sources, 144 KiB a CPU */
#define SEK_TOP_WAYS 4
#define SEK_RATES_MAX 8192u	/* rows of (source, limit): 576 KiB */

struct sek_top_row {
	__u8 addr_be[16]; /* whole address, network order, IPv4 in the first four bytes; of IPv6 the first seen of its source, a network */
	__u32 family;	  /* 0: the row is free */
	__u32 pad;
	__u64 error;	/* packets inherited from who had the row before */
	__u64 packets;	/* scaled up from the sample, as all of these */
	__u64 drops;	/* of those */
	__u64 bytes;
	__u64 drop_bytes; /* of those */
	__u64 last_ns;	/* CLOCK_MONOTONIC, coarse: forget rows by it */
};
_Static_assert(sizeof(struct sek_top_row) == 72, "shared with the kernel program");

/* Value of sek_top (ARRAY, n_cpus * SEK_TOP_SETS): CPU n's sets start at n * SEK_TOP_SETS, and only it writes them. */
struct sek_top_set {
	struct sek_top_row row[SEK_TOP_WAYS];
};

/* Value of sek_rates (ARRAY of SEK_RATES_MAX; index = hash of source and limit; a row in use by another is left alone and counted). */
struct sek_rate_row {
	__u64 tag;	 /* keyed hash of source and limit, 0 free; claimed by compare-and-swap */
	__u64 window;	 /* what control.rates_window was; another one's row is free */
	__u64 second;	 /* second of CLOCK_MONOTONIC that now_* count */
	__u32 now_packets, peak_packets; /* in this second; the most in any second of the window */
	__u64 now_bytes, peak_bytes;
	__u64 packets, bytes; /* in the window */
	__u32 limit;	 /* number; SEK_LIMITS_MAX: all packets, whatever the limits */
	__u32 family;
};
_Static_assert(sizeof(struct sek_rate_row) == 72, "shared with the kernel program");
