// SPDX-License-Identifier: GPL-2.0
/* feed.*: what is known of each feed, updates now, and taking what is held. */
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bans.h"
#include "crowdsec.h"
#include "engine.h"
#include "quality.h"
#include "lib/feed_parse.h"
#include "lib/list_diff.h"
#include "lib/units.h"

json_t *verbs_no_feed(const char *name)
{
	char shown[CONFIG_FEED_NAME_BYTES + 4];

	return verbs_error(1, "there is no feed \"%s\"; `sekisho feed list` names them", verbs_shown(name, shown, sizeof(shown)));
}

/*
 * Of the last update alone; "stale" is the word for the alarm, which rings in any state
 * (feeds_watch.c).
 */
static const char *feed_state(const struct engine_feed *feed)
{
	if (feed->held.data)
		return "held";
	if (!feed->list.data)
		return feed->state.failures ? "failing" : "pending";
	return feed->state.failures ? "retrying" : "ok";
}

static json_t *list_errors(const struct engine_list *list)
{
	json_t *rows = json_array();
	uint32_t i;

	for (i = 0; list->data && i < list->view.head->n_errors; i++) {
		const struct list_error *error = &list->view.errors[i];
		/* NULL where it is no UTF-8 */
		json_t *text = json_stringn(error->text, error->text_len);

		json_array_append_new(rows,
				      json_pack("{s:i,s:s,s:o}", "line", error->line, "reason",
						feed_error_text(error->reason), "text",
						text ? text : json_string("(not UTF-8)")));
	}
	return rows;
}

static json_t *prefixes(const struct prefix *prefix, uint64_t n)
{
	json_t *rows = json_array();
	char text[PREFIX_TEXT_BYTES];
	uint64_t i;

	for (i = 0; i < n && i < LIST_DIFF_SAMPLES; i++)
		json_array_append_new(rows, json_string(prefix_format(&prefix[i], text)));
	return rows;
}

/* What accepting would change; null where nothing is held. */
static json_t *feed_held(struct engine_feed *feed)
{
	const struct list_head *head = feed->held.view.head;
	struct list_diff diff;

	if (!feed->held.data)
		return json_null();
	feed->held_shown = feed->held_number;
	list_diff(feed->list.data ? &feed->list.view : NULL, &feed->held.view, &diff);
	return json_pack("{s:s,s:I,s:I,s:I,s:f,s:f,s:I,s:o,s:I,s:o,s:o,s:I,s:o}", "why",
			 feed->state.held_why, "since", (json_int_t)feed->state.held_s,
			 "entries_v4", (json_int_t)head->n4, "entries_v6", (json_int_t)head->n6,
			 "coverage_v4", feed->held.coverage4, "coverage_v6", feed->held.coverage6,
			 "added", (json_int_t)diff.added, "added_first",
			 prefixes(diff.added_first, diff.added), "removed",
			 (json_int_t)diff.removed, "removed_first",
			 prefixes(diff.removed_first, diff.removed), "added_largest",
			 prefixes(diff.added_largest, diff.added), "errors_total",
			 (json_int_t)head->errors, "errors", list_errors(&feed->held));
}

static json_t *feed_error(const struct engine_feed *feed)
{
	if (feed->state.error[0])
		return json_string(feed->state.error);
	if (!feed->held.data)
		return json_null();
	if (feed_guard_is_whole(&feed->config->guard, feed->held.coverage4, feed->held.coverage6))
		return json_sprintf("held: %s; where that is meant, raise max-coverage in the config and reload",
				    feed->state.held_why);
	return json_sprintf("held: %s; `sekisho feed accept %s` takes it", feed->state.held_why,
			    feed->state.name);
}

/* Why the next try is later than after other failures; null where it is not. */
static json_t *feed_terms(const struct engine_feed *feed)
{
	char between[32];

	if (!feeds_terms_s(feed))
		return json_null();
	return json_sprintf("its publisher wants %s between requests, and the last one failed; sekisho feed update %s asks now all the same",
			    units_format_duration(feeds_terms_between_s(feed), between),
			    feed->state.name);
}

