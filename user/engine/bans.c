// SPDX-License-Identifier: GPL-2.0
/* Bans as they begin, go on and end; see bans.h. */
#include "bans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "sys/bpf_bans_read.h"
#include "sys/log.h"

#define STORE_EVERY_MS 60000 /* a live ban's drops are on disk by then, a reboot takes no more */
#define OVER_MS_MIN 100	     /* a rate over less time says more of the clock than of the source */
#define UPDATES_MAX 200	     /* of those a scan */
#define TRIM_MAX 500	     /* rows forgotten a turn */

struct bans_clock bans_clock(void)
{
	struct timespec boot, real;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	return (struct bans_clock){.boot_ns = boot.tv_sec * 1000000000ull + boot.tv_nsec,
				   .offset_ns = (real.tv_sec - boot.tv_sec) * 1000000000ll +
						real.tv_nsec - boot.tv_nsec};
}

int64_t bans_unix_s(const struct bans_clock *clock, uint64_t boot_ns)
{
	return boot_ns >= SEK_FOREVER >> 1 ? INT64_MAX / 2
					   : ((int64_t)boot_ns + clock->offset_ns) / 1000000000;
}

struct prefix bans_prefix(const struct sek_entry_key *key)
{
	struct prefix prefix = { .family = key->family, .len = key->len };

	memcpy(prefix.addr_be, key->addr_be, sizeof(prefix.addr_be));
	return prefix;
}

struct sek_entry_key bans_key(const struct prefix *prefix)
{
	struct sek_entry_key key = { .family = prefix->family, .len = prefix->len };

	memcpy(key.addr_be, prefix->addr_be, sizeof(key.addr_be));
	return key;
}

void bans_settle(struct engine *engine, struct store_ban *ban, uint64_t now_ns)
{
	bans_refresh(engine, ban);
	if (ban->state != STORE_BAN_LIVE || ban->until_s > engine_now_s() + 1 ||
	    ban->ban.until_ns > now_ns)
		return;
	ban->state = STORE_BAN_ENDED;
	ban->ended_s = ban->until_s;
}

void bans_write(struct engine *engine)
{
	struct bans *bans = engine->bans;

	if (!bans->is_writing && !store_begin(engine->store))
		bans->is_writing = true;
}

void bans_written(struct engine *engine)
{
	struct bans *bans = engine->bans;
	struct bans_row *row;
	unsigned i, n = 0;
	int err = 0;

	if (!bans->is_writing)
		return;
	if (bans->want_trim)
		err = store_ban_trim(engine->store, STORE_BANS_MAX, TRIM_MAX, &n);
	/* more than that were too many: the next turn goes on */
	bans->want_trim = !err && n == TRIM_MAX;
	if (!err)
		err = store_commit(engine->store);
	if (err) {
		if (!bans->is_failing)
			log_line(LOG_ERR, "bans: the state cannot be written: %s; they are in force, and recorded when it can", store_error(engine->store));
		store_rollback(engine->store);
		for (i = 0; i < bans->n_touched; i++) {
			row = bans_index_find(&bans->index, &bans->touched[i]);
			if (row) {
				bans->index.n_live -= !row->is_over;
				bans_index_delete(&bans->index, row);
			}
		}
	}
	bans->is_failing = err != 0;
	bans->is_writing = false;
	bans->n_touched = 0;
}

/*
 * Before a row of the state is written for @key. False: this transaction is full, or there is none.
 */
static bool touch(struct engine *engine, const struct sek_entry_key *key)
{
	struct bans *bans = engine->bans;

	if (bans->n_touched == sizeof(bans->touched) / sizeof(bans->touched[0]))
		bans_written(engine);
	bans_write(engine);
	if (!bans->is_writing)
		return false;
	bans->touched[bans->n_touched++] = *key;
	return true;
}

static void set_times(struct store_ban *to, const struct sek_ban *ban,
		      const struct bans_clock *clock)
{
	to->ban = *ban;
	to->since_s = bans_unix_s(clock, ban->since_ns);
	to->until_s = bans_unix_s(clock, ban->until_ns);
	to->trial_until_s = bans_unix_s(clock, ban->trial_until_ns);
}

static void end_row(struct engine *engine, struct bans_row *row, enum store_ban_state state,
		    const char *how)
{
	struct bans_clock clock = bans_clock();
	struct store_ban ban = { .id = row->id, .state = state };

	bans_hidden_note(engine, row);
	if (!touch(engine, &row->key))
		return;
	set_times(&ban, &row->ban, &clock);
	ban.ended_s = bans_unix_s(&clock, row->ban.until_ns < clock.boot_ns ? row->ban.until_ns
									    : clock.boot_ns);
	snprintf(ban.how, sizeof(ban.how), "%s", how);
	if (store_ban_update(engine->store, &ban))
		return;
	row->is_over = true;
	engine->bans->index.n_live--;
	engine->bans->want_trim = true;
}

