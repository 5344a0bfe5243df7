// SPDX-License-Identifier: GPL-2.0
/*
 * The part of explain that tells of limits: bans past and present, recent drops, each limit's state
 * from the kernel, and one sentence that says who stopped the source: the rate limit, a list, or
 * not us at all.
 */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "events.h"
#include "lib/units.h"
#include "verbs.h"

#define BANS_MAX 10  /* shown; more are in review list */
#define DROPS_MAX 12 /* shown: a screen with all the rest */
#define DROPS_COUNTED 4096

struct bans_walk {
	struct engine *engine;
	uint64_t now_ns; /* explain_now_ns() */
	json_t *rows;
	struct store_ban live, last; /* id 0: none */
	bool is_on_trial; /* the last one, as its row says: the second may turn meanwhile */
	struct store_ban kernel; /* limit "": none, or the state has a live one */
};

static int add_ban(void *arg, const struct store_ban *ban)
{
	struct bans_walk *walk = arg;
	struct store_ban copy = *ban;
	json_t *row = review_row_at(walk->engine, &copy, walk->now_ns);
	const char *state = json_string_value(json_object_get(row, "state"));

	/* The longest is met first, and is the one that the kernel finds. */
	if (copy.state == STORE_BAN_LIVE &&
	    (!walk->live.id ||
	     (ban->source.len == walk->live.source.len && ban->id > walk->live.id)))
		walk->live = copy;
	if (ban->id > walk->last.id) {
		walk->last = copy;
		walk->is_on_trial = state && !strcmp(state, "probation");
	}
	if (json_array_size(walk->rows) < BANS_MAX)
		json_array_append_new(walk->rows, row);
	else
		json_decref(row);
	return 0;
}

/* Of every prefix around the address: bans of limits with per: and of IPv6 are wider than one. */
static void take_bans(struct engine *engine, const struct prefix *address, struct bans_walk *walk)
{
	unsigned len;

	for (len = address->len; len > 0; len--) {
		struct prefix prefix = lists_shorten(address, len);
		struct store_ban_query query = { .source = &prefix, .max = BANS_MAX };

		/* then the kernel's word stands alone */
		(void)store_ban_each(engine->store, &query, add_ban, walk);
	}
}

struct drops_walk {
	const struct engine *engine;
	json_t *rows;
	uint64_t since_ns; /* CLOCK_BOOTTIME: older ones are shown, not counted */
	unsigned lately[SEK_R_MAX];
	unsigned by_limit[SEK_LIMITS_MAX];
	/* times it went over a limit that drops: each packet of these may be a drop above too */
	unsigned overs, over_of[SEK_LIMITS_MAX];
	unsigned n_lately;
	uint64_t last_limited_ns; /* the newest drop by a limit */
};

static void add_drop(void *arg, const struct events_row *row)
{
	struct drops_walk *walk = arg;
	const struct sek_event *event = &row->event;

	if (json_array_size(walk->rows) < DROPS_MAX)
		json_array_append_new(walk->rows, events_json(walk->engine, row));
	if (event->type == SEK_EVENT_OVER && event->verdict == SEK_V_DROP &&
	    event->time_ns >= walk->since_ns && event->limit < SEK_LIMITS_MAX) {
		walk->overs++;
		walk->over_of[event->limit]++;
	}
	if (event->type != SEK_EVENT_DROP || event->verdict != SEK_V_DROP ||
	    event->time_ns < walk->since_ns || event->reason >= SEK_R_MAX)
		return;
	walk->n_lately++;
	walk->lately[event->reason]++;
	if (event->reason == SEK_R_LIMIT && event->limit < SEK_LIMITS_MAX)
		walk->by_limit[event->limit]++;
	if (event->reason == SEK_R_LIMIT && event->time_ns > walk->last_limited_ns)
		walk->last_limited_ns = event->time_ns;
}

/* "2h 5m": since then; 0s where that is to come. */
static const char *ago(int64_t time_s, char *buf)
{
	int64_t now_s = engine_now_s();

	return units_format_duration(now_s > time_s ? now_s - time_s : 0, buf);
}

/* "3m": until then; 0s where that is over. */
static const char *left(int64_t time_s, char *buf)
{
	int64_t now_s = engine_now_s();

	return units_format_duration(time_s > now_s ? time_s - now_s : 0, buf);
}

static json_t *of_ban(const struct store_ban *ban)
{
	bool is_one = ban->source.len == (ban->source.family == 4 ? 32 : 128);
	char since[32], rest[32], text[PREFIX_TEXT_BYTES];

	return json_sprintf("Stopped by a rate limit: %s banned %s %s ago, for another %s.", ban->limit, is_one ? "it" : prefix_format(&ban->source, text),
			    ago(ban->since_s, since), left(ban->until_s, rest));
}

