// SPDX-License-Identifier: GPL-2.0
/* The lists' quality for people, programs and Prometheus. */
#include "quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crowdsec.h"
#include "engine.h"
#include "lib/openmetrics.h"
#include "sys/store_bans.h"
#include "verbs.h"

#define DAYS_DEFAULT 7
/*
 * pairs of the matrix in an answer and in the metrics, the largest shares first: 45 lists that all
 * overlap have 1980
 */
#define PAIRS_MAX 2000

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

/* Entries that hit: as many as the list has at most, since those that it lost are among them. */
static json_int_t hit_entries(const struct store_quality *all)
{
	return (json_int_t)llround(hll_count(&all->hits));
}

json_t *quality_row(struct engine *engine, const struct engine_feed *feed, unsigned days)
{
	static const char *const actions[] = { "none", "allow", "block", "monitor" };
	const struct store_quality *all = quality_of(engine, feed);
	const struct credit_totals *totals = &engine->credit->totals[feed->state.id];
	uint64_t sum[STORE_QUALITY_COUNTS] = {0},
		 entries = lists_prefixes(&feed->list) + feed->decisions;
	struct store_review review = { 0 };
	unsigned known_days = 1;

	if (!all || quality_sum(engine, feed, days, sum, &known_days))
		return NULL;
	/* then nothing is known of it */
	(void)store_review_get(engine->store, STORE_REVIEW_LIST, feed->state.name, &review);
	return json_pack(
		"{s:s,s:s,s:I,s:I,s:I,s:f,s:I,s:I,s:I,s:f,s:I,s:I,s:I,s:f,s:o,s:o,s:o,s:I,s:I,s:I}",
		"name", feed->state.name, "action", actions[feed->config->action], "entries",
		(json_int_t)entries, "hits", (json_int_t)sum[STORE_QUALITY_HITS], "unique_hits",
		(json_int_t)sum[STORE_QUALITY_UNIQUE], "unique_share",
		share(sum[STORE_QUALITY_UNIQUE], sum[STORE_QUALITY_HITS]), "hits_ever",
		(json_int_t)credit_hits(totals), "unique_hits_ever", (json_int_t)totals->unique,
		"hit_entries", hit_entries(all), "hit_share",
		fmin(1, share(hit_entries(all), entries)), "added",
		(json_int_t)sum[STORE_QUALITY_ADDED], "removed",
		(json_int_t)sum[STORE_QUALITY_REMOVED], "updates",
		(json_int_t)sum[STORE_QUALITY_UPDATES], "churn_per_day",
		share(sum[STORE_QUALITY_ADDED] + sum[STORE_QUALITY_REMOVED],
		      (double)entries * known_days),
		"changed", verbs_time(all->changed_s), "since", verbs_time(all->since_s),
		"last_success", verbs_time(feed->state.last_success_s), "failures",
		(json_int_t)feed->state.failures_total, "confirmed", (json_int_t)review.confirmed,
		"rejected", (json_int_t)review.rejected);
}

struct pair {
	const struct engine_feed *a, *b;
	struct overlap_sums both, of_a;
	double share4, share6; /* of a's addresses */
};

static int by_share(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	double of_a = fmax(a->share4, a->share6), of_b = fmax(b->share4, b->share6);

	return (of_a < of_b) - (of_a > of_b);
}

/* CrowdSec's decisions and each list, both ways; of the last look. Returns how many. */
static size_t crowdsec_pairs(struct engine *engine, struct pair *pairs)
{
	const struct engine_feed *own = &engine->crowdsec->feed;
	size_t i, n = 0;

	for (i = 0; i < engine->n_feeds && engine->crowdsec->config; i++) {
		const struct engine_feed *feed = &engine->feeds[i];
		const struct crowdsec_shared *shared =
			crowdsec_shared_with(engine, feed->state.name);
		struct overlap_sums both, of_own, of_list;

		if (!shared || feed->config->action == SEK_A_NONE ||
		    !(shared->v4.both > 0 || shared->v6.both > 0))
			continue;
		both = (struct overlap_sums){ shared->v4.both, shared->v6.both };
		of_own = (struct overlap_sums){ shared->v4.size, shared->v6.size };
		of_list = (struct overlap_sums){ shared->v4.other_size, shared->v6.other_size };
		pairs[n++] = (struct pair){own,
					   feed,
					   both,
					   of_own,
					   share(both.v4, of_own.v4),
					   share(both.v6, of_own.v6)};
		pairs[n++] = (struct pair){feed,
					   own,
					   both,
					   of_list,
					   share(both.v4, of_list.v4),
					   share(both.v6, of_list.v6)};
	}
	return n;
}

