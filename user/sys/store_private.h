// SPDX-License-Identifier: GPL-2.0
/* What the store's own files share. */
#pragma once

#include "store.h"
#include <sqlite3.h>

#define STORE_KEPT_MAX 64 /* statements kept ready: as many as the store's files have */

struct store {
	sqlite3 *db;
	bool is_lazy; /* in store_begin_lazy(), or relaxed: commits wait for no disk */
	bool is_relaxed; /* by store_relax() */
	unsigned log_pages;
	char *path;
	struct store_kept {
		const char *sql; /* by address: every one is a literal */
		sqlite3_stmt *stmt;
		bool is_used;
	} kept[STORE_KEPT_MAX];
};

struct store_bytes {
	const void *data;
	size_t n;
};

/*
 * Makes @sql, a literal, ready and binds values by the format: i int64, d double, s text, b 16-byte
 * address, B a struct store_bytes by its address (none: NULL); then runs nothing. It is kept for
 * the next time: preparing takes longer than most of them run. store_release() gives it back.
 */
int store_prepare(struct store *store, sqlite3_stmt **ret_stmt, const char *sql, const char *format,
		  ...);
void store_release(struct store *store, sqlite3_stmt *stmt);
/* Steps a statement that returns no row, and releases it. */
int store_run(struct store *store, sqlite3_stmt *stmt);
/* The negative errno of an SQLite result. */
int store_errno(int rc);
/* Copies a text column to @buf of @size, cut where too long. */
void store_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size);
