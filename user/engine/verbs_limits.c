// SPDX-License-Identifier: GPL-2.0
/* limit list, limit suggest, limit try, top: what limits do, and what they would do. */
#include "verbs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "engine.h"
#include "lib/rate.h"
#include "top.h"

#define ALL_WORD "all" /* of suggest and try: every packet, whatever limits it matches */
#define TOP_MAX 1000
#define TOP_DEFAULT 20

static const char *const protocols[] = { "any", "tcp", "tcp-syn", "udp", "icmp" };

/* The text of a rate, null where there is none. */
static json_t *rate_text(double per_s)
{
	char text[32];

	return per_s > 0 ? json_string(rate_format(per_s, text)) : json_null();
}

static json_t *ports_text(const struct limit_settings *limit)
{
	char text[LIMIT_PORTS_MAX * 12 + 1] = "";
	size_t len = 0;
	unsigned i;

	for (i = 0; i < limit->n_ports; i++) {
		len += snprintf(text + len, sizeof(text) - len, "%s%u", i ? "," : "",
				limit->ports[i].first);
		if (limit->ports[i].last != limit->ports[i].first)
			len += snprintf(text + len, sizeof(text) - len, "-%u", limit->ports[i].last);
	}
	return limit->n_ports ? json_string(text) : json_null();
}

static json_t *per_text(const struct engine *engine, const struct limit_settings *limit)
{
	return json_sprintf("/%u, /%u", limit->len4,
			    limit->len6 ? limit->len6 : engine->config->source_len6);
}

static json_t *ban_json(const struct limit_ban *ban)
{
	if (!ban->is_set)
		return json_null();
	return json_pack("{s:f,s:I,s:f,s:I,s:I}", "after_s", ban->after_ms / 1e3, "for_s",
			 (json_int_t)ban->for_s, "repeat", ban->repeat, "at_most_s",
			 (json_int_t)ban->most_s, "probation_s",
			 (json_int_t)(ban->trial_s ? ban->trial_s : ban->for_s));
}

json_t *verbs_limit(struct engine *engine, const struct limit_settings *limit)
{
	const uint64_t *total = limits_row(engine, limit)->total;

	return json_pack(
		"{s:s,s:i,s:s,s:o,s:o,s:o,s:f,s:s,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:o}", "name",
		limit->name, "number", limit->number, "protocol", protocols[limit->protocol],
		"ports", ports_text(limit), "packets", rate_text(limit->packets_per_s), "bits",
		rate_text(limit->bits_per_s), "burst", limit->burst, "action",
		limit->is_monitor ? "monitor" : "drop", "per", per_text(engine, limit), "ban",
		ban_json(&limit->ban), "dropped", (json_int_t)total[STORE_LIMIT_DROPS],
		"dropped_bytes", (json_int_t)total[STORE_LIMIT_DROP_BYTES], "would_drop",
		(json_int_t)total[STORE_LIMIT_WOULDS], "bans", (json_int_t)total[STORE_LIMIT_BANS],
		"bans_refused", (json_int_t)total[STORE_LIMIT_REFUSED], "review",
		review_counts(engine, STORE_REVIEW_LIMIT, limit->name));
}

json_t *verbs_limits(struct engine *engine)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < engine->config->n_limits; i++)
		json_array_append_new(rows, verbs_limit(engine, &engine->config->limits[i]));
	return rows;
}

static json_t *list_over(struct engine *engine, struct verbs_wait *wait)
{
	uint64_t over[SEK_LIMITS_MAX];
	json_t *rows;
	size_t i;
	int err;

	if (!limits_over_done(wait->number, &err, over))
		return NULL;
	if (err)
		return verbs_error(1, "the limiter's memory cannot be read");
	credit_take(engine); /* and so reads the counters anew */
	rows = verbs_limits(engine);
	for (i = 0; i < engine->config->n_limits; i++)
		json_object_set_new(json_array_get(rows, i), "over_now",
				    json_integer(over[engine->config->limits[i].number]));
	return verbs_ok(
		json_pack("{s:o,s:I,s:I}", "limits", rows, "forgotten",
			  (json_int_t)engine->limits->count[LIMITS_EVICTIONS].total, "memory",
			  engine->map_fds[ROLE_FD_SLOTS] >= 0
				  ? (json_int_t)SEK_LINE_BYTES << engine->read.control->limit_bits
				  : 0));
}

json_t *verbs_limit_list(struct verbs_request *request)
{
	if (limits_over_start(request->engine, &request->wait->number))
		return verbs_error(1, "out of memory");
	request->wait->poll = list_over;
	return NULL;
}

