// SPDX-License-Identifier: GPL-2.0
/* Peak rates of sources: added, merged, asked for a quantile or for those above a threshold. */
#include "rate_hist.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static unsigned bin_of(double per_s)
{
	double at = (log2(per_s) - RATE_HIST_MIN_LOG2) * RATE_HIST_STEPS;

	if (at < 0)
		return 0;
	return at >= RATE_HIST_BINS ? RATE_HIST_BINS - 1 : (unsigned)at;
}

/* Upper edge of a bin. */
static double edge(unsigned bin)
{
	return exp2(RATE_HIST_MIN_LOG2 + (bin + 1.0) / RATE_HIST_STEPS);
}

void rate_hist_add(struct rate_hist *hist, double per_s, double weight)
{
	if (!(per_s > 0) || !(weight > 0))
		return;
	hist->sources[bin_of(per_s)] += weight;
	hist->total += weight;
	if (per_s > hist->highest_per_s)
		hist->highest_per_s = per_s;
}

void rate_hist_merge(struct rate_hist *into, const struct rate_hist *from)
{
	for (unsigned i = 0; i < RATE_HIST_BINS; i++)
		into->sources[i] += from->sources[i];
	into->total += from->total;
	into->highest_per_s = fmax(into->highest_per_s, from->highest_per_s);
}

double rate_hist_quantile(const struct rate_hist *hist, double share)
{
	double want = share * hist->total, sum = 0;

	if (hist->total <= 0)
		return 0;
	for (unsigned i = 0; i < RATE_HIST_BINS; i++) {
		sum += hist->sources[i];
		if (hist->sources[i] > 0 && sum >= want * (1 - 1e-12))
			return fmin(edge(i), hist->highest_per_s);
	}
	return hist->highest_per_s;
}

double rate_hist_above(const struct rate_hist *hist, double per_s)
{
	double sum = 0, left;
	unsigned bin;

	if (!(per_s > 0))
		return hist->total;
	if (per_s >= hist->highest_per_s)
		return 0;
	bin = bin_of(per_s);
	for (unsigned i = bin + 1; i < RATE_HIST_BINS; i++)
		sum += hist->sources[i];
	left = (log2(edge(bin)) - log2(per_s)) * RATE_HIST_STEPS;
	return sum + hist->sources[bin] * fmin(fmax(left, 0), 1);
}

static size_t put(uint8_t *data, size_t at, const void *value, size_t size)
{
	memcpy(data + at, value, size);
	return at + size;
}

size_t rate_hist_pack(const struct rate_hist *hist, uint8_t *data)
{
	size_t len = put(data, put(data, 0, &hist->total, 8), &hist->highest_per_s, 8);

	for (uint16_t i = 0; i < RATE_HIST_BINS; i++) {
		float count = hist->sources[i];

		if (count > 0)
			len = put(data, put(data, len, &i, 2), &count, 4);
	}
	return len;
}

int rate_hist_unpack(const uint8_t *data, size_t len, struct rate_hist *ret_hist)
{
	struct rate_hist hist = { 0 };

	if (len < 16 || (len - 16) % 6 || len > RATE_HIST_PACKED_MAX)
		return -EBADMSG;
	memcpy(&hist.total, data, 8);
	memcpy(&hist.highest_per_s, data + 8, 8);
	if (!isfinite(hist.total) || hist.total < 0 || !isfinite(hist.highest_per_s) ||
	    hist.highest_per_s < 0)
		return -EBADMSG;
	for (size_t at = 16; at < len; at += 6) {
		uint16_t bin;
		float count;

		memcpy(&bin, data + at, 2);
		memcpy(&count, data + at + 2, 4);
		if (bin >= RATE_HIST_BINS || !isfinite(count) || count < 0)
			return -EBADMSG;
		hist.sources[bin] = count;
	}
	*ret_hist = hist;
	return 0;
}
