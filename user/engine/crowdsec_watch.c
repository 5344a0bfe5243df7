// SPDX-License-Identifier: GPL-2.0
/*
 * What people are warned of beside CrowdSec: no good answer for too long, and decisions that name
 * what they had better not. Those that hold a protected address or a server that the agent asks are
 * refused; see crowdsec_look.c for known-good lists.
 */
#include "crowdsec.h"

#include <stdio.h>
#include <string.h>

#include "entries.h"
#include "events.h"
#include "lib/units.h"
#include "sys/log.h"

char *crowdsec_alarm(const struct engine *engine, char *buf, size_t size)
{
	const struct crowdsec *crowdsec = engine->crowdsec;
	int64_t good_s =
			crowdsec->last_success_s > 0 ? crowdsec->last_success_s : crowdsec->since_s,
		gone_s = engine_now_s() - good_s;
	char gone[32], bound[32];

	if (!crowdsec->config || gone_s <= crowdsec->config->stale_after_s)
		return NULL;
	snprintf(buf, size, "no good answer for %s, over stale-after %s",
		 units_format_duration(gone_s, gone),
		 units_format_duration(crowdsec->config->stale_after_s, bound));
	return buf;
}

void crowdsec_tell(struct engine *engine, enum events_feed type)
{
	events_keep_feed(type, CONFIG_CROWDSEC_NAME);
	if (events_has_followers())
		control_poll_waiting(engine);
}

void crowdsec_watch(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	char text[FEEDS_ALARM_BYTES];
	bool is_stale = crowdsec_alarm(engine, text, sizeof(text)) != NULL;

	if (crowdsec->is_stale == is_stale)
		return;
	crowdsec->is_stale = is_stale;
	if (!crowdsec->config)
		return;
	crowdsec_tell(engine, is_stale ? EVENTS_FEED_STALE : EVENTS_FEED_FRESH);
	if (is_stale)
		log_line(LOG_ERR, "crowdsec: stale: %s; each decision in force stays until its own end, new ones are missing", text);
	else
		log_line(LOG_NOTICE, "crowdsec: no longer stale: a good answer came");
}

/* Would @prefix have to be refused? Then @why says what it holds. */
static bool is_refused(const struct engine *engine, const struct prefix *prefix, char *why)
{
	/* no person's SSH session is at stake here: the host's are among the rails */
	static const struct prefix nobody;
	char text[PREFIX_TEXT_BYTES], *advice;
	struct prefix server;
	const char *feed;

	if (entries_is_protected(engine, prefix, &nobody, false, why, ROLE_TEXT_BYTES)) {
		advice = strstr(why, "; --force"); /* which no decision can say */
		if (advice)
			*advice = '\0';
		return true;
	}
	feed = feeds_server_in(engine, prefix, &server);
	if (feed)
		snprintf(why, ROLE_TEXT_BYTES, "it holds %s, the server of %s", prefix_format(&server, text), feed);
	return feed;
}

bool crowdsec_refuses(struct crowdsec_plan *plan, const struct store_entry *row)
{
	char why[ROLE_TEXT_BYTES];

	if (!is_refused(plan->engine, &row->prefix, why))
		return false;
	crowdsec_refuse(plan, row->ref, &row->prefix, row->by_user, why);
	return true;
}

void crowdsec_refuse(struct crowdsec_plan *plan, int64_t id, const struct prefix *prefix,
		     const char *by, const char *why)
{
	struct crowdsec_refusal *one = &plan->refusals[plan->refused];

	if (plan->refused++ >= CROWDSEC_REFUSALS_MAX)
		return;
	one->id = id;
	one->prefix = *prefix;
	snprintf(one->by, sizeof(one->by), "%s", by);
	snprintf(one->why, sizeof(one->why), "%.*s", (int)sizeof(one->why) - 1, why);
}

static size_t kept_of(const struct crowdsec_plan *plan)
{
	return plan->refused < CROWDSEC_REFUSALS_MAX ? plan->refused : CROWDSEC_REFUSALS_MAX;
}

static bool is_known(const struct crowdsec *crowdsec, const struct crowdsec_refusal *one)
{
	size_t i;

	for (i = 0; i < crowdsec->n_refusals; i++) {
		if (crowdsec->refusals[i].id == one->id &&
		    !memcmp(&crowdsec->refusals[i].prefix, &one->prefix, sizeof(one->prefix)))
			return true;
	}
	return false;
}

static void tell_refusal(const struct crowdsec_refusal *one)
{
	char text[PREFIX_TEXT_BYTES];

	log_line(LOG_WARNING, "crowdsec: decision %lld of %s, %s, is not put in force: %s",
		 (long long)one->id, one->by[0] ? one->by : "unknown",
		 prefix_format(&one->prefix, text), one->why);
}

/* A whole answer has all of them; else the new ones come before the others. */
static void keep_refusals(struct crowdsec *crowdsec, const struct crowdsec_plan *plan)
{
	size_t n = kept_of(plan), old = plan->is_full ? 0 : crowdsec->n_refusals;

	if (n + old > CROWDSEC_REFUSALS_MAX)
		old = CROWDSEC_REFUSALS_MAX - n;
	memmove(crowdsec->refusals + n, crowdsec->refusals, old * sizeof(crowdsec->refusals[0]));
	memcpy(crowdsec->refusals, plan->refusals, n * sizeof(crowdsec->refusals[0]));
	crowdsec->n_refusals = n + old;
}

void crowdsec_tell_refusals(struct engine *engine, const struct crowdsec_plan *plan)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	size_t i, n = kept_of(plan), n_new = 0;

	for (i = 0; i < n; i++) {
		if (is_known(crowdsec, &plan->refusals[i]))
			continue;
		tell_refusal(&plan->refusals[i]);
		n_new++;
	}
	if (n_new && plan->refused > n)
		log_line(LOG_WARNING, "crowdsec: %llu more decisions are not put in force", (unsigned long long)(plan->refused - n));
	if (n_new)
		crowdsec_tell(engine, EVENTS_FEED_NAMES);
	keep_refusals(crowdsec, plan);
}

json_t *crowdsec_refused_json(const struct crowdsec *crowdsec)
{
	json_t *rows = json_array();
	char text[PREFIX_TEXT_BYTES];
	size_t i;

	for (i = 0; i < crowdsec->n_refusals; i++) {
		const struct crowdsec_refusal *one = &crowdsec->refusals[i];

		json_array_append_new(rows, json_pack("{s:I,s:s,s:s,s:s}", "decision",
						      (json_int_t)one->id, "prefix",
						      prefix_format(&one->prefix, text), "by",
						      one->by, "why", one->why));
	}
	return rows;
}
