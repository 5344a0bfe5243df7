// SPDX-License-Identifier: GPL-2.0
/* Lists' quality in the state. See store_quality.h. */
#include "store_quality.h"
#include "store_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int store_quality_put(struct store *store, const struct store_quality *q)
{
	struct store_bytes hits = { q->hits.rank, sizeof(q->hits.rank) };
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
		store, &stmt,
		"INSERT OR REPLACE INTO feed_quality(name, since_s, changed_s, added, removed, updates, hits) VALUES(?,?,?,?,?,?,?)",
		"siiiiiB", q->name, q->since_s, q->changed_s, (int64_t)q->added,
		(int64_t)q->removed, (int64_t)q->updates, &hits);
	return r < 0 ? r : store_run(store, stmt);
}

int store_quality_get(struct store *store, const char *name, struct store_quality *ret_quality)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, "SELECT since_s, changed_s, added, removed, updates, hits FROM feed_quality WHERE name = ?", "s", name);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		memset(ret_quality, 0, sizeof(*ret_quality));
		snprintf(ret_quality->name, sizeof(ret_quality->name), "%s", name);
		ret_quality->since_s = sqlite3_column_int64(stmt, 0);
		ret_quality->changed_s = sqlite3_column_int64(stmt, 1);
		ret_quality->added = sqlite3_column_int64(stmt, 2);
		ret_quality->removed = sqlite3_column_int64(stmt, 3);
		ret_quality->updates = sqlite3_column_int64(stmt, 4);
		/* else damaged: counted anew */
		if (sqlite3_column_bytes(stmt, 5) == sizeof(ret_quality->hits.rank))
			memcpy(ret_quality->hits.rank, sqlite3_column_blob(stmt, 5),
			       sizeof(ret_quality->hits.rank));
	}
	store_release(store, stmt);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : store_errno(rc);
}

int store_quality_day_put(struct store *store, const struct store_quality_day *d)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
		store, &stmt,
		"INSERT OR REPLACE INTO feed_days(name, day, hits, unique_hits, added, removed, updates) VALUES(?,?,?,?,?,?,?)",
		"siiiiii", d->name, d->day, (int64_t)d->count[0], (int64_t)d->count[1],
		(int64_t)d->count[2], (int64_t)d->count[3], (int64_t)d->count[4]);
	return r < 0 ? r : store_run(store, stmt);
}

int store_quality_sum(struct store *store, const char *name, int64_t first_day, int64_t but_day,
		      uint64_t ret_sum[STORE_QUALITY_COUNTS], unsigned *ret_days)
{
	sqlite3_stmt *stmt;
	int r, rc, i;

	r = store_prepare(store, &stmt, "SELECT sum(hits), sum(unique_hits), sum(added), sum(removed), sum(updates), count(*) FROM feed_days WHERE name = ? AND day >= ? AND day <> ?",
			  "sii", name, first_day, but_day);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	for (i = 0; i < STORE_QUALITY_COUNTS && rc == SQLITE_ROW; i++)
		ret_sum[i] = sqlite3_column_int64(stmt, i);
	if (rc == SQLITE_ROW)
		*ret_days = sqlite3_column_int(stmt, STORE_QUALITY_COUNTS);
	store_release(store, stmt);
	return store_errno(rc);
}

int store_quality_day_get(struct store *store, const char *name, int64_t day,
			  struct store_quality_day *ret_day)
{
	sqlite3_stmt *stmt;
	int r, rc, i;

	r = store_prepare(store, &stmt, "SELECT hits, unique_hits, added, removed, updates FROM feed_days WHERE name = ? AND day = ?", "si", name, day);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (store_errno(rc) == 0)
		*ret_day = (struct store_quality_day){ .day = day };
	if (store_errno(rc) == 0)
		snprintf(ret_day->name, sizeof(ret_day->name), "%s", name);
	for (i = 0; i < STORE_QUALITY_COUNTS && rc == SQLITE_ROW; i++)
		ret_day->count[i] = sqlite3_column_int64(stmt, i);
	store_release(store, stmt);
	return store_errno(rc);
}

int store_quality_forget(struct store *store, int64_t before_day)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "DELETE FROM feed_days WHERE day < ?", "i", before_day);
	return r < 0 ? r : store_run(store, stmt);
}