static json_t *of_kernel(const struct store_ban *ban)
{
	char since[32], rest[32];

	return json_sprintf("Stopped by a rate limit: %s banned it %s ago, for another %s; that cannot be recorded now.", ban->limit, ago(ban->since_s, since), left(ban->until_s, rest));
}

static json_t *of_match(const json_t *winner, bool is_list)
{
	const char *source = json_string_value(json_object_get(winner, "source")),
		   *prefix = json_string_value(json_object_get(winner, "prefix"));

	if (is_list)
		return json_sprintf("Stopped by a list: %s holds %s.", source ? source : "one that is no longer known", prefix ? prefix : "it");
	return json_sprintf("Stopped by a block entry: %s, made by %s.", prefix ? prefix : "one that the state does not know", source ? source : "nobody we know");
}

static const char *busiest_limit(const struct engine *engine, const unsigned counts[SEK_LIMITS_MAX])
{
	const struct limit_settings *limit;
	unsigned i, best = 0;

	for (i = 1; i < SEK_LIMITS_MAX; i++)
		best = counts[i] > counts[best] ? i : best;
	limit = limits_find(engine, best);
	return limit ? limit->name : "one that is no longer in the config";
}

/* Names of the limits of the set @numbers that drop, or with @watches that only watch: "a", "a or b". */
static const char *limit_names(const struct engine *engine, uint32_t numbers, bool watches,
			       char *buf, size_t size)
{
	const struct limit_settings *limit;
	size_t len = 0;
	unsigned i;

	buf[0] = '\0';
	for (i = 0; i < SEK_LIMITS_MAX; i++) {
		limit = numbers >> i & 1 ? limits_find(engine, i) : NULL;
		if (limit && limit->is_monitor == watches && len < size)
			len += snprintf(buf + len, size - len, "%s%s", len ? " or " : "", limit->name);
	}
	return buf;
}

/*
 * By the kernel's own record of the source, which the sample of events cannot crowd out. It counts
 * packets over limits of either action; and in mode monitor they passed.
 */
static json_t *of_record(const struct engine *engine, const struct explain_over *over,
			 const char **ret_by)
{
	struct bans_clock clock = bans_clock();
	char drops[160], watches[160], since[32];

	limit_names(engine, over->limits, false, drops, sizeof(drops));
	limit_names(engine, over->limits, true, watches, sizeof(watches));
	ago(bans_unix_s(&clock, over->first_ns), since);
	*ret_by = "limit";
	if (drops[0] && !watches[0] && engine->bans->monitor_ns < over->first_ns)
		return json_sprintf("Stopped in part by the rate limit %s: %u of its packets were over it in the last %s; what is within the limit passes.", drops,
				    over->packets, since);
	*ret_by = watches[0] && !drops[0] ? "nobody" : "unknown";
	if (watches[0] && !drops[0])
		return json_sprintf("Not stopped: %u of its packets were over the rate limit %s in the last %s, which only watches.", over->packets, watches, since);
	return json_sprintf("Not stopped now. %u of its packets were over a rate limit in the last %s; how many of them were dropped is not known, as %s%s.",
			    over->packets, since, watches[0] ? watches : drops[0] ? "mode monitor was on" : "the config has no such limit any more",
			    watches[0] ? " only watches" : "");
}

/* A ban that the state knows: in force as far as we know, or over. */
static json_t *of_past_ban(const struct store_ban *ban, int64_t ended_s, bool is_live,
			   bool is_on_trial)
{
	char since[32], rest[32], trial[64] = "";

	if (is_live)
		return json_sprintf("Not stopped now, though the rate limit %s banned it %s ago, for another %s: the kernel does not find that ban.", ban->limit,
				    ago(ban->since_s, since), left(ban->until_s, rest));
	if (is_on_trial)
		snprintf(trial, sizeof(trial), "; for another %s the next offence is a repeat", left(ban->trial_until_s, rest));
	return json_sprintf("Not stopped now. The rate limit %s had banned it until %s ago%s%s%s.", ban->id ? ban->limit : "(forgotten)", ago(ended_s, since),
			    ban->how[0] ? ": " : "", ban->how, trial);
}

/* No event tells of it. */
static json_t *of_silence(struct engine *engine, const struct prefix *address,
			  const struct drops_walk *drops, const char **ret_by)
{
	struct explain_over over = explain_over_of(engine, address, drops->since_ns);

	if (over.packets)
		return of_record(engine, &over, ret_by);
	*ret_by = "limit";
	if (drops->overs)
		return json_sprintf("Stopped in part by the rate limit %s: %u sampled times over it in the last 15 minutes; what is within the limit passes.",
				    busiest_limit(engine, drops->over_of), drops->overs);
	*ret_by = "unknown";
	if (!explain_is_known(engine, address, drops->since_ns))
		return json_string("Not stopped now: no list, entry, ban or limit holds it. Whether any of its packets was dropped in the last 15 minutes is not known: not all drops were sampled.");
	*ret_by = "nobody";
	return json_string("Not stopped by Sekisho: no list, entry, ban or limit holds it, and none of its packets was seen dropped lately.");
}

