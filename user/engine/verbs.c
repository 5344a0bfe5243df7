// SPDX-License-Identifier: GPL-2.0
/* What the control sockets understand: a table of verbs. Every change is recorded with who made it. */
#include "engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/feed_parse.h"

#define IMPORT_MAX 10000 /* entries a request: clients send batches */
#define LIST_MAX 5000	 /* rows an answer */

struct request {
	struct engine *engine;
	json_t *json;
	enum sek_action kind; /* of block.* and allow.* */
	const char *user;
	struct prefix ssh_client; /* where the person who asks sits; family 0: not by SSH */
	bool force;
	char why[ROLE_TEXT_BYTES]; /* of read_row() */
};

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
	return json_pack("{s:b,s:s,s:i}", "ok", 0, "error", text, "code", code);
}

static const char *word(const struct request *request, const char *key, const char *other)
{
	const char *value = json_string_value(json_object_get(request->json, key));

	return value ? value : other;
}

static json_t *time_or_null(int64_t s)
{
	return s ? json_integer(s) : json_null();
}

/* Reads one entry of a request; NULL, or why not. */
static const char *read_row(struct request *request, json_t *json, struct store_entry *row)
{
	const char *text = json_string_value(json_object_get(json, "prefix"));
	const char *origin = json_string_value(json_object_get(json, "origin"));
	const char *reason = json_string_value(json_object_get(json, "reason"));
	json_t *for_s = json_object_get(json, "for_s");
	enum prefix_error error;

	memset(row, 0, sizeof(*row));
	if (!text)
		return "a prefix is missing";
	error = prefix_parse(text, strlen(text), &row->prefix, NULL);
	if (error)
		return prefix_error_text(error);
	row->kind = request->kind;
	row->since_s = engine_now_s();
	if (json_is_integer(for_s) && json_integer_value(for_s) >= 0)
		row->expires_s = row->since_s + json_integer_value(for_s);
	snprintf(row->origin, sizeof(row->origin), "%s", origin && origin[0] ? origin : "manual");
	snprintf(row->reason, sizeof(row->reason), "%s", reason ? reason : "");
	snprintf(row->by_user, sizeof(row->by_user), "%s", request->user);
	row->is_forced = request->force && request->kind == SEK_A_BLOCK;
	if (request->kind == SEK_A_BLOCK && entries_is_protected(request->engine, &row->prefix, &request->ssh_client,
								 request->force, request->why, sizeof(request->why)))
		return request->why;
	return NULL;
}

/* The row is put inside a transaction, the kernel is told, then it is committed: in force first, on disk before the answer. */
static json_t *add(struct request *request)
{
	struct engine *engine = request->engine;
	char why[ROLE_TEXT_BYTES] = "", text[PREFIX_TEXT_BYTES];
	struct store_entry row;
	const char *bad = read_row(request, request->json, &row);
	int err;

	if (bad)
		return verbs_error(1, "%s: %s", word(request, "prefix", ""), bad);
	if (store_begin(engine->store) || store_entry_put(engine->store, &row)) {
		json_t *answer = verbs_error(1, "the state cannot be written: %s", store_error(engine->store));

		store_rollback(engine->store);
		return answer;
	}
	err = entries_apply(engine, &row.prefix, why, sizeof(why));
	if (!err && store_commit(engine->store)) {
		err = -EIO;
		snprintf(why, sizeof(why), "the state cannot be written: %s", store_error(engine->store));
	}
	if (err) {
		char ignored[ROLE_TEXT_BYTES];

		store_rollback(engine->store);
		(void)entries_apply(engine, &row.prefix, ignored, sizeof(ignored)); /* back to what the state says */
		return verbs_error(1, "%s: %s", prefix_format(&row.prefix, text), why);
	}
	return verbs_ok(json_pack("{s:s,s:o}", "prefix", prefix_format(&row.prefix, text), "expires", time_or_null(row.expires_s)));
}

