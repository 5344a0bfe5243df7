// SPDX-License-Identifier: GPL-2.0
/* block.* and allow.*: one entry at once, imports staged until they are whole, lists page by page. */
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "lib/escape.h"
#include "lib/origin.h"

#define IMPORT_MAX 10000 /* entries a request: clients send batches */
#define LIST_MAX 5000	 /* rows an answer */
#define FOR_MAX_S 3153600000 /* seconds: 100 years, as units.h */

struct verbs_stage {
	struct entries_row *rows;
	size_t n, capacity;
	char **texts; /* origins and reasons, each once in a row of same ones */
	size_t n_texts, text_capacity, text_bytes;
	size_t host_bits; /* rows that had some */
	const char *last_origin, *last_reason;
	enum sek_action kind;
	bool is_forced;
	json_t *rejected; /* of a stream's batch: entries that were left out of it; NULL: an import as a whole */
};

static size_t staged_rows, staged_text_bytes; /* of all stages */

static bool is_duration(const json_t *for_s)
{
	json_int_t seconds = json_integer_value(for_s);

	return json_is_integer(for_s) && (seconds == -1 || (seconds >= 1 && seconds <= FOR_MAX_S));
}

/* The row of @json, or why it cannot be one. @host_bits: were any behind the prefix's length set, which are cleared? */
static const char *read_row(struct verbs_request *request, json_t *json, struct store_entry *row, bool *host_bits)
{
	const char *text = json_string_value(json_object_get(json, "prefix"));
	const char *origin = json_string_value(json_object_get(json, "origin"));
	const char *reason = json_string_value(json_object_get(json, "reason"));
	json_t *for_s = json_object_get(json, "for_s");
	enum prefix_error error;
	const char *bad;

	memset(row, 0, sizeof(*row));
	if (!text)
		return "a prefix is missing";
	error = prefix_parse(text, strlen(text), &row->prefix, host_bits);
	if (error)
		return prefix_error_text(error);
	if (for_s && !json_is_null(for_s) && !is_duration(for_s))
		return "for_s is no number of seconds from 1 to 100 years; -1 is for good";
	bad = origin ? origin_error(origin) : NULL;
	if (bad)
		return bad;
	row->kind = request->kind;
	row->since_s = engine_now_s();
	if (json_is_integer(for_s) && json_integer_value(for_s) >= 0)
		row->expires_s = row->since_s + json_integer_value(for_s);
	snprintf(row->origin, sizeof(row->origin), "%s", origin && origin[0] ? origin : "manual");
	snprintf(row->reason, sizeof(row->reason), "%s", reason ? reason : "");
	escape_end_utf8(row->reason);
	snprintf(row->by_user, sizeof(row->by_user), "%s", request->client->user);
	row->is_forced = request->force && request->kind == SEK_A_BLOCK;
	if (request->kind == SEK_A_BLOCK && entries_is_protected(request->engine, &row->prefix, &request->ssh_client,
								 request->force, request->why, sizeof(request->why)))
		return request->why;
	return NULL;
}

json_t *verbs_cleared_text(const struct prefix *prefix, const char *given, bool host_bits)
{
	char text[PREFIX_TEXT_BYTES];

	return host_bits ? json_sprintf("%s (host bits of %s cleared)", prefix_format(prefix, text), given) : json_null();
}

