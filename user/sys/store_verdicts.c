// SPDX-License-Identifier: GPL-2.0
/* What people said of bans, and what that makes of each limit and list. */
#include "store_bans.h"
#include "store_private.h"

#include <errno.h>
#include <string.h>

/* Moves the counts of the ban's limit and lists by @by for @verdict. */
static int move_counts(struct store *store, int64_t ban, enum store_verdict verdict, int64_t by)
{
	sqlite3_stmt *stmt;
	int r;

	if (verdict == STORE_UNDECIDED)
		return 0;
	r = store_prepare(
	    store, &stmt,
	    "UPDATE review SET confirmed = confirmed + iif(?2 = 1, ?3, 0), rejected = rejected + iif(?2 = 2, ?3, 0) WHERE"
	    " (kind = 0 AND name = (SELECT limit_name FROM bans WHERE id = ?1)) OR (kind = 1 AND name IN (SELECT list FROM ban_lists WHERE ban = ?1))",
	    "iii", ban, (int64_t)verdict, by);
	return r < 0 ? r : store_run(store, stmt);
}

static int verdict_of(struct store *store, int64_t ban, enum store_verdict *ret_verdict)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, "SELECT verdict FROM bans WHERE id = ?", "i", ban);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret_verdict = sqlite3_column_int(stmt, 0);
	store_release(store, stmt);
	return rc == SQLITE_DONE ? -ENOENT : store_errno(rc);
}

int store_verdict_add(struct store *store, const struct store_verdict_row *row)
{
	enum store_verdict before = STORE_UNDECIDED;
	sqlite3_stmt *stmt;
	int r;

	r = verdict_of(store, row->ban, &before);
	if (r == 0)
		r = move_counts(store, row->ban, before, -1);
	if (r == 0)
		r = move_counts(store, row->ban, row->verdict, 1);
	if (r == 0)
		r = store_prepare(store, &stmt, "UPDATE bans SET verdict = ? WHERE id = ?", "ii",
				  (int64_t)row->verdict, row->ban);
	if (r == 0)
		r = store_run(store, stmt);
	if (r == 0)
		r = store_prepare(store, &stmt, "INSERT INTO verdicts VALUES(?,?,?,?,?,?)",
				  "iiiiss", row->ban, row->time_s, (int64_t)row->verdict,
				  (int64_t)row->uid, row->user, row->reason);
	return r < 0 ? r : store_run(store, stmt);
}

int store_verdict_each(struct store *store, int64_t ban,
		       int (*fn)(void *arg, const struct store_verdict_row *row), void *arg)
{
	struct store_verdict_row row;
	sqlite3_stmt *stmt;
	int r, rc, stop = 0;

	r = store_prepare(
	    store, &stmt,
	    "SELECT ban, time_s, verdict, uid, user, reason FROM verdicts WHERE ban = ? ORDER BY rowid",
	    "i", ban);
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && !stop) {
		memset(&row, 0, sizeof(row));
		row.ban = sqlite3_column_int64(stmt, 0);
		row.time_s = sqlite3_column_int64(stmt, 1);
		row.verdict = sqlite3_column_int(stmt, 2);
		row.uid = sqlite3_column_int64(stmt, 3);
		store_column_text(stmt, 4, row.user, sizeof(row.user));
		store_column_text(stmt, 5, row.reason, sizeof(row.reason));
		stop = fn(arg, &row);
	}
	store_release(store, stmt);
	return stop ? stop : store_errno(rc);
}

int store_review_get(struct store *store, enum store_review_kind kind, const char *name,
		     struct store_review *ret_review)
{
	struct store_review review = { 0 };
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(
	    store, &stmt,
	    "SELECT bans, confirmed, rejected FROM review WHERE kind = ? AND name = ?", "is",
	    (int64_t)kind, name);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		review = (struct store_review){ sqlite3_column_int64(stmt, 0),
						sqlite3_column_int64(stmt, 1),
						sqlite3_column_int64(stmt, 2) };
	store_release(store, stmt);
	r = store_errno(rc);
	if (r == 0)
		*ret_review = review;
	return r;
}
