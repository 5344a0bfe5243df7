// SPDX-License-Identifier: GPL-2.0
/*
 * The state's bans: one row each, with the kernel's own records as blobs; the totals by limit and
 * list are kept beside them.
 */
#include "store_bans.h"
#include "store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_COLUMNS \
	"id, addr, family, len, limit_name, threshold, rate, window_ms, is_bits," \
	" since_s, until_s, trial_until_s, ended_s, config_hash, state, how, verdict, ban, hidden"
#define COLUMNS SHORT_COLUMNS ", lists, evidence, headers"
#define SHORT_N 19 /* columns of the short form */

static bool read_blob(sqlite3_stmt *stmt, int column, void *to, size_t bytes)
{
	const void *blob = sqlite3_column_blob(stmt, column);

	if (!blob || sqlite3_column_bytes(stmt, column) != (int)bytes)
		return false;
	memcpy(to, blob, bytes);
	return true;
}

static void read_short(sqlite3_stmt *stmt, struct store_ban *ban)
{
	memset(ban, 0, sizeof(*ban));
	ban->id = sqlite3_column_int64(stmt, 0);
	(void)read_blob(stmt, 1, ban->source.addr_be,
			sizeof(ban->source.addr_be)); /* else 0: nothing of ours wrote it */
	ban->source.family = sqlite3_column_int(stmt, 2);
	ban->source.len = sqlite3_column_int(stmt, 3);
	store_column_text(stmt, 4, ban->limit, sizeof(ban->limit));
	ban->threshold_per_s = sqlite3_column_double(stmt, 5);
	ban->rate_per_s = sqlite3_column_double(stmt, 6);
	ban->window_ms = sqlite3_column_int64(stmt, 7);
	ban->is_bits = sqlite3_column_int(stmt, 8);
	ban->since_s = sqlite3_column_int64(stmt, 9);
	ban->until_s = sqlite3_column_int64(stmt, 10);
	ban->trial_until_s = sqlite3_column_int64(stmt, 11);
	ban->ended_s = sqlite3_column_int64(stmt, 12);
	store_column_text(stmt, 13, ban->config_hash, sizeof(ban->config_hash));
	ban->state = sqlite3_column_int(stmt, 14);
	store_column_text(stmt, 15, ban->how, sizeof(ban->how));
	ban->verdict = sqlite3_column_int(stmt, 16);
	(void)read_blob(stmt, 17, &ban->ban,
			sizeof(ban->ban)); /* of another layout: 0, and shown so */
	ban->hidden = sqlite3_column_int(stmt, 18);
}

static void read_long(sqlite3_stmt *stmt, struct store_ban *ban)
{
	const void *headers = sqlite3_column_blob(stmt, SHORT_N + 2);
	int bytes = sqlite3_column_bytes(stmt, SHORT_N + 2);

	store_column_text(stmt, SHORT_N, ban->lists, sizeof(ban->lists));
	ban->has_evidence = read_blob(stmt, SHORT_N + 1, &ban->evidence, sizeof(ban->evidence));
	if (!headers || bytes % sizeof(ban->headers[0]) || bytes > (int)sizeof(ban->headers))
		return;
	ban->n_headers = bytes / sizeof(ban->headers[0]);
	memcpy(ban->headers, headers, bytes);
}

static int walk(struct store *store, sqlite3_stmt *stmt, store_ban_fn fn, void *arg)
{
	bool is_long = sqlite3_column_count(stmt) > SHORT_N;
	struct store_ban *ban = calloc(1, sizeof(*ban));
	int rc = SQLITE_NOMEM, r = 0;

	while (ban && (rc = sqlite3_step(stmt)) == SQLITE_ROW && r == 0) {
		read_short(stmt, ban);
		if (is_long)
			read_long(stmt, ban);
		r = fn(arg, ban);
	}
	free(ban);
	store_release(store, stmt);
	return r ? r : store_errno(rc);
}

/* The id of the same ban, 0 none. The kernel's clock and ours are a second apart at most. */
static int find_same(struct store *store, const struct store_ban *ban, int64_t *ret_id)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(
	    store, &stmt,
	    "SELECT id FROM bans WHERE addr = ? AND family = ? AND len = ? AND random = ? AND since_s BETWEEN ?5 - 2 AND ?5 + 2",
	    "biiii", ban->source.addr_be, (int64_t)ban->source.family, (int64_t)ban->source.len,
	    (int64_t)ban->ban.random, ban->since_s);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	*ret_id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	store_release(store, stmt);
	return store_errno(rc);
}

