// SPDX-License-Identifier: GPL-2.0
/*
 * Limits as the engine keeps them: which number a name has, and what each counted over all lives of
 * the agent and of the kernel's maps. A number is its name's for good; when all sixteen are taken,
 * the one that was longest in no config goes.
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
	LIMITS_GAVE_UP,
	LIMITS_EVIDENCE_MISSED,
	LIMITS_COUNTS,
};

#define LIMITS_MISSED_MIN 15 /* minutes in which evidence that was missed is worth a warning */

struct limits {
	struct store_limit row[SEK_LIMITS_MAX]; /* by number; an empty name: free */
	struct limits_count {
		uint64_t total, seen;
	} count[LIMITS_COUNTS];
	/* Of LIMITS_EVIDENCE_MISSED, by minute: place minute % LIMITS_MISSED_MIN. */
	struct limits_minute {
		int64_t minute; /* Unix time / 60 */
		uint64_t n;
	} missed[LIMITS_MISSED_MIN];
	/*
	 * Numbers that were given to another limit and whose slots in the kernel are still its last
	 * owner's: all, and those of the generation that is being compiled. The first is in the
	 * state, for an engine that dies in between.
	 */
	uint64_t wipe, wipe_compiled;
	/* the last event of the owner before; 0: there was none */
	uint64_t given_event[SEK_LIMITS_MAX];
	/* window of rates in which it was given: its rows are of both owners; 0: never */
	uint64_t given_window[SEK_LIMITS_MAX];
	/*
	 * limits_hold.c, by number: what a limit's slots are by; and what they will be by with the
	 * generation that is being compiled.
	 */
	struct limits_hold {
		struct limit_scale now, former; /* of this parity; of the other, while until_s */
		/* Unix time at which all slots by the former are idle; 0: there are none */
		uint64_t until_s;
		uint8_t parity;
	} hold[SEK_LIMITS_MAX], hold_next[SEK_LIMITS_MAX];
	uint64_t hold_asked_s; /* Unix time at which limits_tick() last wanted a generation */
};

/* Reads what the state knows. Ends the process where there is no memory. */
void limits_open(struct engine *engine);
/* Numbers for the limits of engine->config, and their rows. Before it is compiled. */
void limits_configure(struct engine *engine);
/* Adds what was counted since the last time; the kernel's counters must have been read just now. */
void limits_take(struct engine *engine);
/* Packets without evidence in the last LIMITS_MISSED_MIN minutes, as of limits_take(). */
uint64_t limits_missed_lately(const struct engine *engine);
/* Writes it all, inside a transaction of the caller's. Errors of the store. */
int limits_put(struct engine *engine);

/*
 * A generation is begun, with the limits as they are in the config after this; is about to be in
 * force; is in force: numbers that it gave to other limits are wiped in the kernel.
 */
void limits_compile(struct engine *engine);
void limits_swapping(struct engine *engine);
void limits_swapped(struct engine *engine);
/*
 * Name of the limit that event @event_number told of by @number; empty: none, or it has another
 * owner now.
 */
const char *limits_name_then(const struct engine *engine, unsigned number, uint64_t event_number);

/* The limit of @number in the config in force; NULL: none has it. */
const struct limit_settings *limits_find(const struct engine *engine, unsigned number);
/* The same by its name. */
const struct limit_settings *limits_find_name(const struct engine *engine, const char *name);
/* What a limit of the config counted; zeros where the state has no room for it. */
const struct store_limit *limits_row(const struct engine *engine,
				     const struct limit_settings *limit);

/*
 * limits_hold.c: what the state knows of the slots' settings, read at the start; gives the limits
 * of the config that is compiled their parity and former settings; writes them before that
 * generation is in force, returning how many limits' slots must be folded by then; it is in force;
 * takes the former settings back, once all their slots are idle, with a new generation.
 */
void limits_hold_open(struct engine *engine);
void limits_hold_compile(struct engine *engine);
unsigned limits_hold_swapping(struct engine *engine, struct limit_fold ret_folds[SEK_LIMITS_MAX]);
void limits_hold_swapped(struct engine *engine);
void limits_tick(struct engine *engine);

/*
 * limits_over.c: sources that each limit holds now, by number; reads all of the limiter's memory,
 * slice by slice on the loop. The scan that is under way, or a new one, is *ret_number; at its end
 * control_poll_waiting() is called. Errors: -ENOMEM.
 */
int limits_over_start(struct engine *engine, uint64_t *ret_number);
/* Is scan @number over? Then *ret_err is 0 or the negative errno of reading. */
bool limits_over_done(uint64_t number, int *ret_err, uint64_t ret_over[SEK_LIMITS_MAX]);