/* The kernel holds the live ban, and something stands over it: an allow, or mode monitor. */
static bool is_held(const struct sek_explain *kernel, const struct bans_walk *bans)
{
	return bans->live.id && kernel->ban_len && kernel->ban.random == bans->live.ban.random &&
	       kernel->ban.until_ns > bans->now_ns;
}

/* Such a ban, by what it dropped before; NULL: nothing lately. */
static json_t *of_held(const struct sek_explain *kernel, const struct store_ban *ban,
		       uint64_t since_ns)
{
	struct bans_clock clock = bans_clock();
	char since[32], last[32];

	if (!kernel->ban.dropped || kernel->ban.last_ns < since_ns)
		return NULL;
	return json_sprintf("Stopped by a rate limit until %s ago: %s banned it %s ago, and %llu of its packets were dropped.",
			    ago(bans_unix_s(&clock, kernel->ban.last_ns), last), ban->limit,
			    ago(ban->since_s, since), (unsigned long long)kernel->ban.dropped);
}

/* It passes now; was it us a moment ago? */
static json_t *of_past(struct engine *engine, const struct prefix *address,
		       const struct sek_explain *kernel, const struct drops_walk *drops,
		       const struct bans_walk *bans, const char **ret_by)
{
	struct bans_clock clock = bans_clock();
	bool held = is_held(kernel, bans);
	json_t *held_answer = held ? of_held(kernel, &bans->live, drops->since_ns) : NULL;
	const struct store_ban *last = bans->live.id ? &bans->live : &bans->last;
	bool is_live = bans->live.id != 0;
	int64_t ended_s = is_live ? engine_now_s() : last->ended_s ? last->ended_s : last->until_s;
	bool is_ban_last = !held && last->id && ended_s > engine_now_s() - LATELY_S &&
			   bans_unix_s(&clock, drops->last_limited_ns) <= ended_s;

	*ret_by = "limit";
	if (held_answer)
		return held_answer;
	if (drops->lately[SEK_R_LIMIT] && !is_ban_last)
		return json_sprintf(
			"Stopped in part by the rate limit %s: %u sampled drops in the last 15 minutes; what is within the limit passes.",
			busiest_limit(engine, drops->by_limit), drops->lately[SEK_R_LIMIT]);
	if ((drops->lately[SEK_R_BAN] && !held) || is_ban_last)
		return of_past_ban(last, ended_s, is_live, bans->is_on_trial);
	if (!drops->n_lately)
		return of_silence(engine, address, drops, ret_by);
	*ret_by = drops->lately[SEK_R_FEED] ? "list" : drops->lately[SEK_R_BLOCK] ? "entry" : "nobody";
	return json_sprintf("Not stopped now. %u sampled drops in the last 15 minutes, by %s.", drops->n_lately,
			    drops->lately[SEK_R_FEED] ? "a list" : drops->lately[SEK_R_BLOCK] ? "a block entry" : "another reason; see recent");
}

/* The first that drops, or with @watches that would: rows are in the order a packet meets them. */
static const char *limit_over(const struct engine *engine, const struct sek_explain *kernel,
			      bool watches)
{
	const struct limit_settings *limit = NULL;
	unsigned i;

	for (i = 0; i < kernel->n_limits && i < SEK_LIMITS_MAX && !limit; i++) {
		if ((kernel->limits[i].is_over || kernel->limits[i].over_ns) &&
		    (watches || !(kernel->limits[i].flags & SEK_LIMIT_F_MONITOR)))
			limit = limits_find(engine, kernel->limits[i].number);
	}
	return limit ? limit->name : "(changing)";
}

/*
 * What lets the source pass, monitor or an allow, to stand behind words on what became of it. NULL:
 * neither does.
 */
static json_t *of_passing(const struct engine *engine, const struct sek_explain *kernel,
			  const json_t *winner)
{
	const char *source = json_string_value(json_object_get(winner, "source"));

	if (kernel->verdict == SEK_V_WOULD && kernel->reason == SEK_R_LIMIT)
		return json_sprintf("the rate limit %s would, but for monitor.", limit_over(engine, kernel, true));
	if (kernel->verdict == SEK_V_WOULD)
		return json_sprintf("%s would, but for monitor.", winner ? source : "something");
	if (kernel->reason == SEK_R_ALLOW)
		return json_sprintf("it is allowed by %s.", winner ? source : "an entry");
	return NULL;
}

