// SPDX-License-Identifier: GPL-2.0
/* Numbers and totals of limits. See limits.h. */
#include "limits.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "events.h"
#include "sys/log.h"

static const char *const count_names[LIMITS_COUNTS] = { "evictions", "events", "events_lost", "gave_up", "evidence_missed" };

static struct store_limit *row_of(struct limits *limits, const char *name)
{
	unsigned i;

	for (i = 0; i < SEK_LIMITS_MAX; i++) {
		if (limits->row[i].name[0] && !strcmp(limits->row[i].name, name))
			return &limits->row[i];
	}
	return NULL;
}

static bool is_configured(const struct config *config, const char *name)
{
	size_t i;

	for (i = 0; i < config->n_limits; i++) {
		if (!strcmp(config->limits[i].name, name))
			return true;
	}
	return false;
}

/*
 * A number that was never given, else the one whose name was longest in no config. There is one:
 * sixteen are the most.
 */
static struct store_limit *free_row(struct limits *limits, const struct config *config)
{
	struct store_limit *found = NULL;
	unsigned i;

	for (i = 0; i < SEK_LIMITS_MAX; i++) {
		struct store_limit *row = &limits->row[i];

		if (!row->name[0])
			return row;
		if (!is_configured(config, row->name) && (!found || row->used_s < found->used_s))
			found = row;
	}
	return found;
}

static void read_kernel(const struct engine *engine, unsigned number,
			uint64_t ret_now[STORE_LIMIT_COUNTS])
{
	struct bpf_limit_counts now = bpf_read_limit(&engine->read, number);

	ret_now[STORE_LIMIT_DROPS] = now.drops.packets;
	ret_now[STORE_LIMIT_DROP_BYTES] = now.drops.bytes;
	ret_now[STORE_LIMIT_WOULDS] = now.woulds.packets;
	ret_now[STORE_LIMIT_WOULD_BYTES] = now.woulds.bytes;
	ret_now[STORE_LIMIT_BANS] = now.bans;
	ret_now[STORE_LIMIT_REFUSED] = now.refused;
}

static void note_missed(struct limits *limits, uint64_t n)
{
	int64_t minute = engine_now_s() / 60;
	struct limits_minute *at = &limits->missed[minute % LIMITS_MISSED_MIN];

	if (at->minute != minute)
		*at = (struct limits_minute){ .minute = minute };
	at->n += n;
}

uint64_t limits_missed_lately(const struct engine *engine)
{
	int64_t minute = engine_now_s() / 60;
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < LIMITS_MISSED_MIN; i++) {
		if (engine->limits->missed[i].minute > minute - LIMITS_MISSED_MIN)
			sum += engine->limits->missed[i].n;
	}
	return sum;
}

void limits_take(struct engine *engine)
{
	struct limits *limits = engine->limits;
	struct bpf_limiter_counts counts = bpf_read_limiter(&engine->read);
	uint64_t now[STORE_LIMIT_COUNTS];
	uint64_t all[LIMITS_COUNTS] = {[LIMITS_EVICTIONS] = counts.evictions,
				       [LIMITS_GAVE_UP] = counts.gave_up,
				       [LIMITS_EVIDENCE_MISSED] = counts.evidence_missed};
	unsigned i, k;

	bpf_read_events(&engine->read, &all[LIMITS_EVENTS], &all[LIMITS_EVENTS_LOST]);
	for (i = 0; i < SEK_LIMITS_MAX; i++) {
		if (!limits->row[i].name[0])
			continue;
		read_kernel(engine, i, now);
		for (k = 0; k < STORE_LIMIT_COUNTS; k++) {
			limits->row[i].total[k] += now[k] - limits->row[i].seen[k];
			limits->row[i].seen[k] = now[k];
		}
	}
	note_missed(limits, counts.evidence_missed - limits->count[LIMITS_EVIDENCE_MISSED].seen);
	for (k = 0; k < LIMITS_COUNTS; k++) {
		limits->count[k].total += all[k] - limits->count[k].seen;
		limits->count[k].seen = all[k];
	}
}

/*
 * What the number's last owner counts until the next generation is in force goes to the new one: it
 * is the same packets' limit.
 */
static void give(struct engine *engine, struct store_limit *row, const char *name)
{
	unsigned number = row - engine->limits->row;

	if (row->name[0]) {
		engine->limits->wipe |= 1u << number;
		engine->limits->given_event[number] = events_last();
		engine->limits->given_window[number] = engine->read.control->rates_window;
		log_line(LOG_NOTICE, "limit %s: it takes the place of %s, which is in no config any more: its counts begin at 0", name, row->name);
	}
	memset(row, 0, sizeof(*row));
	row->number = number;
	snprintf(row->name, sizeof(row->name), "%s", name);
	read_kernel(engine, number, row->seen);
}

static void put_wipe(struct engine *engine)
{
	if (store_counter_put(engine->store, "limits_wipe", engine->limits->wipe, 0))
		log_line(LOG_ERR, "limits: what is to be wiped cannot be kept: %s", store_error(engine->store));
}