static int count_ban(struct store *store, enum store_review_kind kind, const char *name)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt,
	    "INSERT INTO review(kind, name, bans) VALUES(?,?,1) ON CONFLICT(kind, name) DO UPDATE SET bans = bans + 1",
	    "is", (int64_t)kind, name);
	return r < 0 ? r : store_run(store, stmt);
}

static int add_list(struct store *store, int64_t id, const char *list)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "INSERT OR IGNORE INTO ban_lists VALUES(?,?)", "is", id,
			  list);
	if (r == 0)
		r = store_run(store, stmt);
	return r < 0 || !sqlite3_changes(store->db) ? r : count_ban(store, STORE_REVIEW_LIST, list);
}

static int insert(struct store *store, const struct store_ban *ban)
{
	struct store_bytes record = { &ban->ban, sizeof(ban->ban) };
	struct store_bytes evidence = { &ban->evidence,
					ban->has_evidence ? sizeof(ban->evidence) : 0 };
	struct store_bytes headers = { ban->headers, ban->n_headers * sizeof(ban->headers[0]) };
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt,
	    "INSERT INTO bans(addr, family, len, random, limit_name, threshold, rate, window_ms, is_bits, since_s, until_s,"
	    " trial_until_s, ended_s, config_hash, state, how, verdict, ban, lists, evidence, headers)"
	    " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	    "biiisddiiiiiisisiBsBB", ban->source.addr_be, (int64_t)ban->source.family,
	    (int64_t)ban->source.len, (int64_t)ban->ban.random, ban->limit, ban->threshold_per_s,
	    ban->rate_per_s, (int64_t)ban->window_ms, (int64_t)ban->is_bits, ban->since_s,
	    ban->until_s, ban->trial_until_s, ban->ended_s, ban->config_hash, (int64_t)ban->state,
	    ban->how, (int64_t)STORE_UNDECIDED, &record, ban->lists, &evidence, &headers);
	return r < 0 ? r : store_run(store, stmt);
}

int store_ban_add(struct store *store, const struct store_ban *ban, const char *const *lists,
		  int64_t *ret_id)
{
	int64_t id;
	int r;

	r = find_same(store, ban, &id);
	if (r == 0 && id) {
		*ret_id = id;
		return -EEXIST;
	}
	if (r == 0)
		r = insert(store, ban);
	id = sqlite3_last_insert_rowid(store->db);
	if (r == 0)
		r = count_ban(store, STORE_REVIEW_LIMIT, ban->limit);
	for (; r == 0 && lists && *lists; lists++)
		r = add_list(store, id, *lists);
	if (r == 0)
		*ret_id = id;
	return r;
}

int store_ban_update(struct store *store, const struct store_ban *ban)
{
	struct store_bytes record = { &ban->ban, sizeof(ban->ban) };
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt,
	    "UPDATE bans SET until_s = ?, trial_until_s = ?, ended_s = ?, state = ?, how = ?, ban = ? WHERE id = ?",
	    "iiiisBi", ban->until_s, ban->trial_until_s, ban->ended_s, (int64_t)ban->state,
	    ban->how, &record, ban->id);
	return r < 0 ? r : store_run(store, stmt);
}

int store_ban_hide(struct store *store, int64_t id, enum store_hidden hidden)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "UPDATE bans SET hidden = ? WHERE id = ? AND hidden = 0", "ii",
			  (int64_t)hidden, id);
	return r < 0 ? r : store_run(store, stmt);
}

static int copy_out(void *arg, const struct store_ban *ban)
{
	memcpy(arg, ban, sizeof(*ban));
	return 1;
}

int store_ban_get(struct store *store, int64_t id, struct store_ban *ret_ban)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "SELECT " COLUMNS " FROM bans WHERE id = ?", "i", id);
	if (r == 0)
		r = walk(store, stmt, copy_out, ret_ban);
	return r < 0 ? r : r ? 0 : -ENOENT;
}

