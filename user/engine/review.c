// SPDX-License-Identifier: GPL-2.0
/*
 * review.*: bans with their evidence, and a person's word on them. Reject unblocks at once and
 * allows the source for a time.
 */
#include "bans.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "lib/escape.h"

#define LIST_MAX 500	  /* rows an answer: each has its signals, a tenth of a millisecond */
#define ALLOW_S 86400	  /* a rejected source is allowed for so long, where nobody says */
#define ALLOW_MAX_S 3153600000 /* 100 years, as units.h */
#define ORIGIN "review"
#define OTHERS_MAX 1000 /* bans of one source that are looked through, the newest */

static const char *const verdicts[] = { "undecided", "confirmed", "rejected" };

static const char *state_of(const struct store_ban *ban)
{
	static const char *const states[] = { "live", "ended", "rejected", "lifted", "lost" };

	if (ban->state == STORE_BAN_ENDED && ban->trial_until_s > engine_now_s())
		return "probation";
	return states[ban->state <= STORE_BAN_LOST ? ban->state : STORE_BAN_ENDED];
}

static json_t *last_seen(const struct store_ban *ban)
{
	struct bans_clock clock = bans_clock();

	return ban->ban.last_ns && ban->ban.last_ns >= ban->ban.since_ns
		   ? json_integer(ban->since_s +
				  (ban->ban.last_ns - ban->ban.since_ns) / 1000000000)
	       : ban->ban.last_ns ? json_integer(bans_unix_s(&clock, ban->ban.last_ns))
				  : json_null();
}

static json_t *numbers_of(const struct store_ban *ban)
{
	/* The last second counts only when the record's second is that of the last drop. */
	const char *not_known = bans_hidden_text(ban->hidden);

	return json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "packets", (json_int_t)ban->ban.dropped, "bytes",
			 (json_int_t)ban->ban.dropped_bytes, "first_second",
			 (json_int_t)ban->ban.dropped_first_s, "last_second",
			 (json_int_t)ban->ban.last_s, "last_seen", last_seen(ban),
			 "not_known", not_known ? json_string(not_known) : json_null());
}

/* "conversations stopped": what speaks against the ban, then, behind a stroke, for it. */
static json_t *in_brief(const json_t *signals)
{
	char text[256] = "";
	json_t *row;
	size_t i, len = 0;

	json_array_foreach((json_t *)signals, i, row) {
		const char *says = json_string_value(json_object_get(row, "says")),
			   *name = json_string_value(json_object_get(row, "signal"));

		if (len < sizeof(text))
			len +=
			    snprintf(text + len, sizeof(text) - len, "%s%s%s", len ? " " : "",
				     says && !strcmp(says, "wrong") ? "?" : "", name ? name : "");
	}
	return json_string(text);
}

/* null: it has not ended. */
static json_t *how_of(const struct store_ban *ban)
{
	if (ban->state == STORE_BAN_LIVE)
		return json_null();
	return json_string(ban->how[0] ? ban->how : "its time was over");
}

json_t *review_row_at(struct engine *engine, struct store_ban *ban, uint64_t now_ns)
{
	char text[PREFIX_TEXT_BYTES];
	json_t *signals;

	bans_settle(engine, ban, now_ns);
	ban->hidden = bans_hidden_of(engine, ban);
	signals = evidence_signals(ban);
	return json_pack("{s:I,s:s,s:s,s:f,s:f,s:s,s:I,s:I,s:I,s:o,s:s,s:s,s:I,s:o,s:o,s:o,s:o}",
			 "id", (json_int_t)ban->id, "source", prefix_format(&ban->source, text),
			 "limit", ban->limit, "threshold_per_s", ban->threshold_per_s, "rate_per_s",
			 ban->rate_per_s, "unit", ban->is_bits ? "bits" : "packets", "since",
			 (json_int_t)ban->since_s, "until", (json_int_t)ban->until_s, "trial_until",
			 (json_int_t)ban->trial_until_s, "ended", verbs_time(ban->ended_s), "state",
			 state_of(ban), "verdict",
			 verdicts[ban->verdict <= STORE_REJECTED ? ban->verdict : 0], "level",
			 (json_int_t)ban->ban.level, "dropped", numbers_of(ban), "brief",
			 in_brief(signals), "signals", signals, "how", how_of(ban));
}

json_t *review_row(struct engine *engine, struct store_ban *ban)
{
	return review_row_at(engine, ban, bans_clock().boot_ns);
}

