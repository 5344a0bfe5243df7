// SPDX-License-Identifier: GPL-2.0
/* Limits in the state. See store_limits.h. */
#include "store_limits.h"
#include "store_private.h"

#include <string.h>

int store_limit_put(struct store *store, const struct store_limit *l)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(
	    store, &stmt, "INSERT OR REPLACE INTO limits VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	    "isiiiiiiiiiiiii", (int64_t)l->number, l->name, l->used_s, (int64_t)l->total[0],
	    (int64_t)l->total[1], (int64_t)l->total[2], (int64_t)l->total[3], (int64_t)l->total[4],
	    (int64_t)l->total[5], (int64_t)l->seen[0], (int64_t)l->seen[1], (int64_t)l->seen[2],
	    (int64_t)l->seen[3], (int64_t)l->seen[4], (int64_t)l->seen[5]);
	return r < 0 ? r : store_run(store, stmt);
}

int store_limit_each(struct store *store, void (*fn)(void *arg, const struct store_limit *limit),
		     void *arg)
{
	struct store_limit limit;
	sqlite3_stmt *stmt;
	int r, rc, i;

	r = store_prepare(store, &stmt, "SELECT * FROM limits ORDER BY number", "");
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		memset(&limit, 0, sizeof(limit));
		limit.number = sqlite3_column_int(stmt, 0);
		store_column_text(stmt, 1, limit.name, sizeof(limit.name));
		limit.used_s = sqlite3_column_int64(stmt, 2);
		for (i = 0; i < STORE_LIMIT_COUNTS; i++) {
			limit.total[i] = sqlite3_column_int64(stmt, 3 + i);
			limit.seen[i] = sqlite3_column_int64(stmt, 3 + STORE_LIMIT_COUNTS + i);
		}
		fn(arg, &limit);
	}
	store_release(store, stmt);
	return store_errno(rc);
}

int store_rates_put(struct store *store, const char *name, bool is_bits, int64_t day,
		    const struct rate_hist *hist)
{
	uint8_t packed[RATE_HIST_PACKED_MAX];
	struct store_bytes bytes = { packed, rate_hist_pack(hist, packed) };
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "INSERT OR REPLACE INTO rates VALUES(?,?,?,?)", "siiB",
			  name, (int64_t)is_bits, day, &bytes);
	return r < 0 ? r : store_run(store, stmt);
}

int store_rates_sum(struct store *store, const char *name, bool is_bits, int64_t first_day,
		    struct rate_hist *into, unsigned *ret_days)
{
	struct rate_hist one;
	sqlite3_stmt *stmt;
	unsigned days = 0;
	int r, rc;

	r = store_prepare(store, &stmt,
			  "SELECT hist FROM rates WHERE name = ? AND is_bits = ? AND day >= ?",
			  "sii", name, (int64_t)is_bits, first_day);
	if (r < 0)
		return r;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (rate_hist_unpack(sqlite3_column_blob(stmt, 0), sqlite3_column_bytes(stmt, 0),
				     &one))
			continue; /* damaged: a day less */
		rate_hist_merge(into, &one);
		days++;
	}
	store_release(store, stmt);
	if (store_errno(rc) == 0)
		*ret_days = days;
	return store_errno(rc);
}

int store_rates_forget(struct store *store, int64_t before_day)
{
	sqlite3_stmt *stmt;
	int r;

	r = store_prepare(store, &stmt, "DELETE FROM rates WHERE day < ?", "i", before_day);
	return r < 0 ? r : store_run(store, stmt);
}
