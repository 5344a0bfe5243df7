// SPDX-License-Identifier: GPL-2.0
/* The state's feeds, counters and classes. */
#include "store_private.h"

#include <errno.h>
#include <string.h>

static int read_feed(struct store *store, const char *name, struct store_feed *feed)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(
	    store, &stmt,
	    "SELECT id, url, last_success_s, last_try_s, failures, failures_total, fetch_ms, error, etag,"
	    " last_modified, format, held_s, held_why, held_etag, held_modified, wish_s FROM feeds WHERE name = ?",
	    "s", name);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		memset(feed, 0, sizeof(*feed));
		strncpy(feed->name, name, sizeof(feed->name) - 1);
		feed->id = sqlite3_column_int(stmt, 0);
		store_column_text(stmt, 1, feed->url, sizeof(feed->url));
		feed->last_success_s = sqlite3_column_int64(stmt, 2);
		feed->last_try_s = sqlite3_column_int64(stmt, 3);
		feed->failures = sqlite3_column_int64(stmt, 4);
		feed->failures_total = sqlite3_column_int64(stmt, 5);
		feed->fetch_ms = sqlite3_column_int64(stmt, 6);
		store_column_text(stmt, 7, feed->error, sizeof(feed->error));
		store_column_text(stmt, 8, feed->etag, sizeof(feed->etag));
		store_column_text(stmt, 9, feed->last_modified, sizeof(feed->last_modified));
		feed->reading = sqlite3_column_int(stmt, 10);
		feed->held_s = sqlite3_column_int64(stmt, 11);
		store_column_text(stmt, 12, feed->held_why, sizeof(feed->held_why));
		store_column_text(stmt, 13, feed->held_etag, sizeof(feed->held_etag));
		store_column_text(stmt, 14, feed->held_modified, sizeof(feed->held_modified));
		feed->wish_s = sqlite3_column_int64(stmt, 15);
	}
	store_release(store, stmt);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : store_errno(rc);
}

/* Gives @name the lowest id that no feed has. */
static int add_feed(struct store *store, const char *name, const char *url)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 255)"
	    " INSERT INTO feeds(id, name, url) SELECT min(i), ?, ? FROM n"
	    " WHERE i NOT IN (SELECT id FROM feeds) HAVING min(i) IS NOT NULL",
	    "ss", name, url);
	if (r == 0)
		r = store_run(store, stmt);
	if (r == 0 && !sqlite3_changes(store->db))
		return -ENOSPC;
	return r;
}

int store_feed_get(struct store *store, const char *name, const char *url, uint32_t reading,
		   struct store_feed *ret_feed)
{
	int r;

	r = read_feed(store, name, ret_feed);
	if (r == -ENOENT) {
		r = add_feed(store, name, url);
		if (r == 0)
			r = read_feed(store, name, ret_feed);
	}
	if (r < 0 || (!strcmp(ret_feed->url, url) && ret_feed->reading == reading))
		return r;
	if (strcmp(ret_feed->url, url))
		ret_feed->wish_s = 0; /* another server's, perhaps */
	strncpy(ret_feed->url, url, sizeof(ret_feed->url) - 1);
	ret_feed->url[sizeof(ret_feed->url) - 1] = 0;
	ret_feed->reading = reading;
	ret_feed->etag[0] = ret_feed->last_modified[0] = ret_feed->held_etag[0] =
	    ret_feed->held_modified[0] = 0;
	ret_feed->last_try_s = ret_feed->held_s = 0;
	ret_feed->held_why[0] = 0;
	return store_feed_put(store, ret_feed);
}

int store_feed_put(struct store *store, const struct store_feed *f)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt,
	    "UPDATE feeds SET url = ?, last_success_s = ?, last_try_s = ?, failures = ?, failures_total = ?,"
	    " fetch_ms = ?, error = ?, etag = ?, last_modified = ?, format = ?, held_s = ?, held_why = ?,"
	    " held_etag = ?, held_modified = ?, wish_s = ? WHERE id = ?",
	    "siiiiisssiisssii", f->url, f->last_success_s, f->last_try_s, (int64_t)f->failures,
	    (int64_t)f->failures_total, (int64_t)f->fetch_ms, f->error, f->etag, f->last_modified,
	    (int64_t)f->reading, f->held_s, f->held_why, f->held_etag, f->held_modified,
	    f->wish_s, (int64_t)f->id);
	return r < 0 ? r : store_run(store, stmt);
}

/* The first row that is not kept. */
static int find_unkept(struct store *store, const uint64_t *kept, struct store_feed *feed)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, "SELECT id, name FROM feeds ORDER BY last_try_s, id", "");
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		feed->id = sqlite3_column_int(stmt, 0);
		store_column_text(stmt, 1, feed->name, sizeof(feed->name));
		if (!(kept[feed->id / 64] >> (feed->id % 64) & 1))
			break;
	}
	store_release(store, stmt);
	return rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? -ENOENT : store_errno(rc);
}

