// SPDX-License-Identifier: GPL-2.0
/*
 * The filter in front of the IPv4 part: for every /24 or, in a fine one, /25, is there a lone address, is there
 * something wider? Its size follows the list's.
 */
#include "table_v4.h"

#include <errno.h>
#include <stdlib.h>

#define NETS_A_NET 8		/* nets with bits of their own per listed /24: one false pass in about ten ... */
#define NETS_A_NET_MOST 4	/* ... or fewer, where a bigger filter's misses of the cache cost more than false passes */
#define BITS_CACHED 15		/* 2 MiB: from here on */
#define BYTES_FLOOR 32768	/* a short list of wide prefixes gets at least this ... */
#define BYTES_A_RANGE 8		/* ... and no more than this a range */
#define FINE_RANGES 2000000	/* from here on a /24 is too coarse: a third of all are listed at 10 M */
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
	if (policy->n4 >= FINE_RANGES)
		f = SEK_V4_FILTER_FINE_BITS;
	filter.mask = (1u << f) - 1;
	filter.words = calloc(1u << f, SEK_LINE_BYTES);
	if (!filter.words)
		return -ENOMEM;
	*ret_filter = filter;
	return 0;
}

/* The word with the bit of @net, an address already shifted. */
static uint64_t *word_of(const struct v4_filter *filter, uint32_t net, bool is_wide)
{
	size_t line = (net >> 8) * SEK_V4_FOLD & filter->mask;

	return filter->words + line * 8 + 4 * is_wide + (net >> 6 & 3);
}

static void set_nets(const struct v4_filter *filter, uint32_t first, uint32_t last, bool is_wide)
{
	for (uint64_t net = first; net <= last; net++)
		*word_of(filter, net, is_wide) |= 1ull << (net & 63);
}

void v4_filter_set(const struct v4_filter *filter, const struct v4_cell *cell, bool is_wide)
{
	uint32_t shift = sek_v4_filter_shift(filter->mask), base = cell->first << (8 - shift);

	if (cell->count > 1) {
		set_nets(filter, base, base + (cell->count << (8 - shift)) - 1, is_wide);
		return;
	}
	for (uint32_t i = 0; i < cell->n_runs; i++)
		set_nets(filter, base + (cell->runs[i].lo >> shift), base + (cell->runs[i].hi >> shift), is_wide);
}

bool v4_filter_has_hosts(const struct v4_filter *filter, uint32_t net24)
{
	uint32_t shift = sek_v4_filter_shift(filter->mask), net = net24 << (8 - shift), last = net | ((1u << (8 - shift)) - 1);

	for (; net <= last; net++) {
		if (*word_of(filter, net, false) >> (net & 63) & 1)
			return true;
	}
	return false;
}
