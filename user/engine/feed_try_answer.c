// SPDX-License-Identifier: GPL-2.0
/*
 * What a try found, as JSON: the list itself, what it shares with each list in force, who would
 * have been hit, and advice.
 */
#include "feed_try.h"

#include <string.h>

#include "lib/feed_parse.h"
#include "lib/rail.h"

static const char *const actions[] = { "none", "allow", "block", "monitor" };

static double share(double part, double whole)
{
	return whole > 0 ? part / whole : 0;
}

static json_t *errors(const struct list_view *view)
{
	json_t *rows = json_array();
	uint32_t i;

	for (i = 0; i < view->head->n_errors && i < FEED_TRY_ROWS; i++) {
		const struct list_error *error = &view->errors[i];
		/* NULL where it is no UTF-8 */
		json_t *text = json_stringn(error->text, error->text_len);

		json_array_append_new(rows,
				      json_pack("{s:i,s:s,s:o}", "line", error->line, "reason",
						feed_error_text(error->reason), "text",
						text ? text : json_string("(not UTF-8)")));
	}
	return rows;
}

/* The part of the tried list's addresses that @list holds: of the family that it has more of. */
static double held(const struct feed_try_list *list)
{
	double of4 = share(list->v4.both, list->v4.size), of6 = share(list->v6.both, list->v6.size);

	if (!list->v6.entries || !list->v4.entries)
		return list->v4.entries ? of4 : of6;
	return of4 < of6 ? of4 : of6; /* all of it is held where both are */
}

static json_t *overlaps(const struct feed_try *job)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < job->n_lists; i++) {
		const struct feed_try_list *list = &job->lists[i];
		const struct overlap *v4 = &list->v4, *v6 = &list->v6;

		if (!i && !list->list.view.head->n4 && !list->list.view.head->n6)
			continue; /* no allow: in the config */
		json_array_append_new(
			rows, json_pack("{s:s,s:s,s:b,s:I,s:I,s:f,s:f,s:f,s:f}", "name", list->name,
					"action", actions[list->action], "known_good",
					list->is_known_good, "entries_inside",
					(json_int_t)(v4->entries_inside + v6->entries_inside),
					"entries_touched",
					(json_int_t)(v4->entries_touched + v6->entries_touched),
					"share_v4", share(v4->both, v4->size), "share_v6",
					share(v6->both, v6->size), "of_list_v4",
					share(v4->both, v4->other_size), "of_list_v6",
					share(v6->both, v6->other_size)));
	}
	return rows;
}

static json_t *protected(const struct feed_try *job, unsigned *ret_n)
{
	json_t *rows = json_array();
	char text[PREFIX_TEXT_BYTES];
	unsigned i;

	for (i = 0; i < job->n_rails; i++) {
		struct prefix host = {.family = job->rails[i].key.family,
				      .len = job->rails[i].key.family == 4 ? 32 : 128};

		if (!job->names_rail[i])
			continue;
		memcpy(host.addr_be, job->rails[i].key.addr_be, sizeof(host.addr_be));
		json_array_append_new(rows,
				      json_pack("{s:s,s:s}", "address", prefix_format(&host, text),
						"why", rail_text(job->rails[i].kind)));
	}
	*ret_n = (unsigned)json_array_size(rows);
	return rows;
}

static bool would_drop(const struct feed_try_seen *seen)
{
	return seen->is_named && !seen->is_dropped && !seen->is_allowed;
}

/* Those with connections first, then those that would newly be dropped, then the busiest. */
static int by_weight(const struct feed_try_seen *x, const struct feed_try_seen *y)
{
	int rank_x = 2 * (x->is_open && would_drop(x)) + would_drop(x),
	    rank_y = 2 * (y->is_open && would_drop(y)) + would_drop(y);

	return rank_x != rank_y ? rank_y - rank_x
				: (x->packets < y->packets) - (x->packets > y->packets);
}

/* The sources that the list names: how many, and the weightiest of them in their order. */
struct named {
	const struct feed_try_seen *row[FEED_TRY_ROWS];
	size_t n_rows, n;
};

static void add_named(struct named *named, const struct feed_try_seen *one)
{
	size_t at = named->n_rows;

	named->n++;
	if (at < FEED_TRY_ROWS)
		named->n_rows++;
	else if (by_weight(one, named->row[--at]) >= 0)
		return;
	for (; at && by_weight(one, named->row[at - 1]) < 0; at--)
		named->row[at] = named->row[at - 1];
	named->row[at] = one;
}

static json_t *seen_rows(const struct named *named)
{
	json_t *rows = json_array();
	char address[PREFIX_TEXT_BYTES], entry[PREFIX_TEXT_BYTES];
	size_t i;

	for (i = 0; i < named->n_rows; i++) {
		const struct feed_try_seen *one = named->row[i];

		json_array_append_new(rows, json_pack("{s:s,s:s,s:I,s:I,s:b,s:s}", "address",
						      prefix_format(&one->address, address),
						      "entry", prefix_format(&one->entry, entry),
						      "packets", (json_int_t)one->packets, "drops",
						      (json_int_t)one->drops, "connections",
						      one->is_open, "now",
						      one->is_allowed   ? "allowed"
						      : one->is_dropped ? "dropped"
									: "passes"));
	}
	return rows;
}

