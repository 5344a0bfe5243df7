// SPDX-License-Identifier: GPL-2.0
/*
 * Limits as the engine keeps them: which number a name has, and what each counted over all lives of the agent and of the
 * kernel's maps. A number is its name's for good; when all sixteen are taken, the one that was longest in no config goes.
 */
#pragma once

#include <jansson.h>

#include "lib/limit.h"
#include "sys/store_limits.h"

struct engine;

/* What the kernel counts for all limits together. */
enum limits_count_of {
	LIMITS_EVICTIONS,
	LIMITS_EVENTS,
	LIMITS_EVENTS_LOST,
	LIMITS_COUNTS,
};

struct limits {
	struct store_limit row[SEK_LIMITS_MAX]; /* by number; an empty name: free */
	struct limits_count {
		uint64_t total, seen;
	} count[LIMITS_COUNTS];
};

/* Reads what the state knows. Ends the process where there is no memory. */
void limits_open(struct engine *engine);
/* Numbers for the limits of engine->config, and their rows. Before it is compiled. */
void limits_configure(struct engine *engine);
/* Adds what was counted since the last time; the kernel's counters must have been read just now. */
void limits_take(struct engine *engine);
/* Writes it all, inside a transaction of the caller's. Errors of the store. */
int limits_put(struct engine *engine);

/* The limit of @number in the config in force; NULL: none has it. */
const struct limit_settings *limits_find(const struct engine *engine, unsigned number);
/* The same by its name. */
const struct limit_settings *limits_find_name(const struct engine *engine, const char *name);
/* What a limit of the config counted; zeros where the state has no room for it. */
const struct store_limit *limits_row(const struct engine *engine, const struct limit_settings *limit);

/* limits_over.c: sources that each limit holds now, by number; reads all of the limiter's memory, 10 ms for 8 MiB. */
int limits_over(struct engine *engine, uint64_t ret_over[SEK_LIMITS_MAX]);
