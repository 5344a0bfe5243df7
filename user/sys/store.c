// SPDX-License-Identifier: GPL-2.0
/*
 * The state file: opening, schema versions, transactions, and the helpers of the other store files.
 * WAL with synchronous=FULL: what was answered is on disk.
 */
#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Step N brings version N to N + 1. Append only. */
static const char *const migrations[] = {
	"CREATE TABLE entries(id INTEGER PRIMARY KEY AUTOINCREMENT, addr BLOB NOT NULL, family INTEGER NOT NULL,"
	" len INTEGER NOT NULL, kind INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,"
	" since_s INTEGER NOT NULL, expires_s INTEGER, by_user TEXT NOT NULL, UNIQUE(addr, len, family, kind, origin));"
	"CREATE INDEX entries_expiry ON entries(expires_s) WHERE expires_s IS NOT NULL;"
	"CREATE INDEX entries_origin ON entries(kind, origin);"
	"CREATE TABLE feeds(id INTEGER PRIMARY KEY CHECK(id BETWEEN 1 AND 255), name TEXT NOT NULL UNIQUE,"
	" url TEXT NOT NULL, last_success_s INTEGER NOT NULL DEFAULT 0, last_try_s INTEGER NOT NULL DEFAULT 0,"
	" failures INTEGER NOT NULL DEFAULT 0, failures_total INTEGER NOT NULL DEFAULT 0,"
	" fetch_ms INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', etag TEXT NOT NULL DEFAULT '',"
	" last_modified TEXT NOT NULL DEFAULT '');"
	"CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE classes(counter INTEGER PRIMARY KEY, action INTEGER NOT NULL, flags INTEGER NOT NULL,"
	" winner INTEGER NOT NULL, lists BLOB NOT NULL, seen_drops INTEGER NOT NULL, seen_drop_bytes INTEGER NOT NULL,"
	" seen_woulds INTEGER NOT NULL);"
	"CREATE TABLE audit(time_s INTEGER NOT NULL, uid INTEGER NOT NULL, user TEXT NOT NULL, verb TEXT NOT NULL,"
	" detail TEXT NOT NULL, result TEXT NOT NULL);",
	"ALTER TABLE entries ADD COLUMN forced INTEGER NOT NULL DEFAULT 0;",
	/*
	 * Held updates; entries counted by origin as they come and go, so that a scrape reads a few
	 * rows, not all.
	 */
	"ALTER TABLE feeds ADD COLUMN format INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feeds ADD COLUMN held_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feeds ADD COLUMN held_why TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE feeds ADD COLUMN held_etag TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE feeds ADD COLUMN held_modified TEXT NOT NULL DEFAULT '';"
	"CREATE TABLE entry_counts(origin TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO entry_counts SELECT origin, count(*) FROM entries GROUP BY origin;"
	"CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN"
	" INSERT INTO entry_counts VALUES(new.origin, 1) ON CONFLICT(origin) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER entries_gone AFTER DELETE ON entries BEGIN"
	" UPDATE entry_counts SET n = n - 1 WHERE origin = old.origin;"
	" DELETE FROM entry_counts WHERE origin = old.origin AND n <= 0; END;"
	"CREATE INDEX audit_time ON audit(time_s);",
	/*
	 * Bans with their evidence, what people said of them, and the counts that outlive the rows.
	 */
	"CREATE TABLE bans(id INTEGER PRIMARY KEY AUTOINCREMENT, addr BLOB NOT NULL, family INTEGER NOT NULL, len INTEGER NOT NULL,"
	" random INTEGER NOT NULL, limit_name TEXT NOT NULL, threshold REAL NOT NULL, rate REAL NOT NULL, window_ms INTEGER NOT NULL,"
	" is_bits INTEGER NOT NULL, since_s INTEGER NOT NULL, until_s INTEGER NOT NULL, trial_until_s INTEGER NOT NULL,"
	" ended_s INTEGER NOT NULL, config_hash TEXT NOT NULL, state INTEGER NOT NULL, how TEXT NOT NULL,"
	" verdict INTEGER NOT NULL, ban BLOB NOT NULL, lists TEXT NOT NULL, evidence BLOB, headers BLOB);"
	"CREATE INDEX bans_source ON bans(addr, family, len);"
	"CREATE INDEX bans_trial ON bans(trial_until_s);"
	"CREATE INDEX bans_live ON bans(id) WHERE state = 0;"
	"CREATE INDEX bans_undecided ON bans(id) WHERE verdict = 0;"
	"CREATE INDEX bans_over ON bans(id) WHERE verdict = 0 AND state > 0;"
	"CREATE INDEX bans_limit ON bans(limit_name, id);"
	"CREATE TABLE verdicts(ban INTEGER NOT NULL, time_s INTEGER NOT NULL, verdict INTEGER NOT NULL, uid INTEGER NOT NULL,"
	" user TEXT NOT NULL, reason TEXT NOT NULL);"
	"CREATE INDEX verdicts_ban ON verdicts(ban);"
	"CREATE TABLE ban_lists(ban INTEGER NOT NULL, list TEXT NOT NULL, PRIMARY KEY(ban, list)) WITHOUT ROWID;"
	"CREATE TABLE review(kind INTEGER NOT NULL, name TEXT NOT NULL, bans INTEGER NOT NULL DEFAULT 0, confirmed INTEGER NOT NULL DEFAULT 0,"
	" rejected INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(kind, name)) WITHOUT ROWID;",
	/*
	 * Limits' numbers and counts (six totals, six of what the kernel said), and the rates of
	 * sources by day.
	 */
	"CREATE TABLE limits(number INTEGER PRIMARY KEY CHECK(number BETWEEN 0 AND 15), name TEXT NOT NULL UNIQUE, used_s INTEGER NOT NULL,"
	" t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, t2 INTEGER NOT NULL, t3 INTEGER NOT NULL, t4 INTEGER NOT NULL, t5 INTEGER NOT NULL,"
	" s0 INTEGER NOT NULL, s1 INTEGER NOT NULL, s2 INTEGER NOT NULL, s3 INTEGER NOT NULL, s4 INTEGER NOT NULL, s5 INTEGER NOT NULL);"
	"CREATE TABLE rates(name TEXT NOT NULL, is_bits INTEGER NOT NULL, day INTEGER NOT NULL, hist BLOB NOT NULL,"
	" PRIMARY KEY(name, is_bits, day)) WITHOUT ROWID;",
	/* How good lists are: since they are known, and by day. */
	"CREATE TABLE feed_quality(name TEXT PRIMARY KEY, since_s INTEGER NOT NULL, changed_s INTEGER NOT NULL, added INTEGER NOT NULL,"
	" removed INTEGER NOT NULL, updates INTEGER NOT NULL, hits BLOB) WITHOUT ROWID;"
	"CREATE TABLE feed_days(name TEXT NOT NULL, day INTEGER NOT NULL, hits INTEGER NOT NULL, unique_hits INTEGER NOT NULL,"
	" added INTEGER NOT NULL, removed INTEGER NOT NULL, updates INTEGER NOT NULL, PRIMARY KEY(name, day)) WITHOUT ROWID;",
	/*
	 * Entries with a number of their origin's own (store_refs.c): one origin may hold a prefix
	 * many times. They are counted by who made them, so that nobody has to read them all.
	 */
	"CREATE TABLE entries_new(id INTEGER PRIMARY KEY AUTOINCREMENT, addr BLOB NOT NULL, family INTEGER NOT NULL,"
	" len INTEGER NOT NULL, kind INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,"
	" since_s INTEGER NOT NULL, expires_s INTEGER, by_user TEXT NOT NULL, forced INTEGER NOT NULL DEFAULT 0,"
	" ref INTEGER NOT NULL DEFAULT 0, UNIQUE(addr, len, family, kind, origin, ref));"
	"INSERT INTO entries_new SELECT id, addr, family, len, kind, origin, reason, since_s, expires_s, by_user, forced, 0 FROM entries;"
	"DROP TABLE entries;"
	"ALTER TABLE entries_new RENAME TO entries;"
	"CREATE INDEX entries_expiry ON entries(expires_s) WHERE expires_s IS NOT NULL;"
	"CREATE INDEX entries_origin ON entries(kind, origin);"
	"CREATE UNIQUE INDEX entries_ref ON entries(origin, ref) WHERE ref > 0;"
	"CREATE TABLE ref_counts(origin TEXT NOT NULL, by_user TEXT NOT NULL, family INTEGER NOT NULL, n INTEGER NOT NULL,"
	" PRIMARY KEY(origin, by_user, family)) WITHOUT ROWID;"
	"CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN"
	" INSERT INTO entry_counts VALUES(new.origin, 1) ON CONFLICT(origin) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER entries_gone AFTER DELETE ON entries BEGIN"
	" UPDATE entry_counts SET n = n - 1 WHERE origin = old.origin;"
	" DELETE FROM entry_counts WHERE origin = old.origin AND n <= 0; END;"
	"CREATE TRIGGER refs_added AFTER INSERT ON entries WHEN new.ref > 0 BEGIN"
	" INSERT INTO ref_counts VALUES(new.origin, new.by_user, new.family, 1)"
	" ON CONFLICT(origin, by_user, family) DO UPDATE SET n = n + 1; END;"
	"CREATE TRIGGER refs_gone AFTER DELETE ON entries WHEN old.ref > 0 BEGIN"
	" UPDATE ref_counts SET n = n - 1 WHERE origin = old.origin AND by_user = old.by_user AND family = old.family;"
	" DELETE FROM ref_counts WHERE origin = old.origin AND by_user = old.by_user AND family = old.family AND n <= 0; END;",
	/*
	 * Why a ban's drops are not all that its source sent (enum store_hidden); nobody knows it
	 * of bans from before.
	 */
	"ALTER TABLE bans ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0; UPDATE bans SET hidden = 6;",
	"ALTER TABLE feeds ADD COLUMN wish_s INTEGER NOT NULL DEFAULT 0;",
};
#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

