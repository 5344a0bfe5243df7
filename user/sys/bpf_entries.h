// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's map of hand-made entries: set, deleted, replaced whole, grown by a swap. Keeper
 * only.
 */
#pragma once

#include "sys/bpf_load.h"

struct bpf_entries {
	const struct bpf_side *side;
	int fd;			/* inner map in force, -1 none yet */
	unsigned size, used;
	unsigned lens4[33], lens6[129]; /* entries by prefix length */
};

/* Takes over the inner map in force, or makes the first one. Errors: negative errno. */
int bpf_entries_open(struct bpf_entries *entries, const struct bpf_side *side);

/*
 * Sets @key to @value, or deletes it where both untils are 0 (a missing one is no error). Grows the
 * map when full.
 * Errors: -ENOSPC at SEK_ENTRIES_MAX; -E2BIG over SEK_ENTRY_LENS_MAX distinct lengths of a family;
 * else errno.
 */
int bpf_entries_put(struct bpf_entries *entries, const struct sek_entry_key *key,
		    const struct sek_entry *value);

/* Is @key in force, with whatever value? */
bool bpf_entries_has(const struct bpf_entries *entries, const struct sek_entry_key *key);

/* Makes room for @n entries in all. Errors: -ENOSPC over SEK_ENTRIES_MAX, else errno. */
int bpf_entries_reserve(struct bpf_entries *entries, unsigned n);

/* Deletes every entry that is not in @keep (sorted by memcmp, @n keys). Errors: negative errno. */
int bpf_entries_retain(struct bpf_entries *entries, const struct sek_entry_key *keep, unsigned n);