static json_t *add_many(struct request *request)
{
	json_t *entries = json_object_get(request->json, "entries"), *rejected = json_array(), *one;
	size_t i, n = json_array_size(entries), good = 0;
	struct prefix *prefixes = n <= IMPORT_MAX ? calloc(n + 1, sizeof(*prefixes)) : NULL;
	struct engine *engine = request->engine;
	char why[ROLE_TEXT_BYTES] = "";
	struct store_entry row;
	int err;

	if (!prefixes || store_begin(engine->store)) {
		free(prefixes);
		json_decref(rejected);
		return verbs_error(1, "at most %d entries a request", IMPORT_MAX);
	}
	err = 0;
	json_array_foreach(entries, i, one) {
		const char *bad = read_row(request, one, &row);

		if (bad) {
			json_array_append_new(rejected, json_pack("{s:i,s:s}", "index", (int)i, "error", bad));
			continue;
		}
		if (!err)
			err = store_entry_put(engine->store, &row);
		prefixes[good++] = row.prefix;
	}
	if (!err)
		err = entries_apply_all(engine, prefixes, good, false, why, sizeof(why));
	if (!err && store_commit(engine->store))
		err = -EIO;
	if (err) {
		store_rollback(engine->store);
		(void)entries_restore(engine); /* back to what the state says */
		json_decref(rejected);
		free(prefixes);
		return verbs_error(1, "nothing was added: %s", why[0] ? why : store_error(engine->store));
	}
	free(prefixes);
	return verbs_ok(json_pack("{s:i,s:o}", "added", (int)good, "rejected", rejected));
}

static json_t *del(struct request *request)
{
	const char *text = word(request, "prefix", "");
	char why[ROLE_TEXT_BYTES];
	struct prefix prefix;
	enum prefix_error error = prefix_parse(text, strlen(text), &prefix, NULL);
	int n = 0;

	if (error)
		return verbs_error(1, "%s: %s", text, prefix_error_text(error));
	if (store_entry_delete(request->engine->store, &prefix, request->kind, word(request, "origin", "manual"), &n))
		return verbs_error(1, "the state cannot be written: %s", store_error(request->engine->store));
	if (n && entries_apply(request->engine, &prefix, why, sizeof(why)))
		return verbs_error(1, "%s: %s", text, why);
	return verbs_ok(json_pack("{s:i}", "deleted", n));
}

static json_t *flush(struct request *request)
{
	const char *origin = word(request, "origin", NULL);
	int n = 0;

	if (!origin)
		return verbs_error(1, "say whose entries: --origin NAME");
	if (store_entry_flush(request->engine->store, request->kind, origin, &n))
		return verbs_error(1, "the state cannot be written: %s", store_error(request->engine->store));
	if (n && entries_restore(request->engine))
		return verbs_error(1, "deleted from the state, but the kernel was not told");
	return verbs_ok(json_pack("{s:i}", "deleted", n));
}

struct list_walk {
	json_t *rows;
	int64_t last;
	size_t limit;
};

static int list_row(void *arg, const struct store_entry *row)
{
	struct list_walk *walk = arg;
	char text[PREFIX_TEXT_BYTES];

	if (json_array_size(walk->rows) >= walk->limit)
		return 1;
	json_array_append_new(walk->rows, json_pack("{s:I,s:s,s:s,s:s,s:I,s:o,s:s}", "id", (json_int_t)row->id, "prefix", prefix_format(&row->prefix, text),
						    "origin", row->origin, "reason", row->reason, "since", (json_int_t)row->since_s, "expires", time_or_null(row->expires_s), "by", row->by_user));
	walk->last = row->id;
	return 0;
}

static json_t *list(struct request *request)
{
	json_int_t limit = json_integer_value(json_object_get(request->json, "limit"));
	struct list_walk walk = { .rows = json_array(), .limit = limit > 0 && limit < LIST_MAX ? limit : LIST_MAX };
	int more = store_entry_each(request->engine->store, request->kind, word(request, "origin", NULL),
				    json_integer_value(json_object_get(request->json, "after")), list_row, &walk);

	if (more < 0) {
		json_decref(walk.rows);
		return verbs_error(1, "the state cannot be read: %s", store_error(request->engine->store));
	}
	return verbs_ok(json_pack("{s:o,s:o}", "entries", walk.rows, "next", more > 0 ? json_integer(walk.last) : json_null()));
}

static const char *feed_state(const struct engine_feed *feed)
{
	if (!feed->list.data)
		return feed->state.failures ? "failing" : "pending";
	return feed->state.failures ? "stale" : "ok";
}

static json_t *feed_errors(const struct engine_feed *feed)
{
	json_t *rows = json_array();
	uint32_t i;

	for (i = 0; feed->list.data && i < feed->list.view.head->n_errors; i++) {
		const struct list_error *error = &feed->list.view.errors[i];
		json_t *text = json_stringn(error->text, error->text_len); /* NULL where it is no UTF-8 */

		json_array_append_new(rows, json_pack("{s:i,s:s,s:o}", "line", error->line, "reason", feed_error_text(error->reason), "text", text ? text : json_string("(not UTF-8)")));
	}
	return rows;
}

