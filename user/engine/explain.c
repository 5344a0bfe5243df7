// SPDX-License-Identifier: GPL-2.0
/*
 * Why a source passes or drops: the verdict from the kernel's own maps, the names and times from
 * the state, and a word where the two differ.
 */
#include "engine.h"
#include "bans.h"
#include "explain.h"
#include "since.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const reasons[SEK_R_MAX] = {
	"none", "allow", "block", "ban", "feed", "limit", "malformed", "link", "protected", "internal",
};
static const char *const rails[] = { "", "own address", "default gateway", "resolver", "SSH session", "loopback or link-local" };

/* The order in which the kernel asks, whatever the lengths (policy.bpf.h). */
enum rank { RANK_ALLOW, RANK_BLOCK, RANK_BAN, RANK_FEED, RANK_MONITOR, RANK_NONE };

struct match {
	json_t *json;
	enum rank rank; /* lower wins */
	unsigned len;
	uint64_t tie; /* of one rank and length, the lower wins: tie_of_entry(), tie_of_list() */
};

struct matches {
	struct engine *engine;
	uint64_t now_ns; /* explain_now_ns() */
	struct prefix address;
	struct match row[SEK_LISTS_MAX * 2];
	size_t n;
};

#define TIE_LISTS (1ull << 63) /* lists come after every entry */

/* The row that ends last is the one in the kernel, and names the reason (entries.c). */
static uint64_t tie_of_entry(int64_t expires_s)
{
	return expires_s ? (TIE_LISTS - 1) - (uint64_t)expires_s : 0;
}

/* The lowest id answers, as in the table (policy.h). */
static uint64_t tie_of_list(uint32_t id)
{
	return TIE_LISTS | id;
}

static void add_match(struct matches *matches, enum rank rank, uint64_t tie,
		      const struct prefix *prefix, json_t *json)
{
	if (matches->n < SEK_LISTS_MAX * 2 && json)
		matches->row[matches->n++] =
			(struct match){.json = json, .rank = rank, .len = prefix->len, .tie = tie};
	else
		json_decref(json);
}

static int take_row(void *arg, const struct store_entry *row)
{
	struct matches *matches = arg;
	char text[PREFIX_TEXT_BYTES];
	bool allow = row->kind == SEK_A_ALLOW;

	if (!prefix_covers(&row->prefix, &matches->address) ||
	    (row->expires_s && row->expires_s <= engine_now_s()))
		return 0;
	add_match(matches, allow ? RANK_ALLOW : RANK_BLOCK, tie_of_entry(row->expires_s),
		  &row->prefix,
		  json_pack("{s:s,s:s,s:s,s:s,s:I,s:o,s:s,s:s}", "prefix",
			    prefix_format(&row->prefix, text), "kind", allow ? "allow" : "block",
			    "source", row->origin, "action", allow ? "allow" : "block", "since",
			    (json_int_t)row->since_s, "expires",
			    row->expires_s ? json_integer(row->expires_s) : json_null(), "reason",
			    row->reason, "by", row->by_user));
	return 0;
}

static int take_ban(void *arg, const struct store_ban *row)
{
	struct matches *matches = arg;
	struct store_ban copy = *row, *ban = &copy;
	char text[PREFIX_TEXT_BYTES];

	bans_settle(matches->engine, ban, matches->now_ns);
	if (ban->state != STORE_BAN_LIVE)
		return 0;
	add_match(matches, RANK_BAN, tie_of_entry(ban->until_s), &ban->source,
		  json_pack("{s:s,s:s,s:o,s:s,s:I,s:I,s:o,s:s,s:I}", "prefix",
			    prefix_format(&ban->source, text), "kind", "ban", "source",
			    json_sprintf("limit:%s", ban->limit), "action", "block", "since",
			    (json_int_t)ban->since_s, "expires", (json_int_t)ban->until_s, "reason",
			    json_sprintf("ban %lld", (long long)ban->id), "by", "agent", "id",
			    (json_int_t)ban->id));
	return 0;
}

static json_t *list_match(const struct prefix *prefix, const char *kind, const char *source,
			  const char *action, int64_t since_s)
{
	char text[PREFIX_TEXT_BYTES];

	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:n,s:s,s:s}", "prefix", prefix_format(prefix, text), "kind", kind, "source", source, "action", action,
			 "since", since_s ? json_integer(since_s) : json_null(), "expires", "reason", "", "by", "");
}

