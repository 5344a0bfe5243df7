// SPDX-License-Identifier: GPL-2.0
/*
 * The hashed halves of the IPv6 part: the filter on the top 32 bits and the cuckoo buckets keyed by
 * the /48 (layout: sekisho/table_v6.h). In: the prefixes, and one item for each /48; out: their
 * lines. It must never lose an item.
 */
#include "table_v6_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_A_SIZE 3
#define KICKS_MAX 500
#define SHORT_BITS_MAX                                                                             \
	(1u << 20) /* filter bits that prefixes shorter than /32 may set: 16 prefixes of /16 */
#define FILTER_LOG_MAX 14 /* 1 MiB */

static uint64_t next_random(struct v6_build *b)
{
	uint64_t z = b->rng += 0x9E3779B97F4A7C15ull; /* splitmix64 */

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ z >> 27) * 0x94D049BB133111EBull;
	return z ^ z >> 31;
}

/* /32s a prefix sets filter bits for. */
static uint64_t filter_span(const struct policy_prefix6 *p)
{
	return p->len < 32 ? 1ull << (32 - p->len) : 1;
}

int v6_filter_build(struct v6_build *b, const struct policy_prefix6 *p, size_t n)
{
	uint64_t bits = 0, wide = 0, top, j;
	size_t i;
	int log = 0;

	for (i = 0; i < n; i++) {
		if (p[i].len < 32)
			wide += filter_span(&p[i]);
		else
			bits += i == 0 || p[i].hi >> 32 != p[i - 1].hi >> 32;
	}
	if (wide > SHORT_BITS_MAX)
		b->par.flags = SEK_V6_ALL_SHORT;
	else
		bits += wide / 4; /* they fill their half of a line alone, and a false "shorter"
				     costs little */
	while (log < FILTER_LOG_MAX && (512ull << log) < bits * 16)
		log++;
	b->par.filter_mask = (1u << log) - 1;
	b->filter = calloc(1u << log, SEK_LINE_BYTES);
	if (!b->filter)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (p[i].len < 32 && b->par.flags & SEK_V6_ALL_SHORT)
			continue;
		for (j = 0; j < filter_span(&p[i]); j++) {
			uint32_t hash;

			top = (p[i].hi >> 32) + j;
			hash = sek_v6_filter(top);
			b->filter[hash >> 8 & b->par.filter_mask]
				 [(p[i].len < 48 ? 4 : 0) + (hash >> 6 & 3)] |= 1ull << (hash & 63);
		}
	}
	return 0;
}

/* Bucket of @item's choice @choice; *ret_entry is what is stored there. */
static uint32_t bucket_entry(const struct v6_build *b, const struct item *item, uint64_t choice,
			     uint64_t *ret_entry)
{
	const struct sek_table_v6 *par = &b->par;
	uint64_t p = choice ? sek_v6_perm(item->key, par->t, par->s)
			    : sek_v6_perm(item->key, par->s, par->t);
	uint64_t payload = item->value;
	__u64 tag;
	uint32_t bucket = sek_v6_place(p, par->n_buckets, par->k, &tag);

	if (item->kind == SEK_V6_SUBNET)
		payload = (uint64_t)(item->value >> 16) << (par->k - 3) | (item->value & 0xffff);
	*ret_entry = choice << 63 | tag << (15 + par->k) | (uint64_t)item->kind << (13 + par->k) | payload;
	return bucket;
}

static int bucket_put(struct v6_build *b, uint32_t bucket, uint64_t entry, uint32_t item)
{
	int j;

	for (j = 0; j < 8; j++) {
		if (b->buckets[bucket][j])
			continue;
		b->buckets[bucket][j] = entry;
		b->slot_items[bucket * 8 + j] = item;
		return 0;
	}
	return -ENOSPC;
}

static int bucket_insert(struct v6_build *b, uint32_t item)
{
	uint32_t bucket[2], slot, victim;
	uint64_t entry[2], random;
	int kicks, side;

	for (kicks = 0; kicks < KICKS_MAX; kicks++) {
		for (side = 0; side < 2; side++) {
			bucket[side] = bucket_entry(b, &b->items[item], side, &entry[side]);
			if (!bucket_put(b, bucket[side], entry[side], item))
				return 0;
		}
		random = next_random(b);
		side = random & 1;
		slot = bucket[side] * 8 + (random >> 1 & 7);
		victim = b->slot_items[slot];
		b->slot_items[slot] = item;
		b->buckets[slot / 8][slot % 8] = entry[side];
		item = victim;
	}
	return -ENOSPC;
}

/* One try with new multipliers at the present size. */
static int buckets_try(struct v6_build *b)
{
	size_t i;

	b->par.s = (next_random(b) & SEK_V6_MASK48) | 1;
	b->par.t = (next_random(b) & SEK_V6_MASK48) | 1;
	memset(b->buckets, 0, (size_t)SEK_LINE_BYTES * b->par.n_buckets);
	for (i = 0; i < b->n_items; i++)
		if (bucket_insert(b, i))
			return -ENOSPC;
	return 0;
}

void v6_buckets_size(struct v6_build *b, uint64_t n_buckets)
{
	b->par.n_buckets = n_buckets;
	for (b->par.k = SEK_V6_K_MIN; n_buckets >> b->par.k > 1; b->par.k++)
		;
}

int v6_buckets_build(struct v6_build *b)
{
	int tries;

	for (; b->par.k <= SEK_V6_K_MAX;
	     v6_buckets_size(b, b->par.n_buckets + b->par.n_buckets / 16)) {
		free(b->buckets);
		free(b->slot_items);
		b->buckets = malloc((size_t)SEK_LINE_BYTES * b->par.n_buckets);
		b->slot_items = malloc(8 * sizeof(*b->slot_items) * b->par.n_buckets);
		if (!b->buckets || !b->slot_items)
			return -ENOMEM;
		for (tries = 0; tries < TRIES_A_SIZE; tries++)
			if (!buckets_try(b))
				return 0;
	}
	return -E2BIG;
}
