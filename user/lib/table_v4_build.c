// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv4 part of the image: disjoint ranges in; filter, host buckets and rank part out
 * (sekisho/table_v4.h has the layout). Every mix of ranges down to /32 has an exact place.
 */
#include "table_build.h"
#include "table_v4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DENSE_NODES 18750 /* /16s in use from which 2.4 MB of /24 bits are smaller than nodes */
#define FILTER_BITS_A_NET 8	  /* bits per listed /24: one false pass in about ten */
#define FILTER_BYTES_FLOOR 32768  /* a short list of wide prefixes gets at least this ... */
#define FILTER_BYTES_A_RANGE 8	  /* ... and no more than this a range */
#define FILTER_FINE_RANGES                                                                         \
	2000000 /* from here on a /24 is too coarse: a third of all are listed at 10 M */

/* An array that grows. */
struct vec {
	void *items;
	size_t n, room, item_bytes;
};

/* The rank part on its way: each area in its own array. */
struct rank {
	uint32_t mode;
	struct vec lines, nodes, descs, leaves, values;
	uint32_t open16; /* /16 that the last node is of; -1 none */
};

/* What the first walk finds out. */
struct sums {
	uint64_t nets;	   /* listed /24s */
	uint64_t hosts;	   /* addresses for the buckets */
	uint32_t nodes;	   /* the sparse form's, without the hosts' */
	uint32_t last16;
	bool has_rank;
};

static void *vec_add(struct vec *vec, size_t n)
{
	if (vec->n + n > vec->room) {
		size_t room = (vec->n + n) * 2 + 64;
		void *items = realloc(vec->items, room * vec->item_bytes);

		if (!items)
			return NULL;
		vec->items = items;
		vec->room = room;
	}
	vec->n += n;
	return memset((char *)vec->items + (vec->n - n) * vec->item_bytes, 0, n * vec->item_bytes);
}

bool v4_walk_next(struct v4_walk *walk, struct v4_cell *ret_cell)
{
	const struct policy_range4 *ranges = walk->policy->v4;

	ret_cell->n_runs = 0;
	while (walk->i < walk->policy->n4) {
		const struct policy_range4 *range = &ranges[walk->i];
		uint32_t at = walk->inside ? walk->at : range->first, last = range->last;

		if (ret_cell->n_runs && at >> 8 != ret_cell->first)
			break;
		ret_cell->first = at >> 8;
		ret_cell->count = 1;
		if (!(at & 255) && last - at >= 255)
			ret_cell->count = ((uint64_t)last + 1 - at) >> 8;
		if (last >> 8 >= ret_cell->first + ret_cell->count)
			last = (ret_cell->first + ret_cell->count - 1) << 8 | 255;
		ret_cell->runs[ret_cell->n_runs++] = (struct v4_run){
			.lo = at & 255, .hi = last & 255, .class_id = range->class_id,
		};
		walk->inside = last != range->last;
		walk->at = last + 1;
		if (walk->inside)
			break;
		walk->i++;
		if (ret_cell->count > 1 || (last & 255) == 255)
			break;
	}
	return ret_cell->n_runs > 0;
}

/*
 * The largest aligned step at /24 number @at that @left /24s fill: 16384 (64 /16s), 256, 64 or 1.
 */
static uint32_t step_at(uint32_t at, uint32_t left, bool is_sparse)
{
	if (is_sparse && !(at & 16383) && left >= 16384)
		return 16384;
	if (is_sparse && !(at & 255) && left >= 256)
		return 256;
	return !(at & 63) && left >= 64 ? 64 : 1;
}

static void sum_cell(struct sums *sums, const struct v4_cell *cell, bool with_buckets)
{
	uint32_t hosts = with_buckets ? v4_cell_hosts(cell) : 0, step;

	sums->nets += cell->count;
	sums->hosts += hosts;
	if (hosts)
		return;
	sums->has_rank = true;
	for (uint32_t i = 0; i < cell->count; i += step) {
		step = step_at(cell->first + i, cell->count - i, true);
		if ((cell->first + i) >> 8 != sums->last16)
			sums->nodes++;
		sums->last16 = (cell->first + i) >> 8;
	}
}