/*
 * Rows of the prefixes around the address, by the index; among a million this takes under a
 * millisecond.
 */
static void take_rows(struct engine *engine, struct matches *matches)
{
	unsigned len;

	for (len = 1; len <= matches->address.len; len++) {
		struct prefix prefix = lists_shorten(&matches->address, len);

		struct store_ban_query query = { .source = &prefix, .max = 1 };

		/* Where one fails the kernel's word stands alone. */
		(void)store_entry_exact(engine->store, &prefix, take_row, matches);
		(void)store_ban_each(engine->store, &query, take_ban, matches);
	}
}

static void take_lists(struct engine *engine, struct matches *matches)
{
	static const char *const actions[] = { "none", "allow", "block", "monitor" };
	static const enum rank ranks[] = { RANK_NONE, RANK_ALLOW, RANK_FEED, RANK_MONITOR };
	struct prefix prefix;
	size_t i;

	for (i = 0; i < engine->config->n_allow; i++) {
		if (prefix_covers(&engine->config->allow[i], &matches->address))
			add_match(matches, RANK_ALLOW, tie_of_list(0), &engine->config->allow[i],
				  list_match(&engine->config->allow[i], "allow", "config", "allow",
					     0));
	}
	for (i = 0; i < engine->n_feeds; i++) {
		struct engine_feed *feed = &engine->feeds[i];

		if (!lists_find(&feed->list, &matches->address, &prefix))
			continue;
		if (!feed->config->keep_private && feed->config->action != SEK_A_ALLOW &&
		    policy_is_private(&matches->address))
			continue;
		add_match(
			matches, ranks[feed->config->action], tie_of_list(feed->state.id), &prefix,
			list_match(&prefix, "feed", feed->state.name, actions[feed->config->action],
				   since_find(feed, &matches->address)));
	}
}

static int compare(const void *a, const void *b)
{
	const struct match *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank - y->rank;
	if (x->len != y->len)
		return (int)y->len - (int)x->len;
	return (x->tie > y->tie) - (x->tie < y->tie);
}

static const char *state_reason(const struct matches *matches)
{
	static const char *const by_rank[] = { "allow", "block", "ban", "feed", "feed", "none" };
	const char *source;

	if (!matches->n)
		return "none";
	source = json_string_value(json_object_get(matches->row[0].json, "source"));
	if (matches->row[0].rank == RANK_BLOCK && source && !strncmp(source, "limit:", 6))
		/* an entry that somebody made in a limit's name: the kernel counts it so */
		return "ban";
	return by_rank[matches->row[0].rank];
}

static json_t *differs(const struct matches *matches, const struct sek_explain *kernel)
{
	const char *kernel_reason =
		reasons[kernel->reason < SEK_R_MAX ? kernel->reason : SEK_R_INTERNAL];
	char text[256];

	if (kernel->reason == SEK_R_PROTECTED || kernel->reason == SEK_R_LIMIT ||
	    !strcmp(kernel_reason, state_reason(matches)))
		return json_null();
	snprintf(text, sizeof(text), "the kernel answers \"%s\" (generation %llu), the agent's state \"%s\": a change may be on its way; `sekisho reload` puts the state in force anew",
		 kernel_reason, (unsigned long long)kernel->generation, state_reason(matches));
	return json_string(text);
}

