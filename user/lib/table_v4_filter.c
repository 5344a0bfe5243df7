// SPDX-License-Identifier: GPL-2.0
/*
 * The filter in front of the IPv4 part: has this /24 lone addresses, has it something wider? Its
 * size follows the list's. Finer ones, with bits for every /25 or /26, cost more than they spare:
 * of 10 M prefixes 142 ns a random packet with 8 MiB for /25s, 120 with 4 MiB for /24s, 168 with
 * 2 MiB.
 */
#include "table_v4.h"

#include <errno.h>
#include <stdlib.h>

#define NETS_A_NET 8	    /* /24s with bits of their own per listed one: one false pass in ten ... */
#define NETS_A_NET_MOST 4   /* ... or fewer, where misses of the cache cost more than false passes */
#define BITS_CACHED 15	    /* 2 MiB: from here on */
#define BYTES_FLOOR 32768   /* a short list of wide prefixes gets at least this ... */
#define BYTES_A_RANGE 8	    /* ... and no more than this a range */
#define NETS_A_LINE 256

int v4_filter_make(const struct policy *policy, uint64_t n_nets, struct v4_filter *ret_filter)
{
	uint64_t cap = BYTES_A_RANGE * policy->n4;
	struct v4_filter filter;
	uint32_t f = 0;

	cap = cap < BYTES_FLOOR ? BYTES_FLOOR : cap;
	while (f < SEK_V4_FILTER_BITS &&
	       (uint64_t)NETS_A_LINE << f < n_nets * (f < BITS_CACHED ? NETS_A_NET : NETS_A_NET_MOST) &&
	       2ull * SEK_LINE_BYTES << f <= cap)
		f++;
	filter.mask = (1u << f) - 1;
	filter.words = calloc(1u << f, SEK_LINE_BYTES);
	if (!filter.words)
		return -ENOMEM;
	*ret_filter = filter;
	return 0;
}

/* The word with the bit of the /24 @net, an address >> 8. */
static uint64_t *word_of(const struct v4_filter *filter, uint32_t net, bool is_wide)
{
	size_t line = (net >> 8) * SEK_V4_FOLD & filter->mask;

	return filter->words + line * 8 + 4 * is_wide + (net >> 6 & 3);
}

void v4_filter_set(const struct v4_filter *filter, const struct v4_cell *cell, bool is_wide)
{
	for (uint32_t net = cell->first; net < cell->first + cell->count; net++)
		*word_of(filter, net, is_wide) |= 1ull << (net & 63);
}

bool v4_filter_has_hosts(const struct v4_filter *filter, uint32_t net)
{
	return *word_of(filter, net, false) >> (net & 63) & 1;
}
