// SPDX-License-Identifier: GPL-2.0
/*
 * The busiest sources in bounded memory, and the rates of a fixed sample of sources.
 *
 * top: space-saving (Metwally et al. 2005) in sets of four, per CPU, on one packet in control.top_gap. A new source takes
 * the smallest row of its set and inherits its count as its error: count - error <= true sampled count <= count.
 *
 * rates: of all sources, those whose keyed hash falls below a threshold are counted exactly, per limit they match: a fair
 * sample of sources, whatever their rate, so that `limit suggest` can say how many of all a threshold would have hit.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limit.h>
#include <sekisho/maps.h>

#define SEK_TOP_GAP 16		/* the keeper's control.top_gap: one packet in 16, by random; scaled up by user space */
#define SEK_TOP_SETS 512u	/* sets a CPU: 2048 sources, 128 KiB a CPU */
#define SEK_TOP_WAYS 4
#define SEK_RATES_MAX 8192u	/* rows of (source, limit): 576 KiB */

struct sek_top_row {
	__u8 addr_be[16]; /* whole address, network order, IPv4 in the first four bytes */
	__u32 family;	  /* 0: the row is free */
	__u32 error;	/* sampled packets inherited from who had the row before */
	__u32 packets;	/* sampled */
	__u32 drops;	/* sampled, of those */
	__u64 bytes;	/* sampled */
	__u64 last_ns;	/* CLOCK_MONOTONIC, coarse: forget rows by it */
	__u64 drop_bytes; /* sampled, of those */
};
_Static_assert(sizeof(struct sek_top_row) == 56, "shared with the kernel program");

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
