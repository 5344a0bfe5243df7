// SPDX-License-Identifier: GPL-2.0
/* What the store's own files share. */
#pragma once

#include "store.h"
#include <sqlite3.h>

struct store {
	sqlite3 *db;
};

/* Prepares @sql and binds @n values from the format: i int64, s text, b 16-byte address, then runs nothing. */
int store_prepare(struct store *store, sqlite3_stmt **ret_stmt, const char *sql, const char *format, ...);
/* Steps a statement that returns no row, and finalizes it. */
int store_run(struct store *store, sqlite3_stmt *stmt);
/* The negative errno of an SQLite result. */
int store_errno(int rc);
/* Copies a text column to @buf of @size, cut where too long. */
void store_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size);
