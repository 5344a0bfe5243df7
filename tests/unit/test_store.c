// SPDX-License-Identifier: GPL-2.0
/* The state file: schema steps, damage, a newer version, a full disk, entries, counts by origin, held feeds, the audit's bound. */
/* link: sys/store.c sys/store_disk.c sys/store_entries.c sys/store_feeds.c sys/store_audit.c -lsqlite3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/store.h"

static char folder[] = "/tmp/sek-store-XXXXXX";
static char path[PATH_MAX], aside[PATH_MAX];

/* A state as version 1 of the schema left it, with one row of what matters. */
static const char version1[] =
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
	" detail TEXT NOT NULL, result TEXT NOT NULL);"
	"INSERT INTO entries VALUES(7, x'c6336407000000000000000000000000', 4, 32, 2, 'old', 'why', 100, NULL, 'root');"
	"INSERT INTO feeds(id, name, url, etag) VALUES(3, 'a', 'http://x/', 'e');"
	"PRAGMA user_version = 1;";

static struct store *open_it(void)
{
	struct store *store = NULL;

	assert_int_equal(store_open(path, &store, aside), 0);
	return store;
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int count_row(void *arg, const struct store_entry *row)
{
	++*(int *)arg;
	return 0;
}

static int rows(struct store *store)
{
	int n = 0;

	assert_int_equal(store_entry_each(store, SEK_A_NONE, NULL, 0, count_row, &n), 0);
	return n;
}

static void add_origin(void *arg, const char *origin, uint64_t n)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s=%llu ", origin, (unsigned long long)n);
}

static struct store_entry entry(uint32_t addr, const char *origin)
{
	struct store_entry row = { .kind = SEK_A_BLOCK, .since_s = 1 };

	row.prefix = prefix_of4(addr, 32);
	snprintf(row.origin, sizeof(row.origin), "%s", origin);
	return row;
}

static void test_old_version(void **state)
{
	struct store_feed feed;
	struct store *store;
	char counts[100] = "";

	sql(version1);
	store = open_it();
	assert_string_equal(aside, "");
	assert_int_equal(rows(store), 1);
	assert_int_equal(store_entry_counts(store, add_origin, counts), 0);
	assert_string_equal(counts, "old=1 ");
	assert_int_equal(store_feed_get(store, "a", "http://x/", 0, &feed), 0);
	assert_int_equal(feed.id, 3);
	assert_string_equal(feed.etag, "e");
	assert_int_equal(feed.held_s, 0);
	store_close(store);
	store = open_it(); /* and once more, as it is now */
	assert_int_equal(rows(store), 1);
	store_close(store);
}

static void test_newer_version(void **state)
{
	struct store *store = NULL;

	store_close(open_it());
	sql("PRAGMA user_version = 1000");
	assert_int_equal(store_open(path, &store, aside), -ENOTSUP);
	assert_null(store);
	assert_int_equal(access(path, F_OK), 0); /* not touched */
	assert_string_equal(aside, "");
}

static void test_damage(void **state)
{
	static const struct {
		long at; /* byte */
		size_t n;
	} damages[] = { { 0, 16 }, { 0, 100 }, { 4096, 4096 }, { 100, 8 } };
	char noise[4096];
	size_t i;

	memset(noise, 0x5a, sizeof(noise));
	for (i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct store_entry row = entry(0xc6336407, "manual");
		struct store *store = open_it();
		int fd;

		assert_int_equal(store_entry_put(store, &row), 0);
		store_close(store);
		fd = open(path, O_WRONLY);
		assert_int_equal(pwrite(fd, noise, damages[i].n, damages[i].at), damages[i].n);
		close(fd);
		store = open_it();
		assert_non_null(strstr(aside, ".corrupt-"));
		assert_int_equal(access(aside, F_OK), 0); /* set aside, not deleted */
		assert_int_equal(rows(store), 0);
		assert_int_equal(store_entry_put(store, &row), 0);
		store_close(store);
		(void)unlink(aside); /* two in a second would have one name */
		(void)unlink(path);
	}
}

static void test_not_a_file(void **state)
{
	struct store *store = NULL;
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%.4000s-target", path);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(store_open(path, &store, aside), -ELOOP);
	assert_int_not_equal(access(target, F_OK), 0);
}

