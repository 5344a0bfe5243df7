// SPDX-License-Identifier: GPL-2.0
/*
 * What people are warned of: feeds without a good update for too long, and lists that name what
 * they had better not: this host and what it needs (the rails keep those), the feeds' own servers,
 * known-good ranges.
 */
#include "crowdsec.h"
#include "engine.h"

#include <stdio.h>
#include <string.h>

#include "events.h"
#include "lib/overlap.h"
#include "lib/units.h"
#include "sys/log.h"

static int64_t stale_of(const struct engine_feed *feed)
{
	int64_t good_s =
			feed->state.last_success_s > 0 ? feed->state.last_success_s : feed->since_s,
		gone_s = engine_now_s() - good_s;

	return gone_s > feed->config->stale_after_s ? gone_s : 0;
}

char *feeds_alarm(const struct engine_feed *feed, char *buf, size_t size)
{
	char gone[32], bound[32];
	int64_t stale_s = stale_of(feed);

	snprintf(buf, size, "no good update for %s, over stale-after %s",
		 units_format_duration(stale_s, gone),
		 units_format_duration(feed->config->stale_after_s, bound));
	return stale_s ? buf : NULL;
}

void feeds_warnings(const struct engine *engine, json_t *lines)
{
	char text[FEEDS_ALARM_BYTES];
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if (feeds_alarm(&engine->feeds[i], text, sizeof(text)))
			json_array_append_new(
				lines,
				json_sprintf("feed %s: stale: %s; sekisho feed show %s says why",
					     engine->feeds[i].state.name, text,
					     engine->feeds[i].state.name));
	}
	if (crowdsec_alarm(engine, text, sizeof(text)))
		json_array_append_new(lines, json_sprintf("crowdsec: %s; sekisho feed show crowdsec says why", text));
}

static void watch(struct engine *engine, struct engine_feed *feed)
{
	char text[FEEDS_ALARM_BYTES];
	bool is_stale = feeds_alarm(feed, text, sizeof(text)) != NULL;

	if (feed->is_stale == is_stale)
		return;
	feed->is_stale = is_stale;
	events_keep_feed(feed->is_stale ? EVENTS_FEED_STALE : EVENTS_FEED_FRESH, feed->state.name);
	if (events_has_followers())
		control_poll_waiting(engine);
	if (!feed->is_stale) {
		log_line(LOG_NOTICE, "feed %s: no longer stale: a good update came", feed->state.name);
		return;
	}
	log_line(LOG_ERR, "feed %s: stale: %s; %s", feed->state.name, text, feed->list.data ? "the last good list stays" : "there is no list");
}

void feeds_watch(struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++)
		watch(engine, &engine->feeds[i]);
}

static bool is_rail(const struct engine *engine, const struct prefix *host)
{
	unsigned i;

	for (i = 0; i < engine->n_rails; i++) {
		const struct sek_rail_key *key = &engine->rails[i].key;

		if (key->family == host->family &&
		    !memcmp(key->addr_be, host->addr_be, sizeof(host->addr_be)))
			return true;
	}
	return false;
}

/* Would a block list that names this server cut it off? */
static bool is_exposed(const struct engine *engine, const struct prefix *server)
{
	size_t i;

	if (!server->family || policy_is_private(server) || is_rail(engine, server))
		return false;
	for (i = 0; i < engine->config->n_allow; i++) {
		if (prefix_covers(&engine->config->allow[i], server))
			return false;
	}
	return true;
}

const char *feeds_server_at(const struct engine *engine, size_t i, const struct prefix **ret_server)
{
	if (i > engine->n_feeds)
		return NULL;
	*ret_server = i < engine->n_feeds ? &engine->feeds[i].server : &engine->crowdsec->server;
	return i < engine->n_feeds ? engine->feeds[i].state.name : CONFIG_CROWDSEC_NAME;
}

const char *feeds_server_in(const struct engine *engine, const struct prefix *prefix,
			    struct prefix *ret_server)
{
	const struct prefix *server;
	const char *name;
	size_t i;

