// SPDX-License-Identifier: GPL-2.0
/*
 * The record of each list's quality: taken from counters, events, updates and compiles, kept in the
 * state. See quality.h.
 */
#include "quality.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "engine.h"
#include "events.h"
#include "lib/list_diff.h"
#include "sys/log.h"

#define EVENTS_A_TICK 1000  /* looked at: ten times what is sampled by default */
#define SEARCHES_A_TICK 500 /* lists searched for an address: 5 ms at the most */
#define KNOWN 4096	    /* addresses remembered as looked at, by hash */
#define DAY_S 86400
#define KEY_BYTES offsetof(struct prefix, pad) /* of a prefix: all that tells it apart */

struct quality_list {
	struct store_quality all;
	struct store_quality_day today;
	uint64_t hits, unique; /* credit's totals when last added to the day */
	bool is_dirty, is_day_dirty;
};

/*
 * Where an address was seen: in an event, among the busiest sources, among those of them with
 * drops.
 */
enum look { LOOK_EVENT, LOOK_BUSY, LOOK_DROPPED, LOOKS };

struct quality {
	struct quality_list *list[SEK_LISTS_MAX]; /* by feed id; NULL: none of the config */
	/* hashes of addresses by where they were seen; forgotten when a list changes */
	uint64_t known[LOOKS][KNOWN];
	uint64_t event;	       /* number of the last one looked at */
	unsigned searches;     /* left in this tick */
	struct overlap_class *built, *classes;
	size_t n_built, n_classes;
	size_t top_at; /* where the next look at the busiest begins */
	struct top_seen *top;
	int64_t trimmed_day;
};

static int64_t today(void)
{
	return engine_now_s() / DAY_S;
}

void quality_open(struct engine *engine)
{
	engine->quality = calloc(1, sizeof(*engine->quality));
	if (!engine->quality)
		exit(1); /* at the start: there is nothing to keep yet */
}

/* Reads what the state knows of feed @name, whose id is @id; nothing: it begins now. */
static void begin_list(struct engine *engine, struct quality_list *list, uint32_t id,
		       const char *name)
{
	memset(list, 0, sizeof(*list));
	if (store_quality_get(engine->store, name, &list->all)) {
		list->all.since_s = engine_now_s();
		snprintf(list->all.name, sizeof(list->all.name), "%s", name);
		list->is_dirty = true;
	}
	if (store_quality_day_get(engine->store, name, today(), &list->today)) {
		list->today.day = today();
		snprintf(list->today.name, sizeof(list->today.name), "%s", name);
	}
	list->hits = credit_hits(&engine->credit->totals[id]);
	list->unique = engine->credit->totals[id].unique;
}

/*
 * The record of @feed, read from the state when it is first asked for, and again when its id was
 * another's. NULL: out of memory.
 */
static struct quality_list *list_of(struct engine *engine, const struct engine_feed *feed)
{
	uint32_t id = feed->state.id;
	struct quality_list **list;

	if (!id || id >= SEK_LISTS_MAX)
		return NULL;
	list = &engine->quality->list[id];
	if (*list && !strcmp((*list)->all.name, feed->state.name))
		return *list;
	if (!*list)
		*list = malloc(sizeof(**list));
	if (*list)
		begin_list(engine, *list, id, feed->state.name);
	return *list;
}

void quality_configure(struct engine *engine)
{
	const struct engine_feed *feed;
	size_t i;

	for (i = 0; (feed = feeds_credited(engine, i)); i++)
		(void)list_of(engine, feed); /* no memory: read when it is asked for */
}

void quality_forget(struct engine *engine, uint32_t id)
{
	free(engine->quality->list[id]);
	engine->quality->list[id] = NULL;
}

static void put_day(struct engine *engine, struct quality_list *list)
{
	if (list->is_day_dirty && store_quality_day_put(engine->store, &list->today) == 0)
		list->is_day_dirty = false;
}

/* What credit has gained goes to the day it is. */
static void take_hits(struct engine *engine, const struct engine_feed *feed,
		      struct quality_list *list)
{
	const struct credit_totals *totals = &engine->credit->totals[feed->state.id];
	uint64_t hits = credit_hits(totals);

	if (list->today.day != today()) {
		/* what cannot be written is lost with its day: credit's totals are not */
		put_day(engine, list);
		list->today.day = today();
		memset(list->today.count, 0, sizeof(list->today.count));
	}
	if (hits == list->hits)
		return;
	list->today.count[STORE_QUALITY_HITS] += hits - list->hits;
	list->today.count[STORE_QUALITY_UNIQUE] += totals->unique - list->unique;
	list->hits = hits;
	list->unique = totals->unique;
	list->is_day_dirty = true;
}

