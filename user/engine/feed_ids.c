// SPDX-License-Identifier: GPL-2.0
/*
 * One transaction an id: the old owner's row and totals are gone on disk when the new owner's are
 * there. See feed_ids.h.
 */
#include "feed_ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "quality.h"
#include "sys/log.h"

static void add_id(uint64_t *ids, uint32_t id)
{
	ids[id / 64] |= 1ull << (id % 64);
}

/*
 * An id for @feed's row: a free one, or that of a feed which nobody wants, whose name is then told.
 */
static int make_row(struct engine *engine, const struct engine_feed *feed, const uint64_t *kept,
		    struct store_feed *ret_row, char *ret_gone)
{
	const struct config_feed *config = feed->config;
	const char *url = config->url ? config->url : config->path;
	struct store_feed gone;
	int err = store_feed_get(engine->store, config->name, url,
				 feed_reading(config->format, &config->options), ret_row);

	if (err != -ENOSPC)
		return err;
	err = store_feed_forget(engine->store, kept, &gone);
	if (!err)
		err = credit_forget(engine, gone.id);
	if (!err)
		err = store_feed_get(engine->store, config->name, url,
				     feed_reading(config->format, &config->options), ret_row);
	if (!err)
		snprintf(ret_gone, sizeof(gone.name), "%s", gone.name);
	return err;
}

static int claim(struct engine *engine, struct engine_feed *feed, const uint64_t *kept)
{
	struct store_feed row = { .id = 0 };
	char gone[sizeof(row.name)] = "";
	int err = store_begin(engine->store);

	if (!err)
		err = make_row(engine, feed, kept, &row, gone);
	if (!err) { /* what it has done without a row is kept */
		feed->state.reading = row.reading;
		snprintf(feed->state.url, sizeof(feed->state.url), "%s", row.url);
		feed->state.id = row.id;
		err = store_feed_put(engine->store, &feed->state);
	}
	if (!err)
		err = store_commit(engine->store);
	if (err) {
		feed->state.id = 0;
		store_rollback(engine->store);
		return err;
	}
	if (gone[0]) {
		credit_begin(engine, row.id);
		lists_remove(engine->state_dir, gone);
		log_line(LOG_INFO, "feed %s: it has the list id of %s, a feed that is no more",
			 feed->state.name, gone);
	}
	return 0;
}

/* A feed of the config, or CrowdSec, which has an id and a record as a feed has. */
static bool is_known(void *arg, const char *name)
{
	const struct engine *engine = arg;

	if (engine->config->crowdsec.url && !strcmp(name, CONFIG_CROWDSEC_NAME))
		return true;
	return feeds_find(arg, name) != NULL;
}

static int wipe_gone(struct engine *engine, uint64_t *ret_gone)
{
	uint64_t gone[SEK_LISTS_MAX / 64];
	uint32_t id;
	int err = store_begin(engine->store);

	if (!err)
		err = store_feed_wipe(engine->store, is_known, engine, gone);
	for (id = 1; id < SEK_LISTS_MAX && !err; id++) {
		if (gone[id / 64] >> (id % 64) & 1)
			err = credit_forget(engine, id);
	}
	if (!err)
		err = store_commit(engine->store);
	if (err)
		store_rollback(engine->store);
	else
		memcpy(ret_gone, gone, sizeof(gone));
	return err;
}

void feed_ids_forget_gone(struct engine *engine)
{
	uint64_t gone[SEK_LISTS_MAX / 64] = { 0 };
	uint32_t id;

	lists_drop_strangers(engine->state_dir, is_known, engine);
	if (wipe_gone(engine, gone))
		log_line(LOG_ERR, "state: what is known of feeds that are no more cannot be deleted: %s; the next reload tries again", store_error(engine->store));
	for (id = 1; id < SEK_LISTS_MAX; id++) {
		if (!(gone[id / 64] >> (id % 64) & 1))
			continue;
		credit_begin(engine, id);
		quality_forget(engine, id);
	}
}

bool feed_ids_claim(struct engine *engine)
{
	uint64_t kept[SEK_LISTS_MAX / 64];
	const struct engine_feed *feed;
	bool has_claimed = false;
	int err = 0;
	size_t i;

	if (engine->is_compiling || !engine->swapped_generation)
		/* an earlier engine's generation may be in force: its ids are not known */
		return false;
	memcpy(kept, engine->table.lists, sizeof(kept));
	for (i = 0; (feed = feeds_credited(engine, i)); i++)
		add_id(kept, feed->state.id);
	for (i = 0; i < engine->n_feeds && !err; i++) {
		if (engine->feeds[i].state.id)
			continue;
		err = claim(engine, &engine->feeds[i], kept);
		if (err) {
			log_line(LOG_WARNING, "feed %s: it has no list id yet: %s",
				 engine->feeds[i].state.name,
				 err == -ENOENT ? "all are in the table in force"
						: store_error(engine->store));
			continue;
		}
		add_id(kept, engine->feeds[i].state.id);
		has_claimed = true;
	}
	return has_claimed;
}
