// SPDX-License-Identifier: GPL-2.0
/*
 * The state's limits: which number a name has, for good while it is configured, what it counted
 * over all lives of the agent, and per day the rates that sources reached. Bounded: sixteen
 * numbers, and days are forgotten.
 */
#pragma once

#include "lib/rate_hist.h"
#include "store.h"

enum store_limit_count {
	STORE_LIMIT_DROPS,
	STORE_LIMIT_DROP_BYTES,
	STORE_LIMIT_WOULDS,
	STORE_LIMIT_WOULD_BYTES,
	STORE_LIMIT_BANS,
	STORE_LIMIT_REFUSED, /* bans that a full map refused */
	STORE_LIMIT_COUNTS,
};

struct store_limit {
	uint32_t number; /* 0..15 */
	char name[64];
	int64_t used_s; /* Unix time it was last in a config */
	uint64_t total[STORE_LIMIT_COUNTS];
	uint64_t seen[STORE_LIMIT_COUNTS]; /* what the kernel's counters said when they were last
					      added to the totals */
};

int store_limit_put(struct store *store, const struct store_limit *limit);
int store_limit_each(struct store *store, void (*fn)(void *arg, const struct store_limit *limit),
		     void *arg);

/*
 * Rates of a day (days since 1970) of limit @name, "" all packets; @is_bits: bits a second, else
 * packets.
 */
int store_rates_put(struct store *store, const char *name, bool is_bits, int64_t day,
		    const struct rate_hist *hist);
/* Merges all days from @first_day on into @into. *ret_days counts them. */
int store_rates_sum(struct store *store, const char *name, bool is_bits, int64_t first_day,
		    struct rate_hist *into, unsigned *ret_days);
int store_rates_forget(struct store *store, int64_t before_day);