/*
 * The classes that list @id is in, to @own, which has room for all. Returns how many: of thousands
 * mostly a few, which every other list is then looked for in.
 */
static size_t classes_of(struct engine *engine, unsigned id, struct overlap_class *own)
{
	size_t n_classes, i, n = 0;
	const struct overlap_class *classes = quality_classes(engine, &n_classes);

	for (i = 0; i < n_classes; i++) {
		if (classes[i].lists[id / 64] >> (id % 64) & 1)
			own[n++] = classes[i];
	}
	return n;
}

/* List @a with each other list that shares an address with it. Returns how many. */
static size_t pairs_of(struct engine *engine, const struct engine_feed *a,
		       struct overlap_class own[SEK_CLASSES_MAX], struct pair *pairs)
{
	unsigned id = a->state.id % SEK_LISTS_MAX;
	size_t n_own = classes_of(engine, id, own), k, n = 0;
	struct overlap_sums of_a = overlap_both(own, n_own, id, id);

	for (k = 0; k < engine->n_feeds; k++) {
		const struct engine_feed *b = &engine->feeds[k];
		struct overlap_sums both =
			overlap_both(own, n_own, id, b->state.id % SEK_LISTS_MAX);

		if (a != b && a->state.id && b->state.id && (both.v4 > 0 || both.v6 > 0))
			pairs[n++] = (struct pair){
				a, b, both, of_a, share(both.v4, of_a.v4), share(both.v6, of_a.v6)};
	}
	return n;
}

/* Puts those of the largest shares first, and returns how many are told of. */
static size_t largest(struct pair *pairs, size_t n)
{
	if (n)
		qsort(pairs, n, sizeof(*pairs), by_share);
	return n < PAIRS_MAX ? n : PAIRS_MAX;
}

/*
 * The largest of all ordered pairs that share an address. Returns how many; *ret_pairs is the
 * caller's to free().
 */
static size_t all_pairs(struct engine *engine, struct pair **ret_pairs)
{
	size_t i, n = 0, most = engine->n_feeds * (engine->n_feeds + 1);
	struct pair *pairs = calloc(most + 1, sizeof(*pairs));
	struct overlap_class *own = calloc(SEK_CLASSES_MAX, sizeof(*own));

	for (i = 0; i < engine->n_feeds && pairs && own; i++)
		n += pairs_of(engine, &engine->feeds[i], own, pairs + n);
	if (pairs)
		n += crowdsec_pairs(engine, pairs + n);
	free(own);
	*ret_pairs = pairs;
	return largest(pairs, n);
}

/* Rows of the @n @pairs. Takes @pairs. */
static json_t *rows_of(struct pair *pairs, size_t n)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(rows,
				      json_pack("{s:s,s:s,s:f,s:f,s:f,s:f}", "list",
						pairs[i].a->state.name, "also_in",
						pairs[i].b->state.name, "share_v4", pairs[i].share4,
						"share_v6", pairs[i].share6, "addresses_v4",
						pairs[i].both.v4, "networks_v6", pairs[i].both.v6));
	free(pairs);
	return rows;
}

static json_t *matrix(struct engine *engine)
{
	struct pair *pairs;
	size_t n = all_pairs(engine, &pairs);

	return rows_of(pairs, n);
}

json_t *quality_overlaps(struct engine *engine, const struct engine_feed *feed)
{
	struct pair *pairs = calloc(3 * engine->n_feeds + 1, sizeof(*pairs)), *own;
	struct overlap_class *classes = calloc(SEK_CLASSES_MAX, sizeof(*classes));
	size_t n, n_own, i;

	if (!pairs || !classes) {
		free(pairs);
		free(classes);
		return json_array();
	}
	n = pairs_of(engine, feed, classes, pairs);
	free(classes);
	own = pairs + n;
	n_own = crowdsec_pairs(engine, own);
	for (i = 0; i < n_own; i++) {
		if (own[i].a == feed)
			pairs[n++] = own[i]; /* never ahead of what is read */
	}
	return rows_of(pairs, largest(pairs, n));
}