/*
 * By the packets of this very limit, from going over it to the ban. False: too short a time for a
 * rate, or other limits had the places.
 */
static bool measure_over(const struct sek_evidence *evidence, struct store_ban *ban)
{
	uint32_t since_ms = ban->ban.since_ns / 1000000;

	for (unsigned i = 0; i < SEK_EVIDENCE_RATES; i++) {
		const struct sek_evidence_rate *rate = &evidence->rate[i];
		uint32_t took_ms = since_ms - rate->since_ms;

		if (evidence->rate_of[i] != ban->ban.limit + 1 || took_ms < OVER_MS_MIN ||
		    took_ms > INT32_MAX)
			continue;
		ban->window_ms = took_ms;
		ban->rate_per_s =
			(ban->is_bits ? rate->bytes * 8.0 : rate->packets) * 1e3 / took_ms;
		return true;
	}
	return false;
}

static void measure(const struct sek_evidence *evidence, struct store_ban *ban)
{
	uint64_t took_ns = evidence->last_ns - evidence->first_ns;

	if (measure_over(evidence, ban))
		return;
	ban->window_ms = 1000; /* the record's busiest second */
	ban->rate_per_s = ban->is_bits ? evidence->peak_bytes * 8.0 : evidence->peak_packets;
	if (ban->rate_per_s || !took_ns)
		return;
	ban->window_ms = took_ns / 1000000;
	ban->rate_per_s =
		(ban->is_bits ? evidence->bytes * 8.0 : evidence->packets) * 1e9 / took_ns;
}

const char *bans_limit_name(const struct engine *engine, uint32_t number)
{
	const struct limit_settings *limit = limits_find(engine, number);
	const struct store_limit *row = engine->limits->row;

	if (limit)
		return limit->name;
	/* gone from the config meanwhile */
	return number < SEK_LIMITS_MAX && row[number].name[0] ? row[number].name : "unknown";
}

static void describe(struct engine *engine, const struct sek_entry_key *key,
		     const struct sek_evidence *evidence, const struct sek_event *event,
		     struct store_ban *ban)
{
	uint32_t number = ban->ban.limit;
	const struct limit_settings *limit = limits_find(engine, number);

	ban->source = bans_prefix(key);
	snprintf(ban->limit, sizeof(ban->limit), "%s", bans_limit_name(engine, number));
	ban->is_bits = limit && limit->bits_per_s > 0;
	ban->threshold_per_s = !limit ? 0 : ban->is_bits ? limit->bits_per_s : limit->packets_per_s;
	snprintf(ban->config_hash, sizeof(ban->config_hash), "%016llx",
		 (unsigned long long)engine->config_hash);
	ban->has_evidence = evidence && evidence->busy;
	if (ban->has_evidence) {
		ban->evidence = *evidence;
		measure(evidence, ban);
	}
	if (event && event->header_bytes)
		ban->headers[ban->n_headers++] = *event;
	ban->n_headers += events_recent(key, ban->ban.since_ns, ban->headers + ban->n_headers,
					STORE_BAN_HEADERS_MAX - ban->n_headers);
}

/* The row of a ban that the index does not know. NULL: not this time. */
static struct bans_row *record(struct engine *engine, const struct sek_entry_key *key,
			       const struct sek_ban *kernel, const struct sek_evidence *evidence,
			       const struct sek_event *event)
{
	static struct evidence_lists lists; /* large; the engine has one thread for this */
	static struct store_ban ban;
	struct bans_clock clock = bans_clock();
	struct bans_row *row;
	int64_t id = 0;
	int err;

	memset(&ban, 0, sizeof(ban));
	set_times(&ban, kernel, &clock);
	describe(engine, key, evidence, event, &ban);
	evidence_lists(engine, &ban.source, &lists);
	memcpy(ban.lists, lists.text, sizeof(ban.lists));
	if (!touch(engine, key))
		return NULL;
	err = store_ban_add(engine->store, &ban, lists.all, &id);
	if (err == -EEXIST)
		err = store_ban_get(engine->store, id, &ban);
	if (err || ban.state == STORE_BAN_REJECTED || ban.state == STORE_BAN_LIFTED)
		/*
		 * not written: found again by the next scan; or the scan is older than a person's
		 * word
		 */
		return NULL;
	row = bans_index_put(&engine->bans->index, key);
	if (!row)
		return NULL;
	row->id = id;
	row->is_over = ban.state != STORE_BAN_LIVE;
	engine->bans->index.n_live += !row->is_over;
	return row;
}

