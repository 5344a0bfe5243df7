// SPDX-License-Identifier: GPL-2.0
/*
 * What the control sockets understand: a table of verbs. Every change is recorded with who made it.
 */
#include "verbs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "engine.h"
#include "quality.h"
#include "lib/escape.h"
#include "lib/feed_url.h"
#include "sys/log.h"

#define AUDIT_MAX 1000 /* rows an answer */

json_t *verbs_ok(json_t *data)
{
	return json_pack("{s:b,s:o}", "ok", 1, "data", data);
}

json_t *verbs_error(int code, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", escape_end_utf8(text), "code", code);
}

const char *verbs_shown(const char *text, char *buf, size_t size)
{
	snprintf(buf, size, "%s", text);
	return escape_end_utf8(buf);
}

json_t *verbs_time(int64_t time_s)
{
	return time_s ? json_integer(time_s) : json_null();
}

const char *verbs_word(const struct verbs_request *request, const char *key, const char *other)
{
	const char *value = json_string_value(json_object_get(request->json, key));

	return value ? value : other;
}

static json_t *interfaces(const struct engine *engine)
{
	json_t *rows = json_array();
	unsigned i;

	for (i = 0; i < engine->ifaces.body.ifaces.count && i < SEK_IFACES_MAX; i++) {
		const struct role_iface *iface = &engine->ifaces.body.ifaces.iface[i];

		if (!iface->wanted && !iface->attached)
			continue;
		json_array_append_new(rows,
				      json_pack("{s:s,s:s,s:i,s:b,s:b}", "name", iface->name,
						"attach", iface->native ? "native" : "generic",
						"program_id", iface->program_id, "attached",
						iface->attached, "dispatcher", iface->shared));
	}
	return rows;
}

static json_t *packets(struct engine *engine)
{
	static const char *const names[SEK_R_MAX] = { "none", "allow", "block", "ban", "feed", "limit", "malformed", "link", "protected", "internal" };
	json_int_t totals[SEK_V_MAX] = { 0 }, one[SEK_V_MAX];
	json_t *by_reason = json_object();
	unsigned r, v, i;

	for (r = 0; r < SEK_R_MAX; r++) {
		memset(one, 0, sizeof(one));
		for (v = 0; v < SEK_V_MAX; v++) {
			for (i = 0; i < engine->ifaces.body.ifaces.count && i < SEK_IFACES_MAX; i++)
				one[v] += bpf_read_verdict(&engine->read,
							   engine->ifaces.body.ifaces.iface[i].slot,
							   v, r)
						  .packets;
			totals[v] += one[v];
		}
		json_object_set_new(by_reason, names[r],
				    json_pack("{s:I,s:I,s:I}", "passed", one[SEK_V_PASS], "dropped",
					      one[SEK_V_DROP], "would_drop", one[SEK_V_WOULD]));
	}
	return json_pack("{s:I,s:I,s:I,s:o}", "passed", totals[SEK_V_PASS], "dropped",
			 totals[SEK_V_DROP], "would_drop", totals[SEK_V_WOULD], "by_reason",
			 by_reason);
}

static json_t *bans(struct engine *engine)
{
	uint64_t undecided = 0, live = 0, refused = 0;
	size_t i;

	(void)store_ban_counts(engine->store, &undecided, &live); /* then 0 is told */
	for (i = 0; i < engine->config->n_limits; i++)
		refused += bpf_read_limit(&engine->read, engine->config->limits[i].number).refused;
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "live", (json_int_t)live, "unrecorded",
			 (json_int_t)bans_unrecorded(engine), "trial",
			 (json_int_t)engine->bans->n_trial, "undecided", (json_int_t)undecided,
			 "refused", (json_int_t)refused, "size", (json_int_t)SEK_BANS_MAX);
}

/*
 * A full map of bans refuses, and evidence that was missed cannot be shown later: people are told
 * where they look first.
 */
static json_t *warnings(struct engine *engine)
{
	uint64_t missed = limits_missed_lately(engine);
	json_t *lines = json_array();

	if (bans_is_full(engine))
		json_array_append_new(lines, json_sprintf("the map of bans is full, those on trial included: sources stay limited, but are not banned; sekisho block flush --origin limit:NAME makes room"));
	if (missed)
		json_array_append_new(
			lines,
			json_sprintf(
				"%llu packets of sources near or over a limit left no evidence in the last %u minutes: the records were other sources'; a ban of theirs shows none",
				(unsigned long long)missed, LIMITS_MISSED_MIN));
	feeds_warnings(engine, lines);
	if (engine->config_warnings)
		/* out of memory: the start has said them */
		(void)json_array_extend(lines, engine->config_warnings);
	return lines;
}