json_t *verbs_feed_quality(struct verbs_request *request)
{
	json_int_t days = json_integer_value(json_object_get(request->json, "days"));
	struct engine *engine = request->engine;
	json_t *rows = json_array(), *row;
	const struct engine_feed *feed;
	size_t i;

	if (days < 1)
		days = DAYS_DEFAULT;
	if (days > QUALITY_DAYS)
		days = QUALITY_DAYS;
	credit_take(engine); /* and so reads the counters anew */
	crowdsec_hits_take(engine);
	quality_look(engine);
	for (i = 0; (feed = feeds_credited(engine, i)); i++) {
		row = quality_row(engine, feed, (unsigned)days);
		if (row)
			json_array_append_new(rows, row);
	}
	return verbs_ok(json_pack("{s:I,s:o,s:o}", "days", days, "lists", rows, "overlaps", matrix(engine)));
}

enum metric { UNIQUE, HIT_ENTRIES, ADDED, REMOVED, CHANGED };

static double value_of(struct engine *engine, const struct engine_feed *feed, enum metric metric)
{
	const struct store_quality *all = quality_of(engine, feed);

	switch (metric) {
	case UNIQUE: return engine->credit->totals[feed->state.id].unique;
	case HIT_ENTRIES: return all ? hit_entries(all) : 0;
	case ADDED: return all ? all->added : 0;
	case REMOVED: return all ? all->removed : 0;
	default: return all ? all->changed_s : 0;
	}
}

/* The matrix as `feed quality` tells it: no pair that shares nothing, PAIRS_MAX at most. */
static void add_pairs(struct engine *engine, struct openmetrics *om)
{
	struct pair *pairs;
	size_t i, n = all_pairs(engine, &pairs);

	openmetrics_family(om, "sekisho_feed_overlap_pair_ratio", OPENMETRICS_GAUGE, "Share of the feed's addresses that the other list holds too; none where that is none.");
	for (i = 0; i < n; i++) {
		const char *feed = pairs[i].a->state.name, *other = pairs[i].b->state.name;

		if (pairs[i].both.v4 > 0)
			openmetrics_sample(om, pairs[i].share4, "feed", feed, "other", other,
					   "family", "ipv4", NULL);
		if (pairs[i].both.v6 > 0)
			openmetrics_sample(om, pairs[i].share6, "feed", feed, "other", other,
					   "family", "ipv6", NULL);
	}
	free(pairs);
}

static void add_overlap(struct engine *engine, struct openmetrics *om)
{
	size_t n_classes, i;
	const struct overlap_class *classes = quality_classes(engine, &n_classes);

	openmetrics_family(om, "sekisho_feed_overlap_ratio", OPENMETRICS_GAUGE, "Share of the feed's addresses that another list in force holds too.");
	for (i = 0; i < engine->n_feeds; i++) {
		const char *name = engine->feeds[i].state.name;
		unsigned id = engine->feeds[i].state.id % SEK_LISTS_MAX;
		struct overlap_sums all = overlap_both(classes, n_classes, id, id),
				    shared = overlap_shared(classes, n_classes, id);

		openmetrics_sample(om, share(shared.v4, all.v4), "feed", name, "family", "ipv4", NULL);
		openmetrics_sample(om, share(shared.v6, all.v6), "feed", name, "family", "ipv6", NULL);
	}
}

void metrics_add_quality(struct engine *engine, struct openmetrics *om)
{
	static const struct {
		const char *name, *help;
		enum openmetrics_kind kind;
	} families[] = {
		[UNIQUE] = { "sekisho_feed_unique_packets", "Packets that only this feed dropped, or would have dropped.", OPENMETRICS_COUNTER },
		[HIT_ENTRIES] = { "sekisho_feed_hit_entries", "Entries of the feed that a sampled packet ever hit, within 1.6 %; at least, as it is a sample.", OPENMETRICS_GAUGE },
		[ADDED] = { "sekisho_feed_added_entries", "Entries that updates of the feed brought.", OPENMETRICS_COUNTER },
		[REMOVED] = { "sekisho_feed_removed_entries", "Entries that updates of the feed took away.", OPENMETRICS_COUNTER },
		[CHANGED] = { "sekisho_feed_changed_timestamp_seconds", "When an update of the feed last changed an entry; 0 never.", OPENMETRICS_GAUGE },
	};
	const struct engine_feed *feed;
	size_t f, i;

	for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		openmetrics_family(om, families[f].name, families[f].kind, families[f].help);
		for (i = 0; (feed = feeds_credited(engine, i)); i++)
			openmetrics_sample(om, value_of(engine, feed, (enum metric)f), "feed",
					   feed->state.name, NULL);
	}
	add_overlap(engine, om);
	add_pairs(engine, om);
}
