// SPDX-License-Identifier: GPL-2.0
/* One walk over both sorted arrays of a family. */
#include "list_diff.h"

#include <string.h>

/*
 * Keeps the shortest prefixes; an IPv6 /32 counts as an IPv4 /8: both are networks of whole
 * providers.
 */
static unsigned width(const struct prefix *prefix)
{
	return prefix->family == 4 ? prefix->len * 4u : prefix->len;
}

/*
 * Will a prefix of this width be shown? Of a list that is new nearly none is, and is then only
 * counted.
 */
static bool is_shown(const struct list_diff *diff, unsigned of_width)
{
	return diff->added < LIST_DIFF_SAMPLES ||
	       width(&diff->added_largest[LIST_DIFF_SAMPLES - 1]) > of_width;
}

static void note_added(struct list_diff *diff, struct prefix prefix)
{
	uint64_t n = diff->added < LIST_DIFF_SAMPLES ? diff->added : LIST_DIFF_SAMPLES, i = n;

	for (; i > 0 && width(&diff->added_largest[i - 1]) > width(&prefix); i--) {
		if (i < LIST_DIFF_SAMPLES)
			diff->added_largest[i] = diff->added_largest[i - 1];
	}
	if (i < LIST_DIFF_SAMPLES)
		diff->added_largest[i] = prefix;
	if (diff->added < LIST_DIFF_SAMPLES)
		diff->added_first[diff->added] = prefix;
}

static int order4(const struct prefix4 *a, const struct prefix4 *b)
{
	return a->addr != b->addr ? (a->addr < b->addr ? -1 : 1) : (int)a->len - (int)b->len;
}

static int order6(const struct prefix6 *a, const struct prefix6 *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo != b->lo ? (a->lo < b->lo ? -1 : 1) : (int)a->len - (int)b->len;
}

static void diff4(const struct prefix4 *old, uint32_t n_old, const struct prefix4 *now,
		  uint32_t n_now, struct list_diff *diff)
{
	uint32_t i = 0, j = 0;

	while (i < n_old || j < n_now) {
		int order = i == n_old ? 1 : j == n_now ? -1 : order4(&old[i], &now[j]);

		if (order < 0 && diff->removed < LIST_DIFF_SAMPLES)
			diff->removed_first[diff->removed] = prefix_of4(old[i].addr, old[i].len);
		if (order > 0 && is_shown(diff, now[j].len * 4u))
			note_added(diff, prefix_of4(now[j].addr, now[j].len));
		diff->removed += order < 0;
		diff->added += order > 0;
		i += order <= 0;
		j += order >= 0;
	}
}

static void diff6(const struct prefix6 *old, uint32_t n_old, const struct prefix6 *now,
		  uint32_t n_now, struct list_diff *diff)
{
	uint32_t i = 0, j = 0;

	while (i < n_old || j < n_now) {
		int order = i == n_old ? 1 : j == n_now ? -1 : order6(&old[i], &now[j]);

		if (order < 0 && diff->removed < LIST_DIFF_SAMPLES)
			diff->removed_first[diff->removed] =
				prefix_of6(old[i].hi, old[i].lo, old[i].len);
		if (order > 0 && is_shown(diff, now[j].len))
			note_added(diff, prefix_of6(now[j].hi, now[j].lo, now[j].len));
		diff->removed += order < 0;
		diff->added += order > 0;
		i += order <= 0;
		j += order >= 0;
	}
}

void list_diff(const struct list_view *before, const struct list_view *after,
	       struct list_diff *ret_diff)
{
	static const struct list_head none;
	const struct list_view empty = { .head = &none };

	if (!before)
		before = &empty;
	memset(ret_diff, 0, sizeof(*ret_diff));
	diff4(before->v4, before->head->n4, after->v4, after->head->n4, ret_diff);
	diff6(before->v6, before->head->n6, after->v6, after->head->n6, ret_diff);
}

size_t list_diff_removed(const struct list_view *before, const struct list_view *after, size_t max,
			 struct prefix *ret_removed)
{
	uint32_t i, j = 0;
	size_t n = 0;

	for (i = 0; i < before->head->n4 && n < max; i++) {
		const struct prefix4 *old = &before->v4[i];

		while (j < after->head->n4 && order4(&after->v4[j], old) < 0)
			j++;
		if (j == after->head->n4 || order4(&after->v4[j], old))
			ret_removed[n++] = prefix_of4(old->addr, old->len);
	}
	for (i = 0, j = 0; i < before->head->n6 && n < max; i++) {
		const struct prefix6 *old = &before->v6[i];

		while (j < after->head->n6 && order6(&after->v6[j], old) < 0)
			j++;
		if (j == after->head->n6 || order6(&after->v6[j], old))
			ret_removed[n++] = prefix_of6(old->hi, old->lo, old->len);
	}
	return n;
}
