// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel program told lately: sampled drops, sources that went over a limit, bans.
 * Bounded: the last EVENTS_KEPT, in memory only, with an index by address. Followers read from
 * here, each at his own place, so that none costs memory.
 */
#pragma once

#include <jansson.h>
#include <sekisho/event.h>
#include <stdbool.h>
#include <stdint.h>

#define EVENTS_KEPT 65536u /* a power of two: 11 MB when full */

struct engine;

/* One event as it is kept. Numbers grow by one from 1 on. */
struct events_row {
	uint64_t number;
	/* when it was, by the clock of its day: the same each time that it is told */
	int64_t unix_ns;
	struct sek_event event;
};

/* Opens the ring buffer. A failure is said, and there are no events then. */
void events_open(struct engine *engine);
/* Takes what waits, a bounded number. */
void events_take(struct engine *engine);
/* @unix_ns is when it was. Returns its row, which holds until the next call. */
const struct events_row *events_keep(const struct sek_event *event, int64_t unix_ns);

/*
 * Events of our own, beside enum sek_event_type: of a feed, whose name stands where a frame's
 * header would.
 */
enum events_feed { EVENTS_FEED_STALE = 64, EVENTS_FEED_FRESH, EVENTS_FEED_HELD, EVENTS_FEED_NAMES };
void events_keep_feed(enum events_feed type, const char *name);

/*
 * Packets of the ban's source (event.header_bytes not 0) at or before @before_ns, newest first, at
 * most @max. Returns how many.
 */
unsigned events_recent(const struct sek_entry_key *source, uint64_t before_ns,
		       struct sek_event *ret_events, unsigned max);
/*
 * Events of one address or, of bans, of a prefix around it, newest first: calls @fn at most @max
 * times.
 */
void events_of(const struct sek_entry_key *address, unsigned max,
	       void (*fn)(void *arg, const struct events_row *row), void *arg);
/*
 * Calls @fn for rows with a number over @after, oldest first, at most @max. Returns the number of
 * the oldest that is kept, 0 none.
 */
uint64_t events_after(uint64_t after, unsigned max,
		      void (*fn)(void *arg, const struct events_row *row), void *arg);
uint64_t events_last(void);
/*
 * Does anyone wait for the next event? Then control_poll_waiting() answers who has waited long
 * enough.
 */
bool events_has_followers(void);
/* {"number", "time", "type", "source", "reason", "limit", ...}. */
json_t *events_json(const struct engine *engine, const struct events_row *row);