struct list_walk {
	struct engine *engine;
	json_t *rows;
	int64_t last;
};

static int list_row(void *arg, const struct store_ban *ban)
{
	struct list_walk *walk = arg;
	struct store_ban copy = *ban;

	json_array_append_new(walk->rows, review_row(walk->engine, &copy));
	walk->last = ban->id;
	return 0;
}

json_t *verbs_review_list(struct verbs_request *request)
{
	json_int_t rows = json_integer_value(json_object_get(request->json, "rows"));
	struct list_walk walk = { .engine = request->engine, .rows = json_array() };
	struct store_ban_query query = {
		.before = json_integer_value(json_object_get(request->json, "before")),
		.is_undecided = json_is_true(json_object_get(request->json, "undecided")),
		.limit = verbs_word(request, "limit", NULL),
		.max = rows > 0 && rows < LIST_MAX ? rows : LIST_MAX
	};

	if (store_ban_each(request->engine->store, &query, list_row, &walk)) {
		json_decref(walk.rows);
		return verbs_error(1, "the state cannot be read: %s",
				   store_error(request->engine->store));
	}
	return verbs_ok(json_pack("{s:o,s:o}", "bans", walk.rows, "next",
				  json_array_size(walk.rows) == (size_t)query.max
				      ? json_integer(walk.last)
				      : json_null()));
}

static int add_verdict(void *arg, const struct store_verdict_row *row)
{
	json_array_append_new(
	    arg, json_pack("{s:I,s:s,s:s,s:I,s:s}", "time", (json_int_t)row->time_s, "verdict",
			   verdicts[row->verdict <= STORE_REJECTED ? row->verdict : 0], "user",
			   row->user, "uid", (json_int_t)row->uid, "reason", row->reason));
	return 0;
}

json_t *review_counts(struct engine *engine, enum store_review_kind kind, const char *name)
{
	struct store_review review = { 0 };
	uint64_t decided;

	(void)store_review_get(engine->store, kind, name,
			       &review); /* then nothing is known of it */
	decided = review.confirmed + review.rejected;
	return json_pack("{s:I,s:I,s:I,s:o}", "bans", (json_int_t)review.bans, "confirmed",
			 (json_int_t)review.confirmed, "rejected", (json_int_t)review.rejected,
			 "precision",
			 decided ? json_real((double)review.confirmed / decided) : json_null());
}

/* The ban of the request's id, or the answer that says why not. */
static json_t *find(struct verbs_request *request, struct store_ban *ret_ban)
{
	json_int_t id = json_integer_value(json_object_get(request->json, "id"));
	int err = store_ban_get(request->engine->store, id, ret_ban);

	if (err == -ENOENT)
		return verbs_error(1, "there is no ban %lld; see sekisho review list",
				   (long long)id);
	return err ? verbs_error(1, "the state cannot be read: %s",
				 store_error(request->engine->store))
		   : NULL;
}

json_t *verbs_review_show(struct verbs_request *request)
{
	struct engine *engine = request->engine;
	json_t *answer, *verdict_rows, *lists;
	struct store_ban ban;

	answer = find(request, &ban);
	if (answer)
		return answer;
	answer = review_row(engine, &ban);
	verdict_rows = json_array();
	(void)store_verdict_each(engine->store, ban.id, add_verdict,
				 verdict_rows); /* then the row's own verdict stands alone */
	lists = json_loads(ban.lists, 0, NULL);
	(void)json_object_set_new(answer, "evidence",
				  evidence_json(&ban)); /* out of memory: missing, here and below */
	(void)json_object_set_new(answer, "packets", evidence_headers(&ban));
	(void)json_object_set_new(answer, "lists", lists ? lists : json_array());
	(void)json_object_set_new(answer, "verdicts", verdict_rows);
	(void)json_object_set_new(answer, "window_ms", json_integer(ban.window_ms));
	(void)json_object_set_new(answer, "generation", json_integer(ban.ban.generation));
	(void)json_object_set_new(answer, "config_hash", json_string(ban.config_hash));
	(void)json_object_set_new(answer, "of_limit",
				  review_counts(engine, STORE_REVIEW_LIMIT, ban.limit));
	return verbs_ok(answer);
}