static json_t *status(struct verbs_request *request)
{
	struct engine *engine = request->engine;

	json_t *of_bans;

	credit_take(engine); /* and so reads the counters anew; if not, the last copy is told */
	of_bans = bans(engine);
	return verbs_ok(json_pack(
		"{s:s,s:s,s:i,s:o,s:{s:I,s:i,s:i,s:I},s:o,s:o,s:{s:i,s:i},s:i,s:o,s:o,s:o,s:o}",
		"version", SEKISHO_VERSION, "mode",
		engine->read.control->mode == SEK_MODE_MONITOR ? "monitor" : "enforce",
		"confirm_left_s", engine->ifaces.body.ifaces.confirm_left_s, "interfaces",
		interfaces(engine), "table", "generation", (json_int_t)engine->swapped_generation,
		"prefixes_v4", engine->table.prefixes_v4, "prefixes_v6", engine->table.prefixes_v6,
		"bytes", (json_int_t)engine->table.bytes, "feeds", verbs_feeds(engine), "packets",
		packets(engine), "entries", "used", engine->ifaces.body.ifaces.entries_used, "size",
		engine->ifaces.body.ifaces.entries_size, "rails", engine->n_rails, "protected",
		protected_rows(engine, NULL), "limits", verbs_limits(engine), "bans", of_bans,
		"warnings", warnings(engine)));
}

static json_t *explain(struct verbs_request *request)
{
	return explain_answer(request->engine, verbs_word(request, "address", ""));
}

/* The keeper has answered: what it said is the answer. */
json_t *verbs_keeper_said(struct engine *engine, struct verbs_wait *wait)
{
	char text[ROLE_TEXT_BYTES];
	int err;

	if (!role_answered(wait->number, &err, text))
		return NULL;
	return err ? verbs_error(1, "%s", text[0] ? text : strerror(-err)) : verbs_ok(json_object());
}

void verbs_keeper_forget(struct engine *engine, struct verbs_wait *wait)
{
	role_forget(wait->number);
}

/* Attaching and detaching take the keeper longer than others want to wait. */
static json_t *ask_keeper(struct verbs_request *request, struct role_msg *msg)
{
	if (role_ask(request->engine, msg, -1, &request->wait->number))
		return verbs_error(1, "too many requests wait for the keeper: try again");
	request->wait->poll = verbs_keeper_said;
	request->wait->abandon = verbs_keeper_forget;
	return NULL;
}

static json_t *mode(struct verbs_request *request)
{
	struct role_msg msg = { .type = ROLE_MODE };
	json_int_t confirm_s = json_integer_value(json_object_get(request->json, "confirm_s"));
	const char *name = verbs_word(request, "mode", "");

	if (confirm_s < 0 || confirm_s > ROLE_CONFIRM_MAX_S)
		return verbs_error(1, "--confirm takes at most 24h");
	if (strcmp(name, "enforce") && strcmp(name, "monitor"))
		return verbs_error(1, "a mode is enforce or monitor");
	msg.body.mode.mode = strcmp(name, "monitor") ? SEK_MODE_ENFORCE : SEK_MODE_MONITOR;
	msg.body.mode.confirm_s = confirm_s;
	return ask_keeper(request, &msg);
}

static json_t *simple(struct verbs_request *request, enum role_type type)
{
	struct role_msg msg = { .type = type };

	return ask_keeper(request, &msg);
}

static json_t *confirm(struct verbs_request *request) { return simple(request, ROLE_CONFIRM); }
static json_t *reload(struct verbs_request *request) { return simple(request, ROLE_RELOAD); }
static json_t *detach(struct verbs_request *request) { return simple(request, ROLE_DETACH); }

static json_t *version(struct verbs_request *request)
{
	return verbs_ok(json_pack("{s:s}", "version", SEKISHO_VERSION));
}

static int audit_row(void *arg, const struct store_audit *row)
{
	json_array_append_new(arg,
			      json_pack("{s:I,s:I,s:I,s:s,s:s,s:s,s:s}", "id", (json_int_t)row->id,
					"time", (json_int_t)row->time_s, "uid",
					(json_int_t)row->uid, "user", row->user, "verb", row->verb,
					"detail", row->detail, "result", row->result));
	return 0;
}