static struct sums sum_all(const struct policy *policy, bool with_buckets)
{
	struct sums sums = { .last16 = UINT32_MAX };
	struct v4_walk walk = { .policy = policy };
	struct v4_cell cell;

	while (v4_walk_next(&walk, &cell))
		sum_cell(&sums, &cell, with_buckets);
	return sums;
}

/* Sets bit @key of the rank lines, or a whole flagged word of them. */
static void rank_set(struct rank *rank, uint32_t key, bool is_flagged)
{
	uint32_t m = key >> 6, word = m % 7;
	uint64_t *line = (uint64_t *)rank->lines.items + m / 7 * 8;

	if (is_flagged) {
		line[word] = ~0ull;
		line[7] |= 1ull << (SEK_V4_FLAGS_SHIFT + word);
	} else {
		line[word] |= 1ull << (key & 63);
	}
}

/* Sparse: marks @step /24s from @at, of which the next descriptor is the answer. */
static int node_set(struct rank *rank, uint32_t at, uint32_t step)
{
	uint64_t *node;

	if (at >> 8 == rank->open16) {
		node = (uint64_t *)rank->nodes.items + (rank->nodes.n - 1) * 8;
	} else {
		node = vec_add(&rank->nodes, 1);
		if (!node)
			return -ENOMEM;
		node[0] = rank->descs.n;
		rank->open16 = at >> 8;
		rank_set(rank, at >> 8, step == 16384);
	}
	if (step >= 256) {
		node[0] |= SEK_V4_NODE_WHOLE;
	} else if (step == 64) {
		node[4 + (at >> 6 & 3)] = ~0ull;
		node[0] |= 1ull << (32 + (at >> 6 & 3));
	} else {
		node[4 + (at >> 6 & 3)] |= 1ull << (at & 63);
	}
	return 0;
}

static int add_desc(struct rank *rank, uint32_t at, uint32_t step, uint64_t desc)
{
	uint64_t *to;
	int r = 0;

	if (rank->mode == SEK_V4_RANK_DENSE)
		rank_set(rank, at, step == 64);
	else
		r = node_set(rank, at, step);
	if (r < 0)
		return r;
	to = vec_add(&rank->descs, 1);
	if (!to)
		return -ENOMEM;
	*to = desc;
	return 0;
}

/* Turns @cell's runs and the gaps between them into run starts and classes. */
static uint32_t leaf_runs(const struct v4_cell *cell, uint64_t map[4], uint16_t values[256])
{
	uint32_t n = 0, at = 0;

	for (uint32_t i = 0; i < cell->n_runs; i++) {
		const struct v4_run *run = &cell->runs[i];

		if (run->lo > at) {
			map[at >> 6] |= 1ull << (at & 63);
			values[n++] = 0;
		}
		map[run->lo >> 6] |= 1ull << (run->lo & 63);
		values[n++] = run->class_id;
		at = run->hi + 1;
	}
	if (at < 256) {
		map[at >> 6] |= 1ull << (at & 63);
		values[n++] = 0;
	}
	return n;
}

/* Counts of the set bits before each of four words, 16 bits each; a flagged word counts one. */
static uint64_t cumulate(const uint64_t map[4], uint64_t flags)
{
	uint64_t counts = 0, n = 0;

	for (int i = 0; i < 4; i++) {
		counts |= n << (16 * i);
		n += flags >> i & 1 ? 1 : __builtin_popcountll(map[i]);
	}
	return counts;
}