static void take_all(struct engine *engine)
{
	const struct engine_feed *feed;
	size_t i;

	for (i = 0; (feed = feeds_credited(engine, i)); i++) {
		struct quality_list *list = list_of(engine, feed);

		if (list)
			take_hits(engine, feed, list);
	}
}

/* Has @address been looked at since a list changed last? Notes that it now is. */
static bool is_known(struct quality *quality, enum look look, const struct prefix *address)
{
	uint64_t hash = hll_hash(address, KEY_BYTES) | 1,
		 *place = &quality->known[look][hash >> 1 & (KNOWN - 1)];

	if (*place == hash)
		return true;
	*place = hash;
	return false;
}

void quality_hit(struct engine *engine, const struct engine_feed *feed, const struct prefix *entry)
{
	struct quality_list *list = list_of(engine, feed);

	if (list && hll_add(&list->all.hits, hll_hash(entry, KEY_BYTES)))
		list->is_dirty = true;
}

/* A packet of @address came: the entry of the list that holds it has hit. */
static void note_hit(struct engine *engine, const struct engine_feed *feed,
		     const struct prefix *address)
{
	struct prefix entry;

	engine->quality->searches -= engine->quality->searches > 0;
	if ((!feed->config->keep_private && policy_is_private(address)) ||
	    !lists_find(&feed->list, address, &entry))
		return;
	quality_hit(engine, feed, &entry);
}

/* The lists of @set alone can hold it; a class that has no number of its own says nothing. */
static void note_event(struct engine *engine, const struct sek_event *event)
{
	const struct store_class *class =
		event->counter < SEK_CLASSES_MAX ? &engine->credit->classes[event->counter] : NULL;
	struct prefix source = bans_prefix(&event->source);
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		const struct engine_feed *feed = &engine->feeds[i];
		uint32_t id = feed->state.id;

		if (feed->config->action == SEK_A_ALLOW || id >= SEK_LISTS_MAX)
			continue;
		if (class && class->counter && !(class->lists[id / 64] >> (id % 64) & 1))
			continue;
		note_hit(engine, feed, &source);
	}
}

static void see_event(void *arg, const struct events_row *row)
{
	struct engine *engine = arg;
	struct prefix source = bans_prefix(&row->event.source);

	if (!engine->quality->searches)
		return; /* seen again at the next tick */
	engine->quality->event = row->number;
	if (row->event.type == SEK_EVENT_DROP && row->event.reason == SEK_R_FEED &&
	    !is_known(engine->quality, LOOK_EVENT, &source))
		note_event(engine, &row->event);
}

void quality_tick(struct engine *engine)
{
	engine->quality->searches = SEARCHES_A_TICK;
	/* what the ring lost is lost to the sample */
	(void)events_after(engine->quality->event, EVENTS_A_TICK, see_event, engine);
}

/*
 * Where events are rare or off: sources with drops that a block list holds, and any that a monitor
 * list would drop.
 */
static void take_top(struct engine *engine)
{
	struct quality *quality = engine->quality;
	size_t max = top_sources_max(engine), n, i, k;
	bool is_passed;

	if (!quality->top)
		quality->top = calloc(max + 1, sizeof(*quality->top));
	n = quality->top ? top_sources(engine, quality->top, max) : 0;
	for (i = 0; i < n && quality->searches; i++) {
		const struct top_seen *seen = &quality->top[(quality->top_at + i) % n];
		struct prefix source = {.family = (uint8_t)seen->family,
					.len = seen->family == 4 ? 32 : 128};

		memcpy(source.addr_be, seen->addr_be, sizeof(source.addr_be));
		if (is_known(quality, seen->drops > 0 ? LOOK_DROPPED : LOOK_BUSY, &source))
			continue;
		is_passed = lists_allow(engine, &source);
		for (k = 0; k < engine->n_feeds && !is_passed; k++) {
			const enum sek_action action = engine->feeds[k].config->action;

			if (action == SEK_A_MONITOR || (action == SEK_A_BLOCK && seen->drops > 0))
				note_hit(engine, &engine->feeds[k], &source);
		}
	}
	quality->top_at += i;
}

void quality_look(struct engine *engine)
{
	quality_tick(engine);
	take_top(engine);
}