static struct store_verdict_row word_of(const struct verbs_request *request,
					const struct store_ban *ban, enum store_verdict verdict)
{
	struct store_verdict_row row = { .ban = ban->id,
					 .time_s = engine_now_s(),
					 .verdict = verdict,
					 .uid = request->client->uid };

	snprintf(row.user, sizeof(row.user), "%s", request->client->user);
	snprintf(row.reason, sizeof(row.reason), "%s", verbs_word(request, "reason", ""));
	escape_end_utf8(row.reason);
	return row;
}

static json_t *unwritten(struct engine *engine, const char *why)
{
	json_t *answer =
	    why[0] ? verbs_error(1, "%s", why)
		   : verbs_error(1, "the state cannot be written: %s", store_error(engine->store));

	store_rollback(engine->store);
	return answer;
}

/* The allow entry of rejects that stands for a source. */
struct allowed {
	bool is_there;
	int64_t until_s; /* 0: for good */
};

static int take_allow(void *arg, const struct store_entry *row)
{
	struct allowed *allowed = arg;

	if (row->kind == SEK_A_ALLOW && !strcmp(row->origin, ORIGIN) &&
	    (!row->expires_s || row->expires_s > engine_now_s()))
		*allowed = (struct allowed){ .is_there = true, .until_s = row->expires_s };
	return 0;
}

static struct allowed find_allow(struct engine *engine, const struct prefix *source)
{
	struct allowed allowed = { 0 };

	/* then none is told */
	(void)store_entry_exact(engine->store, source, take_allow, &allowed);
	return allowed;
}

struct others {
	int64_t id;	  /* the ban that is asked for */
	int64_t rejected; /* another of its source that stands rejected; 0: none */
};

static int find_rejected(void *arg, const struct store_ban *ban)
{
	struct others *others = arg;

	if (ban->id != others->id && ban->verdict == STORE_REJECTED)
		others->rejected = ban->id;
	return others->rejected != 0;
}

/*
 * Takes away what the reject of @ban allowed, unless the reject of another ban of that source
 * stands.
 */
static int take_allow_away(struct engine *engine, const struct store_ban *ban,
			   int64_t *ret_other, int *ret_n)
{
	struct store_ban_query query = { .source = &ban->source, .max = OTHERS_MAX };
	struct others others = { .id = ban->id };
	int err = store_ban_each(engine->store, &query, find_rejected, &others);

	if (err < 0)
		return err;
	*ret_other = others.rejected;
	return others.rejected ? 0
			       : store_entry_delete(engine->store, &ban->source, SEK_A_ALLOW,
						    ORIGIN, ret_n);
}

/* What a reject lifted stays lifted: it is no rejected ban any more. */
static int end_reject(struct engine *engine, const struct store_verdict_row *row,
		      struct store_ban *ban)
{
	char how[STORE_REASON_BYTES];

	if (ban->state != STORE_BAN_REJECTED)
		return 0;
	ban->state = STORE_BAN_LIFTED;
	snprintf(how, sizeof(how), "%.100s, later confirmed by %.60s: it stays lifted", ban->how,
		 row->user);
	memcpy(ban->how, how, sizeof(ban->how));
	return store_ban_update(engine->store, ban);
}

static json_t *confirmed(struct engine *engine, const struct store_ban *ban, int64_t other)
{
	struct allowed allowed = find_allow(engine, &ban->source);
	char text[PREFIX_TEXT_BYTES], stays[128] = "", lifted[96] = "";

	if (ban->state == STORE_BAN_LIFTED)
		snprintf(lifted, sizeof(lifted),
			 "ban %lld stays lifted; the source's next offence begins a new one",
			 (long long)ban->id);
	if (allowed.is_there && other)
		snprintf(stays, sizeof(stays), "%s%s stays allowed: ban %lld is rejected too",
			 lifted[0] ? "; " : "", prefix_format(&ban->source, text),
			 (long long)other);
	return verbs_ok(json_pack("{s:I,s:s,s:s,s:b,s:o}", "id", (json_int_t)ban->id, "verdict",
				  "confirmed", "state", state_of(ban), "allowed", allowed.is_there,
				  "text", lifted[0] || stays[0]
					      ? json_sprintf("%s%s", lifted, stays)
					      : json_null()));
}