/* What the list in force was read as, and why. */
static json_t *feed_origin(const struct engine_feed *feed)
{
	const struct list_origin *origin = feed->list.data ? feed->list.view.origin : NULL;

	return json_pack(
		"{s:s,s:s,s:I}", "format",
		feed_format_name(origin ? origin->format : feed->config->format), "format_why",
		origin ? origin->why : "not known: no list, or one that an earlier version read",
		"skipped", (json_int_t)(origin ? origin->skipped : 0));
}

json_t *verbs_feed(struct engine *engine, struct engine_feed *feed, bool is_long)
{
	static const char *const actions[] = { "none", "allow", "block", "monitor" };
	static const struct list_head none;
	const struct list_head *head = feed->list.data ? feed->list.view.head : &none;
	uint64_t now_ms = uv_now(&engine->loop);
	char alarm[FEEDS_ALARM_BYTES];
	json_t *json = json_pack(
		"{s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:I,s:o,s:s?,s:s?,s:s?}", "name", feed->state.name,
		"action", actions[feed->config->action], "state", feed_state(feed), "entries",
		(json_int_t)head->n4 + head->n6, "entries_v4", (json_int_t)head->n4, "entries_v6",
		(json_int_t)head->n6, "last_success", verbs_time(feed->state.last_success_s),
		"next_try",
		(json_int_t)(engine_now_s() +
			     (feed->next_ms > now_ms ? (feed->next_ms - now_ms) / 1000 : 0)),
		"error", feed_error(feed), "url", feed->config->url, "path", feed->config->path,
		"alarm", feeds_alarm(feed, alarm, sizeof(alarm)));

	if (json)
		json_object_set_new(json, "not_before", verbs_time(feeds_wish_s(feed)));
	if (!is_long || !json)
		return json;
	json_object_set_new(json, "next_why", feed_terms(feed));
	json_object_update_new(
		json,
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:o,s:o}", "lines",
			  (json_int_t)head->lines, "duplicates", (json_int_t)head->duplicates,
			  "host_bits", (json_int_t)head->host_bits, "left_out_v4",
			  (json_int_t)feed->left_out4, "left_out_v6", (json_int_t)feed->left_out6,
			  "coverage_v4", feed->list.coverage4, "coverage_v6", feed->list.coverage6,
			  "errors_total", (json_int_t)head->errors, "errors",
			  list_errors(&feed->list), "held", feed_held(feed)));
	json_object_set_new(json, "protected", protected_rows(engine, feed));
	json_object_set_new(json, "names", feeds_names(engine, feed));
	json_object_set_new(json, "stale_after", json_integer(feed->config->stale_after_s));
	json_object_update_new(json, feed_origin(feed));
	json_object_update_new(json, json_pack("{s:s,s:i}", "file", feed->config->file, "line", feed->config->line));
	credit_take(engine);
	json_object_set_new(json, "quality", quality_row(engine, feed, 7));
	json_object_set_new(json, "overlaps", quality_overlaps(engine, feed));
	json_object_set_new(json, "review", review_counts(engine, STORE_REVIEW_LIST, feed->state.name));
	return json;
}

json_t *verbs_feeds(struct engine *engine)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < engine->n_feeds; i++)
		json_array_append_new(rows, verbs_feed(engine, &engine->feeds[i], false));
	/* not in the config: no row */
	(void)json_array_append_new(rows, crowdsec_json(engine, false));
	return rows;
}

json_t *verbs_feed_list(struct verbs_request *request)
{
	return verbs_ok(json_pack("{s:o}", "feeds", verbs_feeds(request->engine)));
}

json_t *verbs_feed_show(struct verbs_request *request)
{
	const char *name = verbs_word(request, "name", "");
	struct engine_feed *feed = feeds_find(request->engine, name);

	if (!feed && !strcmp(name, CONFIG_CROWDSEC_NAME) && request->engine->crowdsec->config)
		return verbs_ok(crowdsec_json(request->engine, true));
	return feed ? verbs_ok(verbs_feed(request->engine, feed, true)) : verbs_no_feed(name);
}