/* Writes what is new in one transaction; what fails is tried again with the next. */
static int put_all(struct engine *engine)
{
	bool wrote[SEK_LISTS_MAX] = { false };
	uint32_t id;
	int err = store_begin(engine->store);

	for (id = 1; id < SEK_LISTS_MAX && !err; id++) {
		struct quality_list *list = engine->quality->list[id];

		wrote[id] = list && (list->is_dirty || list->is_day_dirty);
		if (wrote[id])
			err = store_quality_put(engine->store, &list->all);
		if (wrote[id] && !err)
			err = store_quality_day_put(engine->store, &list->today);
	}
	if (!err && engine->quality->trimmed_day != today())
		err = store_quality_forget(engine->store, today() - QUALITY_DAYS);
	if (!err)
		err = store_commit(engine->store);
	if (err) {
		store_rollback(engine->store);
		return err;
	}
	engine->quality->trimmed_day = today();
	for (id = 1; id < SEK_LISTS_MAX; id++) {
		if (wrote[id])
			engine->quality->list[id]->is_dirty =
				engine->quality->list[id]->is_day_dirty = false;
	}
	return 0;
}

void quality_store(struct engine *engine)
{
	static bool is_failing;
	bool is_new = engine->quality->trimmed_day != today();
	uint32_t id;
	int err = 0;

	take_all(engine);
	quality_look(engine);
	for (id = 1; id < SEK_LISTS_MAX; id++)
		is_new |= engine->quality->list[id] && (engine->quality->list[id]->is_dirty ||
							engine->quality->list[id]->is_day_dirty);
	if (is_new)
		err = put_all(engine);
	if (err && !is_failing)
		log_line(LOG_ERR, "state: the lists' quality cannot be kept: %s", strerror(-err));
	is_failing = err != 0;
}

void quality_updated(struct engine *engine, const struct engine_feed *feed,
		     const struct engine_list *before, const struct engine_list *after)
{
	struct list_diff diff;

	memset(engine->quality->known, 0, sizeof(engine->quality->known));
	if (!before->data)
		return; /* the first list is no change */
	list_diff(&before->view, &after->view, &diff);
	quality_changed(engine, feed, diff.added, diff.removed);
}

void quality_changed(struct engine *engine, const struct engine_feed *feed, uint64_t added,
		     uint64_t removed)
{
	struct quality_list *list = list_of(engine, feed);

	if (!list || (!added && !removed))
		return;
	take_hits(engine, feed, list); /* the day may be a new one */
	list->all.changed_s = engine_now_s();
	list->all.added += added;
	list->all.removed += removed;
	list->all.updates++;
	list->today.count[STORE_QUALITY_ADDED] += added;
	list->today.count[STORE_QUALITY_REMOVED] += removed;
	list->today.count[STORE_QUALITY_UPDATES]++;
	list->is_dirty = list->is_day_dirty = true;
}

void quality_built(struct engine *engine, struct overlap_class *classes, size_t n)
{
	free(engine->quality->built);
	engine->quality->built = classes;
	engine->quality->n_built = n;
}

void quality_in_force(struct engine *engine)
{
	struct quality *quality = engine->quality;

	/* other lists may hold those that were looked at */
	memset(quality->known, 0, sizeof(quality->known));
	if (!quality->built)
		return;
	free(quality->classes);
	quality->classes = quality->built;
	quality->n_classes = quality->n_built;
	quality->built = NULL;
}

const struct store_quality *quality_of(struct engine *engine, const struct engine_feed *feed)
{
	const struct quality_list *list = list_of(engine, feed);

	return list ? &list->all : NULL;
}

int quality_sum(struct engine *engine, const struct engine_feed *feed, unsigned days,
		uint64_t ret_sum[STORE_QUALITY_COUNTS], unsigned *ret_days)
{
	struct quality_list *list = list_of(engine, feed);
	int i, err;

	if (!list)
		return -ENOMEM;
	take_hits(engine, feed, list);
	err = store_quality_sum(engine->store, feed->state.name, list->today.day - days + 1,
				list->today.day, ret_sum, ret_days);
	if (err)
		return err;
	(*ret_days)++;
	for (i = 0; i < STORE_QUALITY_COUNTS; i++)
		ret_sum[i] += list->today.count[i];
	return 0;
}

const struct overlap_class *quality_classes(const struct engine *engine, size_t *ret_n)
{
	*ret_n = engine->quality->classes ? engine->quality->n_classes : 0;
	return engine->quality->classes;
}