static json_t *advice(const struct matches *matches, const struct sek_explain *kernel,
		      const char *address)
{
	const char *kind, *source, *action;
	char text[256];

	if (kernel->reason == SEK_R_LIMIT)
		return json_sprintf("sekisho allow add %s; or change the limit in the config, then sekisho reload", address);
	if (kernel->reason == SEK_R_BAN && strcmp(state_reason(matches), "ban"))
		return json_sprintf("sekisho allow add %s", address); /* one that cannot be recorded */
	if (!matches->n || !strcmp(state_reason(matches), "none"))
		return json_sprintf("sekisho block add %s", address);
	kind = json_string_value(json_object_get(matches->row[0].json, "kind"));
	source = json_string_value(json_object_get(matches->row[0].json, "source"));
	action = json_string_value(json_object_get(matches->row[0].json, "action"));
	if (!strcmp(kind, "ban"))
		snprintf(
			text, sizeof(text), "sekisho review reject %lld",
			(long long)json_integer_value(json_object_get(matches->row[0].json, "id")));
	else if (!strcmp(kind, "feed") && !strcmp(action, "allow"))
		snprintf(text, sizeof(text), "change the action of feed %s in the config, then sekisho reload", source);
	else if (!strcmp(kind, "feed"))
		snprintf(text, sizeof(text), "sekisho allow add %s", address);
	else if (!strcmp(source, "config"))
		snprintf(text, sizeof(text), "edit allow: in the config, then sekisho reload");
	/* deleted here, it would come back with the next full answer */
	else if (!strcmp(source, CONFIG_CROWDSEC_NAME))
		snprintf(
			text, sizeof(text),
			"cscli decisions delete --%s %s, where CrowdSec runs; or here: sekisho allow add %s",
			strchr(json_string_value(json_object_get(matches->row[0].json, "prefix")),
			       '/')
				? "range"
				: "ip",
			json_string_value(json_object_get(matches->row[0].json, "prefix")),
			address);
	else
		snprintf(text, sizeof(text), "sekisho %s del %s --origin %s", kind,
			 json_string_value(json_object_get(matches->row[0].json, "prefix")),
			 source);
	return json_string(text);
}

static json_t *answer_of(const struct matches *matches, const struct sek_explain *kernel,
			 const char *address, json_t *limits)
{
	bool is_attached = explain_is_attached(matches->engine);
	static const char *const verdicts[] = { "pass", "drop", "monitor" };
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < matches->n; i++)
		json_array_append_new(rows, matches->row[i].json);
	return verbs_ok(json_pack(
		"{s:s,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:s,s:o,s:{s:I,s:i}}", "address", address,
		"verdict",
		verdicts[is_attached && kernel->verdict < SEK_V_MAX ? kernel->verdict : 0],
		"reason",
		reasons[!is_attached                 ? SEK_R_NONE
			: kernel->reason < SEK_R_MAX ? kernel->reason
						     : SEK_R_INTERNAL],
		"attached", is_attached, "matches", rows, "protected",
		kernel->rail && kernel->rail <= SEK_RAIL_LOCAL ? json_string(rails[kernel->rail])
							       : json_null(),
		"differs", differs(matches, kernel), "advice", advice(matches, kernel, address),
		"mode", kernel->mode == SEK_MODE_MONITOR ? "monitor" : "enforce", "limits", limits,
		"kernel", "generation", (json_int_t)kernel->generation, "class", kernel->class_id));
}

json_t *explain_answer(struct engine *engine, const char *address)
{
	struct role_msg msg = { .type = ROLE_EXPLAIN }, reply;
	struct matches *matches = calloc(1, sizeof(*matches));
	char text[PREFIX_TEXT_BYTES];
	enum prefix_error error;
	json_t *answer;

	if (!matches)
		return verbs_error(1, "out of memory");
	error = prefix_parse(address, strlen(address), &matches->address, NULL);
	if (error || matches->address.len != (matches->address.family == 4 ? 32 : 128)) {
		free(matches);
		return verbs_error(1, "%s: %s", verbs_shown(address, text, sizeof(text)),
				   error ? prefix_error_text(error)
					 : "give one address, not a prefix");
	}
	matches->engine = engine;
	msg.body.explain.family = matches->address.family;
	memcpy(msg.body.explain.addr_be, matches->address.addr_be, 16);
	role_call(engine, &msg, NULL, 0, &reply, NULL);
	if (reply.err) {
		free(matches);
		return verbs_error(1, "%s", reply.text);
	}
	matches->now_ns = explain_now_ns(&reply.body.explain);
	verbs_explain_verdict(&reply.body.explain);
	bans_look(engine, &matches->address);
	take_rows(engine, matches);
	take_lists(engine, matches);
	qsort(matches->row, matches->n, sizeof(matches->row[0]), compare);
	answer = answer_of(matches, &reply.body.explain, prefix_format(&matches->address, text),
			   verbs_explain_limits(engine, &reply.body.explain));
	explain_add_bans(
		engine, &matches->address, &reply.body.explain,
		matches->n ? json_array_get(
				     json_object_get(json_object_get(answer, "data"), "matches"), 0)
			   : NULL,
		json_object_get(answer, "data"));
	free(matches);
	return answer;
}
