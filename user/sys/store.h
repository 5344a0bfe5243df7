// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's state on disk: one SQLite file. Nothing else in the project speaks SQLite.
 * Every call is its own transaction unless between store_begin() and store_commit(). Errors are
 * -EIO (see store_error()), -ENOSPC and -ENOMEM unless named. One thread at a time.
 */
#pragma once

#include "lib/origin.h"
#include "lib/prefix.h"
#include <sekisho/table.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

#define STORE_ORIGIN_BYTES ORIGIN_NAME_BYTES
#define STORE_REASON_BYTES 256
#define STORE_USER_BYTES 40

/* One row of one origin. kind is SEK_A_BLOCK or SEK_A_ALLOW. */
struct store_entry {
	int64_t id;
	struct prefix prefix;
	enum sek_action kind;
	char origin[STORE_ORIGIN_BYTES];
	char reason[STORE_REASON_BYTES];
	int64_t since_s;   /* Unix time */
	int64_t expires_s; /* Unix time; 0: no end */
	char by_user[STORE_USER_BYTES];
	bool is_forced; /* block rows: a person said --force; lasts as long as the row */
	int64_t ref;	/* the origin's own number of it, from 1 (store_refs.h); 0: it has none */
};

struct store_feed {
	uint32_t id; /* 1..SEK_LISTS_MAX-1, the feed's until it is forgotten */
	char name[64];
	char url[2048];
	int64_t last_success_s, last_try_s; /* Unix time; 0: never */
	uint32_t failures;	 /* since the last success */
	uint64_t failures_total;
	uint64_t fetch_ms;	 /* the last fetch took */
	char error[256];	 /* of the last try; empty: it went well */
	char etag[192];
	char last_modified[64];
	/*
	 * feed_reading() the list was read by; another one in the config forgets validators and
	 * what is held
	 */
	uint32_t reading;
	int64_t held_s;		 /* Unix time a held update came; 0: none is held */
	char held_why[256];
	char held_etag[192];	 /* the held update's validators */
	char held_modified[64];
	/*
	 * Unix time before which the server wants no request (Retry-After); 0: it said none. Below
	 * 0: not its word but its publisher's terms, before -wish_s we do not ask by ourselves
	 */
	int64_t wish_s;
};

/*
 * A class's identity (table.h), the counter id it keeps, and how far the kernel's counter has
 * been credited to its lists.
 */
struct store_class {
	uint32_t counter;
	uint8_t action;
	uint8_t flags;
	uint16_t winner;
	uint64_t lists[SEK_LISTS_MAX / 64];
	uint64_t seen_drops, seen_drop_bytes, seen_woulds;
};

/*
 * Opens or creates the state at @path and brings it to this version's schema. A file that is no
 * sound database is renamed to PATH.corrupt-TIME, whose name goes to @ret_set_aside (PATH_MAX
 * bytes; empty where all was well).
 * Errors: -ELOOP, not a regular file; -ENOTSUP, written by a newer version.
 */
int store_open(const char *path, struct store **ret_store, char *ret_set_aside);
void store_close(struct store *store);
/* Text of the last failure; valid until the next call. */
const char *store_error(struct store *store);

int store_begin(struct store *store);
/*
 * The same, but its commit is on disk only after store_flush(), or the next other commit: a power
 * cut leaves what came before it.
 */
int store_begin_lazy(struct store *store);
int store_commit(struct store *store);
/*
 * From now on, or no more, commits are left to the caller's store_flush(), as after
 * store_begin_lazy(). Outside a transaction.
 * Errors: of SQLite; commits then wait for the disk as before.
 */
int store_relax(struct store *store, bool is_relaxed);
void store_rollback(struct store *store);

/*
 * Pages in the log that are not, or were not when it was last asked, written back to the file
 * itself; somebody has to.
 */
unsigned store_log_pages(const struct store *store);
/* As given to store_open(). */
const char *store_path(const struct store *store);

/* store_disk.c: of any thread, beside whoever has the state at @path open */
/* What was committed before is on disk when it returns. Errors: errno. */
int store_flush(const char *path);
/*
 * Writes the log back, as far as it went when called, without a wait for whoever goes on writing.
 */
int store_checkpoint(const char *path);

typedef int (*store_entry_fn)(void *arg, const struct store_entry *entry); /* not 0 ends the walk */

/* Adds a row, or extends the row of the same prefix, kind and origin: the later end wins. */
int store_entry_put(struct store *store, const struct store_entry *entry);
/* Deletes the origin's row, or all its numbered ones; *ret_n says how many were there. */
int store_entry_delete(struct store *store, const struct prefix *prefix, enum sek_action kind,
		       const char *origin, int *ret_n);
int store_entry_delete_id(struct store *store, int64_t id);
/*
 * Rows with id > @after, by id; @kind SEK_A_NONE and @origin NULL: any. Returns the walker's value
 * or an error.
 */
int store_entry_each(struct store *store, enum sek_action kind, const char *origin, int64_t after,
		     store_entry_fn fn, void *arg);
/* Rows of exactly @prefix. */
int store_entry_exact(struct store *store, const struct prefix *prefix, store_entry_fn fn,
		      void *arg);
/* Rows whose expiry is at or before @now_s. */
int store_entry_expired(struct store *store, int64_t now_s, store_entry_fn fn, void *arg);
/* Rows an origin of @kind, most first. */
int store_entry_counts(struct store *store, void (*fn)(void *arg, const char *origin, uint64_t n),
		       void *arg);

/*
 * The row of feed @name, made with a free id where there is none. Another @url or @reading forgets
 * the validators and when it was tried last. -ENOSPC: no id.
 */
int store_feed_get(struct store *store, const char *name, const char *url, uint32_t reading,
		   struct store_feed *ret_feed);
int store_feed_put(struct store *store, const struct store_feed *feed);
/*
 * Forgets the feed that was tried longest ago and whose id is not in the set @kept (bits of
 * SEK_LISTS_MAX / 64 words): its row and record, not its counters. Of *ret_feed id and name are
 * set. Errors: -ENOENT all are kept.
 */
int store_feed_forget(struct store *store, const uint64_t *kept, struct store_feed *ret_feed);

/*
 * Wipes what is known of every feed that @is_known does not know: its state, its quality and what
 * was said of its bans. Name and id stay, which may be in the table in force; the ids go to the set
 * @ret_gone. To be called inside store_begin().
 */
int store_feed_wipe(struct store *store, bool (*is_known)(void *arg, const char *name), void *arg,
		    uint64_t *ret_gone);

int store_counter_put(struct store *store, const char *name, uint64_t value, uint64_t seen);
/* Absent: both 0. */
int store_counter_get(struct store *store, const char *name, uint64_t *ret_value,
		      uint64_t *ret_seen);

int store_class_put(struct store *store, const struct store_class *class);
int store_class_delete(struct store *store, uint32_t counter);
int store_class_each(struct store *store, void (*fn)(void *arg, const struct store_class *class),
		     void *arg);
struct store_audit {
	int64_t id, time_s; /* Unix time */
	uint32_t uid;
	char user[STORE_USER_BYTES], verb[32], detail[256], result[256];
};

/* Notes who did what; the oldest rows over STORE_AUDIT_MAX go. */
#define STORE_AUDIT_MAX 100000 /* rows: about 10 MB */
int store_audit_add(struct store *store, const struct store_audit *row);
/* The last @limit rows with id < @before (0: any), newest first. Not 0 from @fn ends the walk. */
int store_audit_each(struct store *store, int64_t before, int64_t limit,
		     int (*fn)(void *arg, const struct store_audit *row), void *arg);
