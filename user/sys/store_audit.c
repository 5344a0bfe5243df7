// SPDX-License-Identifier: GPL-2.0
/*
 * The state's audit: who changed what, when, and what came of it. Bounded; the oldest rows go
 * first.
 */
#include "store_private.h"

#include <string.h>

#define TRIM_EVERY 256 /* rows between looks at the bound */

int store_audit_add(struct store *store, const struct store_audit *row)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "INSERT INTO audit VALUES(?,?,?,?,?,?)", "iissss",
			  row->time_s, (int64_t)row->uid, row->user, row->verb, row->detail,
			  row->result);
	if (r == 0)
		r = store_run(store, stmt);
	if (r < 0 || sqlite3_last_insert_rowid(store->db) % TRIM_EVERY)
		return r;
	r = store_prepare(store, &stmt, "DELETE FROM audit WHERE rowid <= ?", "i",
			  (int64_t)sqlite3_last_insert_rowid(store->db) - STORE_AUDIT_MAX);
	return r < 0 ? r : store_run(store, stmt);
}

int store_audit_each(struct store *store, int64_t before, int64_t limit,
		     int (*fn)(void *arg, const struct store_audit *row), void *arg)
{
	struct store_audit row;
	sqlite3_stmt *stmt;
	int r, rc, stop = 0;

	r = store_prepare(
	    store, &stmt,
	    "SELECT rowid, time_s, uid, user, verb, detail, result FROM audit WHERE ?1 = 0 OR rowid < ?1"
	    " ORDER BY rowid DESC LIMIT ?2",
	    "ii", before, limit);
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !stop) {
		memset(&row, 0, sizeof(row));
		row.id = sqlite3_column_int64(stmt, 0);
		row.time_s = sqlite3_column_int64(stmt, 1);
		row.uid = sqlite3_column_int64(stmt, 2);
		store_column_text(stmt, 3, row.user, sizeof(row.user));
		store_column_text(stmt, 4, row.verb, sizeof(row.verb));
		store_column_text(stmt, 5, row.detail, sizeof(row.detail));
		store_column_text(stmt, 6, row.result, sizeof(row.result));
		stop = fn(arg, &row);
	}
	store_release(store, stmt);
	return stop ? stop : store_errno(rc);
}