static int add_leaf(struct rank *rank, const struct v4_cell *cell, uint64_t *ret_desc)
{
	uint64_t *leaf = vec_add(&rank->leaves, 1);
	uint16_t values[256], *to;
	uint32_t n;

	if (!leaf)
		return -ENOMEM;
	n = leaf_runs(cell, leaf + 4, values);
	leaf[1] = cumulate(leaf + 4, 0);
	leaf[0] = (uint64_t)n << 32;
	to = (uint16_t *)(leaf + 2);
	if (n > SEK_V4_INLINE_RUNS) {
		leaf[0] |= rank->values.n;
		to = vec_add(&rank->values, n);
		if (!to)
			return -ENOMEM;
	}
	memcpy(to, values, n * sizeof(*to));
	*ret_desc = 1 | (uint64_t)(rank->leaves.n - 1) << 8;
	return 0;
}

static int rank_add(struct rank *rank, const struct v4_cell *cell)
{
	uint64_t desc = 0;
	uint32_t step;
	int r = 0;

	if (cell->n_runs > 2) {
		r = add_leaf(rank, cell, &desc);
	} else {
		for (uint32_t i = 0; i < cell->n_runs; i++) {
			const struct v4_run *run = &cell->runs[i];

			desc |= (run->lo | (uint64_t)run->hi << 8 | (uint64_t)run->class_id << 16)
				<< (8 + 28 * i);
		}
	}
	for (uint32_t i = 0; r == 0 && i < cell->count; i += step) {
		step = step_at(cell->first + i, cell->count - i, rank->mode == SEK_V4_RANK_SPARSE);
		r = add_desc(rank, cell->first + i, step, desc);
	}
	return r;
}

/* Writes the counts into rank lines and nodes, once all bits are there. */
static void rank_finish(struct rank *rank)
{
	uint64_t *line = rank->lines.items, *node = rank->nodes.items, total = 0;

	for (size_t i = 0; i < rank->lines.n; i++, line += 8) {
		uint64_t flags = line[7] >> SEK_V4_FLAGS_SHIFT, n = 0;

		line[7] |= total;
		for (int word = 0; word < 7; word++) {
			if (word && !(word & 1))
				line[7] |= n << (25 + 9 * (word / 2 - 1));
			n += flags >> word & 1 ? 1 : __builtin_popcountll(line[word]);
		}
		total += n;
	}
	for (size_t i = 0; i < rank->nodes.n; i++, node += 8)
		node[1] = cumulate(node + 4, node[0] >> 32);
}

static int rank_build(struct rank *rank, const struct policy *policy, const struct sums *sums,
		      bool with_buckets)
{
	struct v4_walk walk = { .policy = policy };
	struct v4_cell cell;
	int r;

	*rank = (struct rank){ .open16 = UINT32_MAX, .lines.item_bytes = SEK_LINE_BYTES,
		.nodes.item_bytes = SEK_LINE_BYTES, .leaves.item_bytes = SEK_LINE_BYTES,
		.descs.item_bytes = sizeof(uint64_t), .values.item_bytes = sizeof(uint16_t) };
	if (!sums->has_rank)
		return 0;
	rank->mode = sums->nodes > DENSE_NODES ? SEK_V4_RANK_DENSE : SEK_V4_RANK_SPARSE;
	if (!vec_add(&rank->lines,
		     rank->mode == SEK_V4_RANK_DENSE ? SEK_V4_DENSE_LINES : SEK_V4_SPARSE_LINES))
		return -ENOMEM;
	while (v4_walk_next(&walk, &cell)) {
		if (with_buckets && v4_cell_hosts(&cell))
			continue;
		r = rank_add(rank, &cell);
		if (r < 0)
			return r;
	}
	rank_finish(rank);
	return 0;
}

static void rank_free(struct rank *rank)
{
	free(rank->lines.items);
	free(rank->nodes.items);
	free(rank->descs.items);
	free(rank->leaves.items);
	free(rank->values.items);
}

/* Appends @bytes at @from as whole lines. */
static int append(struct table_image *image, const void *from, size_t bytes, uint32_t *ret_base)
{
	int r = table_image_add(image, (bytes + SEK_LINE_BYTES - 1) / SEK_LINE_BYTES, ret_base);

	if (r == 0 && bytes)
		memcpy((char *)image->lines + (size_t)*ret_base * SEK_LINE_BYTES, from, bytes);
	return r;
}