/* The record of lists that are no more, whenever they went. */
static int sweep(struct store *store)
{
	static const char *const records[] = {
		"DELETE FROM feed_quality WHERE name NOT IN (SELECT name FROM feeds WHERE url <> '')",
		"DELETE FROM feed_days WHERE name NOT IN (SELECT name FROM feeds WHERE url <> '')",
		"DELETE FROM review WHERE kind = 1 AND name NOT IN (SELECT name FROM feeds WHERE url <> '')",
	};
	sqlite3_stmt *stmt;
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(records) / sizeof(records[0]) && r == 0; i++) {
		r = store_prepare(store, &stmt, records[i], "");
		if (r == 0)
			r = store_run(store, stmt);
	}
	return r;
}

/* A row without a url is nobody's: store_feed_get() begins anew with it. */
static int wipe(struct store *store, uint32_t id)
{
	struct store_feed feed = { .id = id };

	return store_feed_put(store, &feed);
}

int store_feed_wipe(struct store *store, bool (*is_known)(void *arg, const char *name), void *arg,
		    uint64_t *ret_gone)
{
	uint64_t gone[SEK_LISTS_MAX / 64] = { 0 };
	struct store_feed feed;
	sqlite3_stmt *stmt;
	uint32_t id;
	int rc, r = store_prepare(store, &stmt, "SELECT id, name FROM feeds WHERE url <> ''", "");

	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		id = sqlite3_column_int(stmt, 0);
		store_column_text(stmt, 1, feed.name, sizeof(feed.name));
		if (id < SEK_LISTS_MAX && !is_known(arg, feed.name))
			gone[id / 64] |= 1ull << (id % 64);
	}
	store_release(store, stmt);
	r = store_errno(rc);
	for (id = 0; id < SEK_LISTS_MAX && r == 0; id++) {
		if (gone[id / 64] >> (id % 64) & 1)
			r = wipe(store, id);
	}
	if (r == 0)
		r = sweep(store);
	if (r == 0)
		memcpy(ret_gone, gone, sizeof(gone));
	return r;
}

int store_feed_forget(struct store *store, const uint64_t *kept, struct store_feed *ret_feed)
{
	struct store_feed feed = { .id = 0 };
	sqlite3_stmt *stmt;
	int r = find_unkept(store, kept, &feed);

	if (r == 0)
		r = store_prepare(store, &stmt, "DELETE FROM feeds WHERE id = ?", "i",
				  (int64_t)feed.id);
	if (r == 0)
		r = store_run(store, stmt);
	if (r == 0)
		r = sweep(store);
	if (r == 0)
		*ret_feed = feed;
	return r;
}

int store_counter_put(struct store *store, const char *name, uint64_t value, uint64_t seen)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "INSERT OR REPLACE INTO counters VALUES(?,?,?)", "sii",
			  name, (int64_t)value, (int64_t)seen);
	return r < 0 ? r : store_run(store, stmt);
}

int store_counter_get(struct store *store, const char *name, uint64_t *ret_value,
		      uint64_t *ret_seen)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, "SELECT value, seen FROM counters WHERE name = ?", "s",
			  name);
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		*ret_value = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
		*ret_seen = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
	}
	store_release(store, stmt);
	return store_errno(rc);
}

int store_class_put(struct store *store, const struct store_class *c)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt,
	    "INSERT OR REPLACE INTO classes(counter, action, flags, winner, seen_drops, seen_drop_bytes,"
	    " seen_woulds, lists) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
	    "iiiiiii", (int64_t)c->counter, (int64_t)c->action, (int64_t)c->flags,
	    (int64_t)c->winner, (int64_t)c->seen_drops, (int64_t)c->seen_drop_bytes,
	    (int64_t)c->seen_woulds);
	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 8, c->lists, sizeof(c->lists), SQLITE_TRANSIENT);
	return store_run(store, stmt);
}

int store_class_delete(struct store *store, uint32_t counter)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "DELETE FROM classes WHERE counter = ?", "i",
			  (int64_t)counter);
	return r < 0 ? r : store_run(store, stmt);
}

int store_class_each(struct store *store, void (*fn)(void *arg, const struct store_class *class),
		     void *arg)
{
	struct store_class class;
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(
	    store, &stmt,
	    "SELECT counter, action, flags, winner, seen_drops, seen_drop_bytes, seen_woulds, lists"
	    " FROM classes",
	    "");
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		class = (struct store_class){ .counter = sqlite3_column_int(stmt, 0),
					      .action = sqlite3_column_int(stmt, 1),
					      .flags = sqlite3_column_int(stmt, 2),
					      .winner = sqlite3_column_int(stmt, 3),
					      .seen_drops = sqlite3_column_int64(stmt, 4),
					      .seen_drop_bytes = sqlite3_column_int64(stmt, 5),
					      .seen_woulds = sqlite3_column_int64(stmt, 6) };
		if (sqlite3_column_bytes(stmt, 7) == sizeof(class.lists))
			memcpy(class.lists, sqlite3_column_blob(stmt, 7), sizeof(class.lists));
		fn(arg, &class);
	}
	store_release(store, stmt);
	return store_errno(rc);
}