/* @per_s up to two digits, so that people can remember it. */
static double round_up(double per_s)
{
	double step = per_s > 0 ? pow(10, floor(log10(per_s)) - 1) : 1;

	step = step < 1 ? 1 : step;
	return ceil(per_s / step) * step;
}

static json_t *hits_json(const struct rate_hist *hist, double per_s)
{
	return json_pack("{s:o,s:f,s:I}", "rate", rate_text(per_s), "rate_per_s", per_s,
			 "would_hit", (json_int_t)llround(rate_hist_above(hist, per_s)));
}

/*
 * What three thresholds would have hit: one source in a hundred, one in a thousand, and half as
 * much again as the busiest.
 */
static json_t *suggest_json(const char *name, bool is_bits, double now_per_s,
			    const struct rate_hist *hist, unsigned days)
{
	double p99 = rate_hist_quantile(hist, 0.99), p999 = rate_hist_quantile(hist, 0.999),
	       suggested = round_up(1.5 * p999);
	json_t *proposals = json_array();

	json_array_append_new(proposals, hits_json(hist, round_up(p99)));
	json_array_append_new(proposals, hits_json(hist, round_up(p999)));
	json_array_append_new(proposals, hits_json(hist, round_up(1.5 * hist->highest_per_s)));
	return json_pack("{s:s,s:s,s:I,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "name", name,
			 "unit", is_bits ? "bits" : "packets", "sources",
			 (json_int_t)llround(hist->total), "days", days, "median",
			 rate_text(rate_hist_quantile(hist, 0.5)), "p99", rate_text(p99), "p999",
			 rate_text(p999), "highest", rate_text(hist->highest_per_s), "suggested",
			 hist->total > 0 ? rate_text(suggested) : json_null(), "suggested_hits",
			 hist->total > 0 ? json_integer(llround(rate_hist_above(hist, suggested)))
					 : json_null(),
			 "now", rate_text(now_per_s), "now_hits",
			 now_per_s > 0 ? json_integer(llround(rate_hist_above(hist, now_per_s)))
				       : json_null(),
			 "proposals", proposals);
}

static int add_suggestion(struct engine *engine, json_t *rows, const struct limit_settings *limit,
			  bool is_bits)
{
	struct rate_hist *hist = calloc(1, sizeof(*hist));
	double now_per_s = !limit ? 0 : is_bits ? limit->bits_per_s : limit->packets_per_s;
	unsigned days = 0;
	int err = hist ? rates_sum(engine, limit ? limit->name : RATES_ALL, is_bits, hist, &days)
		       : -ENOMEM;

	if (!err)
		json_array_append_new(rows, suggest_json(limit ? limit->name : ALL_WORD, is_bits,
							 now_per_s, hist, days));
	free(hist);
	return err;
}

json_t *verbs_limit_suggest(struct verbs_request *request)
{
	struct engine *engine = request->engine;
	json_t *rows = json_array();
	size_t i;
	int err = add_suggestion(engine, rows, NULL, false);

	if (!err)
		err = add_suggestion(engine, rows, NULL, true);
	for (i = 0; i < engine->config->n_limits && !err; i++)
		err = add_suggestion(engine, rows, &engine->config->limits[i],
				     engine->config->limits[i].bits_per_s > 0);
	if (!err)
		return verbs_ok(json_pack("{s:o}", "suggestions", rows));
	json_decref(rows);
	return verbs_error(1, "the rates cannot be read: %s", store_error(engine->store));
}

/* The share is that of the numbers that are shown: both are estimates, and no whole ones. */
static json_t *try_json(const struct rate_hist *hist, const char *name, const char *unit,
			double per_s, int days)
{
	json_int_t sources = llround(hist->total), hits = llround(rate_hist_above(hist, per_s));

	return json_pack("{s:s,s:s,s:o,s:I,s:I,s:f,s:o,s:i}", "name", name, "unit", unit, "rate",
			 rate_text(per_s), "sources", sources, "would_hit", hits, "share",
			 sources ? (double)hits / sources : 0., "highest",
			 rate_text(hist->highest_per_s), "days", days);
}

