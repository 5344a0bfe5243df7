// SPDX-License-Identifier: GPL-2.0
/*
 * What lists have in common: two of them by one walk over both, all of them from the classes of a
 * flattened policy, where each address's set of lists is known already. Sizes count an address
 * once, however often a list names it.
 */
#pragma once

#include "policy.h"

/* IPv4 sizes are addresses, IPv6 sizes are /64 networks (a /128 is 2^-64 of one). */
struct overlap {
	uint64_t entries;	  /* of the first list */
	uint64_t entries_inside;  /* of these, wholly inside what the second covers */
	/* of these, sharing an address with it; entries_inside are among them */
	uint64_t entries_touched;
	double size, other_size;  /* of both lists */
	double both;		  /* in both */
};

/* Arrays are sorted as lists are (prefix.h); entries may lie inside one another. */
void overlap4(const struct prefix4 *a, size_t n_a, const struct prefix4 *b, size_t n_b,
	      struct overlap *ret_overlap);
void overlap6(const struct prefix6 *a, size_t n_a, const struct prefix6 *b, size_t n_b,
	      struct overlap *ret_overlap);

/* How much of the address space has one set of lists. */
struct overlap_class {
	uint64_t lists[SEK_LISTS_MAX / 64];
	double v4, v6;
};

/*
 * The sizes of @policy's classes, class 0 included, n_classes of them. The caller's to free().
 * Errors: -ENOMEM.
 */
int overlap_classes(const struct policy *policy, struct overlap_class **ret_classes);

/* Sums of @n classes: what list @a holds, and what @a and @b both hold (@a == @b: the same). */
struct overlap_sums {
	double v4, v6;
};
struct overlap_sums overlap_both(const struct overlap_class *classes, size_t n, unsigned a,
				 unsigned b);
/* What list @a and at least one other hold. */
struct overlap_sums overlap_shared(const struct overlap_class *classes, size_t n, unsigned a);