/* A full disk, played by the file size limit: an error, a rollback, and all that was known is still there. */
static void test_full_disk(void **state)
{
	struct rlimit before, small;
	struct store *store = open_it();
	struct stat st;
	char wal[PATH_MAX];
	int i, err = 0, kept;

	for (i = 0; i < 100; i++) {
		struct store_entry row = entry(i, "manual");

		assert_int_equal(store_entry_put(store, &row), 0);
	}
	snprintf(wal, sizeof(wal), "%.4000s-wal", path);
	assert_int_equal(stat(wal, &st), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ st.st_size + 20000, before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	for (kept = 100; !err && kept < 100000; kept += !err) {
		struct store_entry row = entry(kept, "manual");

		err = store_entry_put(store, &row);
	}
	assert_true(err == -ENOSPC || err == -EIO);
	assert_int_equal(rows(store), kept);
	assert_int_equal(store_begin(store), 0);
	for (err = 0, i = 0; !err && i < 10000; i++) {
		struct store_entry row = entry(0x10000 + i, "manual");

		err = store_entry_put(store, &row);
	}
	if (!err)
		err = store_commit(store);
	assert_true(err < 0);
	store_rollback(store);
	assert_int_equal(rows(store), kept);
	setrlimit(RLIMIT_FSIZE, &before); /* somebody made room */
	for (i = 0; i < 10; i++) {
		struct store_entry row = entry(0x20000 + i, "manual");

		assert_int_equal(store_entry_put(store, &row), 0);
	}
	store_close(store);
	store = open_it();
	assert_string_equal(aside, "");
	assert_int_equal(rows(store), kept + 10);
	store_close(store);
}

static int take_last(void *arg, const struct store_entry *row)
{
	*(struct store_entry *)arg = *row;
	return 0;
}

static void test_entries(void **state)
{
	struct store_entry row = entry(0xc6336407, "a"), got;
	struct store *store = open_it();
	char counts[100] = "";
	int n = 0;

	row.expires_s = 1000;
	row.is_forced = true;
	assert_int_equal(store_entry_put(store, &row), 0);
	row.expires_s = 500; /* a second add extends, it never shortens */
	row.is_forced = false;
	assert_int_equal(store_entry_put(store, &row), 0);
	assert_int_equal(store_entry_exact(store, &row.prefix, take_last, &got), 0);
	assert_int_equal(got.expires_s, 1000);
	assert_true(got.is_forced);
	row.expires_s = 0;
	assert_int_equal(store_entry_put(store, &row), 0);
	assert_int_equal(store_entry_exact(store, &row.prefix, take_last, &got), 0);
	assert_int_equal(got.expires_s, 0); /* for good */
	row = entry(0xc6336407, "b");
	row.expires_s = 10;
	assert_int_equal(store_entry_put(store, &row), 0);
	assert_int_equal(store_entry_expired(store, 9, count_row, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_entry_expired(store, 10, count_row, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_entry_delete(store, &row.prefix, SEK_A_BLOCK, "c", &n), 0);
	assert_int_equal(n, 0); /* each origin only its own */
	assert_int_equal(store_entry_counts(store, add_origin, counts), 0);
	assert_string_equal(counts, "a=1 b=1 ");
	assert_int_equal(store_entry_delete(store, &row.prefix, SEK_A_BLOCK, "b", &n), 0);
	assert_int_equal(n, 1);
	counts[0] = '\0';
	assert_int_equal(store_entry_counts(store, add_origin, counts), 0);
	assert_string_equal(counts, "a=1 ");
	store_close(store);
}

static double walk_ms(struct store *store, const char *origin, int times, int want)
{
	struct timespec begin, end;
	int n = 0;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (int i = 0; i < times; i++)
		assert_int_equal(store_entry_each(store, SEK_A_BLOCK, origin, 0, count_row, &n), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	assert_int_equal(n, times * want);
	return (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6;
}

/* A flush asks for an origin's rows a slice at a time: what others have must not be read for each. */
static void test_one_origin_among_many(void **state)
{
	struct store *store = open_it();
	struct store_entry row;

	assert_int_equal(store_begin(store), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		row = entry(0x0b000000 + i, "many");
		assert_int_equal(store_entry_put(store, &row), 0);
	}
	row = entry(0x0b000000, "one");
	assert_int_equal(store_entry_put(store, &row), 0);
	assert_int_equal(store_commit(store), 0);
	assert_true(walk_ms(store, "one", 100, 1) < walk_ms(store, "many", 1, 20000));
	store_close(store);
}

static void test_feeds(void **state)
{
	struct store *store = open_it();
	struct store_feed feed;
	char name[16];
	int i;

	assert_int_equal(store_feed_get(store, "a", "http://x/", 1, &feed), 0);
	snprintf(feed.etag, sizeof(feed.etag), "e");
	feed.held_s = 5;
	snprintf(feed.held_why, sizeof(feed.held_why), "why");
	feed.last_try_s = 9;
	assert_int_equal(store_feed_put(store, &feed), 0);
	assert_int_equal(store_feed_get(store, "a", "http://x/", 1, &feed), 0);
	assert_string_equal(feed.etag, "e");
	assert_string_equal(feed.held_why, "why");
	assert_int_equal(feed.last_try_s, 9);
	assert_int_equal(store_feed_get(store, "a", "http://x/", 2, &feed), 0);
	assert_string_equal(feed.etag, ""); /* read as something else: fetched anew */
	assert_int_equal(feed.last_try_s, 0);
	assert_int_equal(feed.held_s, 0); /* and nobody would know what accepting it takes */
	assert_int_equal(store_begin(store), 0); /* one wait for the disk, not 254 */
	for (i = 1; i < 255; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(store_feed_get(store, name, "x", 0, &feed), 0);
	}
	assert_int_equal(store_feed_get(store, "one more", "x", 0, &feed), -ENOSPC);
	assert_int_equal(store_commit(store), 0);
	store_close(store);
}

struct audit_walk {
	int n;
	int64_t last_id;
};

static int audit_row(void *arg, const struct store_audit *row)
{
	struct audit_walk *walk = arg;

	assert_true(!walk->n++ || row->id < walk->last_id);
	walk->last_id = row->id;
	return 0;
}

static void test_audit(void **state)
{
	struct store_audit row = { .time_s = 1, .uid = 5, .user = "u", .verb = "block.add", .detail = "d", .result = "done" };
	struct audit_walk walk = { .n = 0 };
	struct store *store = open_it();
	int i;

	assert_int_equal(store_begin(store), 0);
	for (i = 0; i < STORE_AUDIT_MAX + 600; i++)
		assert_int_equal(store_audit_add(store, &row), 0);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(store_audit_each(store, 0, 10, audit_row, &walk), 0);
	assert_int_equal(walk.n, 10);
	assert_int_equal(walk.last_id, STORE_AUDIT_MAX + 600 - 9);
	walk.n = 0;
	assert_int_equal(store_audit_each(store, walk.last_id, INT64_MAX, audit_row, &walk), 0);
	assert_in_range(walk.n, STORE_AUDIT_MAX - 10, STORE_AUDIT_MAX + 256);
	store_close(store);
}

static int fresh(void **state)
{
	char words[PATH_MAX + 20];

	snprintf(words, sizeof(words), "rm -rf %s && mkdir %s", folder, folder);
	snprintf(path, sizeof(path), "%s/state.db", folder);
	return system(words);
}

static int remove_folder(void **state)
{
	char words[PATH_MAX + 20];

	snprintf(words, sizeof(words), "rm -rf %s", folder);
	return system(words);
}

/* What is committed lazily is there for every reader; the log is written back from beside, and starts again. */
static void test_log(void **state)
{
	struct store *store = open_it(), *other;
	struct store_entry row;
	unsigned i, grown;

	for (i = 0; i < 3000; i++) {
		row = entry(i * 257, "manual");
		if (i % 500 == 0)
			assert_int_equal(store_begin_lazy(store), 0);
		assert_int_equal(store_entry_put(store, &row), 0);
		if (i % 500 == 499)
			assert_int_equal(store_commit(store), 0);
	}
	other = open_it();
	assert_int_equal(rows(other), 3000);
	store_close(other);
	grown = store_log_pages(store);
	assert_true(grown > 100);
	assert_string_equal(store_path(store), path);
	assert_int_equal(store_flush(path), 0);
	row = entry(0xffff0000, "manual");
	assert_int_equal(store_entry_put(store, &row), 0);
	assert_true(store_log_pages(store) > grown); /* a control: not written back, it goes on */
	assert_int_equal(store_checkpoint(path), 0);
	row = entry(0xffff0001, "manual");
	assert_int_equal(store_entry_put(store, &row), 0);
	assert_true(store_log_pages(store) < 20);
	assert_int_equal(store_begin_lazy(store), 0);
	row = entry(0xffff0002, "manual");
	assert_int_equal(store_entry_put(store, &row), 0);
	store_rollback(store);
	assert_int_equal(rows(store), 3002);
	store_close(store);
	assert_int_equal(store_flush("/nonexistent/state"), 0); /* no log: nothing to put on disk */
	assert_true(store_checkpoint("/nonexistent/state") < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_old_version, fresh), cmocka_unit_test_setup(test_newer_version, fresh),
		cmocka_unit_test_setup(test_damage, fresh), cmocka_unit_test_setup(test_not_a_file, fresh),
		cmocka_unit_test_setup(test_full_disk, fresh), cmocka_unit_test_setup(test_entries, fresh),
		cmocka_unit_test_setup(test_one_origin_among_many, fresh),
		cmocka_unit_test_setup(test_log, fresh), cmocka_unit_test_setup(test_feeds, fresh), cmocka_unit_test_setup(test_audit, fresh),
	};

	if (!mkdtemp(folder))
		return 1;
	return cmocka_run_group_tests(tests, NULL, remove_folder);
}