/* The row is put inside a transaction, the kernel is told, then it is committed: in force first, on disk before the answer. */
json_t *verbs_entry_add(struct verbs_request *request)
{
	struct engine *engine = request->engine;
	char why[ROLE_TEXT_BYTES] = "", text[PREFIX_TEXT_BYTES];
	struct store_entry row;
	bool host_bits;
	const char *bad = read_row(request, request->json, &row, &host_bits);
	int err;

	if (bad)
		return verbs_error(1, "%s: %s", verbs_shown(verbs_word(request, "prefix", ""), text, sizeof(text)), bad);
	if (store_begin(engine->store) || store_entry_put(engine->store, &row)) {
		json_t *answer = verbs_error(1, "the state cannot be written: %s", store_error(engine->store));

		store_rollback(engine->store);
		return answer;
	}
	err = entries_apply(engine, &row.prefix, why, sizeof(why));
	if (!err && store_commit(engine->store)) {
		err = -1;
		snprintf(why, sizeof(why), "the state cannot be written: %s", store_error(engine->store));
	}
	if (err) {
		char ignored[ROLE_TEXT_BYTES];

		store_rollback(engine->store);
		(void)entries_apply(engine, &row.prefix, ignored, sizeof(ignored)); /* back to what the state says */
		return verbs_error(1, "%s: %s", prefix_format(&row.prefix, text), why);
	}
	return verbs_ok(json_pack("{s:s,s:o,s:b,s:o}", "prefix", prefix_format(&row.prefix, text), "expires", verbs_time(row.expires_s), "host_bits", host_bits,
				  "text", verbs_cleared_text(&row.prefix, verbs_word(request, "prefix", ""), host_bits)));
}

void verbs_stage_free(struct verbs_stage *stage)
{
	size_t i;

	if (!stage)
		return;
	for (i = 0; i < stage->n_texts; i++)
		free(stage->texts[i]);
	json_decref(stage->rejected);
	staged_rows -= stage->n;
	staged_text_bytes -= stage->text_bytes;
	free(stage->texts);
	free(stage->rows);
	free(stage);
}

/* @text in the stage's memory; neighbours mostly share theirs. NULL: out of memory, or of room for texts. */
static const char *keep_text(struct verbs_stage *stage, const char *text, const char **last)
{
	size_t len = strlen(text) + 1;
	char **more, *copy;

	if (*last && !strcmp(*last, text))
		return *last;
	if (staged_text_bytes + len > ENTRIES_STAGE_TEXT_MAX)
		return NULL;
	if (stage->n_texts == stage->text_capacity) {
		more = reallocarray(stage->texts, stage->text_capacity * 2 + 64, sizeof(*more));
		if (!more)
			return NULL;
		stage->texts = more;
		stage->text_capacity = stage->text_capacity * 2 + 64;
	}
	copy = malloc(len);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	stage->texts[stage->n_texts++] = copy;
	stage->text_bytes += len;
	staged_text_bytes += len;
	return *last = copy;
}

static bool keep_row(struct verbs_stage *stage, const struct store_entry *row)
{
	struct entries_row *to;

	if (staged_rows >= ENTRIES_STAGE_MAX)
		return false;
	if (stage->n == stage->capacity) {
		size_t capacity = stage->capacity * 2 + 1024;
		struct entries_row *more = reallocarray(stage->rows, capacity, sizeof(*more));

		if (!more)
			return false;
		stage->rows = more;
		stage->capacity = capacity;
	}
	to = &stage->rows[stage->n];
	to->prefix = row->prefix;
	to->expires_s = row->expires_s;
	to->origin = keep_text(stage, row->origin, &stage->last_origin);
	to->reason = to->origin ? keep_text(stage, row->reason, &stage->last_reason) : NULL;
	if (!to->reason)
		return false;
	stage->n++;
	staged_rows++;
	return true;
}

/* Stages the request's entries; @rejected gets a row for each that cannot be. False: no room. */
static bool stage_entries(struct verbs_request *request, struct verbs_stage *stage, json_t *rejected)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(request->json, "entries"), i, one) {
		struct store_entry row;
		bool host_bits;
		const char *bad = read_row(request, one, &row, &host_bits);

		if (bad)
			json_array_append_new(rejected, json_pack("{s:i,s:s}", "index", (int)i, "error", bad));
		else if (!keep_row(stage, &row))
			return false;
		else
			stage->host_bits += host_bits;
	}
	return true;
}

static json_t *import_over(struct engine *engine, struct verbs_wait *wait)
{
	struct entries_job *job = wait->job;
	struct verbs_stage *stage = job->memory;
	json_t *answer;

	if (!job->is_done)
		return NULL;
	if (job->err)
		answer = verbs_error(1, "stopped after %llu of %zu entries, which are in force: %s", (unsigned long long)job->count, job->n_rows, job->why);
	else
		answer = verbs_ok(json_pack("{s:I,s:I,s:o}", "added", (json_int_t)job->count, "host_bits", (json_int_t)stage->host_bits, "rejected",
					    stage->rejected ? json_incref(stage->rejected) : json_array()));
	entries_job_free(job);
	return answer;
}