/* What stops the source now; NULL: it passes. */
static json_t *of_now(const struct engine *engine, const struct sek_explain *kernel,
		      const json_t *winner, const struct bans_walk *bans, const char **ret_by)
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
	if (kernel->verdict == SEK_V_DROP &&
	    (kernel->reason == SEK_R_BLOCK || kernel->reason == SEK_R_BAN)) {
		*ret_by = kernel->reason == SEK_R_BLOCK ? "entry" : "limit";
		return of_match(winner, false);
	}
	if (kernel->verdict == SEK_V_DROP && kernel->reason == SEK_R_LIMIT) {
		*ret_by = "limit";
		return json_sprintf("Stopped in part by the rate limit %s: it is over it now; what is within the limit passes.", limit_over(engine, kernel, false));
	}
	return NULL;
}

uint64_t explain_now_ns(const struct sek_explain *kernel)
{
	uint64_t now_ns = bans_clock().boot_ns, until_ns = kernel->ban.until_ns;

	return kernel->reason == SEK_R_BAN && kernel->ban_len && until_ns && until_ns <= now_ns
		       ? until_ns - 1
		       : now_ns;
}

bool explain_is_attached(const struct engine *engine)
{
	const struct role_msg *ifaces = &engine->ifaces;
	unsigned i, n = 0;

	for (i = 0; i < ifaces->body.ifaces.count && i < SEK_IFACES_MAX; i++)
		n += ifaces->body.ifaces.iface[i].attached;
	return n > 0;
}

/* Of a program that sees no packet, the word is what would be. */
static json_t *of_detached(json_t *would)
{
	json_t *answer = would ? json_sprintf("Not stopped: nothing is attached, so Sekisho sees no packet. Attached it would be: %s", json_string_value(would))
			       : json_string("Not stopped: nothing is attached, so Sekisho sees no packet.");

	json_decref(would);
	return answer;
}

static bool is_stopped(const char *by)
{
	return strcmp(by, "nobody") && strcmp(by, "unknown");
}

/*
 * @passing is what lets it pass; what stopped the source lately, if it was stopped (@past, may be
 * NULL), is told before it, and is who stopped it. Takes both.
 */
static json_t *of_passed(json_t *passing, json_t *past, const char *past_by, const char **ret_by)
{
	const char *text = json_string_value(passing);
	bool is_past = past && is_stopped(past_by);
	json_t *answer = NULL;

	if (text && is_past)
		answer = json_sprintf("%s Now %s", json_string_value(past), text);
	else if (text)
		answer = json_sprintf("Not stopped: %s", text);
	*ret_by = is_past ? past_by : "nobody";
	json_decref(past);
	json_decref(passing);
	return answer;
}

static json_t *answer_of(struct engine *engine, const struct prefix *address,
			 const struct sek_explain *kernel, const json_t *winner,
			 const struct bans_walk *bans, const struct drops_walk *drops,
			 const json_t *data, const char **ret_by)
{
	const char *rail = json_string_value(json_object_get(data, "protected"));
	json_t *passing = of_passing(engine, kernel, winner), *now, *past = NULL;
	bool is_attached = explain_is_attached(engine);
	const char *past_by = "nobody";

	if (passing) {
		if (is_attached)
			past = of_past(engine, address, kernel, drops, bans, &past_by);
		now = of_passed(passing, past, past_by, ret_by);
	} else {
		now = of_now(engine, kernel, winner, bans, ret_by);
	}
	if (!is_attached) {
		*ret_by = "nobody";
		return of_detached(now);
	}
	if (!now && rail)
		return json_sprintf("Not stopped: it is protected (%s) and never dropped.", rail);
	return now ? now : of_past(engine, address, kernel, drops, bans, ret_by);
}

void explain_add_bans(struct engine *engine, const struct prefix *address,
		      const struct sek_explain *kernel, const json_t *winner, json_t *data)
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
	bans->now_ns = explain_now_ns(kernel);
	bans->rows = json_array();
	drops.since_ns = clock.boot_ns > LATELY_S * 1000000000ull
				 ? clock.boot_ns - LATELY_S * 1000000000ull
				 : 0;
	take_bans(engine, address, bans);
	if (!bans->live.id)
		/* then it is an entry that somebody made in a limit's name */
		(void)bans_in_kernel(engine, address, &bans->kernel);
	events_of(&key, DROPS_COUNTED, add_drop, &drops);
	/* out of memory: missing, as all below */
	(void)json_object_set_new(
		data, "answer",
		answer_of(engine, address, kernel, winner, bans, &drops, data, &by));
	(void)json_object_set_new(data, "stopped_by", json_string(by));
	(void)json_object_set_new(
		data, "evidence",
		bans->last.id
			? json_sprintf("sekisho review show %lld",
				       (long long)(bans->live.id ? bans->live.id : bans->last.id))
			: json_null());
	(void)json_object_set_new(data, "bans", bans->rows);
	(void)json_object_set_new(data, "recent", drops.rows);
	free(bans);
}
