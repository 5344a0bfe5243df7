// SPDX-License-Identifier: GPL-2.0
/* What is told of CrowdSec: a row among the feeds, the long form, metrics. */
#include "crowdsec.h"

#include <string.h>

#include "lib/openmetrics.h"
#include "quality.h"
#include "sys/store_refs.h"
#include "verbs.h"

#define ORIGINS_MAX 20 /* label values: a hostile server cannot make more */

struct origins {
	json_t *rows;
	uint64_t total[2]; /* IPv4, IPv6 */
};

static void add_origin(void *arg, const char *origin, int family, uint64_t n)
{
	struct origins *origins = arg;

	origins->total[family == 6] += n;
	if (origins->rows && json_array_size(origins->rows) < ORIGINS_MAX)
		json_array_append_new(origins->rows,
				      json_pack("{s:s,s:s,s:I}", "origin", origin, "family",
						family == 6 ? "ipv6" : "ipv4", "decisions",
						(json_int_t)n));
}

static const char *state_of(const struct crowdsec *crowdsec, const struct origins *origins)
{
	bool has_any = origins->total[0] || origins->total[1];

	if (crowdsec->failures)
		return has_any || crowdsec->pulls_total ? "retrying" : "failing";
	return crowdsec->pulls_total ? "ok" : "pending";
}

static json_t *ignored(const struct crowdsec *crowdsec)
{
	json_t *json = json_object();
	int i;

	for (i = 0; i < DECISION_IGNORED_MAX; i++)
		json_object_set_new(json, decision_ignored_text(i),
				    json_integer((json_int_t)crowdsec->ignored[i]));
	return json;
}

json_t *crowdsec_json(struct engine *engine, bool is_long)
{
	const struct crowdsec *crowdsec = engine->crowdsec;
	struct origins origins = { .rows = is_long ? json_array() : NULL };
	uint64_t now_ms = uv_now(&engine->loop);
	char alarm[FEEDS_ALARM_BYTES];
	json_t *json;

	if (!crowdsec->config)
		return NULL;
	/* then none are told */
	(void)store_ref_counts(engine->store, CONFIG_CROWDSEC_NAME, add_origin, &origins);
	json = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:I,s:o,s:s,s:n,s:s?}", "name",
			 CONFIG_CROWDSEC_NAME, "action", "block", "state",
			 state_of(crowdsec, &origins), "entries",
			 (json_int_t)(origins.total[0] + origins.total[1]), "entries_v4",
			 (json_int_t)origins.total[0], "entries_v6", (json_int_t)origins.total[1],
			 "last_success", verbs_time(crowdsec->last_success_s), "next_try",
			 (json_int_t)(engine_now_s() +
				      (crowdsec->next_ms > now_ms
					       ? (int64_t)(crowdsec->next_ms - now_ms) / 1000
					       : 0)),
			 "error", crowdsec->error[0] ? json_string(crowdsec->error) : json_null(),
			 "url", crowdsec->config->url, "path", "alarm",
			 crowdsec_alarm(engine, alarm, sizeof(alarm)));
	if (is_long && json) {
		crowdsec_hits_take(engine);
		json_object_set_new(json, "quality", quality_row(engine, &engine->crowdsec->feed, 7));
		json_object_set_new(json, "overlaps", quality_overlaps(engine, &engine->crowdsec->feed));
		json_object_update_new(
			json, json_pack("{s:o,s:o,s:o,s:o,s:I,s:I,s:o,s:o}", "decisions",
					origins.rows, "ignored", ignored(crowdsec), "usage_metrics",
					crowdsec_usage_json(engine), "failing_since",
					verbs_time(crowdsec->failing_since_s), "failures_total",
					(json_int_t)crowdsec->failures_total, "stale_after",
					(json_int_t)crowdsec->config->stale_after_s, "refused",
					crowdsec_refused_json(crowdsec), "names",
					crowdsec_names(engine)));
	} else {
		json_decref(origins.rows);
	}
	return json;
}

struct sample_walk {
	struct openmetrics *om;
	unsigned n;
	uint64_t other[2];
};

static void add_sample(void *arg, const char *origin, int family, uint64_t n)
{
	struct sample_walk *walk = arg;

	if (strcmp(origin, "other") && walk->n++ < ORIGINS_MAX)
		openmetrics_sample(walk->om, n, "origin", origin, "family", family == 6 ? "ipv6" : "ipv4", NULL);
	else
		walk->other[family == 6] += n;
}

static void add_decisions(struct engine *engine, struct openmetrics *om)
{
	struct sample_walk walk = { .om = om };

	openmetrics_family(om, "sekisho_crowdsec_decisions", OPENMETRICS_GAUGE, "Decisions of CrowdSec in force, by who made them.");
	/* then there are none to tell of */
	(void)store_ref_counts(engine->store, CONFIG_CROWDSEC_NAME, add_sample, &walk);
	openmetrics_sample(om, walk.other[0], "origin", "other", "family", "ipv4", NULL);
	openmetrics_sample(om, walk.other[1], "origin", "other", "family", "ipv6", NULL);
}

void metrics_add_crowdsec(struct engine *engine, struct openmetrics *om)
{
	const struct crowdsec *crowdsec = engine->crowdsec;
	int i;

	if (!crowdsec->config)
		return;
	add_decisions(engine, om);
	openmetrics_family(om, "sekisho_crowdsec_ignored_decisions", OPENMETRICS_GAUGE, "Decisions that are not in force, by why: no ban, no address, protected and others.");
	for (i = 0; i < DECISION_IGNORED_MAX; i++)
		openmetrics_sample(om, crowdsec->ignored[i], "why", decision_ignored_text(i), NULL);
	openmetrics_family(om, "sekisho_crowdsec_up", OPENMETRICS_GAUGE, "1 when CrowdSec's last answer is in force.");
	openmetrics_sample(om, crowdsec->pulls_total && !crowdsec->failures, NULL);
	openmetrics_family(om, "sekisho_crowdsec_last_success_timestamp_seconds", OPENMETRICS_GAUGE, "When CrowdSec last answered well; 0 never.");
	openmetrics_sample(om, crowdsec->last_success_s, NULL);
	openmetrics_family(om, "sekisho_crowdsec_failures", OPENMETRICS_COUNTER, "Requests to CrowdSec that failed or were refused.");
	openmetrics_sample(om, crowdsec->failures_total, NULL);
	openmetrics_family(om, "sekisho_crowdsec_fetch_duration_seconds", OPENMETRICS_GAUGE, "How long CrowdSec's last good answer took.");
	openmetrics_sample(om, crowdsec->fetch_ms / 1000.0, NULL);
}
