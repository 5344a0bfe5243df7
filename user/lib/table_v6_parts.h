// SPDX-License-Identifier: GPL-2.0
/*
 * What table_v6_build.c (records and trees) and table_v6_hash.c (filter and buckets) share
 * while they build one image's IPv6 part. Nobody else includes it.
 */
#pragma once

#include "table_build.h"

#include <sekisho/table_v6.h>

#define V6_LOAD_PERCENT                                                                            \
	93 /* of bucket entries: fewer cache lines count more than fewer second looks */
#define GROUP_RECORDS_MAX 4 /* prefixes of one /48 kept as records */

struct area {
	uint64_t (*lines)[8];
	size_t n, cap;
};

/* One dimension (hi or lo) being flattened: nested ranges in, runs of one value each out. */
struct sweep {
	uint64_t *starts;
	uint32_t *values;
	size_t n, cap;
	struct {
		uint64_t last;
		uint32_t value;
	} stack[66]; /* a base, and one range a prefix length */
	int depth;
};

struct item {
	uint64_t key;   /* the /48 */
	uint32_t kind;  /* SEK_V6_WHOLE .. */
	uint32_t value; /* class; for SUBNET bits 48..63 << 16 | class; for RECORDS the payload */
};

struct v6_build {
	struct area records, leaves, nodes;
	struct sweep shorts, hi, lo;
	struct item *items;
	size_t n_items;
	uint64_t (*buckets)[8];
	uint32_t *slot_items; /* item in each slot */
	uint64_t (*filter)[8];
	struct sek_table_v6 par;
	uint64_t rng;
	size_t record_free[GROUP_RECORDS_MAX]; /* 1 + line with that many free records, 0 none */
	int err; /* the first error; later calls do nothing of use but stay safe */
};

/*
 * Makes b->filter for the @n prefixes of @p, sets filter_mask and flags.
 * Errors: -ENOMEM.
 */
int v6_filter_build(struct v6_build *b, const struct policy_prefix6 *p, size_t n);

/* Sets how many bucket lines there are, at least 2^SEK_V6_K_MIN, and its logarithm. */
void v6_buckets_size(struct v6_build *b, uint64_t n_buckets);

/*
 * Puts b->items into b->buckets, from b->par.n_buckets lines on; sets n_buckets, k, s and t. When
 * they do not work out, new multipliers, then more buckets: no list is refused for its addresses.
 * Errors: -ENOMEM; -E2BIG over SEK_V6_K_MAX.
 */
int v6_buckets_build(struct v6_build *b);
