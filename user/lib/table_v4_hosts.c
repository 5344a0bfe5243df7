// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv4 host buckets: lone addresses in, a two-choice bucket table out (cuckoo with 16 slots
 * a bucket). A bad draw of multipliers is drawn again, then the table doubles: it cannot fail
 * for want of room.
 */
#include "table_v4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 16	   /* addresses a /24: more are cheaper as a leaf */
#define LOAD_MAX 0.90	   /* of all slots; up to .92 was measured to fill without a redraw */
#define BYTES_A_HOST 80	   /* dearer than a node and a descriptor: then the rank part takes them */
#define EVICTIONS_MAX 1000 /* moves for one address before the draw counts as bad */
#define DRAWS 3		   /* of multipliers before the table doubles */

/* splitmix64: the next of a uniform sequence. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Prefixes that the range @lo..@hi of one byte takes. */
static uint32_t count_prefixes(uint32_t lo, uint32_t hi)
{
	uint32_t n = 0, size;

	for (; lo <= hi; lo += size, n++) {
		size = lo ? lo & -lo : 256;
		while (size > hi - lo + 1)
			size >>= 1;
	}
	return n;
}

uint32_t v4_cell_hosts(const struct v4_cell *cell)
{
	uint32_t hosts = 0, prefixes = 0;

	for (uint32_t i = 0; i < cell->n_runs; i++) {
		uint32_t lo = cell->runs[i].lo, hi = cell->runs[i].hi;

		hosts += hi - lo + 1;
		if (hosts > HOSTS_MAX)
			return 0;
		prefixes += lo == hi ? 1 : count_prefixes(lo, hi);
	}
	/* A lone /28 is one descriptor, not 16 slots. */
	return hosts <= 2 * prefixes ? hosts : 0;
}

bool v4_cell_is_net(const struct v4_cell *cell)
{
	return cell->count == 1 && cell->n_runs == 1 && !cell->runs[0].lo && cell->runs[0].hi == 255;
}

enum v4_place v4_place(struct v4_places *places, const struct v4_cell *cell)
{
	if (!places->has_buckets)
		return V4_IN_RANK;
	if (v4_cell_is_net(cell)) {
		if (!places->nets_left || v4_filter_has_hosts(places->filter, cell->first))
			return V4_IN_RANK;
		places->nets_left--;
		return V4_AS_NET;
	}
	return v4_cell_hosts(cell) ? V4_AS_HOSTS : V4_IN_RANK;
}

/* Inverse of an odd number modulo 2^32, by Newton steps that double the right bits. */
static uint32_t inverse(uint32_t a)
{
	uint32_t x = a;

	for (int i = 0; i < 5; i++)
		x *= 2 - a * x;
	return x;
}

/* The x of which @perm is sek_v4_perm(x, s, t). */
static uint32_t unperm(uint32_t perm, uint32_t s_inverse, uint32_t t_inverse)
{
	uint32_t x = (perm ^ perm >> 16) * t_inverse;

	x = (x ^ x >> 15 ^ x >> 30) * s_inverse;
	return x ^ x >> 16;
}

/* One draw being filled. */
struct fill {
	struct v4_buckets *to;
	uint8_t *used; /* slots of each bucket: they fill from 0, and none is ever empty again */
	uint32_t s_inverse, t_inverse;
	uint64_t random;
};

static uint32_t *slots_of(const struct fill *fill, uint32_t addr, uint16_t class_id, int choice,
			  uint32_t *ret_entry)
{
	const struct v4_buckets *to = fill->to;
	uint32_t perm = choice ? sek_v4_perm(addr, to->mul_t, to->mul_s)
			       : sek_v4_perm(addr, to->mul_s, to->mul_t);

	*ret_entry = (uint32_t)choice << 31 | perm >> to->bits << (to->bits - 1) | class_id;
	return to->slots + (size_t)(perm & ((1u << to->bits) - 1)) * SEK_V4_SLOTS;
}

/* The address of an entry found in the bucket at @slots; the class comes out too. */
static uint32_t entry_address(const struct fill *fill, const uint32_t *slots, uint32_t entry,
			      uint16_t *ret_class)
{
	uint32_t bits = fill->to->bits, bucket = (slots - fill->to->slots) / SEK_V4_SLOTS;
	uint32_t perm = ((entry & 0x7fffffff) >> (bits - 1)) << bits | bucket;

	*ret_class = entry & ((1u << (bits - 1)) - 1);
	if (entry >> 31)
		return unperm(perm, fill->t_inverse, fill->s_inverse);
	return unperm(perm, fill->s_inverse, fill->t_inverse);
}

/* The bucket's line, which mostly is in no cache, is written and not read. */
static bool put_free(struct fill *fill, uint32_t *slots, uint32_t entry)
{
	uint8_t *used = &fill->used[(slots - fill->to->slots) / SEK_V4_SLOTS];

	if (*used == SEK_V4_SLOTS)
		return false;
	slots[(*used)++] = entry;
	return true;
}

static bool insert(struct fill *fill, uint32_t addr, uint16_t class_id)
{
	for (int moves = 0; moves < EVICTIONS_MAX; moves++) {
		uint32_t entries[2], *slots[2], victim, *slot;
		uint64_t random;
		int side;

		for (side = 0; side < 2; side++) {
			slots[side] = slots_of(fill, addr, class_id, side, &entries[side]);
			if (put_free(fill, slots[side], entries[side]))
				return true;
		}
		random = next_random(&fill->random);
		side = random & 1;
		slot = &slots[side][random >> 1 & (SEK_V4_SLOTS - 1)];
		victim = *slot;
		*slot = entries[side];
		addr = entry_address(fill, slots[side], victim, &class_id);
	}
	return false;
}