static void leave_job(struct engine *engine, struct verbs_wait *wait)
{
	entries_job_abandon(wait->job);
}

static void free_stage(void *memory)
{
	verbs_stage_free(memory);
}

static json_t *start_import(struct verbs_request *request)
{
	struct entries_job *job = calloc(1, sizeof(*job));
	struct verbs_stage *stage = request->client->stage;

	if (!job)
		return verbs_error(1, "out of memory; nothing was applied");
	request->client->stage = NULL;
	job->what = ENTRIES_IMPORT;
	job->kind = stage->kind;
	job->is_forced = stage->is_forced;
	job->is_lazy = stage->rejected != NULL;
	job->rows = stage->rows;
	job->n_rows = stage->n;
	job->memory = stage;
	job->free_memory = free_stage;
	snprintf(job->by_user, sizeof(job->by_user), "%s", request->client->user);
	request->wait->poll = import_over;
	request->wait->abandon = leave_job;
	request->wait->job = job;
	snprintf(request->wait->detail, sizeof(request->wait->detail), "%zu entries", job->n_rows);
	entries_job_start(request->engine, job);
	return NULL;
}

/* A stage of this verb for the client; another verb's, left over, goes. */
static struct verbs_stage *open_stage(struct verbs_request *request)
{
	struct verbs_client *client = request->client;

	if (client->stage && client->stage->kind != request->kind) {
		verbs_stage_free(client->stage);
		client->stage = NULL;
	}
	if (!client->stage)
		client->stage = calloc(1, sizeof(*client->stage));
	if (client->stage) {
		client->stage->kind = request->kind;
		client->stage->is_forced = request->force && request->kind == SEK_A_BLOCK;
	}
	return client->stage;
}

static json_t *flush_is_done(struct engine *engine, struct verbs_wait *wait)
{
	int err;

	if (!disk_has_flushed(wait->number, &err))
		return NULL;
	return err ? verbs_error(1, "the state cannot be put on disk: %s", strerror(-err)) : verbs_ok(json_pack("{s:i,s:[]}", "added", 0, "rejected"));
}

/* The end of a stream: answered when all its batches are on disk. */
static json_t *end_stream(struct verbs_request *request)
{
	request->wait->poll = flush_is_done;
	request->wait->number = disk_flush(request->engine);
	request->wait->is_lazy = true;
	return flush_is_done(request->engine, request->wait); /* already, where there was no thread */
}

/* A batch of a stream: what is good goes in now, what is bad is named. It is on disk soon after its answer. */
static json_t *import_batch(struct verbs_request *request)
{
	struct verbs_client *client = request->client;
	struct verbs_stage *stage;
	json_t *rejected;

	verbs_stage_free(client->stage); /* of an import that was broken off */
	client->stage = NULL;
	stage = open_stage(request);
	rejected = json_array();
	if (!stage || !rejected || !stage_entries(request, stage, rejected)) {
		json_decref(rejected);
		verbs_stage_free(stage);
		client->stage = NULL;
		return verbs_error(1, "no room: imports that wait hold %zu entries; none of these is in force", staged_rows);
	}
	stage->rejected = rejected;
	request->wait->is_lazy = true;
	if (stage->n)
		return start_import(request);
	json_incref(rejected);
	verbs_stage_free(stage);
	client->stage = NULL;
	return verbs_ok(json_pack("{s:i,s:o}", "added", 0, "rejected", rejected));
}

/*
 * All or nothing: with "more" entries are only kept; the last request applies them, unless one of its own is bad. With "stream" each
 * request is a whole; one with "sync" has no entries, and its answer says that those before are on disk.
 */
