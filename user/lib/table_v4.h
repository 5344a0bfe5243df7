// SPDX-License-Identifier: GPL-2.0
/*
 * Inside of the IPv4 builder: a policy's ranges seen /24 by /24, and the host buckets.
 * For table_v4_build.c and table_v4_hosts.c only.
 */
#pragma once

#include "policy.h"
#include <sekisho/table_v4.h>

struct v4_run {
	uint8_t lo, hi; /* last byte of the address, inclusive */
	uint16_t class_id;
};

/* Either @count whole /24s of one class (one run 0..255), or one /24 with any runs. */
struct v4_cell {
	uint32_t first; /* address >> 8 */
	uint32_t count;
	uint32_t n_runs;
	struct v4_run runs[256];
};

/* Where a walk over the cells stands; {policy} starts it. */
struct v4_walk {
	const struct policy *policy;
	size_t i;     /* range */
	uint32_t at;  /* first address of it not yet seen, if @inside */
	bool inside;
};

/* The next cell in address order; false at the end. */
bool v4_walk_next(struct v4_walk *walk, struct v4_cell *ret_cell);

/* Addresses that @cell puts into the buckets: 0 if the rank part holds it. */
uint32_t v4_cell_hosts(const struct v4_cell *cell);

struct v4_buckets {
	uint32_t *slots; /* malloc'd, 2^bits lines */
	uint32_t bits;	 /* 0: no buckets, the rank part holds the hosts too */
	uint32_t mul_s, mul_t;
};

/*
 * Builds the buckets of @n_hosts addresses; none if they would be out of proportion.
 * Errors: -ENOMEM. @ret_buckets->slots is owned by the caller: free().
 */
int v4_buckets_build(const struct policy *policy, uint64_t n_hosts, uint64_t seed,
		     struct v4_buckets *ret_buckets);