void limits_configure(struct engine *engine)
{
	struct config *config = engine->config;
	size_t i;

	if (!config->n_limits)
		return;
	if (!bpf_read_refresh(&engine->read))
		limits_take(engine);
	for (i = 0; i < config->n_limits; i++) {
		struct store_limit *row = row_of(engine->limits, config->limits[i].name);

		if (!row) {
			row = free_row(engine->limits, config);
			give(engine, row, config->limits[i].name);
		}
		row->used_s = engine_now_s();
		config->limits[i].number = row->number;
		if (store_limit_put(engine->store, row))
			log_line(LOG_ERR, "limit %s: its number cannot be kept: %s", row->name, store_error(engine->store));
	}
	put_wipe(engine);
}

void limits_compile(struct engine *engine)
{
	engine->limits->wipe_compiled = engine->limits->wipe;
	limits_hold_compile(engine);
}

static int wipe(struct engine *engine, struct role_msg *msg)
{
	struct role_msg reply;

	msg->type = ROLE_LIMIT_WIPE;
	msg->body.wipe.whole = engine->limits->wipe_compiled;
	role_call(engine, msg, NULL, 0, &reply, NULL);
	return reply.err;
}

/*
 * A source that has long been over the last owner's limit would be banned by the new one's first
 * packet. What it did in the moments between this and limits_swapped() is too short for that.
 */
void limits_swapping(struct engine *engine)
{
	struct role_msg msg = {0};
	int err = 0;

	msg.body.wipe.n_folds = limits_hold_swapping(engine, msg.body.wipe.fold);
	if (engine->limits->wipe_compiled || msg.body.wipe.n_folds)
		err = wipe(engine, &msg);
	if (err && msg.body.wipe.n_folds) /* else limits_swapped() says what is wrong */
		log_line(LOG_ERR, "limits: old slots of changed limits cannot be folded: %s; some sources begin with a full burst", strerror(-err));
}

void limits_swapped(struct engine *engine)
{
	struct limits *limits = engine->limits;
	struct role_msg msg = {0};
	int err = limits->wipe_compiled ? wipe(engine, &msg) : 0;

	limits_hold_swapped(engine);
	if (err) {
		log_line(LOG_ERR, "limits: slots of another limit cannot be wiped: %s; tried again with the next generation", strerror(-err));
		return;
	}
	if (!limits->wipe_compiled)
		return;
	limits->wipe &= ~limits->wipe_compiled;
	limits->wipe_compiled = 0;
	put_wipe(engine);
}

int limits_put(struct engine *engine)
{
	struct limits *limits = engine->limits;
	unsigned i;
	int err = 0;

	for (i = 0; i < SEK_LIMITS_MAX && !err; i++) {
		if (!limits->row[i].name[0])
			continue;
		if (is_configured(engine->config, limits->row[i].name))
			limits->row[i].used_s = engine_now_s();
		err = store_limit_put(engine->store, &limits->row[i]);
	}
	for (i = 0; i < LIMITS_COUNTS && !err; i++)
		err = store_counter_put(engine->store, count_names[i], limits->count[i].total,
					limits->count[i].seen);
	return err;
}

const struct limit_settings *limits_find(const struct engine *engine, unsigned number)
{
	size_t i;

	for (i = 0; i < engine->config->n_limits; i++) {
		if (engine->config->limits[i].number == number)
			return &engine->config->limits[i];
	}
	return NULL;
}

const char *limits_name_then(const struct engine *engine, unsigned number, uint64_t event_number)
{
	const struct limit_settings *limit = limits_find(engine, number);

	return limit && event_number > engine->limits->given_event[number] ? limit->name : "";
}

const struct limit_settings *limits_find_name(const struct engine *engine, const char *name)
{
	size_t i;

	for (i = 0; i < engine->config->n_limits; i++) {
		if (!strcmp(engine->config->limits[i].name, name))
			return &engine->config->limits[i];
	}
	return NULL;
}

const struct store_limit *limits_row(const struct engine *engine,
				     const struct limit_settings *limit)
{
	return &engine->limits->row[limit->number];
}

static void take_row(void *arg, const struct store_limit *row)
{
	struct limits *limits = arg;

	if (row->number < SEK_LIMITS_MAX)
		limits->row[row->number] = *row;
}

void limits_open(struct engine *engine)
{
	struct limits *limits = engine->limits = calloc(1, sizeof(*limits));
	uint64_t epoch = 0, unused;
	unsigned i;

	if (!limits)
		exit(1); /* a few kB at the start: there is nothing to keep yet */
	/* then their numbers are given anew */
	(void)store_limit_each(engine->store, take_row, limits);
	for (i = 0; i < LIMITS_COUNTS; i++)
		/* then from 0 */
		(void)store_counter_get(engine->store, count_names[i], &limits->count[i].total,
					&limits->count[i].seen);
	/* then nothing is to be wiped */
	(void)store_counter_get(engine->store, "limits_wipe", &limits->wipe, &unused);
	limits_hold_open(engine);
	if (engine->state_is_lost)
		/* nobody knows whose numbers they were */
		limits->wipe = (1u << SEK_LIMITS_MAX) - 1;
	(void)store_counter_get(engine->store, "epoch", &epoch, &unused);
	if (epoch == engine->hello.body.hello.epoch)
		return;
	for (i = 0; i < SEK_LIMITS_MAX; i++)
		/* other maps: they began at 0 */
		memset(limits->row[i].seen, 0, sizeof(limits->row[i].seen));
	for (i = 0; i < LIMITS_COUNTS; i++)
		limits->count[i].seen = 0;
	memset(limits->hold, 0, sizeof(limits->hold));
}