json_t *verbs_feed(struct engine *engine, struct engine_feed *feed, bool is_long)
{
	static const char *const actions[] = { "none", "allow", "block", "monitor" };
	static const struct list_head none;
	const struct list_head *head = feed->list.data ? feed->list.view.head : &none;
	uint64_t now_ms = uv_now(&engine->loop);
	json_t *json = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:I,s:o,s:s}", "name", feed->state.name, "action", actions[feed->config->action],
				 "state", feed_state(feed), "entries", (json_int_t)head->n4 + head->n6, "entries_v4", (json_int_t)head->n4, "entries_v6", (json_int_t)head->n6,
				 "last_success", time_or_null(feed->state.last_success_s), "next_try", (json_int_t)(engine_now_s() + (feed->next_ms > now_ms ? (feed->next_ms - now_ms) / 1000 : 0)),
				 "error", feed->state.error[0] ? json_string(feed->state.error) : json_null(), "url", feed->config->url ? feed->config->url : feed->config->path);

	if (!is_long || !json)
		return json;
	json_object_update_new(json, json_pack("{s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:o}", "lines", (json_int_t)head->lines, "duplicates", (json_int_t)head->duplicates,
					       "host_bits", (json_int_t)head->host_bits, "left_out_v4", (json_int_t)feed->left_out4, "left_out_v6", (json_int_t)feed->left_out6,
					       "coverage_v4", feed->coverage4, "coverage_v6", feed->coverage6, "errors_total", (json_int_t)head->errors, "errors", feed_errors(feed)));
	json_object_set_new(json, "protected", protected_rows(engine, feed));
	return json;
}

static json_t *all_feeds(struct engine *engine)
{
	json_t *rows = json_array();
	size_t i;

	for (i = 0; i < engine->n_feeds; i++)
		json_array_append_new(rows, verbs_feed(engine, &engine->feeds[i], false));
	return rows;
}

static json_t *feed_list(struct request *request)
{
	return verbs_ok(json_pack("{s:o}", "feeds", all_feeds(request->engine)));
}

static json_t *feed_show(struct request *request)
{
	struct engine_feed *feed = feeds_find(request->engine, word(request, "name", ""));

	return feed ? verbs_ok(verbs_feed(request->engine, feed, true)) : verbs_error(1, "there is no such feed; `sekisho feed list` names them");
}

static json_t *feed_update(struct request *request)
{
	const char *name = word(request, "name", NULL);

	if (feeds_update(request->engine, name))
		return verbs_error(1, "there is no such feed; `sekisho feed list` names them");
	if (feeds_are_busy(request->engine, name) || request->engine->is_compiling)
		return NULL;
	return verbs_ok(json_object());
}

static json_t *interfaces(const struct engine *engine)
{
	json_t *rows = json_array();
	unsigned i;

	for (i = 0; i < engine->ifaces.body.ifaces.count && i < SEK_IFACES_MAX; i++) {
		const struct role_iface *iface = &engine->ifaces.body.ifaces.iface[i];

		json_array_append_new(rows, json_pack("{s:s,s:s,s:b,s:i,s:b}", "name", iface->name, "attach", iface->native ? "native" : "generic", "dispatcher", iface->shared, "program_id", iface->program_id, "attached", iface->attached));
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
				one[v] += bpf_read_verdict(&engine->read, engine->ifaces.body.ifaces.iface[i].slot, v, r).packets;
			totals[v] += one[v];
		}
		json_object_set_new(by_reason, names[r], json_pack("{s:I,s:I,s:I}", "passed", one[SEK_V_PASS], "dropped", one[SEK_V_DROP], "would_drop", one[SEK_V_WOULD]));
	}
	return json_pack("{s:I,s:I,s:I,s:o}", "passed", totals[SEK_V_PASS], "dropped", totals[SEK_V_DROP], "would_drop", totals[SEK_V_WOULD], "by_reason", by_reason);
}

json_t *verbs_status(struct engine *engine)
{
	(void)bpf_read_refresh(&engine->read); /* then the last copy is told */
	return json_pack("{s:s,s:s,s:i,s:o,s:{s:I,s:i,s:i,s:I},s:o,s:o,s:{s:i,s:i},s:i,s:o,s:[]}", "version", SEKISHO_VERSION,
			 "mode", engine->read.control->mode == SEK_MODE_MONITOR ? "monitor" : "enforce", "confirm_left_s", engine->ifaces.body.ifaces.confirm_left_s,
			 "interfaces", interfaces(engine), "table", "generation", (json_int_t)engine->swapped_generation, "prefixes_v4", engine->prefixes_v4,
			 "prefixes_v6", engine->prefixes_v6, "bytes", (json_int_t)engine->table_bytes, "feeds", all_feeds(engine), "packets", packets(engine),
			 "entries", "used", engine->ifaces.body.ifaces.entries_used, "size", engine->ifaces.body.ifaces.entries_size, "rails", engine->n_rails, "protected", protected_rows(engine, NULL), "warnings");
}

