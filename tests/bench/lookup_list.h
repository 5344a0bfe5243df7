// SPDX-License-Identifier: GPL-2.0
/*
 * The lists and sources of the lookup benchmark, the same in every run: disjoint prefixes from a
 * fixed seed, random hosts of random entries, and addresses that no entry holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef unsigned __int128 addr_t; /* host order; IPv4 in the low 32 bits */

struct bench_entry {
	addr_t first, last;
	uint8_t len;
};

struct bench_list {
	struct bench_entry *entries; /* sorted, disjoint */
	size_t n;
	int bits; /* 32 or 128 */
	uint64_t rng;
	uint32_t *
	    hot; /* IPv4: the /16s that most hosts are in; IPv6: the /32s that all but whole /32s are in */
	uint32_t n_hot;
};

#define HOT_V4 4096u
#define HOT_V6_MAX 20000u

/* splitmix64 */
static inline uint64_t list_random(struct bench_list *list)
{
	uint64_t z = list->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* A unicast IPv4 address outside the blocks that rails protect. */
static inline uint32_t list_unicast4(struct bench_list *list)
{
	uint32_t addr;

	do
		addr = list_random(list);
	while (addr >> 24 == 0 || addr >> 24 == 127 || addr >> 24 == 169 || addr >> 24 >= 224);
	return addr;
}

static inline uint32_t list_global6(struct bench_list *list)
{
	return 0x20000000u | (uint32_t)list_random(list) >> 3;
}

static inline addr_t list_below_top6(struct bench_list *list, uint32_t top)
{
	uint64_t hi = (uint64_t)top << 32 | (uint32_t)list_random(list);

	return (addr_t)hi << 64 | list_random(list);
}

/*
 * 85 % /32, 11 % /24, the rest /23 (half of it) up to /12, each length half as often as the one
 * below.
 */
static inline addr_t list_draw4(struct bench_list *list, bool is_hosts, uint8_t *ret_len)
{
	uint32_t share = list_random(list) % 100;

	if (!is_hosts && share >= 85) {
		*ret_len = share < 96 ? 24 : 23 - __builtin_ctzll(list_random(list) | 1u << 11);
		return list_unicast4(list);
	}
	*ret_len = 32;
	if (list_random(list) % 10 < 7)
		return list->hot[list_random(list) % list->n_hot] << 16 |
		       (list_random(list) & 0xffff);
	return list_unicast4(list);
}

/* /32 0.005 %, /40 0.2 %, /48 20 %, /56 10 %, /64 45 %, the rest /128. */
static inline addr_t list_draw6(struct bench_list *list, bool is_hosts, uint8_t *ret_len)
{
	uint32_t share = is_hosts ? 100000 : list_random(list) % 100000;

	*ret_len = share < 5 ? 32 : share < 205 ? 40 : share < 20205 ? 48 : share < 30205 ? 56 : share < 75205 ? 64 : 128;
	if (*ret_len == 32)
		return list_below_top6(list, list_global6(list));
	return list_below_top6(list, list->hot[list_random(list) % list->n_hot]);
}

static inline int list_compare(const void *a, const void *b)
{
	const struct bench_entry *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (int)x->len - y->len;
}

/* Sorts and drops what a wider entry holds. */
static inline void list_settle(struct bench_list *list)
{
	size_t i, n = 0;

	qsort(list->entries, list->n, sizeof(*list->entries), list_compare);
	for (i = 0; i < list->n; i++)
		if (n == 0 || list->entries[i].first > list->entries[n - 1].last)
			list->entries[n++] = list->entries[i];
	list->n = n;
}

static inline void list_add(struct bench_list *list, bool is_hosts)
{
	struct bench_entry *entry = &list->entries[list->n++];
	addr_t addr, span;

	addr = list->bits == 32 ? list_draw4(list, is_hosts, &entry->len)
				: list_draw6(list, is_hosts, &entry->len);
	span = ((addr_t)1 << (list->bits - entry->len)) - 1;
	entry->first = addr & ~span;
	entry->last = addr | span;
}

/*
 * A list of about @n entries: what overlaps is made up for with hosts, twice. 0, or -1: no memory.
 */
static inline int list_make(struct bench_list *list, int bits, size_t n, bool is_hosts)
{
	uint32_t i;
	int pass;

	list->rng = 20250711;
	list->bits = bits;
	list->n = 0;
	list->n_hot = bits == 32 ? HOT_V4 : n / 16 + 16 < HOT_V6_MAX ? n / 16 + 16 : HOT_V6_MAX;
	list->hot = malloc(list->n_hot * sizeof(*list->hot));
	list->entries = malloc(n * sizeof(*list->entries));
	if (!list->hot || !list->entries)
		return -1;
	for (i = 0; i < list->n_hot; i++)
		list->hot[i] = bits == 32 ? list_unicast4(list) >> 16 : list_global6(list);
	for (pass = 0; pass < 3; pass++) {
		while (list->n < n)
			list_add(list, is_hosts || pass > 0);
		list_settle(list);
	}
	return 0;
}

static inline void list_free(struct bench_list *list)
{
	free(list->entries);
	free(list->hot);
}

/* Index of the entry that holds @addr, or -1. */
static inline long list_find(const struct bench_list *list, addr_t addr)
{
	size_t low = 0, high = list->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (list->entries[mid].last < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->n && list->entries[low].first <= addr ? (long)low : -1;
}

/* A random host of a random entry. */
static inline addr_t list_hit(struct bench_list *list)
{
	const struct bench_entry *entry = &list->entries[list_random(list) % list->n];
	addr_t random = (addr_t)list_random(list) << 64 | list_random(list);

	return entry->first | (random & (entry->last - entry->first));
}

/*
 * An address no entry holds: uniform for IPv4; for IPv6 in the list's own /32s, which no prefilter
 * on them can tell.
 */
static inline addr_t list_miss(struct bench_list *list)
{
	addr_t addr;

	do {
		if (list->bits == 32)
			addr = list_unicast4(list);
		else
			addr = list_below_top6(list, list->hot[list_random(list) % list->n_hot]);
	} while (list_find(list, addr) >= 0);
	return addr;
}
