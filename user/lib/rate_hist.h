// SPDX-License-Identifier: GPL-2.0
/*
 * How many sources had which peak rate: a histogram of fixed size on a logarithmic scale, 16 steps
 * an octave, so that a threshold read from it is off by at most 4.5 %. Weighted, since only a
 * sample of the sources is counted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RATE_HIST_STEPS 16 /* an octave: 2^(1/16) = 1.0443 */
#define RATE_HIST_OCTAVES 42 /* from 1/1024 to 2^32 a second */
#define RATE_HIST_MIN_LOG2 (-10)
#define RATE_HIST_BINS (RATE_HIST_STEPS * RATE_HIST_OCTAVES)

struct rate_hist {
	double sources[RATE_HIST_BINS]; /* weighted count of each bin */
	double total;
	double highest_per_s;
};

/*
 * Counts a source whose highest rate was @per_s as @weight sources (1 / the share sampled). A rate
 * of 0 or less is not counted.
 */
void rate_hist_add(struct rate_hist *hist, double per_s, double weight);
void rate_hist_merge(struct rate_hist *into, const struct rate_hist *from);

/*
 * Lowest rate that at least @share (0..1) of the sources stay at or below; 0 where nothing was
 * counted.
 */
double rate_hist_quantile(const struct rate_hist *hist, double share);

/* Sources whose peak was above @per_s; a bin that it cuts counts in proportion on the log scale. */
double rate_hist_above(const struct rate_hist *hist, double per_s);

/*
 * To and from bytes for the state: pairs of (u16 bin, float count) of the bins in use, then total
 * and highest. rate_hist_pack() returns the length; @data has room for RATE_HIST_PACKED_MAX. Errors
 * of unpack: -EBADMSG.
 */
#define RATE_HIST_PACKED_MAX (16 + RATE_HIST_BINS * 6)
size_t rate_hist_pack(const struct rate_hist *hist, uint8_t *data);
int rate_hist_unpack(const uint8_t *data, size_t len, struct rate_hist *ret_hist);
