// SPDX-License-Identifier: GPL-2.0
/*
 * The part of explain that tells of limits: bans past and present, recent drops, each limit's state from the kernel, and one
 * sentence that says who stopped the source: the rate limit, a list, or not us at all.
 */
#include "explain.h"

#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "events.h"
#include "lib/units.h"
#include "verbs.h"

#define BANS_MAX 10  /* shown; more are in review list */
#define DROPS_MAX 12 /* shown: a screen with all the rest */
#define DROPS_COUNTED 4096
#define LATELY_S 900 /* seconds: a drop that is older is no answer to "why can't I connect" */

struct bans_walk {
	struct engine *engine;
	json_t *rows;
	struct store_ban live, last; /* id 0: none */
	struct store_ban kernel; /* limit "": none, or the state has a live one */
};

static int add_ban(void *arg, const struct store_ban *ban)
{
	struct bans_walk *walk = arg;
	struct store_ban copy = *ban;

	if (json_array_size(walk->rows) < BANS_MAX)
		json_array_append_new(walk->rows, review_row(walk->engine, &copy));
	/* The longest is met first, and is the one that the kernel finds. */
	if (ban->state == STORE_BAN_LIVE && ban->until_s > engine_now_s() &&
	    (!walk->live.id || (ban->source.len == walk->live.source.len && ban->id > walk->live.id)))
		walk->live = *ban;
	if (ban->id > walk->last.id)
		walk->last = *ban;
	return 0;
}

/* Of every prefix around the address: bans of limits with per: and of IPv6 are wider than one. */
static void take_bans(struct engine *engine, const struct prefix *address, struct bans_walk *walk)
{
	unsigned len;

	for (len = address->len; len > 0; len--) {
		struct prefix prefix = lists_shorten(address, len);
		struct store_ban_query query = { .source = &prefix, .max = BANS_MAX };

		(void)store_ban_each(engine->store, &query, add_ban, walk); /* then the kernel's word stands alone */
	}
}

struct drops_walk {
	const struct engine *engine;
	json_t *rows;
	uint64_t since_ns; /* CLOCK_BOOTTIME: older ones are shown, not counted */
	unsigned lately[SEK_R_MAX];
	unsigned by_limit[SEK_LIMITS_MAX];
	unsigned n_lately;
	uint64_t last_limited_ns; /* the newest drop by a limit */
};

static void add_drop(void *arg, const struct events_row *row)
{
	struct drops_walk *walk = arg;
	const struct sek_event *event = &row->event;

	if (json_array_size(walk->rows) < DROPS_MAX)
		json_array_append_new(walk->rows, events_json(walk->engine, row));
	if (event->type != SEK_EVENT_DROP || event->verdict != SEK_V_DROP || event->time_ns < walk->since_ns || event->reason >= SEK_R_MAX)
		return;
	walk->n_lately++;
	walk->lately[event->reason]++;
	if (event->reason == SEK_R_LIMIT && event->limit < SEK_LIMITS_MAX)
		walk->by_limit[event->limit]++;
	if (event->reason == SEK_R_LIMIT && event->time_ns > walk->last_limited_ns)
		walk->last_limited_ns = event->time_ns;
}

/* "2h 5m ago", "in 3m". */
static const char *ago(int64_t time_s, char *buf)
{
	int64_t now_s = engine_now_s();

	return units_format_duration(now_s > time_s ? now_s - time_s : time_s - now_s, buf);
}

static json_t *of_ban(const struct store_ban *ban)
{
	bool is_one = ban->source.len == (ban->source.family == 4 ? 32 : 128);
	char since[32], left[32], text[PREFIX_TEXT_BYTES];

	return json_sprintf("Stopped by a rate limit: %s banned %s %s ago, for another %s.", ban->limit, is_one ? "it" : prefix_format(&ban->source, text),
			    ago(ban->since_s, since), ago(ban->until_s, left));
}

static json_t *of_kernel(const struct store_ban *ban)
{
	char since[32], left[32];

	return json_sprintf("Stopped by a rate limit: %s banned it %s ago, for another %s; that cannot be recorded now.", ban->limit, ago(ban->since_s, since), ago(ban->until_s, left));
}

static json_t *of_match(const json_t *winner, bool is_list)
{
	const char *source = json_string_value(json_object_get(winner, "source")), *prefix = json_string_value(json_object_get(winner, "prefix"));

	if (is_list)
		return json_sprintf("Stopped by a list: %s holds %s.", source ? source : "one that is no longer known", prefix ? prefix : "it");
	return json_sprintf("Stopped by a block entry: %s, made by %s.", prefix ? prefix : "one that the state does not know", source ? source : "nobody we know");
}

static const char *busiest_limit(const struct engine *engine, const struct drops_walk *drops)
{
	const struct limit_settings *limit;
	unsigned i, best = 0;

	for (i = 1; i < SEK_LIMITS_MAX; i++)
		best = drops->by_limit[i] > drops->by_limit[best] ? i : best;
	limit = limits_find(engine, best);
	return limit ? limit->name : "one that is no longer in the config";
}

