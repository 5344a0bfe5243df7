// SPDX-License-Identifier: GPL-2.0
/*
 * The metrics document, from the kernel's counters and the engine's state. No label ever takes an
 * address.
 */
#include "crowdsec.h"
#include "bans.h"
#include "engine.h"
#include "quality.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/openmetrics.h"

static const char *const reasons[SEK_R_MAX] = {
	"none", "allow", "block", "ban", "feed", "limit", "malformed", "link", "protected", "internal",
};
static const char *const verdicts[] = { "pass", "drop" };

#define ORIGINS_MAX 50 /* label values; the rest is one "other" */

static void add_verdicts(struct engine *engine, struct openmetrics *om, bool bytes)
{
	unsigned i, v, r;

	openmetrics_family(om, bytes ? "sekisho_bytes" : "sekisho_packets", OPENMETRICS_COUNTER,
			   bytes ? "Frame bytes by interface, verdict and reason." : "Packets by interface, verdict and reason.");
	for (i = 0; i < engine->ifaces.body.ifaces.count; i++) {
		const struct role_iface *iface = &engine->ifaces.body.ifaces.iface[i];

		for (v = SEK_V_PASS; v <= SEK_V_DROP; v++) {
			for (r = 0; r < SEK_R_MAX; r++) {
				struct sek_counter one =
					bpf_read_verdict(&engine->read, iface->slot, v, r);

				if (one.packets ||
				    (v == SEK_V_PASS) == (r == SEK_R_NONE || r == SEK_R_ALLOW ||
							  r >= SEK_R_LINK))
					openmetrics_sample(om, bytes ? one.bytes : one.packets,
							   "interface", iface->name, "verdict",
							   verdicts[v], "reason", reasons[r], NULL);
			}
		}
	}
}

static void add_woulds(struct engine *engine, struct openmetrics *om)
{
	unsigned i, r;

	openmetrics_family(om, "sekisho_would_drop_packets", OPENMETRICS_COUNTER, "Packets passed that would have been dropped but for monitor.");
	for (i = 0; i < engine->ifaces.body.ifaces.count; i++) {
		const struct role_iface *iface = &engine->ifaces.body.ifaces.iface[i];

		for (r = SEK_R_BLOCK; r <= SEK_R_MALFORMED; r++)
			openmetrics_sample(
				om,
				bpf_read_verdict(&engine->read, iface->slot, SEK_V_WOULD, r)
					.packets,
				"interface", iface->name, "reason", reasons[r], NULL);
	}
}

enum feed_metric {
	FEED_DROPS,
	FEED_BYTES,
	FEED_WOULDS,
	FEED_SUCCESS,
	FEED_UP,
	FEED_HELD,
	FEED_STALE,
	FEED_FAILURES,
	FEED_DURATION
};

static double feed_value(struct engine *engine, const struct engine_feed *feed,
			 enum feed_metric metric)
{
	const struct credit_totals *totals = &engine->credit->totals[feed->state.id];
	char alarm[FEEDS_ALARM_BYTES];

	switch (metric) {
	case FEED_DROPS: return totals->drops;
	case FEED_BYTES: return totals->drop_bytes;
	case FEED_WOULDS: return totals->woulds;
	case FEED_SUCCESS: return feed->state.last_success_s;
	case FEED_UP: return feed->list.data && !feed->state.failures && !feed->held.data;
	case FEED_HELD: return feed->held.data != NULL;
	case FEED_STALE: return feeds_alarm(feed, alarm, sizeof(alarm)) != NULL;
	case FEED_FAILURES: return feed->state.failures_total;
	default: return feed->state.fetch_ms / 1000.0;
	}
}

