// SPDX-License-Identifier: GPL-2.0
/*
 * A limit that changes while sources are over it. A slot says by the settings it was put by how
 * much of a burst is used; so another rate or burst gets the other parity, and the image says what
 * slots of the former one count (sekisho/limit.h), until all of them are idle: a source that was
 * held goes on being held. What is in force is in the state, for an engine that starts again.
 */
#include "limits.h"

#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "sys/log.h"

#define NS_PER_S 1000000000ull
#define ASK_S 60  /* s: between two tries to take former settings back */
#define SWAP_S 60 /* s: a generation is in force that long after it was built, at the latest */

/* The state's counters have two numbers each. */
enum kept { KEPT_NOW, KEPT_FORMER, KEPT_UNTIL, KEPT };

static const char *name_of(char name[32], enum kept kept, unsigned number)
{
	static const char *const names[KEPT] = {"now", "former", "until"};

	snprintf(name, 32, "limit_%s_%u", names[kept], number);
	return name;
}

/* The low bits of tau are all set: one of them says the unit. */
static uint64_t pack_tau(const struct limit_scale *scale)
{
	return scale->is_bytes ? scale->tau : scale->tau & ~1ull;
}

static void get_scale(struct store *store, enum kept kept, unsigned number,
		      struct limit_scale *scale)
{
	char name[32];

	(void)store_counter_get(store, name_of(name, kept, number), &scale->cost, &scale->tau);
	scale->is_bytes = scale->tau & 1;
	scale->tau |= 1;
}

/* What cannot be read is not known: sources of such a limit then begin anew when it changes. */
void limits_hold_open(struct engine *engine)
{
	struct limits *limits = engine->limits;
	uint64_t parity;
	char name[32];

	for (unsigned i = 0; i < SEK_LIMITS_MAX; i++) {
		parity = 0;
		get_scale(engine->store, KEPT_NOW, i, &limits->hold[i].now);
		get_scale(engine->store, KEPT_FORMER, i, &limits->hold[i].former);
		(void)store_counter_get(engine->store, name_of(name, KEPT_UNTIL, i),
					&limits->hold[i].until_s, &parity);
		limits->hold[i].parity = parity & 1;
	}
}

static bool is_same(const struct limit_scale *a, const struct limit_scale *b)
{
	return a->cost == b->cost && a->tau == b->tau && a->is_bytes == b->is_bytes;
}

/* What @hold is once @scale is in force. @is_new: slots of its number are another limit's. */
static struct limits_hold next_of(const struct limits_hold *hold, const struct limit_scale *scale,
				  bool is_new)
{
	struct limits_hold next = {.now = *scale, .parity = hold->parity};
	uint64_t now_s = engine_now_s();

	if (is_new || !hold->now.cost)
		return next;
	if (is_same(&hold->now, scale)) {
		if (hold->until_s <= now_s)
			return next;
		next.former = hold->former;
		next.until_s = hold->until_s;
		return next;
	}
	next.former = hold->now;
	next.until_s = now_s + limit_scale_ahead_ns(&hold->now) / NS_PER_S + SWAP_S;
	next.parity = !hold->parity;
	return next;
}

void limits_hold_compile(struct engine *engine)
{
	struct limits *limits = engine->limits;
	struct limit_scale scale;

	memcpy(limits->hold_next, limits->hold, sizeof(limits->hold_next));
	for (size_t i = 0; i < engine->config->n_limits; i++) {
		struct limit_settings *limit = &engine->config->limits[i];
		struct limits_hold *next = &limits->hold_next[limit->number];

		if (limit_scale(limit, &scale))
			continue; /* it cannot be compiled either */
		*next = next_of(&limits->hold[limit->number], &scale,
				limits->wipe >> limit->number & 1);
		limit->parity = next->parity;
		limit->former = next->former;
	}
}

static int put(struct store *store, unsigned number, const struct limits_hold *hold)
{
	char name[32];
	int err = store_counter_put(store, name_of(name, KEPT_NOW, number), hold->now.cost,
				    pack_tau(&hold->now));

	if (!err)
		err = store_counter_put(store, name_of(name, KEPT_FORMER, number),
					hold->former.cost, pack_tau(&hold->former));
	if (!err)
		err = store_counter_put(store, name_of(name, KEPT_UNTIL, number), hold->until_s,
					hold->parity);
	return err;
}

static bool is_changed(const struct limits_hold *a, const struct limits_hold *b)
{
	return a->parity != b->parity || a->until_s != b->until_s || !is_same(&a->now, &b->now);
}

/*
 * Written before: an engine that ends in between starts with the same settings, and they are then
 * right whichever generation is in force.
 */
unsigned limits_hold_swapping(struct engine *engine, struct limit_fold ret_folds[SEK_LIMITS_MAX])
{
	struct limits *limits = engine->limits;
	unsigned n_folds = 0;
	int err = 0;

	for (unsigned i = 0; i < SEK_LIMITS_MAX; i++) {
		const struct limits_hold *next = &limits->hold_next[i], *hold = &limits->hold[i];

		if (next->parity != hold->parity)
			limit_fold(&hold->former, &hold->now, i, next->parity,
				   &ret_folds[n_folds++]);
		if (!err && is_changed(next, hold))
			err = put(engine->store, i, next);
	}
	if (err)
		log_line(LOG_ERR, "limits: their settings cannot be kept: %s; a change over the next start lets sources begin anew", store_error(engine->store));
	return n_folds;
}

void limits_hold_swapped(struct engine *engine)
{
	memcpy(engine->limits->hold, engine->limits->hold_next, sizeof(engine->limits->hold));
}

void limits_tick(struct engine *engine)
{
	uint64_t now_s = engine_now_s();
	bool is_over = false;

	for (size_t i = 0; i < engine->config->n_limits; i++) {
		const struct limits_hold *hold =
			&engine->limits->hold[engine->config->limits[i].number];

		is_over |= hold->until_s && hold->until_s <= now_s;
	}
	if (!is_over || now_s - engine->limits->hold_asked_s < ASK_S)
		return;
	engine->limits->hold_asked_s = now_s;
	compile_want(engine);
}