int store_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

static struct store_kept *kept_of(struct store *store, const char *sql)
{
	int i;

	for (i = 0; i < STORE_KEPT_MAX && store->kept[i].sql; i++) {
		if (store->kept[i].sql == sql)
			return &store->kept[i];
	}
	return i < STORE_KEPT_MAX ? &store->kept[i] : NULL;
}

/*
 * The kept statement of @sql, or a new one: kept where there is room, and where a walk is using the
 * kept one not.
 */
static int make_ready(struct store *store, const char *sql, sqlite3_stmt **ret_stmt)
{
	struct store_kept *kept = kept_of(store, sql);
	int rc;

	if (kept && kept->sql && !kept->is_used) {
		kept->is_used = true;
		*ret_stmt = kept->stmt;
		return SQLITE_OK;
	}
	rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);
	if (rc == SQLITE_OK && kept && !kept->sql)
		*kept = (struct store_kept){ .sql = sql, .stmt = *ret_stmt, .is_used = true };
	return rc;
}

void store_release(struct store *store, sqlite3_stmt *stmt)
{
	int i;

	for (i = 0; i < STORE_KEPT_MAX && store->kept[i].stmt != stmt; i++)
		;
	if (i == STORE_KEPT_MAX) {
		sqlite3_finalize(stmt);
		return;
	}
	(void)sqlite3_reset(stmt); /* tells the last step's error again */
	sqlite3_clear_bindings(stmt);
	store->kept[i].is_used = false;
}