/* It passes now; was it us a moment ago? */
static json_t *of_past(const struct engine *engine, const struct drops_walk *drops, const struct store_ban *last, const char **ret_by)
{
	struct bans_clock clock = bans_clock();
	int64_t ended_s = last->ended_s ? last->ended_s : last->until_s;
	bool is_ban_last = last->id && ended_s > engine_now_s() - LATELY_S && bans_unix_s(&clock, drops->last_limited_ns) <= ended_s;
	char since[32];

	*ret_by = "limit";
	if (drops->lately[SEK_R_LIMIT] && !is_ban_last)
		return json_sprintf("Stopped in part by the rate limit %s: %u sampled drops in the last 15 minutes; what is within the limit passes.", busiest_limit(engine, drops),
				    drops->lately[SEK_R_LIMIT]);
	if (drops->lately[SEK_R_BAN] || is_ban_last)
		return json_sprintf("Not stopped now. The rate limit %s had banned it until %s ago%s%s.", last->id ? last->limit : "(forgotten)", ago(ended_s, since),
				    last->how[0] ? ": " : "", last->how);
	*ret_by = drops->lately[SEK_R_FEED] ? "list" : drops->lately[SEK_R_BLOCK] ? "entry" : "nobody";
	if (drops->n_lately)
		return json_sprintf("Not stopped now. %u sampled drops in the last 15 minutes, by %s.", drops->n_lately,
				    drops->lately[SEK_R_FEED] ? "a list" : drops->lately[SEK_R_BLOCK] ? "a block entry" : "another reason; see recent");
	return json_string("Not stopped by Sekisho: no list, entry, ban or limit holds it, and none of its packets was seen dropped lately.");
}

/* The first that drops, or with @watches that would: rows are in the order a packet meets them. */
static const char *limit_over(const struct engine *engine, const struct sek_explain *kernel, bool watches)
{
	const struct limit_settings *limit = NULL;
	unsigned i;

	for (i = 0; i < kernel->n_limits && i < SEK_LIMITS_MAX && !limit; i++) {
		if ((kernel->limits[i].is_over || kernel->limits[i].over_ns) && (watches || !(kernel->limits[i].flags & SEK_LIMIT_F_MONITOR)))
			limit = limits_find(engine, kernel->limits[i].number);
	}
	return limit ? limit->name : "(changing)";
}

static json_t *answer_of(const struct engine *engine, const struct sek_explain *kernel, const json_t *winner, const struct bans_walk *bans, const struct drops_walk *drops,
			 const char **ret_by)
{
	*ret_by = "nobody";
	if (kernel->verdict == SEK_V_DROP && kernel->reason == SEK_R_FEED) {
		*ret_by = "list";
		return of_match(winner, true);
	}
	if (kernel->verdict == SEK_V_DROP && kernel->reason == SEK_R_BAN && bans->live.id) {
		*ret_by = "limit";
		return of_ban(&bans->live);
	}
	if (kernel->verdict == SEK_V_DROP && kernel->reason == SEK_R_BAN && bans->kernel.limit[0]) {
		*ret_by = "limit";
		return of_kernel(&bans->kernel);
	}
	if (kernel->verdict == SEK_V_DROP && (kernel->reason == SEK_R_BLOCK || kernel->reason == SEK_R_BAN)) {
		*ret_by = kernel->reason == SEK_R_BLOCK ? "entry" : "limit";
		return of_match(winner, false);
	}
	if (kernel->verdict == SEK_V_DROP && kernel->reason == SEK_R_LIMIT) {
		*ret_by = "limit";
		return json_sprintf("Stopped in part by the rate limit %s: it is over it now; what is within the limit passes.", limit_over(engine, kernel, false));
	}
	if (kernel->verdict == SEK_V_WOULD && kernel->reason == SEK_R_LIMIT)
		return json_sprintf("Not stopped: the rate limit %s would, but for monitor.", limit_over(engine, kernel, true));
	if (kernel->verdict == SEK_V_WOULD)
		return json_sprintf("Not stopped: %s would, but for monitor.", winner ? json_string_value(json_object_get(winner, "source")) : "something");
	if (kernel->reason == SEK_R_ALLOW)
		return json_sprintf("Not stopped: it is allowed by %s.", winner ? json_string_value(json_object_get(winner, "source")) : "an entry");
	return of_past(engine, drops, &bans->last, ret_by);
}

void explain_add_bans(struct engine *engine, const struct prefix *address, const struct sek_explain *kernel, const json_t *winner, json_t *data)
{
	struct bans_clock clock = bans_clock();
	struct bans_walk *bans;
	struct drops_walk drops = { .engine = engine, .rows = json_array() };
	struct sek_entry_key key = bans_key(address);
	const char *by;

	bans = calloc(1, sizeof(*bans));
	if (!bans) {
		json_decref(drops.rows);
		return; /* the rest of the answer is as true as before */
	}
	bans->engine = engine;
	bans->rows = json_array();
	drops.since_ns = clock.boot_ns > LATELY_S * 1000000000ull ? clock.boot_ns - LATELY_S * 1000000000ull : 0;
	take_bans(engine, address, bans);
	if (!bans->live.id)
		(void)bans_in_kernel(engine, address, &bans->kernel); /* then it is an entry that somebody made in a limit's name */
	events_of(&key, DROPS_COUNTED, add_drop, &drops);
	(void)json_object_set_new(data, "answer", answer_of(engine, kernel, winner, bans, &drops, &by)); /* out of memory: missing, as all below */
	(void)json_object_set_new(data, "stopped_by", json_string(by));
	(void)json_object_set_new(data, "evidence", bans->last.id ? json_sprintf("sekisho review show %lld", (long long)(bans->live.id ? bans->live.id : bans->last.id)) : json_null());
	(void)json_object_set_new(data, "bans", bans->rows);
	(void)json_object_set_new(data, "recent", drops.rows);
	free(bans);
}
