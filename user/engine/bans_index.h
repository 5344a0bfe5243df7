// SPDX-License-Identifier: GPL-2.0
/*
 * What the engine knows of each record in the kernel's map of bans, by source: its row in the state
 * and the record as last seen. One record a source, as in the kernel. A row's address holds until
 * the next bans_index_put().
 */
#pragma once

#include <sekisho/maps.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bans_row {
	struct sek_entry_key key;
	uint32_t next;	  /* in its bucket; place + 1, 0 the last */
	uint32_t scan; /* number of the last scan that saw it, or that was under way when it came */
	bool is_used;
	bool is_over;	  /* its end is in the state; what is left is probation */
	uint8_t hidden;	  /* enum store_hidden, as far as this engine saw */
	uint64_t looked_at; /* generation whose allow lists were looked at for it */
	bool is_refused;  /* the keeper does not take it: it blocks nothing */
	uint64_t stored_ms; /* when the row in the state was last written, the loop's clock */
	int64_t id;	  /* in the state */
	struct sek_ban ban;
};

struct bans_index {
	struct bans_row *rows;
	uint32_t *buckets; /* place + 1, 0 none */
	uint32_t n_rows, n_room, n_used,
	    free;        /* rows ever used, room for, in use now; first free place + 1 */
	uint32_t n_live; /* used and not over: kept by who sets is_over */
};

struct bans_row *bans_index_find(const struct bans_index *index, const struct sek_entry_key *key);
/* The row of @key, made (all 0) where there is none. NULL: out of memory. */
struct bans_row *bans_index_put(struct bans_index *index, const struct sek_entry_key *key);
void bans_index_delete(struct bans_index *index, struct bans_row *row);