/* No bytes: NULL. */
static int bind_bytes(sqlite3_stmt *stmt, int i, const struct store_bytes *bytes)
{
	return bytes->n ? sqlite3_bind_blob(stmt, i, bytes->data, bytes->n, SQLITE_TRANSIENT)
			: sqlite3_bind_null(stmt, i);
}

static int bind(sqlite3_stmt *stmt, const char *format, va_list ap)
{
	int rc = SQLITE_OK, i;

	for (i = 1; *format && rc == SQLITE_OK; format++, i++) {
		if (*format == 'i')
			rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
		else if (*format == 's')
			rc = sqlite3_bind_text(stmt, i, va_arg(ap, const char *), -1,
					       SQLITE_TRANSIENT);
		else if (*format == 'd')
			rc = sqlite3_bind_double(stmt, i, va_arg(ap, double));
		else if (*format == 'B')
			rc = bind_bytes(stmt, i, va_arg(ap, const struct store_bytes *));
		else
			rc = sqlite3_bind_blob(stmt, i, va_arg(ap, const void *), 16,
					       SQLITE_TRANSIENT);
	}
	return rc;
}

int store_prepare(struct store *store, sqlite3_stmt **ret_stmt, const char *sql, const char *format,
		  ...)
{
	sqlite3_stmt *stmt;
	va_list ap;
	int rc;

	rc = make_ready(store, sql, &stmt);
	if (rc != SQLITE_OK)
		return store_errno(rc);
	va_start(ap, format);
	rc = bind(stmt, format, ap);
	va_end(ap);
	if (rc != SQLITE_OK) {
		store_release(store, stmt);
		return store_errno(rc);
	}
	*ret_stmt = stmt;
	return 0;
}

int store_run(struct store *store, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	store_release(store, stmt);
	return store_errno(rc);
}

void store_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	snprintf(buf, size, "%s", text ? text : "");
}

const char *store_error(struct store *store)
{
	return sqlite3_errmsg(store->db);
}

