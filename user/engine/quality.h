// SPDX-License-Identifier: GPL-2.0
/*
 * How good each list is, over time: packets it dropped and those that only it would have, entries
 * that any packet hit, how much it changes, what it shares with others. Costs a packet nothing: it
 * comes from counters that are there, from the sampled events and from the summary of the busiest.
 *
 * Entries that hit are counted in 4 kB a list (lib/hll.h): within 1.6 %, of those that a sampled
 * packet came from: so at least.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/overlap.h"
#include "sys/store_quality.h"

#define QUALITY_DAYS 90 /* kept */

struct engine;
struct engine_feed;
struct engine_list;
struct openmetrics;
struct prefix;
struct quality;
struct verbs_request;

/* Once the state is open and credit is. Ends the process where there is no memory. */
void quality_open(struct engine *engine);
/*
 * The feeds are the config's. Before the counters are read, so that what hit while no engine ran is
 * of today.
 */
void quality_configure(struct engine *engine);
/* The feed of id @id is no more: whoever has its name or id next begins anew. */
void quality_forget(struct engine *engine, uint32_t id);
/* Once a second: looks at some new events. */
void quality_tick(struct engine *engine);
/* The same, and at the busiest. */
void quality_look(struct engine *engine);
/* Every ten seconds, behind credit_store(): quality_look(), and writes what is new. */
void quality_store(struct engine *engine);
/* @after is about to take the place of @before, the list of @feed (both may be without data). */
void quality_updated(struct engine *engine, const struct engine_feed *feed,
		     const struct engine_list *before, const struct engine_list *after);
/* The same of what has no list: so many entries came and went; and a packet hit @entry of it. */
void quality_changed(struct engine *engine, const struct engine_feed *feed, uint64_t added,
		     uint64_t removed);
void quality_hit(struct engine *engine, const struct engine_feed *feed, const struct prefix *entry);
/*
 * A generation is on its way: takes the sizes of its @n classes; once it is in force they are what
 * is told.
 */
void quality_built(struct engine *engine, struct overlap_class *classes, size_t n);
void quality_in_force(struct engine *engine);

/* quality_answer.c: of the last @days, today included. */
json_t *quality_row(struct engine *engine, const struct engine_feed *feed, unsigned days);
/*
 * The rows of feed.quality's overlaps that are of @feed: what of its addresses other lists hold
 * too.
 */
json_t *quality_overlaps(struct engine *engine, const struct engine_feed *feed);
json_t *verbs_feed_quality(struct verbs_request *request);
void metrics_add_quality(struct engine *engine, struct openmetrics *om);

/*
 * What quality_answer.c asks: the record of @feed, hits of the day so far included; the classes in
 * force.
 */
const struct store_quality *quality_of(struct engine *engine, const struct engine_feed *feed);
/* Sums of the last @days. *ret_days: of so many days there is a record. Errors of the store. */
int quality_sum(struct engine *engine, const struct engine_feed *feed, unsigned days,
		uint64_t ret_sum[STORE_QUALITY_COUNTS], unsigned *ret_days);
const struct overlap_class *quality_classes(const struct engine *engine, size_t *ret_n);