	for (i = 0; (name = feeds_server_at(engine, i, &server)); i++) {
		if (!is_exposed(engine, server) || !prefix_covers(prefix, server))
			continue;
		*ret_server = *server;
		return name;
	}
	return NULL;
}

size_t feeds_servers(const struct engine *engine, const struct engine_feed *feed,
		     struct prefix ret_servers[SEK_LISTS_MAX])
{
	const struct prefix *server;
	struct prefix found;
	size_t i, n = 0;

	for (i = 0; feeds_server_at(engine, i, &server) && n < SEK_LISTS_MAX &&
		    feed->config->action == SEK_A_BLOCK;
	     i++) {
		if (is_exposed(engine, server) && !lists_find(&feed->list, server, &found))
			ret_servers[n++] = *server;
	}
	return n;
}

bool feeds_servers_are_known(const struct engine *engine, const struct engine_feed *feed)
{
	size_t i;

	for (i = 0; i < engine->n_feeds && feed->config->action == SEK_A_BLOCK; i++) {
		if (engine->feeds[i].config->url && !engine->feeds[i].server.family)
			return false;
	}
	return true;
}

static bool is_good(const struct engine_feed *other)
{
	return other->list.data &&
	       (other->config->known_good || other->config->action == SEK_A_ALLOW);
}

/* How many entries of @feed share an address with a list of @other. */
static uint64_t count_met(const struct engine_feed *feed, const struct engine_feed *other)
{
	const struct list_view *a = &feed->list.view, *b = &other->list.view;
	struct overlap both4, both6;

	if (!feed->list.data || feed == other || !is_good(other) || is_good(feed))
		return 0;
	overlap4(a->v4, a->head->n4, b->v4, b->head->n4, &both4);
	overlap6(a->v6, a->head->n6, b->v6, b->head->n6, &both6);
	return both4.entries_touched + both6.entries_touched;
}

json_t *feeds_names(const struct engine *engine, const struct engine_feed *feed)
{
	json_t *servers = json_array(), *good = json_array();
	const struct prefix *server;
	char text[PREFIX_TEXT_BYTES];
	struct prefix found;
	const char *name;
	uint64_t n;
	size_t i;

	for (i = 0; (name = feeds_server_at(engine, i, &server)); i++) {
		if (server->family && lists_find(&feed->list, server, &found))
			json_array_append_new(servers,
					      json_pack("{s:s,s:s}", "address",
							prefix_format(server, text), "feed", name));
	}
	for (i = 0; i < engine->n_feeds; i++) {
		const struct engine_feed *other = &engine->feeds[i];

		n = count_met(feed, other);
		if (n)
			json_array_append_new(good,
					      json_pack("{s:s,s:I}", "feed", other->state.name,
							"entries", (json_int_t)n));
	}
	return json_pack("{s:o,s:o}", "servers", servers, "known_good", good);
}

static void tell_good(const struct engine *engine, const struct engine_feed *feed)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		const struct engine_feed *other = &engine->feeds[i];
		uint64_t n = count_met(feed, other);

		if (n)
			log_line(LOG_WARNING,
				 "feed %s: %llu of its entries meet the known-good list %s; %s",
				 feed->state.name, (unsigned long long)n, other->state.name,
				 other->config->action == SEK_A_ALLOW ? "what that allows passes"
				 : feed->config->action == SEK_A_BLOCK
					 ? "they are dropped all the same"
					 : "they are only counted");
	}
}

void feeds_tell_names(const struct engine *engine, const struct engine_feed *feed)
{
	json_t *rows, *row;
	size_t i;

	if (feed->config->action == SEK_A_ALLOW || feed->config->action == SEK_A_NONE)
		return;
	rows = protected_rows(engine, feed);
	json_array_foreach(rows, i, row)
		log_line(LOG_WARNING, "feed %s: it lists %s, %s; that is never dropped",
			 feed->state.name, json_string_value(json_object_get(row, "address")),
			 json_string_value(json_object_get(row, "why")));
	json_decref(rows);
	tell_good(engine, feed);
}
