// SPDX-License-Identifier: GPL-2.0
/*
 * The state's entries: one row a prefix, kind and origin; of an origin that numbers its own one a
 * number (store_refs.c).
 */
#include "store_private.h"

#include <string.h>

#define COLUMNS "id, addr, family, len, kind, origin, reason, since_s, expires_s, by_user, forced, ref"

static void read_row(sqlite3_stmt *stmt, struct store_entry *entry)
{
	const void *addr = sqlite3_column_blob(stmt, 1);

	memset(entry, 0, sizeof(*entry));
	entry->id = sqlite3_column_int64(stmt, 0);
	if (addr && sqlite3_column_bytes(stmt, 1) == 16)
		memcpy(entry->prefix.addr_be, addr, 16);
	entry->prefix.family = sqlite3_column_int(stmt, 2);
	entry->prefix.len = sqlite3_column_int(stmt, 3);
	entry->kind = sqlite3_column_int(stmt, 4);
	store_column_text(stmt, 5, entry->origin, sizeof(entry->origin));
	store_column_text(stmt, 6, entry->reason, sizeof(entry->reason));
	entry->since_s = sqlite3_column_int64(stmt, 7);
	entry->expires_s = sqlite3_column_int64(stmt, 8);
	store_column_text(stmt, 9, entry->by_user, sizeof(entry->by_user));
	entry->is_forced = sqlite3_column_int(stmt, 10);
	entry->ref = sqlite3_column_int64(stmt, 11);
}

static int walk(struct store *store, sqlite3_stmt *stmt, store_entry_fn fn, void *arg)
{
	struct store_entry entry;
	int rc, r = 0;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && r == 0) {
		read_row(stmt, &entry);
		r = fn(arg, &entry);
	}
	store_release(store, stmt);
	return r ? r : store_errno(rc);
}

int store_entry_put(struct store *store, const struct store_entry *e)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
		store, &stmt,
		"INSERT INTO entries(addr, family, len, kind, origin, reason, since_s, expires_s, by_user, forced)"
		" VALUES(?,?,?,?,?,?,?,nullif(?,0),?,?) ON CONFLICT(addr, len, family, kind, origin, ref) DO UPDATE SET"
		" expires_s = CASE WHEN expires_s IS NULL OR excluded.expires_s IS NULL THEN NULL"
		" ELSE max(expires_s, excluded.expires_s) END,"
		" reason = CASE WHEN excluded.reason = '' THEN reason ELSE excluded.reason END,"
		" by_user = excluded.by_user, forced = max(forced, excluded.forced)",
		"biiissiisi", e->prefix.addr_be, (int64_t)e->prefix.family, (int64_t)e->prefix.len,
		(int64_t)e->kind, e->origin, e->reason, e->since_s, e->expires_s, e->by_user,
		(int64_t)e->is_forced);
	return r < 0 ? r : store_run(store, stmt);
}

static int run_counted(struct store *store, sqlite3_stmt *stmt, int *ret_n)
{
	int r = store_run(store, stmt);

	if (r == 0)
		*ret_n = sqlite3_changes(store->db);
	return r;
}

int store_entry_delete(struct store *store, const struct prefix *prefix, enum sek_action kind,
		       const char *origin, int *ret_n)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
		store, &stmt,
		"DELETE FROM entries WHERE addr = ? AND len = ? AND family = ? AND kind = ? AND origin = ?",
		"biiis", prefix->addr_be, (int64_t)prefix->len, (int64_t)prefix->family,
		(int64_t)kind, origin);
	return r < 0 ? r : run_counted(store, stmt, ret_n);
}

int store_entry_delete_id(struct store *store, int64_t id)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "DELETE FROM entries WHERE id = ?", "i", id);
	return r < 0 ? r : store_run(store, stmt);
}

/* Of one origin the index leads to its rows, however many others there are. */
int store_entry_each(struct store *store, enum sek_action kind, const char *origin, int64_t after,
		     store_entry_fn fn, void *arg)
{
	sqlite3_stmt *stmt;
	int r;

	if (kind && origin && *origin)
		r = store_prepare(store, &stmt,
				  "SELECT " COLUMNS " FROM entries"
				  " WHERE kind = ? AND origin = ? AND id > ? ORDER BY id",
				  "isi", (int64_t)kind, origin, after);
	else
		r = store_prepare(store, &stmt,
				  "SELECT " COLUMNS " FROM entries WHERE id > ?1 AND (?2 = 0 OR kind = ?2)"
				  " AND (?3 = '' OR origin = ?3) ORDER BY id",
				  "iis", after, (int64_t)kind, origin ? origin : "");
	return r < 0 ? r : walk(store, stmt, fn, arg);
}

int store_entry_exact(struct store *store, const struct prefix *prefix, store_entry_fn fn,
		      void *arg)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "SELECT " COLUMNS " FROM entries WHERE addr = ? AND len = ? AND family = ?",
			  "bii", prefix->addr_be, (int64_t)prefix->len, (int64_t)prefix->family);
	return r < 0 ? r : walk(store, stmt, fn, arg);
}

int store_entry_expired(struct store *store, int64_t now_s, store_entry_fn fn, void *arg)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "SELECT " COLUMNS " FROM entries WHERE expires_s <= ?", "i", now_s);
	return r < 0 ? r : walk(store, stmt, fn, arg);
}

int store_entry_counts(struct store *store, void (*fn)(void *arg, const char *origin, uint64_t n),
		       void *arg)
{
	char origin[STORE_ORIGIN_BYTES];
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, "SELECT origin, n FROM entry_counts ORDER BY 2 DESC, 1", "");
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		store_column_text(stmt, 0, origin, sizeof(origin));
		fn(arg, origin, sqlite3_column_int64(stmt, 1));
	}
	store_release(store, stmt);
	return store_errno(rc);
}
