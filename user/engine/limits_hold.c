// SPDX-License-Identifier: GPL-2.0
/*
 * A limit that changes while sources are over it. Their arrival times may lie further ahead than
 * the new settings ever put one; such a slot is else taken for one left from before a wrap of the
 * clock, and its source begins with a full bucket. So the image is told how far ahead the former
 * settings went, until that time has passed: a source that was held goes on being held.
 */
#include "limits.h"

#include "engine.h"

#define NS_PER_S 1000000000ull

static void put_ahead(struct engine *engine, unsigned number)
{
	struct limits *limits = engine->limits;
	char name[32];

	snprintf(name, sizeof(name), "limit_ahead_%u", number);
	/* Not kept: an engine that starts with other settings then lets such sources begin anew. */
	(void)store_counter_put(engine->store, name, limits->ahead_ns[number],
				limits->ahead_until_s[number]);
}

void limits_hold_open(struct engine *engine)
{
	struct limits *limits = engine->limits;
	char name[32];

	for (unsigned i = 0; i < SEK_LIMITS_MAX; i++) {
		snprintf(name, sizeof(name), "limit_ahead_%u", i);
		(void)store_counter_get(engine->store, name, &limits->ahead_ns[i],
					&limits->ahead_until_s[i]);
	}
}

void limits_hold(struct engine *engine, struct limit_settings *limit)
{
	struct limits *limits = engine->limits;
	uint64_t *ahead_ns = &limits->ahead_ns[limit->number],
		 *until_s = &limits->ahead_until_s[limit->number];
	uint64_t own_ns = limit_ahead_ns(limit), now_s = engine_now_s();

	if (*ahead_ns <= own_ns || (*until_s && *until_s <= now_s)) {
		*ahead_ns = own_ns;
		*until_s = 0;
	} else if (!*until_s) {
		*until_s = now_s + *ahead_ns / NS_PER_S + 1;
	}
	limit->held_ns = *until_s ? *ahead_ns : 0;
	put_ahead(engine, limit->number);
}

void limits_tick(struct engine *engine)
{
	uint64_t now_s = engine_now_s();
	bool is_over = false;

	for (size_t i = 0; i < engine->config->n_limits; i++) {
		struct limit_settings *limit = &engine->config->limits[i];

		if (!limit->held_ns || engine->limits->ahead_until_s[limit->number] > now_s)
			continue;
		limits_hold(engine, limit);
		is_over = true;
	}
	if (is_over)
		compile_want(engine);
}