/* On second thoughts: what a reject before it allowed goes. */
json_t *verbs_review_confirm(struct verbs_request *request)
{
	struct engine *engine = request->engine;
	struct store_verdict_row row;
	char why[ROLE_TEXT_BYTES] = "";
	struct store_ban ban;
	json_t *answer = find(request, &ban);
	int64_t other = 0;
	int err, n = 0;

	if (answer)
		return answer;
	row = word_of(request, &ban, STORE_CONFIRMED);
	err = store_begin(engine->store);
	if (!err)
		err = store_verdict_add(engine->store, &row);
	if (!err && ban.verdict == STORE_REJECTED)
		err = take_allow_away(engine, &ban, &other, &n);
	if (!err)
		err = end_reject(engine, &row, &ban);
	if (!err && n)
		err = entries_apply(engine, &ban.source, why, sizeof(why));
	if (!err)
		err = store_commit(engine->store);
	if (!err)
		return confirmed(engine, &ban, other);
	answer = unwritten(engine, err == -EPERM ? why : "");
	if (n)
		(void)entries_apply(engine, &ban.source, why,
				    sizeof(why)); /* back to what the state says */
	return answer;
}

/* The allow entry of a reject: later ends win over earlier ones, as with every entry. */
static int allow(struct verbs_request *request, const struct store_ban *ban, json_int_t allow_s,
		 char *why, size_t why_bytes)
{
	struct store_entry entry = { .prefix = ban->source,
				     .kind = SEK_A_ALLOW,
				     .origin = ORIGIN,
				     .since_s = engine_now_s() };
	int err;

	if (!allow_s)
		return 0;
	entry.expires_s = allow_s > 0 ? entry.since_s + allow_s : 0;
	snprintf(entry.reason, sizeof(entry.reason), "ban %lld of limit %s rejected: %.150s",
		 (long long)ban->id, ban->limit, verbs_word(request, "reason", ""));
	escape_end_utf8(entry.reason);
	snprintf(entry.by_user, sizeof(entry.by_user), "%s", request->client->user);
	err = store_entry_put(request->engine->store, &entry);
	return err ? err : entries_apply(request->engine, &ban->source, why, why_bytes);
}

/* As the state has it: an allow that was there and ends later stays as it was. */
static json_t *rejected(struct engine *engine, const struct store_ban *ban)
{
	struct allowed allowed = find_allow(engine, &ban->source);

	return verbs_ok(json_pack("{s:I,s:s,s:s,s:b,s:o}", "id", (json_int_t)ban->id, "verdict",
				  "rejected", "state", state_of(ban), "allowed", allowed.is_there,
				  "allowed_until", verbs_time(allowed.until_s)));
}

static json_t *reject(struct verbs_request *request, struct store_ban *ban, json_int_t allow_s)
{
	struct engine *engine = request->engine;
	struct store_verdict_row row = word_of(request, ban, STORE_REJECTED);
	bool was_live = ban->state == STORE_BAN_LIVE;
	char why[ROLE_TEXT_BYTES] = "", ignored[ROLE_TEXT_BYTES], how[STORE_REASON_BYTES];
	json_t *answer;
	int err = store_begin(engine->store);

	snprintf(how, sizeof(how), "rejected by %s", row.user);
	if (!err)
		err = store_verdict_add(engine->store, &row);
	ban->hidden = bans_hidden_of(engine, ban); /* a scan may not have met it since */
	if (!err && ban->hidden)
		err = store_ban_hide(engine->store, ban->id, ban->hidden);
	if (!err)
		err = bans_lift(engine, ban, STORE_BAN_REJECTED, how, why, sizeof(why));
	if (!err)
		err = allow(request, ban, allow_s, why, sizeof(why));
	if (!err)
		err = store_commit(engine->store);
	if (!err)
		return rejected(engine, ban);
	answer = unwritten(engine, why);
	if (was_live)
		bans_put_back(engine, ban);
	(void)entries_apply(engine, &ban->source, ignored,
			    sizeof(ignored)); /* back to what the state says */
	return answer;
}

json_t *verbs_review_reject(struct verbs_request *request)
{
	json_t *given = json_object_get(request->json, "allow_s"), *answer;
	json_int_t allow_s = json_is_integer(given) ? json_integer_value(given) : ALLOW_S;
	struct store_ban ban;

	if (allow_s > ALLOW_MAX_S || allow_s < -1)
		return verbs_error(
		    1,
		    "allow_s is no number of seconds up to 100 years; -1 is for good, 0 not at all");
	answer = find(request, &ban);
	return answer ? answer : reject(request, &ban, allow_s);
}