int store_ban_each(struct store *store, const struct store_ban_query *query, store_ban_fn fn,
		   void *arg)
{
	int64_t before = query->before ? query->before : INT64_MAX;
	sqlite3_stmt *stmt;
	int r;

	if (query->source)
		r = store_prepare(
		    store, &stmt,
		    "SELECT " COLUMNS
		    " FROM bans WHERE addr = ? AND family = ? AND len = ? AND id < ? ORDER BY id DESC LIMIT ?",
		    "biiii", query->source->addr_be, (int64_t)query->source->family,
		    (int64_t)query->source->len, before, query->max);
	else if (query->limit)
		r = store_prepare(
		    store, &stmt,
		    "SELECT " COLUMNS
		    " FROM bans WHERE limit_name = ? AND (?2 = 0 OR verdict = 0) AND id < ? ORDER BY id DESC LIMIT ?",
		    "siii", query->limit, (int64_t)query->is_undecided, before, query->max);
	else if (query->is_undecided)
		r = store_prepare(
		    store, &stmt,
		    "SELECT " COLUMNS
		    " FROM bans WHERE verdict = 0 AND id < ? ORDER BY id DESC LIMIT ?",
		    "ii", before, query->max);
	else
		r = store_prepare(store, &stmt,
				  "SELECT " COLUMNS
				  " FROM bans WHERE id < ? ORDER BY id DESC LIMIT ?",
				  "ii", before, query->max);
	return r < 0 ? r : walk(store, stmt, fn, arg);
}

int store_ban_live(struct store *store, int64_t after, int64_t now_s, const char *limit,
		   store_ban_fn fn, void *arg)
{
	sqlite3_stmt *stmt;
	int r;

	/* What vanished or was taken away by a person has no probation left in the kernel. */
	if (now_s)
		r = store_prepare(
		    store, &stmt,
		    "SELECT " SHORT_COLUMNS
		    " FROM bans WHERE id > ? AND trial_until_s > ? AND state <= 1 ORDER BY id",
		    "ii", after, now_s);
	else
		r = store_prepare(
		    store, &stmt,
		    "SELECT " SHORT_COLUMNS
		    " FROM bans WHERE id > ?1 AND state = 0 AND (?2 = '' OR limit_name = ?2) ORDER BY id",
		    "is", after, limit ? limit : "");
	return r < 0 ? r : walk(store, stmt, fn, arg);
}

static int ask_number(struct store *store, const char *sql, uint64_t *ret_n)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, sql, "");
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret_n = sqlite3_column_int64(stmt, 0);
	store_release(store, stmt);
	return store_errno(rc);
}

int store_ban_counts(struct store *store, uint64_t *ret_undecided, uint64_t *ret_live)
{
	uint64_t undecided, live;
	int r;

	r = ask_number(store, "SELECT count(*) FROM bans WHERE verdict = 0", &undecided);
	if (r == 0)
		r = ask_number(store, "SELECT count(*) FROM bans WHERE state = 0", &live);
	if (r < 0)
		return r;
	*ret_undecided = undecided;
	*ret_live = live;
	return 0;
}

int store_ban_trim(struct store *store, unsigned keep, unsigned max, unsigned *ret_n)
{
	uint64_t n, value = 0, seen = 0;
	sqlite3_stmt *stmt;
	int r;

	r = ask_number(store, "SELECT count(*) FROM bans WHERE verdict = 0 AND state > 0", &n);
	if (r < 0)
		return r;
	*ret_n = 0;
	if (n <= keep)
		return 0;
	n = n - keep < max ? n - keep : max;
	r = store_prepare(
	    store, &stmt,
	    "DELETE FROM ban_lists WHERE ban IN (SELECT id FROM bans WHERE verdict = 0 AND state > 0 ORDER BY id LIMIT ?)",
	    "i", (int64_t)n);
	if (r == 0)
		r = store_run(store, stmt);
	if (r == 0)
		r = store_prepare(
		    store, &stmt,
		    "DELETE FROM bans WHERE id IN (SELECT id FROM bans WHERE verdict = 0 AND state > 0 ORDER BY id LIMIT ?)",
		    "i", (int64_t)n);
	if (r == 0)
		r = store_run(store, stmt);
	if (r == 0)
		r = store_counter_get(store, "bans_forgotten", &value, &seen);
	if (r == 0)
		r = store_counter_put(store, "bans_forgotten", value + n, 0);
	if (r == 0)
		*ret_n = n;
	return r;
}