static void add_feeds(struct engine *engine, struct openmetrics *om)
{
	static const struct {
		const char *name, *help;
		enum openmetrics_kind kind;
	} families[] = {
		[FEED_DROPS] = { "sekisho_feed_dropped_packets", "Packets dropped from sources the feed lists; every list that holds one is credited.", OPENMETRICS_COUNTER },
		[FEED_BYTES] = { "sekisho_feed_dropped_bytes", "Frame bytes of those packets.", OPENMETRICS_COUNTER },
		[FEED_WOULDS] = { "sekisho_feed_would_drop_packets", "Packets the feed would have dropped were it, or the agent, not in monitor.", OPENMETRICS_COUNTER },
		[FEED_SUCCESS] = { "sekisho_feed_last_success_timestamp_seconds", "When the feed was last fetched or read well; 0 never.", OPENMETRICS_GAUGE },
		[FEED_UP] = { "sekisho_feed_up", "1 when the last update went well and a list is in force.", OPENMETRICS_GAUGE },
		[FEED_HELD] = { "sekisho_feed_held", "1 while an update waits for `sekisho feed accept`.", OPENMETRICS_GAUGE },
		[FEED_STALE] = { "sekisho_feed_stale", "1 while the alarm of stale-after rings: no good update for longer than that.", OPENMETRICS_GAUGE },
		[FEED_FAILURES] = { "sekisho_feed_update_failures", "Updates that failed, were refused or held.", OPENMETRICS_COUNTER },
		[FEED_DURATION] = { "sekisho_feed_fetch_duration_seconds", "How long the last good fetch took.", OPENMETRICS_GAUGE },
	};
	char alarm[FEEDS_ALARM_BYTES];
	size_t f, i;

	for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		openmetrics_family(om, families[f].name, families[f].kind, families[f].help);
		for (i = 0; i < engine->n_feeds; i++)
			openmetrics_sample(om, feed_value(engine, &engine->feeds[i], f), "feed",
					   engine->feeds[i].state.name, NULL);
		if (f <= FEED_WOULDS && engine->crowdsec->config)
			openmetrics_sample(om, feed_value(engine, &engine->crowdsec->feed, f),
					   "feed", CONFIG_CROWDSEC_NAME, NULL);
		if (f == FEED_STALE && engine->crowdsec->config)
			openmetrics_sample(om, crowdsec_alarm(engine, alarm, sizeof(alarm)) != NULL,
					   "feed", CONFIG_CROWDSEC_NAME, NULL);
	}
	openmetrics_family(om, "sekisho_feed_entries", OPENMETRICS_GAUGE, "Prefixes of the feed's last good list.");
	for (i = 0; i < engine->n_feeds; i++) {
		const struct list_head *head = engine->feeds[i].list.view.head;

		openmetrics_sample(om, head ? head->n4 : 0, "feed", engine->feeds[i].state.name,
				   "family", "ipv4", NULL);
		openmetrics_sample(om, head ? head->n6 : 0, "feed", engine->feeds[i].state.name,
				   "family", "ipv6", NULL);
	}
}

static void add_limits(struct engine *engine, struct openmetrics *om)
{
	static const struct {
		const char *name, *help;
		enum store_limit_count count;
	} families[] = {
		{ "sekisho_limit_dropped_packets", "Packets dropped because their source was over the limit.", STORE_LIMIT_DROPS },
		{ "sekisho_limit_dropped_bytes", "Frame bytes of those packets.", STORE_LIMIT_DROP_BYTES },
		{ "sekisho_limit_would_drop_packets", "Packets over a limit that only watches.", STORE_LIMIT_WOULDS },
		{ "sekisho_limit_bans_refused", "Packets that would have begun a ban, but the ban map is full.", STORE_LIMIT_REFUSED },
	};
	size_t f, i;

	for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		openmetrics_family(om, families[f].name, OPENMETRICS_COUNTER, families[f].help);
		for (i = 0; i < engine->config->n_limits; i++)
			openmetrics_sample(om,
					   limits_row(engine, &engine->config->limits[i])
						   ->total[families[f].count],
					   "limit", engine->config->limits[i].name, NULL);
	}
	openmetrics_family(om, "sekisho_limiter_evictions", OPENMETRICS_COUNTER, "Sources that limits forgot for newer ones: limiter-memory is too small.");
	openmetrics_sample(om, engine->limits->count[LIMITS_EVICTIONS].total, NULL);
	openmetrics_family(om, "sekisho_limiter_gave_up", OPENMETRICS_COUNTER, "Packets that passed uncharged: other CPUs changed the source's slot at every try.");
	openmetrics_sample(om, engine->limits->count[LIMITS_GAVE_UP].total, NULL);
	openmetrics_family(om, "sekisho_limiter_evidence_missed", OPENMETRICS_COUNTER, "Packets of sources near or over a limit that left no evidence: the record was another source's.");
	openmetrics_sample(om, engine->limits->count[LIMITS_EVIDENCE_MISSED].total, NULL);
}