static json_t *status(struct request *request)
{
	return verbs_ok(verbs_status(request->engine));
}

static json_t *explain(struct request *request)
{
	return explain_answer(request->engine, word(request, "address", ""));
}

static json_t *ask_keeper(struct engine *engine, struct role_msg *msg)
{
	struct role_msg reply;

	role_call(engine, msg, NULL, 0, &reply, NULL);
	return reply.err ? verbs_error(1, "%s", reply.text[0] ? reply.text : strerror(-reply.err)) : verbs_ok(json_object());
}

static json_t *mode(struct request *request)
{
	struct role_msg msg = { .type = ROLE_MODE };
	const char *name = word(request, "mode", "");

	if (strcmp(name, "enforce") && strcmp(name, "monitor"))
		return verbs_error(1, "mode \"%.40s\": enforce or monitor", name);
	msg.body.mode.mode = strcmp(name, "monitor") ? SEK_MODE_ENFORCE : SEK_MODE_MONITOR;
	msg.body.mode.confirm_s = json_integer_value(json_object_get(request->json, "confirm_s"));
	return ask_keeper(request->engine, &msg);
}

static json_t *simple(struct request *request, enum role_type type)
{
	struct role_msg msg = { .type = type };

	return ask_keeper(request->engine, &msg);
}

static json_t *confirm(struct request *request) { return simple(request, ROLE_CONFIRM); }
static json_t *reload(struct request *request) { return simple(request, ROLE_RELOAD); }
static json_t *detach(struct request *request) { return simple(request, ROLE_DETACH); }

static json_t *version(struct request *request)
{
	return verbs_ok(json_pack("{s:s}", "version", SEKISHO_VERSION));
}

static const struct {
	const char *name;
	json_t *(*answer)(struct request *request);
	bool changes;
	enum sek_action kind;
} verbs[] = {
	{ "status", status, false, 0 },		 { "explain", explain, false, 0 },
	{ "block.add", add, true, SEK_A_BLOCK }, { "block.import", add_many, true, SEK_A_BLOCK },
	{ "block.del", del, true, SEK_A_BLOCK }, { "block.flush", flush, true, SEK_A_BLOCK },
	{ "block.list", list, false, SEK_A_BLOCK }, { "allow.add", add, true, SEK_A_ALLOW },
	{ "allow.import", add_many, true, SEK_A_ALLOW }, { "allow.del", del, true, SEK_A_ALLOW },
	{ "allow.flush", flush, true, SEK_A_ALLOW }, { "allow.list", list, false, SEK_A_ALLOW },
	{ "feed.list", feed_list, false, 0 },	 { "feed.show", feed_show, false, 0 },
	{ "feed.update", feed_update, true, 0 }, { "mode", mode, true, 0 },
	{ "confirm", confirm, true, 0 },	 { "reload", reload, true, 0 },
	{ "detach", detach, true, 0 },		 { "version", version, false, 0 },
};

static void record(struct request *request, const char *verb, uint32_t uid, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *detail = word(request, "prefix", word(request, "origin", word(request, "name", word(request, "mode", ""))));

	(void)store_audit(request->engine->store, engine_now_s(), uid, request->user, verb, detail, error ? error : "done"); /* a full disk has been said by the change itself */
}

/* What is no address was not set by sshd, and is no reason to refuse the command. */
static struct prefix ssh_client_of(const struct request *request)
{
	const char *text = word(request, "ssh_client", "");
	struct prefix prefix, none = { .family = 0 };

	return prefix_parse(text, strlen(text), &prefix, NULL) == PREFIX_OK ? prefix : none;
}

json_t *verbs_answer(struct engine *engine, json_t *json, bool may_change, uint32_t uid, const char *user)
{
	struct request request = { .engine = engine, .json = json, .user = user };
	const char *name = word(&request, "verb", "");
	json_t *answer;
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[i].name, name); i++)
		;
	if (i == sizeof(verbs) / sizeof(verbs[0]))
		return verbs_error(2, "this agent does not know \"%.40s\"", name);
	if (verbs[i].changes && !may_change)
		return verbs_error(1, "you may look but not change things: that takes root or group sekisho");
	request.kind = verbs[i].kind;
	request.force = json_is_true(json_object_get(json, "force"));
	request.ssh_client = ssh_client_of(&request);
	answer = verbs[i].answer(&request);
	if (verbs[i].changes)
		record(&request, name, uid, answer);
	return answer;
}