/* Newest first, page by page. */
static json_t *audit(struct verbs_request *request)
{
	json_int_t limit = json_integer_value(json_object_get(request->json, "limit"));
	json_t *rows = json_array();
	size_t n;

	if (limit < 1 || limit > AUDIT_MAX)
		limit = AUDIT_MAX;
	if (store_audit_each(request->engine->store,
			     json_integer_value(json_object_get(request->json, "before")), limit,
			     audit_row, rows)) {
		json_decref(rows);
		return verbs_error(1, "the state cannot be read: %s", store_error(request->engine->store));
	}
	n = json_array_size(rows);
	return verbs_ok(json_pack(
		"{s:o,s:o}", "entries", rows, "next",
		n == (size_t)limit ? json_incref(json_object_get(json_array_get(rows, n - 1), "id"))
				   : json_null()));
}

#define SINGLE 2 /* one change, answered when it is on disk, for which the loop does not wait */

static const struct {
	const char *name;
	json_t *(*answer)(struct verbs_request *request);
	unsigned changes; /* false, true or SINGLE */
	enum sek_action kind;
} verbs[] = {
	{ "status", status, false, 0 },
	{ "explain", explain, false, 0 },
	{ "block.add", verbs_entry_add, SINGLE, SEK_A_BLOCK },
	{ "block.import", verbs_entry_import, true, SEK_A_BLOCK },
	{ "block.del", verbs_entry_del, SINGLE, SEK_A_BLOCK },
	{ "block.flush", verbs_entry_flush, true, SEK_A_BLOCK },
	{ "block.list", verbs_entry_list, false, SEK_A_BLOCK },
	{ "allow.add", verbs_entry_add, SINGLE, SEK_A_ALLOW },
	{ "allow.import", verbs_entry_import, true, SEK_A_ALLOW },
	{ "allow.del", verbs_entry_del, SINGLE, SEK_A_ALLOW },
	{ "allow.flush", verbs_entry_flush, true, SEK_A_ALLOW },
	{ "allow.list", verbs_entry_list, false, SEK_A_ALLOW },
	{ "feed.list", verbs_feed_list, false, 0 },
	{ "feed.show", verbs_feed_show, false, 0 },
	{ "feed.update", verbs_feed_update, true, 0 },
	{ "feed.accept", verbs_feed_accept, true, 0 },
	{ "feed.quality", verbs_feed_quality, false, 0 },
	{ "feed.try", verbs_feed_try, true, 0 },
	{ "feed.add", verbs_feed_add, true, 0 },
	{ "feed.remove", verbs_feed_remove, true, 0 },
	{ "limit.list", verbs_limit_list, false, 0 },
	{ "limit.suggest", verbs_limit_suggest, false, 0 },
	{ "limit.try", verbs_limit_try, false, 0 },
	{ "top", verbs_top, false, 0 },
	{ "review.list", verbs_review_list, false, 0 },
	{ "review.show", verbs_review_show, false, 0 },
	{ "review.confirm", verbs_review_confirm, SINGLE, 0 },
	{ "review.reject", verbs_review_reject, SINGLE, 0 },
	{ "events", verbs_events, false, 0 },
	{ "mode", mode, true, 0 },
	{ "confirm", confirm, true, 0 },
	{ "reload", reload, true, 0 },
	{ "detach", detach, true, 0 },
	{ "audit", audit, false, 0 },
	{ "version", version, false, 0 },
};

static int put_record(struct store *store, const struct store_audit *row, bool is_lazy)
{
	int err = is_lazy ? store_begin_lazy(store) : 0;

	if (!err)
		err = store_audit_add(store, row);
	if (is_lazy && !err)
		err = store_commit(store);
	if (is_lazy && err)
		store_rollback(store);
	return err;
}

static void record(struct engine *engine, const struct verbs_client *client,
		   const struct verbs_wait *wait, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	struct store_audit row = { .time_s = engine_now_s(), .uid = client->uid };

	snprintf(row.user, sizeof(row.user), "%s", client->user);
	snprintf(row.verb, sizeof(row.verb), "%s", wait->verb);
	snprintf(row.detail, sizeof(row.detail), "%s", wait->detail);
	snprintf(row.result, sizeof(row.result), "%s", error	? error
		 : wait->result[0] ? wait->result
				   : "done");
	escape_end_utf8(row.result);
	if (put_record(engine->store, &row, wait->is_lazy) && !error)
		log_line(LOG_ERR, "audit: %s %s by %s (uid %u) cannot be recorded: %s", wait->verb,
			 wait->detail, client->user, client->uid, store_error(engine->store));
}

