// SPDX-License-Identifier: GPL-2.0
/*
 * How many different things were seen, in 4 kB whatever their number: HyperLogLog. Exact to a few
 * up to some hundreds, within 1.6 % (one standard error) above; it never forgets, and two records
 * of one kind can be joined.
 * Source: Flajolet et al. 2007; linear counting below 2.5 * 4096, Whang et al. 1990.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HLL_BITS 12
#define HLL_BYTES (1u << HLL_BITS)

struct hll {
	uint8_t rank[HLL_BYTES];
};

/*
 * Notes a thing by a 64-bit hash of it, all bits of which count. Returns whether the record
 * changed.
 */
bool hll_add(struct hll *hll, uint64_t hash);
/* How many different things were noted, about. */
double hll_count(const struct hll *hll);
/*
 * A hash for it of @n bytes: FNV-1a, mixed. Not keyed: who chooses the things can choose the count.
 */
uint64_t hll_hash(const void *data, unsigned n);
