// SPDX-License-Identifier: GPL-2.0
/*
 * A ban's evidence for people and programs: the record's figures, sampled packets, the lists, and
 * what all that speaks for.
 */
#include "bans.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/judge.h"
#include "since.h"
#include "verbs.h"

static const char *const actions[] = { "none", "allow", "block", "monitor" };

/*
 * One more list that holds the source, or @is_part: some of it, and then it does not count for the
 * list. False: no room.
 */
static bool add_list(struct evidence_lists *lists, json_t *rows, const struct engine_feed *feed,
		     const struct prefix *prefix, bool is_part)
{
	enum sek_action action = feed->config->action;
	char text[PREFIX_TEXT_BYTES];

	if (json_array_size(rows) >= EVIDENCE_LISTS_MAX)
		return false;
	if (!is_part) {
		snprintf(lists->names[lists->n], sizeof(lists->names[0]), "%s", feed->state.name);
		lists->all[lists->n] = lists->names[lists->n];
		lists->all[++lists->n] = NULL;
	}
	json_array_append_new(rows, json_pack("{s:s,s:s,s:b,s:s,s:b,s:o,s:o}", "list",
					      feed->state.name, "action", actions[action],
					      "known_good",
					      action == SEK_A_ALLOW || feed->config->known_good,
					      "prefix", prefix_format(prefix, text), "part",
					      is_part, "since",
					      verbs_time(since_find(feed, prefix)), "as_of",
					      verbs_time(feed->state.last_success_s)));
	return true;
}

void evidence_lists(struct engine *engine, const struct prefix *source,
		    struct evidence_lists *ret_lists)
{
	json_t *rows = json_array();
	struct prefix prefix;
	char *text;
	size_t i;

	ret_lists->n = 0;
	ret_lists->all[0] = NULL;
	for (i = 0; i < engine->n_feeds; i++) {
		const struct engine_feed *feed = &engine->feeds[i];

		bool is_whole = lists_find(&feed->list, source, &prefix);

		if ((is_whole || lists_find_inside(&feed->list, source, &prefix)) &&
		    !add_list(ret_lists, rows, feed, &prefix, !is_whole))
			break;
	}
	do { /* 32 lists with the longest names are 6 kB: then the last are not noted */
		text = json_dumps(rows, JSON_COMPACT);
		if (text && strlen(text) < sizeof(ret_lists->text))
			break;
		free(text);
		text = NULL;
	} while (!json_array_remove(rows, json_array_size(rows) - 1));
	snprintf(ret_lists->text, sizeof(ret_lists->text), "%s", text ? text : "[]");
	free(text);
	json_decref(rows);
}

static void count_lists(const struct store_ban *ban, struct judge_facts *facts)
{
	json_t *rows = json_loads(ban->lists, 0, NULL), *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *action = json_string_value(json_object_get(row, "action"));

		if (json_is_true(json_object_get(row, "known_good")))
			facts->n_known_good++;
		else if (action && !json_is_true(json_object_get(row, "part")) &&
			 (!strcmp(action, "block") || !strcmp(action, "monitor")))
			facts->n_block_lists++;
	}
	json_decref(rows);
}

json_t *evidence_signals(const struct store_ban *ban)
{
	struct judge_facts facts = {.evidence = ban->has_evidence ? &ban->evidence : NULL,
				    .ban = &ban->ban,
				    .is_hidden = ban->hidden != STORE_HIDDEN_NOT};
	struct judge_row rows[JUDGE_MAX];
	json_t *signals = json_array();
	size_t i, n;

	/* What is over is judged as it was at its end, not as if it had been silent since. */
	facts.now_ns =
		ban->ban.since_ns +
		((ban->ended_s ? ban->ended_s : engine_now_s()) - ban->since_s) * 1000000000ll;
	count_lists(ban, &facts);
	n = judge_ban(&facts, rows);
	for (i = 0; i < n; i++)
		json_array_append_new(signals, json_pack("{s:s,s:s,s:s}", "signal",
							 judge_name(rows[i].signal), "says",
							 rows[i].says_wrong ? "wrong" : "right",
							 "text", rows[i].text));
	return signals;
}

static json_t *ports(const struct sek_evidence *e)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(e->ports) / sizeof(e->ports[0]); i++) {
		if (e->ports[i])
			json_array_append_new(list, json_integer(e->ports[i]));
	}
	return list;
}

static json_t *sizes(const struct sek_evidence *e)
{
	static const char *const names[SEK_EVIDENCE_SIZES] = {"<64",   "<96",   "<128",   "<192",
							      "<256",  "<384",  "<512",   "<768",
							      "<1024", "<1280", "<=1514", ">1514"};
	json_t *all = json_object();
	size_t i;

	for (i = 0; i < SEK_EVIDENCE_SIZES; i++) {
		if (e->size_log2[i])
			json_object_set_new(all, names[i], json_integer(e->size_log2[i]));
	}
	return all;
}

json_t *evidence_json(const struct store_ban *ban)
{
	const struct sek_evidence *e = &ban->evidence;
	double since_s = ((double)e->first_ns - (double)ban->ban.since_ns) / 1e9,
	       last_s = ((double)e->last_ns - (double)ban->ban.since_ns) / 1e9;

	if (!ban->has_evidence)
		return json_null();
	return json_pack(
		"{s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I,s:I,s:I},s:{s:I,s:I,s:I,s:I,s:I,s:I},s:I,s:i,s:o,s:I,s:I,s:o,s:i,s:i}",
		"first_seen", ban->since_s + since_s, "last_seen", ban->since_s + last_s, "packets",
		(json_int_t)e->packets, "bytes", (json_int_t)e->bytes, "over_limit",
		(json_int_t)e->dropped, "peak_packets_per_s", (json_int_t)e->peak_packets,
		"peak_bytes_per_s", (json_int_t)e->peak_bytes, "protocols", "tcp",
		(json_int_t)e->tcp, "udp", (json_int_t)e->udp, "icmp", (json_int_t)e->icmp, "other",
		(json_int_t)e->other, "tcp", "syn", (json_int_t)e->syn, "ack", (json_int_t)e->ack,
		"fin", (json_int_t)e->fin, "rst", (json_int_t)e->rst, "of_open_connections",
		(json_int_t)e->established, "looked_up", (json_int_t)e->established_asked,
		"fragments", (json_int_t)e->fragments, "distinct_ports", judge_ports(e),
		"last_ports", ports(e), "min_bytes", (json_int_t)e->min_bytes, "max_bytes",
		(json_int_t)e->max_bytes, "sizes", sizes(e), "min_ttl", e->min_ttl, "max_ttl",
		e->max_ttl);
}

json_t *evidence_headers(const struct store_ban *ban)
{
	json_t *rows = json_array();
	unsigned i, j;

	for (i = 0; i < ban->n_headers; i++) {
		const struct sek_event *event = &ban->headers[i];
		unsigned n = event->header_bytes < SEK_EVENT_HEADER_BYTES ? event->header_bytes
									  : SEK_EVENT_HEADER_BYTES;
		char hex[2 * SEK_EVENT_HEADER_BYTES + 1] = "";

		for (j = 0; j < n; j++)
			snprintf(hex + 2 * j, 3, "%02x", event->header[j]);
		json_array_append_new(rows,
				      json_pack("{s:i,s:i,s:i,s:i,s:I,s:s}", "protocol",
						event->l4_proto, "sport", ntohs(event->sport_be),
						"dport", ntohs(event->dport_be), "tcp_flags",
						event->tcp_flags, "frame_bytes",
						(json_int_t)event->frame_bytes, "header", hex));
	}
	return rows;
}
