// SPDX-License-Identifier: GPL-2.0
/*
 * The metrics of bans, of what people said of them, and of events. Origins are limits of the
 * config: sixteen at the most.
 */
#include "bans.h"

#include <stddef.h>
#include <stdio.h>

#include "events_file.h"
#include "lib/openmetrics.h"

#define ORIGIN_BYTES (STORE_BAN_LIMIT_BYTES + 8)

enum count { CONFIRMED, REJECTED };

static uint64_t count_of(struct engine *engine, const char *limit, enum count count)
{
	struct store_review review = { 0 };

	/* then 0 is told */
	(void)store_review_get(engine->store, STORE_REVIEW_LIMIT, limit, &review);
	return count == CONFIRMED ? review.confirmed : review.rejected;
}

static void add_reviews(struct engine *engine, struct openmetrics *om)
{
	static const struct {
		const char *name, *help;
		enum count count;
	} families[] = {
		{ "sekisho_bans_confirmed", "Bans that a person called right.", CONFIRMED },
		{ "sekisho_bans_rejected", "Bans that a person called wrong.", REJECTED },
	};
	char origin[ORIGIN_BYTES];
	size_t f, i;

	openmetrics_family(om, "sekisho_bans", OPENMETRICS_COUNTER, "Bans begun, repeats too.");
	for (i = 0; i < engine->config->n_limits; i++) {
		snprintf(origin, sizeof(origin), "limit:%s", engine->config->limits[i].name);
		openmetrics_sample(
			om, limits_row(engine, &engine->config->limits[i])->total[STORE_LIMIT_BANS],
			"origin", origin, NULL);
	}
	for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		openmetrics_family(om, families[f].name, OPENMETRICS_COUNTER, families[f].help);
		for (i = 0; i < engine->config->n_limits; i++) {
			snprintf(origin, sizeof(origin), "limit:%s", engine->config->limits[i].name);
			openmetrics_sample(
				om,
				count_of(engine, engine->config->limits[i].name, families[f].count),
				"origin", origin, NULL);
		}
	}
}

/*
 * The share of right ones among those that were judged; a name that nobody judged a ban of has no
 * sample.
 */
static void add_precision(struct engine *engine, struct openmetrics *om,
			  enum store_review_kind kind, const char *name, const char *label,
			  const char *value)
{
	struct store_review review = { 0 };

	(void)store_review_get(engine->store, kind, name, &review); /* then nothing is told */
	if (review.confirmed + review.rejected)
		openmetrics_sample(om,
				   (double)review.confirmed / (review.confirmed + review.rejected),
				   label, value, NULL);
}

static void add_precisions(struct engine *engine, struct openmetrics *om)
{
	char origin[ORIGIN_BYTES];
	size_t i;

	openmetrics_family(om, "sekisho_bans_precision", OPENMETRICS_GAUGE, "Share of right ones among the bans of a limit that people judged.");
	for (i = 0; i < engine->config->n_limits; i++) {
		snprintf(origin, sizeof(origin), "limit:%s", engine->config->limits[i].name);
		add_precision(engine, om, STORE_REVIEW_LIMIT, engine->config->limits[i].name,
			      "origin", origin);
	}
	openmetrics_family(om, "sekisho_feed_bans_precision", OPENMETRICS_GAUGE, "The same for the bans of sources that the feed held.");
	for (i = 0; i < engine->n_feeds; i++)
		add_precision(engine, om, STORE_REVIEW_LIST, engine->feeds[i].state.name, "feed",
			      engine->feeds[i].state.name);
}

static void add_feeds(struct engine *engine, struct openmetrics *om)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} families[] = {
		{ "sekisho_feed_bans", "Bans of sources that the feed held, whatever its action.", offsetof(struct store_review, bans) },
		{ "sekisho_feed_bans_confirmed", "Those of them that a person called right.", offsetof(struct store_review, confirmed) },
		{ "sekisho_feed_bans_rejected", "Those of them that a person called wrong.", offsetof(struct store_review, rejected) },
	};
	size_t f, i;

	for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		openmetrics_family(om, families[f].name, OPENMETRICS_COUNTER, families[f].help);
		for (i = 0; i < engine->n_feeds; i++) {
			struct store_review review = { 0 };

			/* then 0 is told */
			(void)store_review_get(engine->store, STORE_REVIEW_LIST,
					       engine->feeds[i].state.name, &review);
			openmetrics_sample(om, *(uint64_t *)((char *)&review + families[f].offset),
					   "feed", engine->feeds[i].state.name, NULL);
		}
	}
}

void metrics_add_bans(struct engine *engine, struct openmetrics *om)
{
	uint64_t undecided = 0, live = 0, forgotten = 0, unused;

	add_reviews(engine, om);
	add_feeds(engine, om);
	add_precisions(engine, om);
	/* then 0 is told, here and below */
	(void)store_ban_counts(engine->store, &undecided, &live);
	(void)store_counter_get(engine->store, "bans_forgotten", &forgotten, &unused);
	openmetrics_family(om, "sekisho_bans_live", OPENMETRICS_GAUGE, "Bans in force, of those that are recorded.");
	openmetrics_sample(om, live, NULL);
	openmetrics_family(om, "sekisho_bans_unrecorded", OPENMETRICS_GAUGE, "Bans that the kernel holds and the state does not know yet.");
	openmetrics_sample(om, bans_unrecorded(engine), NULL);
	openmetrics_family(om, "sekisho_bans_trial", OPENMETRICS_GAUGE, "Bans that are over, whose source gets a longer one with its next offence.");
	openmetrics_sample(om, engine->bans->n_trial, NULL);
	openmetrics_family(om, "sekisho_bans_undecided", OPENMETRICS_GAUGE, "Bans that nobody confirmed or rejected yet.");
	openmetrics_sample(om, undecided, NULL);
	openmetrics_family(om, "sekisho_bans_forgotten", OPENMETRICS_COUNTER, "Ended bans that nobody judged and that made room for later ones.");
	openmetrics_sample(om, forgotten, NULL);
	openmetrics_family(om, "sekisho_events", OPENMETRICS_COUNTER, "Drops sampled, bans and sources that went over a limit, as told by the kernel program.");
	openmetrics_sample(om, engine->limits->count[LIMITS_EVENTS].total, NULL);
	openmetrics_family(om, "sekisho_events_lost", OPENMETRICS_COUNTER, "Events that were lost because the ring buffer was full.");
	openmetrics_sample(om, engine->limits->count[LIMITS_EVENTS_LOST].total, NULL);
	openmetrics_family(om, "sekisho_events_unwritten", OPENMETRICS_COUNTER, "Events that the file of the config's events: path did not take.");
	openmetrics_sample(om, events_file_lost(), NULL);
}