/* NULL: out of memory. */
static json_t *seen(const struct feed_try *job, struct feed_facts *facts)
{
	struct named named = { .n = 0 };
	double all = 0, lost = 0;
	size_t i;

	for (i = 0; i < job->n_seen; i++) {
		const struct feed_try_seen *one = &job->seen[i];

		all += one->packets;
		facts->n_seen += !one->is_beyond;
		if (one->is_named)
			add_named(&named, one);
		if (!would_drop(one))
			continue;
		lost += one->packets;
		facts->n_would_drop++;
		facts->n_open += one->is_open;
	}
	return json_pack("{s:I,s:I,s:I,s:I,s:f,s:o}", "sources", (json_int_t)facts->n_seen, "named",
			 (json_int_t)named.n, "would_drop", (json_int_t)facts->n_would_drop,
			 "connections", (json_int_t)facts->n_open, "share_of_packets",
			 share(lost, all), "rows", seen_rows(&named));
}

static void take_facts(const struct feed_try *job, struct feed_facts *facts)
{
	const struct list_head *head = job->list.view.head;
	size_t i;

	facts->entries = (uint64_t)head->n4 + head->n6;
	facts->errors = head->errors;
	facts->coverage4 = job->list.coverage4;
	facts->coverage6 = job->list.coverage6;
	facts->held_why = job->held_why[0] ? job->held_why : NULL;
	facts->is_whole = feed_guard_is_whole(&job->config->feeds[0].guard, facts->coverage4,
					      facts->coverage6);
	facts->private_entries = job->private4.entries_inside + job->private6.entries_inside;
	for (i = 0; i < job->n_lists; i++) {
		const struct feed_try_list *list = &job->lists[i];
		uint64_t touched = list->v4.entries_touched + list->v6.entries_touched;

		if (list->is_known_good && touched > facts->known_good_entries) {
			facts->known_good_entries = touched;
			facts->known_good = list->name;
		}
		if (list->action == SEK_A_BLOCK && held(list) > facts->held_share) {
			facts->held_share = held(list);
			facts->held_by = list->name;
		}
	}
}

static json_t *advice(const struct feed_facts *facts)
{
	struct feed_reason reasons[FEED_REASONS_MAX];
	json_t *rows = json_array();
	size_t i, n;
	enum feed_advice what = feed_advise(facts, reasons, &n);

	for (i = 0; i < n; i++)
		json_array_append_new(rows, json_string(reasons[i].text));
	return json_pack("{s:s,s:o}", "advice", feed_advice_name(what), "reasons", rows);
}

/* What it is known by; a format that was told, the fetcher takes for the config's. */
static const char *format_why(const struct feed_try *job)
{
	const struct list_origin *origin = job->list.view.origin;

	if (job->config->feeds[0].format != FETCH_AUTO)
		return "told on the command line";
	return origin ? origin->why : "";
}

json_t *feed_try_answer(const struct feed_try *job)
{
	const struct config_feed *feed = &job->config->feeds[0];
	const struct list_head *head = job->list.view.head;
	const struct list_origin *origin = job->list.view.origin;
	struct feed_facts facts = { 0 };
	json_t *json;
	bool has_failed;

	take_facts(job, &facts);
	json = json_pack(
		"{s:s?,s:s?,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:o,s:I}", "url",
		feed->url, "path", feed->path, "format",
		feed_format_name(job->result.format < FETCH_FORMAT_MAX ? job->result.format
								       : FETCH_AUTO),
		"format_why", format_why(job), "body_bytes",
		(json_int_t)job->result.body_bytes, "duration_ms",
		(json_int_t)job->result.duration_ms, "entries", (json_int_t)facts.entries,
		"entries_v4", (json_int_t)head->n4, "entries_v6", (json_int_t)head->n6, "lines",
		(json_int_t)head->lines, "duplicates", (json_int_t)head->duplicates, "host_bits",
		(json_int_t)head->host_bits, "coverage_v4", facts.coverage4, "coverage_v6",
		facts.coverage6, "errors_total", (json_int_t)head->errors, "errors",
		errors(&job->list.view), "skipped", (json_int_t)(origin ? origin->skipped : 0));
	if (!json)
		return verbs_error(1, "out of memory");
	has_failed = json_object_set_new(
		json, "private",
		json_pack("{s:I,s:f,s:f}", "entries", (json_int_t)facts.private_entries, "share_v4",
			  share(job->private4.both, job->private4.size), "share_v6",
			  share(job->private6.both, job->private6.size)));
	has_failed |= json_object_set_new(json, "overlaps", overlaps(job));
	has_failed |= json_object_set_new(json, "protected", protected(job, &facts.n_protected));
	has_failed |= json_object_set_new(json, "seen", seen(job, &facts));
	has_failed |= json_object_update_new(json, advice(&facts));
	if (!has_failed)
		return verbs_ok(json);
	json_decref(json); /* without one of them the advice would be another */
	return verbs_error(1, "out of memory");
}
