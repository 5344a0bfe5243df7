// SPDX-License-Identifier: GPL-2.0
/* The state's numbered entries. See store_refs.h. */
#include "store_refs.h"
#include "store_private.h"

#include <stdlib.h>
#include <string.h>

/* What is there under a number. */
struct found {
	int64_t id, expires_s;
	struct prefix prefix; /* family 0: nothing */
};

static int find(struct store *store, const char *origin, int64_t ref, struct found *ret_found)
{
	sqlite3_stmt *stmt;
	int r, rc;

	memset(ret_found, 0, sizeof(*ret_found));
	r = store_prepare(store, &stmt, "SELECT id, addr, family, len, expires_s FROM entries WHERE origin = ? AND ref = ? AND ref > 0", "si", origin, ref);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(stmt, 1) == 16) {
		ret_found->id = sqlite3_column_int64(stmt, 0);
		memcpy(ret_found->prefix.addr_be, sqlite3_column_blob(stmt, 1), 16);
		ret_found->prefix.family = sqlite3_column_int(stmt, 2);
		ret_found->prefix.len = sqlite3_column_int(stmt, 3);
		ret_found->expires_s = sqlite3_column_int64(stmt, 4);
	}
	store_release(store, stmt);
	return store_errno(rc);
}

static bool is_same(const struct prefix *a, const struct prefix *b)
{
	return a->family == b->family && a->len == b->len &&
	       !memcmp(a->addr_be, b->addr_be, sizeof(a->addr_be));
}

static int set_end(struct store *store, int64_t id, int64_t expires_s)
{
	sqlite3_stmt *stmt;
	int r = store_prepare(store, &stmt, "UPDATE entries SET expires_s = nullif(?, 0) WHERE id = ?", "ii", expires_s, id);

	return r < 0 ? r : store_run(store, stmt);
}

static int insert(struct store *store, const struct store_entry *e)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
		store, &stmt,
		"INSERT INTO entries(addr, family, len, kind, origin, reason, since_s, expires_s, by_user, forced, ref)"
		" VALUES(?,?,?,?,?,?,?,nullif(?,0),?,?,?)",
		"biiissiisii", e->prefix.addr_be, (int64_t)e->prefix.family, (int64_t)e->prefix.len,
		(int64_t)e->kind, e->origin, e->reason, e->since_s, e->expires_s, e->by_user,
		(int64_t)e->is_forced, e->ref);
	return r < 0 ? r : store_run(store, stmt);
}

int store_ref_put(struct store *store, const struct store_entry *entry,
		  enum store_ref_change *ret_change, struct prefix *ret_was)
{
	struct found found;
	int r = find(store, entry->origin, entry->ref, &found);
	bool is_here = r == 0 && found.prefix.family && is_same(&found.prefix, &entry->prefix);

	if (r < 0)
		return r;
	if (is_here && llabs(found.expires_s - entry->expires_s) <= STORE_REF_NEAR_S) {
		*ret_change = STORE_REF_SAME;
		memset(ret_was, 0, sizeof(*ret_was));
		return 0;
	}
	if (is_here)
		r = set_end(store, found.id, entry->expires_s);
	else if (found.prefix.family)
		r = store_entry_delete_id(store, found.id);
	if (r == 0 && !is_here)
		r = insert(store, entry);
	if (r < 0)
		return r;
	*ret_change = STORE_REF_PUT;
	memset(ret_was, 0, sizeof(*ret_was));
	if (!is_here)
		*ret_was = found.prefix;
	return 0;
}

int store_ref_delete(struct store *store, const char *origin, int64_t ref,
		     const struct prefix *prefix, struct prefix *ret_was)
{
	struct found found;
	int r = find(store, origin, ref, &found);

	if (r == 0 && found.prefix.family && prefix && !is_same(&found.prefix, prefix))
		memset(&found, 0, sizeof(found));
	if (r == 0 && found.prefix.family)
		r = store_entry_delete_id(store, found.id);
	if (r == 0)
		*ret_was = found.prefix;
	return r;
}

int store_ref_each(struct store *store, const char *origin, int64_t after, store_entry_fn fn,
		   void *arg)
{
	struct store_entry entry;
	sqlite3_stmt *stmt;
	int rc, r;

	r = store_prepare(store, &stmt, "SELECT id, addr, family, len, expires_s, ref FROM entries WHERE origin = ? AND ref > 0 AND ref > ? ORDER BY ref", "si", origin, after);
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && r == 0) {
		memset(&entry, 0, sizeof(entry));
		entry.id = sqlite3_column_int64(stmt, 0);
		if (sqlite3_column_bytes(stmt, 1) == 16)
			memcpy(entry.prefix.addr_be, sqlite3_column_blob(stmt, 1), 16);
		entry.prefix.family = sqlite3_column_int(stmt, 2);
		entry.prefix.len = sqlite3_column_int(stmt, 3);
		entry.expires_s = sqlite3_column_int64(stmt, 4);
		entry.ref = sqlite3_column_int64(stmt, 5);
		r = fn(arg, &entry);
	}
	store_release(store, stmt);
	return r ? r : store_errno(rc);
}

int store_ref_counts(struct store *store, const char *origin,
		     void (*fn)(void *arg, const char *by_user, int family, uint64_t n), void *arg)
{
	char by_user[STORE_USER_BYTES];
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, "SELECT by_user, family, n FROM ref_counts WHERE origin = ? ORDER BY n DESC, 1, 2", "s", origin);
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		store_column_text(stmt, 0, by_user, sizeof(by_user));
		fn(arg, by_user, sqlite3_column_int(stmt, 1), sqlite3_column_int64(stmt, 2));
	}
	store_release(store, stmt);
	return store_errno(rc);
}
