// SPDX-License-Identifier: GPL-2.0
/*
 * Entries that their origin numbers (CrowdSec's decisions): one row a number, however many hold the
 * same prefix. A prefix is blocked while any row of it lives, so the rows are the reference counts.
 * Errors as in store.h.
 */
#pragma once

#include "store.h"

/* seconds: two ends so near are one: what is left of a ban is told in whole seconds */
#define STORE_REF_NEAR_S 3

enum store_ref_change { STORE_REF_SAME, STORE_REF_PUT };

/*
 * Makes the row of @entry->origin and @entry->ref be @entry, whatever it was: a number may have
 * been given away anew.
 * @ret_was is the prefix the row had before, family 0 if there was none or it is the same.
 * STORE_REF_SAME: it was there already, nothing was written.
 */
int store_ref_put(struct store *store, const struct store_entry *entry,
		  enum store_ref_change *ret_change, struct prefix *ret_was);

/*
 * Deletes the row @ref of @origin if it is of @prefix (NULL: of any). *ret_was is its prefix,
 * family 0: there was none.
 */
int store_ref_delete(struct store *store, const char *origin, int64_t ref,
		     const struct prefix *prefix, struct prefix *ret_was);

/* Rows of @origin with a number above @after, by number. Returns the walker's value or an error. */
int store_ref_each(struct store *store, const char *origin, int64_t after, store_entry_fn fn,
		   void *arg);

/* How many numbered rows @origin has, by who made them (by_user) and family. */
int store_ref_counts(struct store *store, const char *origin,
		     void (*fn)(void *arg, const char *by_user, int family, uint64_t n), void *arg);