static int append_vec(struct table_image *image, const struct vec *vec, uint32_t *ret_base)
{
	return append(image, vec->items, vec->n * vec->item_bytes, ret_base);
}

static int append_rank(struct table_image *image, const struct rank *rank, struct sek_table_v4 *v4)
{
	int r;

	v4->rank_mode = rank->mode;
	v4->n_nodes = rank->nodes.n;
	v4->n_descs = rank->descs.n;
	v4->n_leaves = rank->leaves.n;
	v4->n_values = rank->values.n;
	r = append_vec(image, &rank->lines, &v4->rank_base);
	if (r == 0)
		r = append_vec(image, &rank->nodes, &v4->node_base);
	if (r == 0)
		r = append_vec(image, &rank->descs, &v4->desc_base);
	if (r == 0)
		r = append_vec(image, &rank->leaves, &v4->leaf_base);
	if (r == 0)
		r = append_vec(image, &rank->values, &v4->value_base);
	return r;
}

/* Sets the bits of the nets that hold @first to @last, both shifted to a bit each. */
static void filter_set(uint64_t *words, uint32_t mask, uint32_t first, uint32_t last)
{
	for (uint32_t net = first; net <= last; net++) {
		size_t line = (net >> 9) * SEK_V4_FOLD & mask;

		words[line * 8 + (net >> 6 & 7)] |= 1ull << (net & 63);
	}
}

static int append_filter(struct table_image *image, const struct policy *policy, uint64_t nets,
			 struct sek_table_v4 *v4)
{
	uint64_t cap = FILTER_BYTES_A_RANGE * policy->n4, bits = nets * FILTER_BITS_A_NET, *words;
	uint32_t f = 0, shift;
	int r;

	cap = 8 * (cap < FILTER_BYTES_FLOOR ? FILTER_BYTES_FLOOR : cap);
	while (f < SEK_V4_FILTER_BITS && 512ull << f < bits && 1024ull << f <= cap)
		f++;
	if (policy->n4 >= FILTER_FINE_RANGES)
		f = SEK_V4_FILTER_FINE_BITS;
	v4->filter_mask = (1u << f) - 1;
	r = table_image_add(image, 1u << f, &v4->filter_base);
	if (r < 0)
		return r;
	words = (uint64_t *)image->lines + (size_t)v4->filter_base * 8;
	shift = sek_v4_filter_shift(v4->filter_mask);
	for (size_t i = 0; i < policy->n4; i++)
		filter_set(words, v4->filter_mask, policy->v4[i].first >> shift, policy->v4[i].last >> shift);
	return 0;
}

int table_v4_build(struct table_image *image, const struct policy *policy, uint64_t seed)
{
	struct sums sums = sum_all(policy, true);
	struct sek_table_v4 v4 = { 0 };
	struct v4_buckets buckets = { 0 };
	struct rank rank = { 0 };
	int r;

	r = v4_buckets_build(policy, sums.hosts, seed, &buckets);
	if (r < 0)
		return r;
	if (!buckets.bits)
		sums = sum_all(policy, false);
	r = rank_build(&rank, policy, &sums, buckets.bits > 0);
	if (r < 0)
		goto out;
	v4.bucket_bits = buckets.bits;
	v4.mul_s = buckets.mul_s;
	v4.mul_t = buckets.mul_t;
	r = append_filter(image, policy, sums.nets, &v4);
	if (r == 0)
		r = append(image, buckets.slots,
			   buckets.bits ? (size_t)SEK_LINE_BYTES << buckets.bits : 0,
			   &v4.bucket_base);
	if (r == 0)
		r = append_rank(image, &rank, &v4);
	if (r == 0)
		memcpy((char *)image->lines + SEK_TABLE_V4_LINE * SEK_LINE_BYTES, &v4, sizeof(v4));
out:
	rank_free(&rank);
	free(buckets.slots);
	return r;
}
