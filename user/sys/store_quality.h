// SPDX-License-Identifier: GPL-2.0
/*
 * The state's record of how good lists are: what each did since it is known, and by day. By name:
 * an id may go to another feed. Bounded: days are forgotten.
 */
#pragma once

#include "lib/hll.h"
#include "store.h"

struct store_quality {
	char name[64];	   /* the feed's */
	int64_t since_s;   /* Unix time its record began */
	int64_t changed_s; /* Unix time of the last update that changed an entry; 0 none */
	/* entries that updates brought and took; updates that changed any */
	uint64_t added, removed, updates;
	struct hll hits;   /* entries that a sampled packet hit */
};

enum store_quality_count {
	STORE_QUALITY_HITS,   /* packets it dropped, or would have */
	STORE_QUALITY_UNIQUE, /* of these, those that no other list would have */
	STORE_QUALITY_ADDED,
	STORE_QUALITY_REMOVED,
	STORE_QUALITY_UPDATES,
	STORE_QUALITY_COUNTS,
};

struct store_quality_day {
	char name[64];
	int64_t day; /* since 1970 */
	uint64_t count[STORE_QUALITY_COUNTS];
};

int store_quality_put(struct store *store, const struct store_quality *quality);
/* Errors: -ENOENT nothing is known of it. */
int store_quality_get(struct store *store, const char *name, struct store_quality *ret_quality);

int store_quality_day_put(struct store *store, const struct store_quality_day *day);
/* One day; all 0 where nothing is known of it. */
int store_quality_day_get(struct store *store, const char *name, int64_t day,
			  struct store_quality_day *ret_day);
/* Sums of the days from @first_day on, but not @but_day; *ret_days: how many days there were. */
int store_quality_sum(struct store *store, const char *name, int64_t first_day, int64_t but_day,
		      uint64_t ret_sum[STORE_QUALITY_COUNTS], unsigned *ret_days);
int store_quality_forget(struct store *store, int64_t before_day);