/* Drops of a ban that goes on, now and then. */
static void store_drops(struct engine *engine, struct bans_row *row)
{
	struct bans_clock clock;
	struct store_ban ban = { .id = row->id };
	uint64_t now_ms = uv_now(&engine->loop);

	if (engine->bans->n_updates >= UPDATES_MAX || now_ms < row->stored_ms + STORE_EVERY_MS ||
	    !touch(engine, &row->key))
		return;
	engine->bans->n_updates++;
	clock = bans_clock();
	set_times(&ban, &row->ban, &clock);
	if (!store_ban_update(engine->store, &ban))
		row->stored_ms = now_ms;
}

void bans_saw(struct engine *engine, const struct sek_entry_key *key, const struct sek_ban *kernel,
	      const struct sek_evidence *evidence, const struct sek_event *event)
{
	struct bans_row *row = bans_index_find(&engine->bans->index, key);
	uint64_t now_ns = bans_clock().boot_ns;
	bool has_more;

	if (row && row->ban.random != kernel->random) {
		if (!row->is_over)
			end_row(engine, row, STORE_BAN_ENDED, "its time was over; it began again");
		bans_index_delete(&engine->bans->index, row);
		row = NULL;
	}
	if (!row)
		row = record(engine, key, kernel, evidence, event);
	if (!row)
		return;
	has_more = kernel->dropped > row->ban.dropped;
	row->scan = engine->bans->scan;
	if (!event || !row->ban.since_ns)
		row->ban = *kernel;
	if (!row->is_over)
		bans_hidden_note(engine, row);
	if (!row->is_over && now_ns >= kernel->until_ns &&
	    now_ns - kernel->until_ns >= BANS_CLOCK_BEHIND_NS)
		end_row(engine, row, STORE_BAN_ENDED, "");
	else if (!row->is_over && has_more)
		store_drops(engine, row);
}

void bans_gone(struct engine *engine, struct bans_row *row)
{
	if (!row->is_over && row->ban.until_ns > bans_clock().boot_ns) {
		end_row(engine, row, STORE_BAN_LOST, "it vanished from the kernel before its time");
		log_line(LOG_WARNING, "bans: number %lld has vanished from the kernel before its time", (long long)row->id);
	} else if (!row->is_over) {
		end_row(engine, row, STORE_BAN_ENDED, "");
	}
	if (row->is_over)
		bans_index_delete(&engine->bans->index, row);
}

void bans_close(struct engine *engine)
{
	uint64_t end_ns = uv_hrtime() + 500000000; /* the keeper waits two seconds for all of us */
	struct bans *bans = engine->bans;
	struct store_ban ban = { 0 };
	struct bans_clock clock = bans_clock();
	uint32_t i;

	for (i = 0; bans && i < bans->index.n_rows && uv_hrtime() < end_ns; i++) {
		struct bans_row *row = &bans->index.rows[i];

		if (!row->is_used || row->is_over || !touch(engine, &row->key))
			continue;
		ban.id = row->id;
		set_times(&ban, &row->ban, &clock);
		/* then the last minute's drops are not in it */
		(void)store_ban_update(engine->store, &ban);
	}
	if (bans)
		bans_written(engine);
}

/* A full map refuses; it is said when it begins, and when there is room again. */
static void watch_room(struct engine *engine)
{
	bool is_full;

	if (bpf_read_control(&engine->read))
		return; /* the next tick tells */
	is_full = bans_is_full(engine);
	if (is_full && !engine->bans->is_full)
		log_line(LOG_WARNING, "bans: the map of bans is full (%u): who is over a limit stays limited, but is not banned, until bans end or are lifted", SEK_BANS_MAX);
	else if (!is_full && engine->bans->is_full)
		log_line(LOG_NOTICE, "bans: there is room for bans again");
	engine->bans->is_full = is_full;
}

bool bans_is_full(const struct engine *engine)
{
	return engine->read.control->n_bans >= SEK_BANS_MAX;
}

void bans_tick(struct engine *engine)
{
	if (!engine->bans)
		return;
	watch_room(engine);
	bans_hidden_watch(engine);
	events_take(engine);
	if (events_has_followers())
		control_poll_waiting(engine);
	if (engine->bans->want_trim) {
		bans_write(engine);
		bans_written(engine);
	}
	bans_scan(engine);
}
