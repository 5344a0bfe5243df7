// SPDX-License-Identifier: GPL-2.0
/* Prefixes in any order in, sorted unique ones and error rows out; memory is bounded by
 * max_entries. */
#include "feed_sink.h"

#include <errno.h>
#include <sekisho/limits.h>
#include <stdlib.h>
#include <string.h>

/* up to one key in so many out of order at the end: merging them is less work than sorting all */
#define TAIL_SHARE 16

struct feed_sink *feed_sink_new(uint32_t max_entries)
{
	struct feed_sink *sink = calloc(1, sizeof(*sink));

	if (sink)
		sink->max_entries = max_entries;
	return sink;
}

void feed_sink_free(struct feed_sink *sink)
{
	if (!sink)
		return;
	free(sink->k4);
	free(sink->v6);
	free(sink);
}

/* LSD radix sort of 38-bit keys: four passes, so that they end up where they were. */
static int sort4(uint64_t *keys, size_t n)
{
	uint64_t *from = keys, *to = malloc((n + 1) * sizeof(*to)), *room = to;

	if (!to)
		return -ENOMEM;
	for (int shift = 0; shift < 40; shift += 10) {
		size_t at[1024] = {0}, sum = 0, count;
		uint64_t *swap = from;

		for (size_t i = 0; i < n; i++)
			at[from[i] >> shift & 1023]++;
		for (int i = 0; i < 1024; i++) {
			count = at[i];
			at[i] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[at[from[i] >> shift & 1023]++] = from[i];
		from = to;
		to = swap;
	}
	free(room);
	return 0;
}

/* The first @sorted of @n keys are in order: sorts the rest and merges it in, from the end. */
static int merge4(uint64_t *keys, size_t sorted, size_t n)
{
	size_t left = n - sorted;
	uint64_t *tail = malloc((left + 1) * sizeof(*tail));
	int rc = tail ? 0 : -ENOMEM;

	if (!rc) {
		memcpy(tail, keys + sorted, left * sizeof(*tail));
		rc = sort4(tail, left);
	}
	while (!rc && left) {
		uint64_t *to = &keys[sorted + left - 1];

		*to = sorted && keys[sorted - 1] > tail[left - 1] ? keys[--sorted] : tail[--left];
	}
	free(tail);
	return rc;
}

/* Sorts, then unique. Many lists come sorted but for a few lines that somebody added. */
static int compact4(struct feed_sink *sink)
{
	uint64_t *keys = sink->k4;
	size_t sorted = 1, out = 0;
	int rc = 0;

	if (sink->n4 < 2)
		return 0;
	while (sorted < sink->n4 && keys[sorted - 1] <= keys[sorted])
		sorted++;
	if (sink->n4 - sorted > sink->n4 / TAIL_SHARE)
		rc = sort4(keys, sink->n4);
	else if (sorted < sink->n4)
		rc = merge4(keys, sorted, sink->n4);
	if (rc)
		return rc;
	for (size_t i = 0; i < sink->n4; i++)
		if (!i || keys[i] != keys[out - 1])
			keys[out++] = keys[i];
	sink->head.duplicates += sink->n4 - out;
	sink->n4 = out;
	return 0;
}

static void compact6(struct feed_sink *sink)
{
	size_t out = 0;

	if (sink->n6 < 2)
		return;
	qsort(sink->v6, sink->n6, sizeof(*sink->v6), prefix6_compare);
	for (size_t i = 0; i < sink->n6; i++)
		if (!i || prefix6_compare(&sink->v6[i], &sink->v6[out - 1]))
			sink->v6[out++] = sink->v6[i];
	sink->head.duplicates += sink->n6 - out;
	sink->n6 = out;
}

static bool is_over(const struct feed_sink *sink)
{
	return sink->n4 + sink->n6 > sink->max_entries || sink->n4 > SEK_PREFIXES_V4_MAX ||
	       sink->n6 > SEK_PREFIXES_V6_MAX;
}

/* More room; where that would go far over max_entries, duplicates are taken out instead. */
static int make_room(struct feed_sink *sink, int family)
{
	size_t *cap = family == 4 ? &sink->cap4 : &sink->cap6;
	size_t want = *cap ? *cap * 2 : 1024;
	void *more;

	if (*cap > 2 * (size_t)sink->max_entries + 1024) {
		if (compact4(sink))
			return -ENOMEM;
		compact6(sink);
		return is_over(sink) ? -E2BIG : 0;
	}
	if (family == 4)
		more = realloc(sink->k4, want * sizeof(*sink->k4));
	else
		more = realloc(sink->v6, want * sizeof(*sink->v6));
	if (!more)
		return -ENOMEM;
	if (family == 4)
		sink->k4 = more;
	else
		sink->v6 = more;
	*cap = want;
	return 0;
}

int feed_sink_add4(struct feed_sink *sink, struct prefix4 prefix)
{
	int rc = sink->n4 >= sink->cap4 ? make_room(sink, 4) : 0;

	if (!rc)
		sink->k4[sink->n4++] = (uint64_t)prefix.addr << 6 | prefix.len;
	return rc;
}

int feed_sink_add(struct feed_sink *sink, const struct prefix *prefix)
{
	int rc;

	if (prefix->family == 4)
		return feed_sink_add4(sink, prefix_to4(prefix));
	rc = sink->n6 >= sink->cap6 ? make_room(sink, 6) : 0;
	if (!rc)
		sink->v6[sink->n6++] = prefix_to6(prefix);
	return rc;
}

void feed_sink_skip(struct feed_sink *sink)
{
	sink->origin.skipped++;
}

void feed_sink_error(struct feed_sink *sink, uint32_t reason, const char *text, size_t len)
{
	struct list_error *row;

	if (sink->head.errors++ >= LIST_ERRORS_MAX)
		return;
	row = &sink->errors[sink->head.n_errors++];
	row->line = sink->head.lines > UINT32_MAX ? UINT32_MAX : (uint32_t)sink->head.lines;
	row->reason = reason;
	row->text_len = (uint8_t)(len < sizeof(row->text) ? len : sizeof(row->text));
	memcpy(row->text, text, row->text_len);
}

static int make_file(struct feed_sink *sink, void **ret_file, size_t *ret_len)
{
	size_t len = sizeof(sink->head) + sink->n4 * sizeof(struct prefix4) +
		     sink->n6 * sizeof(struct prefix6) +
		     sink->head.n_errors * sizeof(struct list_error) + sizeof(sink->origin);
	struct list_head *head = calloc(1, len);
	struct prefix4 *v4 = (void *)(head + 1);
	struct prefix6 *v6;

	if (!head)
		return -ENOMEM;
	*head = sink->head;
	head->magic = LIST_MAGIC;
	head->version = LIST_VERSION;
	head->n4 = (uint32_t)sink->n4;
	head->n6 = (uint32_t)sink->n6;
	for (size_t i = 0; i < sink->n4; i++) {
		v4[i].addr = (uint32_t)(sink->k4[i] >> 6);
		v4[i].len = (uint8_t)(sink->k4[i] & 63);
	}
	v6 = (void *)(v4 + sink->n4);
	if (sink->n6)
		memcpy(v6, sink->v6, sink->n6 * sizeof(*v6));
	memcpy(v6 + sink->n6, sink->errors, sink->head.n_errors * sizeof(struct list_error));
	memcpy((char *)head + len - sizeof(sink->origin), &sink->origin, sizeof(sink->origin));
	head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	*ret_file = head;
	*ret_len = len;
	return 0;
}

int feed_sink_addresses4(struct feed_sink *sink, uint64_t *ret_addresses)
{
	uint64_t sum = 0, end = 0; /* all before @end are counted */
	int rc = compact4(sink);

	if (rc)
		return rc;
	for (size_t i = 0; i < sink->n4; i++) {
		uint64_t first = sink->k4[i] >> 6,
			 last = first + (1ull << (32 - (sink->k4[i] & 63)));

		first = first > end ? first : end;
		sum += last > first ? last - first : 0;
		end = last > end ? last : end;
	}
	*ret_addresses = sum;
	return 0;
}

int feed_sink_finish(struct feed_sink *sink, void **ret_file, size_t *ret_len)
{
	int rc = compact4(sink);

	if (rc)
		return rc;
	compact6(sink);
	return is_over(sink) ? -E2BIG : make_file(sink, ret_file, ret_len);
}