/* What was changed, in the words that were given. */
static void describe(const struct verbs_request *request, char *detail, size_t detail_bytes)
{
	static const char *const keys[] = { "prefix", "name", "mode", "origin", "reason" };
	json_int_t id = json_integer_value(json_object_get(request->json, "id"));
	char shown[sizeof(request->wait->detail)];
	const char *key;
	json_t *set;
	size_t i, len = 0;

	detail[0] = '\0';
	if (id)
		len = snprintf(detail, detail_bytes, "%lld", (long long)id);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = verbs_word(request, keys[i], NULL);

		if (value && len < detail_bytes)
			len += snprintf(detail + len, detail_bytes - len, "%s%s%s%s",
					len ? " " : "", i < 3 ? "" : keys[i], i < 3 ? "" : "=",
					value);
	}
	json_object_foreach(json_object_get(request->json, "set"), key, set) {
		if (json_is_string(set) && len < detail_bytes)
			len += snprintf(
				detail + len, detail_bytes - len, "%s%s=%s", len ? " " : "", key,
				feed_url_hide(json_string_value(set), shown, sizeof(shown)));
	}
	escape_end_utf8(detail);
}

/* What is no address was not set by sshd, and is no reason to refuse the command. */
static struct prefix ssh_client_of(const struct verbs_request *request)
{
	const char *text = verbs_word(request, "ssh_client", "");
	struct prefix prefix, none = { .family = 0 };

	return prefix_parse(text, strlen(text), &prefix, NULL) == PREFIX_OK ? prefix : none;
}

static json_t *is_on_disk(struct engine *engine, struct verbs_wait *wait)
{
	json_t *answer = wait->job;
	int err;

	if (!disk_has_flushed(wait->number, &err))
		return NULL;
	if (!err)
		return answer;
	json_decref(answer);
	return verbs_error(1, "it is in force, but the state cannot be put on disk, and a power cut would undo it: %s", strerror(-err));
}

static void drop_answer(struct engine *engine, struct verbs_wait *wait)
{
	json_decref(wait->job);
}

/* @answer is given once what it tells is on disk, by a thread: others are served meanwhile. */
static json_t *when_on_disk(struct engine *engine, struct verbs_wait *wait, json_t *answer)
{
	wait->job = answer;
	wait->poll = is_on_disk;
	wait->abandon = drop_answer;
	wait->verb = NULL; /* it is recorded already */
	wait->number = disk_flush(engine);
	return is_on_disk(engine, wait); /* already, where there was no thread */
}

json_t *verbs_answer(struct engine *engine, json_t *json, struct verbs_client *client,
		     struct verbs_wait *ret_wait)
{
	struct verbs_request request = {
		.engine = engine, .json = json, .client = client, .wait = ret_wait};
	const char *name = verbs_word(&request, "verb", "");
	char shown[44]; /* a verb's length, and room to see that it was longer */
	json_t *answer;
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[i].name, name); i++)
		;
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		return verbs_error(2, "this agent does not know \"%s\"", verbs_shown(name, shown, sizeof(shown)));
	if (verbs[i].changes && !client->may_change)
		return verbs_error(1, "you may look but not change things: that takes root or group sekisho");
	request.kind = verbs[i].kind;
	request.force = json_is_true(json_object_get(json, "force"));
	request.ssh_client = ssh_client_of(&request);
	if (verbs[i].changes)
		describe(&request, ret_wait->detail, sizeof(ret_wait->detail));
	if (verbs[i].changes == SINGLE)
		(void)store_relax(engine->store, true); /* else the loop waits for the disk */
	answer = verbs[i].answer(&request);
	if (!answer && !ret_wait->poll)
		answer = verbs_error(1, "out of memory");
	if (!verbs[i].changes || json_is_true(json_object_get(json, "more")))
		return answer;
	ret_wait->verb = verbs[i].name;
	if (answer)
		record(engine, client, ret_wait, answer);
	if (verbs[i].changes != SINGLE)
		return answer;
	/* fails only where nothing can be written either */
	(void)store_relax(engine->store, false);
	return json_is_true(json_object_get(answer, "ok")) ? when_on_disk(engine, ret_wait, answer)
							   : answer;
}

json_t *verbs_poll(struct engine *engine, const struct verbs_client *client,
		   struct verbs_wait *wait)
{
	json_t *answer = wait->poll(engine, wait);

	if (!answer)
		return NULL;
	wait->abandon = NULL; /* it has ended by itself */
	if (wait->verb)
		record(engine, client, wait, answer);
	return answer;
}

void verbs_hang_up(struct engine *engine, struct verbs_client *client, struct verbs_wait *wait)
{
	if (wait && wait->abandon)
		wait->abandon(engine, wait);
	verbs_stage_free(client->stage);
	feed_upload_free(client->upload);
	client->stage = NULL;
	client->upload = NULL;
}
