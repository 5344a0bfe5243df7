// SPDX-License-Identifier: GPL-2.0
/*
 * A person asks for feeds now: which are fetched, which of their servers want to be left alone, and
 * until when, by their own word or by their publishers'.
 */
#include "engine.h"

#include <errno.h>

#include "lib/backoff.h"
#include "lib/feed_url.h"

int64_t feeds_wish_s(const struct engine_feed *feed)
{
	int64_t left_s = feed->state.wish_s - engine_now_s();

	/* more: the clock was set back */
	return feed->config->url && left_s > 0 && left_s <= BACKOFF_WISH_MAX_S ? feed->state.wish_s
									       : 0;
}

int64_t feeds_terms_s(const struct engine_feed *feed)
{
	int64_t left_s = -feed->state.wish_s - engine_now_s();

	return feed->config->url && left_s > 0 && left_s <= BACKOFF_WISH_MAX_S
		       ? -feed->state.wish_s
		       : 0;
}

uint32_t feeds_terms_between_s(const struct engine_feed *feed)
{
	const struct feed_url_rule *rule =
		feed->config->url ? feed_url_rule(feed->config->url) : NULL;

	/* without the tenth that is there for an interval's jitter */
	return rule ? rule->interval_s / 10 * 9 : 0;
}

uint32_t feeds_keep_wish(struct engine_feed *feed, bool is_failure)
{
	/*
	 * of a failure that the server answered: it may be how it tells those who ask too often
	 */
	uint32_t terms_s = is_failure && feed->was_answered ? feeds_terms_between_s(feed) : 0;

	if (terms_s > feed->retry_after_s) {
		feed->state.wish_s = -(feed->state.last_try_s + terms_s);
		return terms_s;
	}
	feed->state.wish_s = feed->retry_after_s ? feed->state.last_try_s + feed->retry_after_s : 0;
	return feed->retry_after_s;
}

bool feeds_is_busy(const struct engine *engine, const struct engine_feed *feed)
{
	return feed->is_fetching || feed->next_ms <= uv_now(&engine->loop);
}

int feeds_update(struct engine *engine, const char *name)
{
	struct engine_feed *one = name ? feeds_find(engine, name) : NULL;
	size_t i;

	if (name && !one)
		return -ENOENT;
	if (one && feeds_wish_s(one))
		return -EBUSY;
	for (i = 0; i < engine->n_feeds; i++) {
		if ((!name || one == &engine->feeds[i]) && !feeds_wish_s(&engine->feeds[i]))
			engine->feeds[i].next_ms = 0;
	}
	feeds_tick(engine);
	return 0;
}
