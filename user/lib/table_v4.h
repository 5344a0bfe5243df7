// SPDX-License-Identifier: GPL-2.0
/*
 * Inside of the IPv4 builder: a policy's ranges seen /24 by /24, and the host buckets.
 * For table_v4_build.c and table_v4_hosts.c only.
 */
#pragma once

#include "policy.h"
#include <sekisho/table_v4.h>
#include <stdbool.h>

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

/* The filter on its way: 2^f lines. */
struct v4_filter {
	uint64_t *words;
	uint32_t mask; /* lines - 1 */
};

enum v4_place { V4_IN_RANK, V4_AS_HOSTS, V4_AS_NET };

/*
 * Which part holds which cell, asked of each in address order. The filter must have the bits of lone
 * addresses already: where one is set a lone /24 cannot be found by its net.
 */
struct v4_places {
	const struct v4_filter *filter;
	uint32_t nets_left; /* lone /24s that the buckets still have room for */
	bool has_buckets;   /* else all is in the rank part */
};

/* Lone addresses that @cell is: 0 if it is something wider. */
uint32_t v4_cell_hosts(const struct v4_cell *cell);
/* Is @cell one whole /24? */
bool v4_cell_is_net(const struct v4_cell *cell);
/* Where @cell belongs. */
enum v4_place v4_place(struct v4_places *places, const struct v4_cell *cell);

/*
 * Makes an empty filter of the size that @policy asks for, of which @n_nets /24s hold something.
 * Errors: -ENOMEM. The caller frees ret_filter->words.
 */
int v4_filter_make(const struct policy *policy, uint64_t n_nets, struct v4_filter *ret_filter);
/* Sets the bits of @cell, those of lone addresses or (@is_wide) of something wider. */
void v4_filter_set(const struct v4_filter *filter, const struct v4_cell *cell, bool is_wide);
/* Is a bit for lone addresses set that an address of the /24 @net (address >> 8) would find? */
bool v4_filter_has_hosts(const struct v4_filter *filter, uint32_t net);

struct v4_buckets {
	uint32_t *slots; /* malloc'd, 2^bits lines */
	uint32_t bits;	 /* 0: no buckets, the rank part holds the hosts too */
	uint32_t mul_s, mul_t;
};

/*
 * Builds the buckets of @n_hosts addresses, and of as many of the @n_nets lone /24s as leave them dense enough; none if they would
 * be out of proportion. *ret_places says to the rank part what they hold, from the first cell on.
 * Errors: -ENOMEM. @ret_buckets->slots is owned by the caller: free().
 */
int v4_buckets_build(const struct policy *policy, const struct v4_filter *filter, uint64_t n_hosts, uint64_t n_nets,
		     uint64_t seed, struct v4_buckets *ret_buckets, struct v4_places *ret_places);