json_t *verbs_limit_try(struct verbs_request *request)
{
	struct engine *engine = request->engine;
	const char *name = verbs_word(request, "name", ""),
		   *packets = verbs_word(request, "packets", NULL),
		   *bits = verbs_word(request, "bits", NULL);
	const char *rate = packets ? packets : bits;
	struct rate_hist *hist;
	char shown[LIMIT_NAME_BYTES + 4];
	unsigned days = 0;
	double per_s;
	json_t *answer;

	if (strcmp(name, ALL_WORD) && !limits_find_name(engine, name))
		return verbs_error(1, "there is no limit \"%s\"; \"all\" stands for every packet", verbs_shown(name, shown, sizeof(shown)));
	if (!rate || (packets && bits) || rate_parse(rate, strlen(rate), &per_s))
		return verbs_error(1, "give one of --packets and --bits with a rate, such as 50/s, 90/m or 200M/s");
	hist = calloc(1, sizeof(*hist));
	if (!hist)
		return NULL;
	if (rates_sum(engine, limits_find_name(engine, name) ? name : RATES_ALL, bits != NULL, hist,
		      &days))
		answer = verbs_error(1, "the rates cannot be read: %s", store_error(engine->store));
	else
		answer = verbs_ok(try_json(hist, name, bits ? "bits" : "packets", per_s, days));
	free(hist);
	return answer;
}

json_t *verbs_top(struct verbs_request *request)
{
	const char *by = verbs_word(request, "by", "packets");
	json_int_t max = json_integer_value(json_object_get(request->json, "limit"));
	json_t *rows;

	if (strcmp(by, "packets") && strcmp(by, "bytes") && strcmp(by, "drops"))
		return verbs_error(1, "the busiest by packets, bytes or drops");
	(void)bpf_read_refresh(&request->engine->read); /* for top_gap, which does not change */
	rows = top_rows(request->engine, by, max < 1 ? TOP_DEFAULT : max > TOP_MAX ? TOP_MAX : max);
	if (!rows)
		return verbs_error(1, "the kernel's summary cannot be read");
	return verbs_ok(json_pack("{s:s,s:i,s:o}", "by", by, "sample",
				  request->engine->read.control->top_gap, "sources", rows));
}

/*
 * Over now, or within the last second: at ten times the rate every tenth packet passes, and an
 * instant says little.
 */
static bool is_held(const struct sek_explain_limit *limit)
{
	return limit->is_over || limit->over_ns;
}

/* What @limit counts as one source, of the address that is explained. */
static json_t *source_text(const struct sek_explain *kernel, const struct sek_explain_limit *limit)
{
	struct prefix address = {.family = kernel->family, .len = kernel->family == 4 ? 32 : 128},
		      source;
	char text[PREFIX_TEXT_BYTES];

	memcpy(address.addr_be, kernel->addr_be, sizeof(address.addr_be));
	source = lists_shorten(&address, limit->len);
	return json_string(prefix_format(&source, text));
}

/* The limits of one explanation: their state as the kernel sees it. */
json_t *verbs_explain_limits(struct engine *engine, const struct sek_explain *kernel)
{
	json_t *rows = json_array();
	unsigned i;

	for (i = 0; i < kernel->n_limits && i < SEK_LIMITS_MAX; i++) {
		const struct sek_explain_limit *one = &kernel->limits[i];
		const struct limit_settings *limit = limits_find(engine, one->number);
		double room_ns = one->tau_ns > 0 ? one->tau_ns : 1;

		json_array_append_new(
			rows,
			json_pack("{s:s,s:o,s:s,s:o,s:s,s:o,s:o,s:i,s:f,s:b,s:o}", "name",
				  limit ? limit->name : "(changing)", "source",
				  source_text(kernel, one), "protocol",
				  limit ? protocols[limit->protocol] : "", "ports",
				  limit ? ports_text(limit) : json_null(), "action",
				  one->flags & SEK_LIMIT_F_MONITOR ? "monitor" : "drop", "packets",
				  rate_text(limit ? limit->packets_per_s : 0), "bits",
				  rate_text(limit ? limit->bits_per_s : 0), "prefix_len", one->len,
				  "used", fmin(1, one->ahead_ns / room_ns), "over", is_held(one),
				  "over_s",
				  one->over_ns ? json_real(one->over_ns / 1000000 / 1e3)
					       : json_null()));
	}
	return rows;
}

/*
 * The kernel's verdict is of the lists; where they pass, a limit may drop or would. A protected
 * source passes.
 */
void verbs_explain_verdict(struct sek_explain *kernel)
{
	unsigned i;

	if (kernel->verdict == SEK_V_DROP || kernel->reason == SEK_R_ALLOW || kernel->rail)
		return;
	for (i = 0; i < kernel->n_limits && i < SEK_LIMITS_MAX; i++) {
		bool drops = !(kernel->limits[i].flags & SEK_LIMIT_F_MONITOR) &&
			     kernel->mode != SEK_MODE_MONITOR;

		if (!is_held(&kernel->limits[i]) || kernel->verdict == SEK_V_DROP)
			continue;
		if (drops || kernel->verdict == SEK_V_PASS)
			kernel->reason = SEK_R_LIMIT;
		kernel->verdict = drops ? SEK_V_DROP : SEK_V_WOULD;
	}
}
