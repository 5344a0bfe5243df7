// SPDX-License-Identifier: GPL-2.0
/*
 * Each list becomes ranges in one pass, neighbouring sets of ranges are merged two by two until one
 * is left, and that is cut into prefixes.
 */
#include "list_reduce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint32_t first, last;
};

struct ranges {
	struct range *at;
	size_t n;
};

/* Puts a range that starts not before the last one behind it, or into it. */
static void put(struct ranges *ranges, uint32_t first, uint32_t last)
{
	struct range *end = ranges->n ? &ranges->at[ranges->n - 1] : NULL;

	if (end && (first <= end->last || first - 1 == end->last)) {
		if (last > end->last)
			end->last = last;
		return;
	}
	ranges->at[ranges->n++] = (struct range){first, last};
}

static int from_list(const struct prefix4 *list, size_t n, struct ranges *ret_ranges)
{
	struct ranges ranges = {.at = malloc((n + 1) * sizeof(struct range))};
	struct range *less;

	if (!ranges.at)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		put(&ranges, list[i].addr,
		    list[i].addr | (list[i].len < 32 ? UINT32_MAX >> list[i].len : 0));
	less = realloc(ranges.at, (ranges.n + 1) * sizeof(struct range));
	if (less)
		ranges.at = less;
	*ret_ranges = ranges;
	return 0;
}

/* Merges @b into @a and frees @b. */
static int merge(struct ranges *a, struct ranges *b)
{
	struct ranges out = {.at = malloc((a->n + b->n + 1) * sizeof(struct range))};
	size_t i = 0, j = 0;

	if (!out.at)
		return -ENOMEM;
	while (i < a->n || j < b->n) {
		const struct range *next =
		    j == b->n || (i < a->n && a->at[i].first <= b->at[j].first) ? &a->at[i++]
										: &b->at[j++];

		put(&out, next->first, next->last);
	}
	free(a->at);
	free(b->at);
	*a = out;
	b->at = NULL;
	return 0;
}

/* The fewest prefixes of one range into @list, or only their number where it is NULL. */
static size_t cut(struct range range, struct prefix4 *list)
{
	uint64_t first = range.first, end = (uint64_t)range.last + 1;
	size_t n = 0;

	while (first < end) {
		unsigned host = first ? (unsigned)__builtin_ctzll(first) : 32;

		if (host > 32)
			host = 32;
		while ((1ull << host) > end - first)
			host--;
		if (list)
			list[n] =
			    (struct prefix4){.addr = (uint32_t)first, .len = (uint8_t)(32 - host)};
		n++;
		first += 1ull << host;
	}
	return n;
}

static int to_list(const struct ranges *ranges, struct prefix4 **ret_list, size_t *ret_n)
{
	struct prefix4 *list;
	size_t n = 0;

	for (size_t i = 0; i < ranges->n; i++)
		n += cut(ranges->at[i], NULL);
	list = malloc((n + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < ranges->n; i++)
		n += cut(ranges->at[i], list + n);
	*ret_list = list;
	*ret_n = n;
	return 0;
}

int list_reduce4(const struct prefix4 *const *lists, const size_t *n, size_t n_lists,
		 struct prefix4 **ret_list, size_t *ret_n)
{
	struct ranges *sets = calloc(n_lists + 1, sizeof(*sets));
	int rc = sets ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < n_lists; i++)
		rc = from_list(lists[i], n[i], &sets[i]);
	for (size_t step = 1; !rc && step < n_lists; step *= 2)
		for (size_t i = 0; !rc && i + step < n_lists; i += 2 * step)
			rc = merge(&sets[i], &sets[i + step]);
	if (!rc)
		rc = to_list(&sets[0], ret_list, ret_n);
	for (size_t i = 0; sets && i < n_lists; i++)
		free(sets[i].at);
	free(sets);
	return rc;
}