static int exec(struct store *store, const char *sql)
{
	return store_errno(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static int set_sync(struct store *store, bool is_lazy)
{
	int r;

	if (is_lazy == store->is_lazy)
		return 0;
	r = exec(store, is_lazy ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL");
	if (r == 0)
		store->is_lazy = is_lazy;
	return r;
}

int store_begin(struct store *store)
{
	return exec(store, "BEGIN IMMEDIATE");
}

int store_begin_lazy(struct store *store)
{
	int r = set_sync(store, true);

	if (r == 0)
		r = store_begin(store);
	if (r < 0)
		/* fails only where nothing can be written either */
		(void)set_sync(store, store->is_relaxed);
	return r;
}

int store_commit(struct store *store)
{
	int r = exec(store, "COMMIT"), r2 = r == 0 ? set_sync(store, store->is_relaxed) : 0;

	return r ? r : r2;
}

void store_rollback(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		exec(store, "ROLLBACK");
	/* fails only where nothing can be written either */
	(void)set_sync(store, store->is_relaxed);
}

int store_relax(struct store *store, bool is_relaxed)
{
	store->is_relaxed = is_relaxed;
	return set_sync(store, is_relaxed);
}

/* The one integer or text answer of @sql, in @buf. */
static int ask(struct store *store, const char *sql, char *buf, size_t size)
{
	sqlite3_stmt *stmt;
	int r, rc;

	r = store_prepare(store, &stmt, sql, "");
	if (r < 0)
		return r;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		store_column_text(stmt, 0, buf, size);
	store_release(store, stmt);
	return rc == SQLITE_ROW ? 0 : store_errno(rc) ? store_errno(rc) : -EIO;
}

static int migrate(struct store *store)
{
	char buf[64];
	int r, version;

	r = ask(store, "PRAGMA user_version", buf, sizeof(buf));
	if (r < 0)
		return r;
	version = atoi(buf);
	if (version > SCHEMA_VERSION)
		return -ENOTSUP;
	for (; version < SCHEMA_VERSION; version++) {
		r = store_begin(store);
		if (r < 0)
			return r;
		snprintf(buf, sizeof(buf), "PRAGMA user_version = %d", version + 1);
		r = exec(store, migrations[version]);
		if (r == 0)
			r = exec(store, buf);
		if (r == 0)
			r = store_commit(store);
		if (r < 0) {
			store_rollback(store);
			return r;
		}
	}
	return 0;
}

static int check_sound(struct store *store)
{
	char buf[64];
	int r;

	r = ask(store, "PRAGMA quick_check(1)", buf, sizeof(buf));
	if (r < 0)
		return r;
	return strcmp(buf, "ok") ? -EUCLEAN : 0;
}

static int note_log(void *arg, sqlite3 *db, const char *name, int pages)
{
	((struct store *)arg)->log_pages = pages;
	return SQLITE_OK;
}

unsigned store_log_pages(const struct store *store)
{
	return store->log_pages;
}

const char *store_path(const struct store *store)
{
	return store->path;
}

static int open_once(const char *path, struct store *store)
{
	int rc, r;

	rc = sqlite3_open_v2(path, &store->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
				     SQLITE_OPEN_NOMUTEX,
			     NULL);
	r = store_errno(rc);
	if (r < 0)
		return r;
	sqlite3_busy_timeout(store->db, 2000);
	r = check_sound(store);
	if (r == 0)
		r = exec(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
				/*
				 * kB: a million entries' keys; SQLite's 2 MB reads them again for
				 * every slice of an import
				 */
				" PRAGMA cache_size=-65536;");
	if (r == 0)
		/* in place of SQLite's own, which writes back on this thread */
		(void)sqlite3_wal_hook(store->db, note_log, store);
	return r < 0 ? r : migrate(store);
}

/* Renames the file and its companions; @ret_name gets the new name. */
static int set_aside(const char *path, char *ret_name)
{
	static const char *const companions[] = { "-wal", "-shm" };
	char from[PATH_MAX], to[PATH_MAX];
	unsigned i;

	snprintf(to, sizeof(to), "%.4000s.corrupt-%lld", path, (long long)time(NULL));
	if (rename(path, to) < 0)
		return -errno;
	snprintf(ret_name, PATH_MAX, "%s", to);
	for (i = 0; i < sizeof(companions) / sizeof(companions[0]); i++) {
		snprintf(from, sizeof(from), "%.4000s%s", path, companions[i]);
		snprintf(to, sizeof(to), "%.4000s%s", ret_name, companions[i]);
		rename(from, to); /* absent where the last close was clean */
	}
	return 0;
}

static void close_db(struct store *store)
{
	int i;

	for (i = 0; i < STORE_KEPT_MAX; i++)
		sqlite3_finalize(store->kept[i].stmt);
	memset(store->kept, 0, sizeof(store->kept));
	sqlite3_close(store->db);
	store->db = NULL;
}

static int check_regular(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(st.st_mode) ? 0 : -ELOOP;
}

int store_open(const char *path, struct store **ret_store, char *ret_set_aside)
{
	struct store *store;
	int r;

	ret_set_aside[0] = 0;
	r = check_regular(path);
	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->path = strdup(path);
	r = store->path ? open_once(path, store) : -ENOMEM;
	if (r == -EUCLEAN) {
		close_db(store);
		r = set_aside(path, ret_set_aside);
		if (r == 0)
			r = open_once(path, store);
	}
	if (r < 0) {
		store_close(store);
		return r;
	}
	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	close_db(store);
	free(store->path);
	free(store);
}