static bool fill_cell(struct fill *fill, const struct v4_cell *cell)
{
	for (uint32_t i = 0; i < cell->n_runs; i++) {
		for (uint32_t host = cell->runs[i].lo; host <= cell->runs[i].hi; host++) {
			if (!insert(fill, cell->first << 8 | host, cell->runs[i].class_id))
				return false;
		}
	}
	return true;
}

static bool fill_all(struct fill *fill, const struct policy *policy, struct v4_places places)
{
	struct v4_walk walk = { .policy = policy };
	enum v4_place place;
	struct v4_cell cell;

	while (v4_walk_next(&walk, &cell)) {
		place = v4_place(&places, &cell);
		if (place == V4_AS_NET && !insert(fill, cell.first << 8, cell.runs[0].class_id))
			return false;
		if (place == V4_AS_HOSTS && !fill_cell(fill, &cell))
			return false;
	}
	return true;
}

/* Quarter of its line where @entry is looked for first: the upper two bits of its permutation. */
static uint32_t home_of(const struct v4_buckets *to, uint32_t entry)
{
	return (entry & 0x7fffffff) >> (to->bits - 1) << to->bits >> 30;
}

/* Moves the entries of one line into their home quarters as far as there is room; slot 15 is taken in a full line only. */
static void settle(const struct v4_buckets *to, uint32_t *slots)
{
	uint32_t n_taken[SEK_V4_SLOTS / SEK_V4_QUARTER] = { 0 }, left[SEK_V4_SLOTS], from[SEK_V4_SLOTS];
	uint32_t n = 0, n_left = 0, at;

	for (; n < SEK_V4_SLOTS && slots[n]; n++) {
		from[n] = slots[n];
		slots[n] = 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t home = home_of(to, from[i]);

		at = SEK_V4_QUARTER * home + n_taken[home];
		if (n_taken[home] == SEK_V4_QUARTER || (at == SEK_V4_SLOTS - 1 && n < SEK_V4_SLOTS)) {
			left[n_left++] = from[i];
		} else {
			slots[at] = from[i];
			n_taken[home]++;
		}
	}
	at = 0;
	for (uint32_t i = 0; i < n_left; i++) {
		while (slots[at])
			at++;
		slots[at] = left[i];
	}
}

static void settle_all(const struct v4_buckets *to)
{
	for (uint32_t i = 0; i >> to->bits == 0; i++)
		settle(to, to->slots + (size_t)i * SEK_V4_SLOTS);
}

/* Smallest table for @n_hosts whose entries have room for the classes. */
static uint32_t first_bits(const struct policy *policy, uint64_t n_hosts)
{
	uint32_t bits = 1;

	while ((SEK_V4_SLOTS << bits) * LOAD_MAX < n_hosts ||
	       (1u << (bits - 1)) < policy->n_classes)
		bits++;
	return bits;
}

/* A few draws of multipliers for a table of @fill's bits. Errors: -ENOMEM; -ENOSPC: none of them fills. */
static int draw_all(struct fill *fill, const struct policy *policy, const struct v4_places *places)
{
	struct v4_buckets *to = fill->to;
	size_t bytes = (size_t)SEK_LINE_BYTES << to->bits;
	int r = -ENOMEM;

	to->slots = malloc(bytes);
	fill->used = malloc((size_t)1 << to->bits);
	for (int draw = 0; to->slots && fill->used && r && draw < DRAWS; draw++) {
		memset(to->slots, 0, bytes);
		memset(fill->used, 0, (size_t)1 << to->bits);
		to->mul_s = next_random(&fill->random) | 1;
		to->mul_t = next_random(&fill->random) | 1;
		fill->s_inverse = inverse(to->mul_s);
		fill->t_inverse = inverse(to->mul_t);
		r = fill_all(fill, policy, *places) ? 0 : -ENOSPC;
	}
	free(fill->used);
	if (r)
		free(to->slots);
	return r;
}

int v4_buckets_build(const struct policy *policy, const struct v4_filter *filter, uint64_t n_hosts, uint64_t n_nets,
		     uint64_t seed, struct v4_buckets *ret_buckets, struct v4_places *ret_places)
{
	struct v4_buckets to = { .bits = first_bits(policy, n_hosts) };
	struct fill fill = { .to = &to, .random = seed };
	struct v4_places places = { .filter = filter, .has_buckets = true };
	int r;

	for (;; to.bits++) {
		size_t bytes = (size_t)SEK_LINE_BYTES << to.bits;
		uint64_t room = (SEK_V4_SLOTS << to.bits) * LOAD_MAX - n_hosts;

		if (to.bits > SEK_V4_BUCKET_BITS || (bytes > 4096 && bytes > BYTES_A_HOST * n_hosts) || !n_hosts) {
			*ret_buckets = (struct v4_buckets){ 0 };
			*ret_places = (struct v4_places){ 0 };
			return 0;
		}
		places.nets_left = n_nets < room ? n_nets : room;
		r = draw_all(&fill, policy, &places);
		if (!r) {
			settle_all(&to);
			*ret_buckets = to;
			*ret_places = places;
		}
		if (r != -ENOSPC)
			return r;
	}
}
