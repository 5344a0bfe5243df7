// SPDX-License-Identifier: GPL-2.0
/*
 * Where every grammar of a feed puts what it read: prefixes and error rows go in, a list file comes
 * out. Memory is bounded by max_entries, whatever a feed holds.
 */
#pragma once

#include <stddef.h>

#include "list_file.h"

struct feed_sink {
	uint32_t max_entries;
	uint64_t *k4; /* addr << 6 | len: one word to sort */
	struct prefix6 *v6;
	size_t n4, cap4, n6, cap6;
	struct list_head head; /* its counters; head.lines is the line being read */
	struct list_error errors[LIST_ERRORS_MAX];
	struct list_origin origin;
};

/* A sink that refuses over @max_entries prefixes. NULL: out of memory. */
struct feed_sink *feed_sink_new(uint32_t max_entries);
void feed_sink_free(struct feed_sink *sink);

/* Adds one prefix, without counting an entry. Errors: -ENOMEM; -E2BIG over max_entries. */
int feed_sink_add(struct feed_sink *sink, const struct prefix *prefix);
int feed_sink_add4(struct feed_sink *sink, struct prefix4 prefix);

/* Leaves an entry out on purpose: only counted. */
void feed_sink_skip(struct feed_sink *sink);

/* Counts and, up to LIST_ERRORS_MAX, keeps a row for a @text that was not understood in the current
 * line. */
void feed_sink_error(struct feed_sink *sink, uint32_t reason, const char *text, size_t len);

/* How many IPv4 addresses the prefixes hold together, each once. Errors: -ENOMEM. */
int feed_sink_addresses4(struct feed_sink *sink, uint64_t *ret_addresses);

/*
 * Sorts, takes duplicates out and makes the list file, the caller's to free().
 * Errors: -ENOMEM; -E2BIG over max_entries.
 */
int feed_sink_finish(struct feed_sink *sink, void **ret_file, size_t *ret_len);
