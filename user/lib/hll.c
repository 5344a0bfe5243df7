// SPDX-License-Identifier: GPL-2.0
/* The record of different things seen. See hll.h. */
#include "hll.h"

#include <math.h>

/* the estimate's constant for 128 places and more */
#define ALPHA (0.7213 / (1 + 1.079 / HLL_BYTES))

bool hll_add(struct hll *hll, uint64_t hash)
{
	unsigned place = hash >> (64 - HLL_BITS);
	uint64_t rest = hash << HLL_BITS;
	uint8_t rank = rest ? (uint8_t)__builtin_clzll(rest) + 1 : 64 - HLL_BITS + 1;

	if (rank <= hll->rank[place])
		return false;
	hll->rank[place] = rank;
	return true;
}

double hll_count(const struct hll *hll)
{
	double sum = 0, estimate;
	unsigned i, zeros = 0;

	for (i = 0; i < HLL_BYTES; i++) {
		sum += ldexp(1, -hll->rank[i]);
		zeros += !hll->rank[i];
	}
	estimate = ALPHA * HLL_BYTES * HLL_BYTES / sum;
	if (estimate <= 2.5 * HLL_BYTES && zeros)
		return HLL_BYTES * log((double)HLL_BYTES / zeros);
	return estimate;
}

uint64_t hll_hash(const void *data, unsigned n)
{
	const uint8_t *bytes = data;
	uint64_t sum = 14695981039346656037ull;
	unsigned i;

	for (i = 0; i < n; i++)
		sum = (sum ^ bytes[i]) * 1099511628211ull;
	/* FNV's upper bits differ too little for short things: the finalizer of MurmurHash3. */
	sum = (sum ^ sum >> 33) * 0xff51afd7ed558ccdull;
	sum = (sum ^ sum >> 33) * 0xc4ceb9fe1a85ec53ull;
	return sum ^ sum >> 33;
}