struct origin_walk {
	struct openmetrics *om;
	unsigned n;
	uint64_t other;
};

static void add_origin(void *arg, const char *origin, uint64_t n)
{
	struct origin_walk *walk = arg;

	/*
	 * One that is called so is among them: the same series twice would cost the whole scrape.
	 */
	if (strcmp(origin, "other") && walk->n++ < ORIGINS_MAX)
		openmetrics_sample(walk->om, n, "origin", origin, NULL);
	else
		walk->other += n;
}

static void add_state(struct engine *engine, struct openmetrics *om)
{
	struct origin_walk walk = { .om = om };
	unsigned i;

	openmetrics_family(om, "sekisho_entries", OPENMETRICS_GAUGE, "Hand-made entries by origin.");
	/* then there are none to tell of */
	(void)store_entry_counts(engine->store, add_origin, &walk);
	if (walk.other)
		openmetrics_sample(om, walk.other, "origin", "other", NULL);
	openmetrics_family(om, "sekisho_table_prefixes", OPENMETRICS_GAUGE, "Distinct prefixes in the table in force.");
	openmetrics_sample(om, engine->table.prefixes_v4, "family", "ipv4", NULL);
	openmetrics_sample(om, engine->table.prefixes_v6, "family", "ipv6", NULL);
	openmetrics_family(om, "sekisho_table_bytes", OPENMETRICS_GAUGE, "Size of the table in force.");
	openmetrics_sample(om, engine->table.bytes, NULL);
	openmetrics_family(om, "sekisho_table_generation", OPENMETRICS_GAUGE, "Generation of the table in force.");
	openmetrics_sample(om, engine->swapped_generation, NULL);
	openmetrics_family(om, "sekisho_table_build_seconds", OPENMETRICS_GAUGE, "How long the last table took to flatten and build.");
	openmetrics_sample(om, engine->table.build_s, NULL);
	openmetrics_family(om, "sekisho_attached", OPENMETRICS_GAUGE, "1 where the program is on the interface.");
	for (i = 0; i < engine->ifaces.body.ifaces.count; i++) {
		const struct role_iface *iface = &engine->ifaces.body.ifaces.iface[i];

		if (iface->wanted || iface->attached)
			openmetrics_sample(om, iface->attached, "interface", iface->name, "attach",
					   iface->native ? "native" : "generic", NULL);
	}
	openmetrics_family(om, "sekisho_build_info", OPENMETRICS_GAUGE, "The version that runs.");
	openmetrics_sample(om, 1, "version", SEKISHO_VERSION, NULL);
}

static int short_answer(const char *text, char **ret_text, size_t *ret_len)
{
	*ret_text = strdup(text);
	*ret_len = strlen(text);
	return *ret_text ? 0 : -ENOMEM;
}

int metrics_text(void *context, const char *path, const char *accept, unsigned *ret_code,
		 const char **ret_type, char **ret_text, size_t *ret_len)
{
	struct engine *engine = context;
	struct openmetrics om;
	bool open = openmetrics_accepts(accept);

	*ret_type = "text/plain; charset=utf-8";
	if (!strcmp(path, "/healthz"))
		return short_answer("ok\n", ret_text, ret_len);
	if (!strcmp(path, "/readyz")) {
		*ret_code = engine->is_ready ? 200 : 503;
		return short_answer(engine->is_ready ? "ready\n" : "the last good lists are not in force yet\n", ret_text, ret_len);
	}
	if (strcmp(path, "/metrics")) {
		*ret_code = 404;
		return short_answer("here are /metrics, /healthz and /readyz\n", ret_text, ret_len);
	}
	*ret_type = open ? OPENMETRICS_TYPE_OPEN : OPENMETRICS_TYPE_TEXT;
	credit_take(engine); /* and so reads the counters anew */
	openmetrics_begin(&om, open);
	add_verdicts(engine, &om, false);
	add_verdicts(engine, &om, true);
	add_woulds(engine, &om);
	add_feeds(engine, &om);
	metrics_add_quality(engine, &om);
	add_limits(engine, &om);
	metrics_add_bans(engine, &om);
	metrics_add_crowdsec(engine, &om);
	add_state(engine, &om);
	return openmetrics_end(&om, ret_text, ret_len);
}
