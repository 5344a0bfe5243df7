// SPDX-License-Identifier: GPL-2.0
/* What one list has that another has not: counts, and a few prefixes to show. Pure. */
#pragma once

#include "list_file.h"

/* prefixes shown of each kind; a person wants to recognise them, not read them all */
#define LIST_DIFF_SAMPLES 10

struct list_diff {
	uint64_t added, removed; /* prefixes of both families */
	struct prefix added_first[LIST_DIFF_SAMPLES], removed_first[LIST_DIFF_SAMPLES];
	/* the widest first; an IPv6 /32 counts as an IPv4 /8 */
	struct prefix added_largest[LIST_DIFF_SAMPLES];
};

/* Compares two checked lists, IPv4 first. A NULL @before has no prefix. Errors: none. */
void list_diff(const struct list_view *before, const struct list_view *after,
	       struct list_diff *ret_diff);
/*
 * The first @max prefixes that @before has and @after has not, IPv4 first. Returns how many; @max:
 * there may be more. Errors: none.
 */
size_t list_diff_removed(const struct list_view *before, const struct list_view *after, size_t max,
			 struct prefix *ret_removed);