/* What came of an update, for the audit: the feeds with an error, by the first one's. */
static void note_errors(struct engine *engine, struct verbs_wait *wait)
{
	json_t *rows = verbs_feeds(engine), *row;
	const char *name, *error, *first = "", *why = NULL;
	unsigned n = 0;
	size_t i;

	json_array_foreach(rows, i, row) {
		name = json_string_value(json_object_get(row, "name"));
		error = json_string_value(json_object_get(row, "error"));
		if (!name || !error || (wait->name[0] && strcmp(wait->name, name)))
			continue;
		if (!n++) {
			first = name;
			why = error;
		}
	}
	if (n > 1)
		snprintf(wait->result, sizeof(wait->result), "%u feeds with an error, first %s: %s", n, first, why);
	else if (n)
		snprintf(wait->result, sizeof(wait->result), "feed %s: %s", first, why);
	json_decref(rows);
}

/* Each feed's own error is feed.list's to tell. */
static json_t *updated(struct engine *engine, struct verbs_wait *wait)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if ((!wait->name[0] || !strcmp(wait->name, engine->feeds[i].state.name)) &&
		    feeds_is_busy(engine, &engine->feeds[i]))
			return NULL;
	}
	if ((!wait->name[0] || !strcmp(wait->name, CONFIG_CROWDSEC_NAME)) &&
	    crowdsec_is_busy(engine))
		return NULL;
	if (engine->is_compiling || engine->compile_wanted)
		return NULL;
	note_errors(engine, wait);
	return engine->table_error[0] ? verbs_error(1, "the lists are kept, but not in force: %s",
						    engine->table_error)
				      : verbs_ok(json_object());
}

static json_t *is_left_alone(const struct engine_feed *feed)
{
	time_t wish_s = feeds_wish_s(feed);
	char when[32], left[32];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", gmtime_r(&wish_s, &tm));
	return verbs_error(1, "feed %s: its server wants no request before %s UTC, in %s (Retry-After, after %s); it is asked again then", feed->state.name, when,
			   units_format_duration(wish_s - engine_now_s(), left), feed->state.error);
}

json_t *verbs_feed_update(struct verbs_request *request)
{
	const char *name = verbs_word(request, "name", NULL);

	bool is_crowdsec =
		name && !strcmp(name, CONFIG_CROWDSEC_NAME) && request->engine->crowdsec->config;
	int err = is_crowdsec ? 0 : feeds_update(request->engine, name);

	if (err)
		return err == -EBUSY ? is_left_alone(feeds_find(request->engine, name))
				     : verbs_no_feed(name);
	if (!name || is_crowdsec)
		(void)crowdsec_update(request->engine); /* not in the config: nothing to ask */
	snprintf(request->wait->name, sizeof(request->wait->name), "%s", name ? name : "");
	request->wait->poll = updated;
	return updated(request->engine, request->wait);
}

static json_t *accepted(struct engine *engine, struct verbs_wait *wait)
{
	if (engine->is_compiling || engine->compile_wanted)
		return NULL;
	return engine->table_error[0] ? verbs_error(1, "the list is taken, but not in force: %s",
						    engine->table_error)
				      : verbs_ok(json_object());
}

json_t *verbs_feed_accept(struct verbs_request *request)
{
	const char *name = verbs_word(request, "name", "");
	struct engine_feed *feed = feeds_find(request->engine, name);
	int err;

	if (!feed && !strcmp(name, CONFIG_CROWDSEC_NAME) && request->engine->crowdsec->config)
		return verbs_error(1, "of CrowdSec's decisions nothing is held; `sekisho feed show crowdsec` tells their state");
	if (!feed)
		return verbs_no_feed(name);
	err = feeds_accept(request->engine, feed);
	if (err == -ENOENT && !feed->held.data)
		return verbs_error(1, "feed %s: nothing is held; `sekisho feed show %s` tells its state", feed->state.name, feed->state.name);
	if (err == -ESTALE)
		return verbs_error(1, "feed %s: another list came since `feed show` told what it would change; look again, then accept", feed->state.name);
	if (err == -EPERM)
		return verbs_error(1, "feed %s: the held list covers %.0f %% of routable IPv4 and %.0f %% of IPv6: where that is meant, raise max-coverage in the config, then sekisho reload, and accept it again", feed->state.name,
				   feed->held.coverage4 * 100, feed->held.coverage6 * 100);
	if (err)
		return verbs_error(1, "feed %s: the list cannot be stored: %s", feed->state.name, strerror(-err));
	request->wait->poll = accepted;
	return accepted(request->engine, request->wait);
}
