// SPDX-License-Identifier: GPL-2.0
/* A chained hash over one array of rows; the array doubles, so a put is cheap on the whole. */
#include "bans_index.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 1024 /* rows: a power of two, as all sizes */

/*
 * FNV-1a: keys come from the kernel, one a source; who floods our chains had to be banned from all
 * those addresses.
 */
static uint32_t hash(const struct sek_entry_key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t sum = 2166136261u;
	size_t i;

	for (i = 0; i < sizeof(*key); i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum ^ sum >> 15;
}

static uint32_t *bucket(const struct bans_index *index, const struct sek_entry_key *key)
{
	return &index->buckets[hash(key) & (index->n_room - 1)];
}

struct bans_row *bans_index_find(const struct bans_index *index, const struct sek_entry_key *key)
{
	uint32_t at;

	if (!index->n_room)
		return NULL;
	for (at = *bucket(index, key); at; at = index->rows[at - 1].next) {
		if (!memcmp(&index->rows[at - 1].key, key, sizeof(*key)))
			return &index->rows[at - 1];
	}
	return NULL;
}

static bool grow(struct bans_index *index)
{
	uint32_t room = index->n_room ? index->n_room * 2 : ROOM_MIN, i,
		 *buckets = calloc(room, sizeof(*buckets));
	struct bans_row *rows = buckets ? reallocarray(index->rows, room, sizeof(*rows)) : NULL;

	if (!rows) {
		free(buckets);
		return false;
	}
	free(index->buckets);
	index->buckets = buckets;
	index->rows = rows;
	index->n_room = room;
	for (i = 0; i < index->n_rows; i++) { /* it only grows when every place is used */
		rows[i].next = *bucket(index, &rows[i].key);
		*bucket(index, &rows[i].key) = i + 1;
	}
	return true;
}

struct bans_row *bans_index_put(struct bans_index *index, const struct sek_entry_key *key)
{
	struct bans_row *row = bans_index_find(index, key);
	uint32_t place;

	if (row)
		return row;
	if (!index->free && index->n_rows == index->n_room && !grow(index))
		return NULL;
	place = index->free ? index->free : ++index->n_rows;
	row = &index->rows[place - 1];
	if (place == index->free)
		index->free = row->next;
	*row = (struct bans_row){ .key = *key, .is_used = true, .next = *bucket(index, key) };
	*bucket(index, key) = place;
	index->n_used++;
	return row;
}

void bans_index_delete(struct bans_index *index, struct bans_row *row)
{
	uint32_t place = row - index->rows + 1, *at = bucket(index, &row->key);

	while (*at != place)
		at = &index->rows[*at - 1].next;
	*at = row->next;
	*row = (struct bans_row){ .next = index->free };
	index->free = place;
	index->n_used--;
}