json_t *verbs_entry_import(struct verbs_request *request)
{
	bool is_more = json_is_true(json_object_get(request->json, "more"));
	bool is_stream = json_is_true(json_object_get(request->json, "stream"));
	size_t n = json_array_size(json_object_get(request->json, "entries"));
	struct verbs_stage *stage = n <= IMPORT_MAX && !is_stream ? open_stage(request) : NULL;
	json_t *rejected;

	if (is_stream && json_is_true(json_object_get(request->json, "sync")))
		return end_stream(request);
	if (is_stream && n <= IMPORT_MAX)
		return import_batch(request);
	if (!stage)
		return n > IMPORT_MAX ? verbs_error(1, "at most %d entries a request", IMPORT_MAX) : verbs_error(1, "out of memory");
	rejected = json_array();
	if (!stage_entries(request, stage, rejected)) {
		json_decref(rejected);
		verbs_stage_free(stage);
		request->client->stage = NULL;
		return verbs_error(1, "too many entries for one import, nothing was applied: import parts of at most %d", ENTRIES_STAGE_MAX);
	}
	if (is_more || json_array_size(rejected)) {
		if (!is_more) {
			verbs_stage_free(stage);
			request->client->stage = NULL;
		}
		return verbs_ok(json_pack("{s:i,s:o}", "added", 0, "rejected", rejected));
	}
	json_decref(rejected);
	return start_import(request);
}

static json_t *flush_over(struct engine *engine, struct verbs_wait *wait)
{
	struct entries_job *job = wait->job;
	json_t *answer;

	if (!job->is_done)
		return NULL;
	if (job->err)
		answer = verbs_error(1, "stopped after %llu entries were deleted: %s", (unsigned long long)job->count, job->why);
	else
		answer = verbs_ok(json_pack("{s:I}", "deleted", (json_int_t)job->count));
	entries_job_free(job);
	return answer;
}

json_t *verbs_entry_flush(struct verbs_request *request)
{
	const char *origin = verbs_word(request, "origin", NULL);
	struct entries_job *job;

	if (!origin)
		return verbs_error(1, "say whose entries: --origin NAME");
	job = calloc(1, sizeof(*job));
	if (!job)
		return verbs_error(1, "out of memory");
	job->what = ENTRIES_FLUSH;
	job->kind = request->kind;
	snprintf(job->origin, sizeof(job->origin), "%s", origin);
	snprintf(job->by_user, sizeof(job->by_user), "%s", request->client->user);
	request->wait->poll = flush_over;
	request->wait->abandon = leave_job;
	request->wait->job = job;
	entries_job_start(request->engine, job);
	return NULL;
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
						    "origin", row->origin, "reason", row->reason, "since", (json_int_t)row->since_s, "expires", verbs_time(row->expires_s), "by", row->by_user));
	walk->last = row->id;
	return 0;
}

/* Behind the last entry come the bans: there "after" counts them below 0. */
static int list_rows(struct verbs_request *request, json_int_t after, struct list_walk *walk)
{
	const char *origin = verbs_word(request, "origin", NULL);
	int more = 0;

	if (after >= 0)
		more = store_entry_each(request->engine->store, request->kind, origin, after, list_row, walk);
	if (more || request->kind != SEK_A_BLOCK)
		return more;
	more = verbs_ban_rows(request->engine, origin, after < 0 ? -after : 0, walk->limit, walk->rows, &walk->last);
	walk->last = -walk->last;
	if (more == 1 && !walk->last) /* the entries filled the page, and the first ban is to come: no ban has number 0 */
		walk->last = json_integer_value(json_object_get(json_array_get(walk->rows, json_array_size(walk->rows) - 1), "id"));
	return more;
}

json_t *verbs_entry_list(struct verbs_request *request)
{
	json_int_t limit = json_integer_value(json_object_get(request->json, "limit"));
	struct list_walk walk = { .rows = json_array(), .limit = limit > 0 && limit < LIST_MAX ? limit : LIST_MAX };
	int more = list_rows(request, json_integer_value(json_object_get(request->json, "after")), &walk);

	if (more < 0) {
		json_decref(walk.rows);
		return verbs_error(1, "the state cannot be read: %s", store_error(request->engine->store));
	}
	return verbs_ok(json_pack("{s:o,s:o}", "entries", walk.rows, "next", more > 0 ? json_integer(walk.last) : json_null()));
}
