// SPDX-License-Identifier: GPL-2.0
/*
 * Compiles a policy's IPv6 prefixes into the lines of an image (layout: sekisho/table_v6.h).
 * In: prefixes sorted by hi, lo, len with longest-match meaning; out: filter, buckets, records,
 * leaves, nodes and their parameters. The filter and the buckets are in table_v6_hash.c. It must
 * never leave a half-written part in the image.
 */
#include "table_v6_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A zeroed line at the area's end, NULL without memory. */
static uint64_t *area_add(struct v6_build *b, struct area *area)
{
	size_t cap = area->cap ? area->cap * 2 : 64;
	void *lines;

	if (area->n == area->cap) {
		lines = realloc(area->lines, cap * SEK_LINE_BYTES);
		if (!lines) {
			b->err = -ENOMEM;
			return NULL;
		}
		area->lines = lines;
		area->cap = cap;
	}
	memset(area->lines[area->n], 0, SEK_LINE_BYTES);
	return area->lines[area->n++];
}

static int sweep_grow(struct sweep *s)
{
	size_t cap = s->cap ? s->cap * 2 : 256;
	uint64_t *starts = realloc(s->starts, cap * sizeof(*starts));
	uint32_t *values;

	if (!starts)
		return -ENOMEM;
	s->starts = starts;
	values = realloc(s->values, cap * sizeof(*values));
	if (!values)
		return -ENOMEM;
	s->values = values;
	s->cap = cap;
	return 0;
}

/* From @start on the answer is @value. A later call for the same start replaces it. */
static void sweep_emit(struct v6_build *b, struct sweep *s, uint64_t start, uint32_t value)
{
	if (s->n && s->starts[s->n - 1] == start)
		s->n--;
	if (s->n && s->values[s->n - 1] == value)
		return;
	if (s->n == s->cap && sweep_grow(s)) {
		b->err = -ENOMEM;
		return;
	}
	s->starts[s->n] = start;
	s->values[s->n++] = value;
}

static void sweep_begin(struct v6_build *b, struct sweep *s, uint64_t first, uint64_t last,
			uint32_t value)
{
	s->n = 0;
	s->depth = 1;
	s->stack[0].last = last;
	s->stack[0].value = value;
	sweep_emit(b, s, first, value);
}

/* Ends the ranges that lie before @start; the answer there. */
static uint32_t sweep_to(struct v6_build *b, struct sweep *s, uint64_t start)
{
	while (s->stack[s->depth - 1].last < start) {
		s->depth--;
		sweep_emit(b, s, s->stack[s->depth].last + 1, s->stack[s->depth - 1].value);
	}
	return s->stack[s->depth - 1].value;
}

static void sweep_open(struct v6_build *b, struct sweep *s, uint64_t first, uint64_t last,
		       uint32_t value)
{
	sweep_to(b, s, first);
	if (s->stack[s->depth - 1].last == last && s->depth > 1)
		s->depth--; /* hidden to its end by what starts here */
	s->stack[s->depth].last = last;
	s->stack[s->depth++].value = value;
	sweep_emit(b, s, first, value);
}

/* Ends every range; the base's end is the domain's, behind which no run begins. */
static void sweep_end(struct v6_build *b, struct sweep *s)
{
	while (s->depth > 1) {
		s->depth--;
		if (s->stack[s->depth].last != s->stack[0].last)
			sweep_emit(b, s, s->stack[s->depth].last + 1, s->stack[s->depth - 1].value);
	}
}

static void tree_leaves(struct v6_build *b, const struct sweep *s)
{
	size_t i, j;

	for (i = 0; i < s->n; i += 6) {
		uint64_t *w = area_add(b, &b->leaves);
		uint32_t *values;

		if (!w)
			return;
		values = (uint32_t *)(w + 5);
		for (j = 0; j < 6; j++) {
			if (j)
				w[j - 1] = i + j < s->n ? s->starts[i + j] - 1 : UINT64_MAX;
			values[j] = i + j < s->n ? s->values[i + j] : 0;
		}
	}
}

/* The tree of a sweep that has ended, as a value: the class itself if there is one run only. */
static uint32_t tree_build(struct v6_build *b, struct sweep *s)
{
	size_t first = b->leaves.n, below = (s->n + 5) / 6, i, j;
	uint32_t height = 0;

	if (b->err || s->n == 1)
		return b->err ? 0 : s->values[0];
	tree_leaves(b, s);
	for (i = 0; i < below; i++)
		s->starts[i] = s->starts[i * 6]; /* first key of each line of the level below */
	for (; below > 1 && !b->err; height++, below = (below + 7) / 8) {
		size_t level = b->nodes.n;

		for (i = 0; i < below; i += 8) {
			uint64_t *w = area_add(b, &b->nodes);

			if (!w)
				return 0;
			for (j = 1; j < 8; j++)
				w[j - 1] = i + j < below ? s->starts[i + j] - 1 : UINT64_MAX;
			w[7] = first + i;
			s->starts[i / 8] = s->starts[i];
		}
		first = level;
	}
	if (height > SEK_V6_HEIGHT_MAX || b->leaves.n > SEK_V6_INDEX || b->nodes.n > SEK_V6_INDEX)
		b->err = -E2BIG;
	return SEK_V6_TREE | height << SEK_V6_HEIGHT_SHIFT | first;
}

/* Room for @n records in one line; *ret_payload names it. */
static uint64_t *record_place(struct v6_build *b, uint32_t n, uint32_t *ret_payload)
{
	size_t line, left = n;
	uint32_t used;

	while (left < GROUP_RECORDS_MAX && !b->record_free[left])
		left++;
	if (left == GROUP_RECORDS_MAX) {
		if (!area_add(b, &b->records))
			return NULL;
		line = b->records.n - 1;
	} else {
		line = b->record_free[left] - 1;
		b->record_free[left] = 0;
	}
	used = GROUP_RECORDS_MAX - left;
	left -= n;
	if (left && !b->record_free[left])
		b->record_free[left] = line + 1;
	*ret_payload = (line * 4 + used) << 2 | (n - 1);
	return b->records.lines[line] + 2 * used;
}

static void record_write(uint64_t *w, const struct policy_prefix6 *p)
{
	uint64_t hi_shift = p->len < 64 ? 64 - p->len : 0,
		 lo_shift = p->len < 64 ? 64 : 128 - p->len;
	uint64_t more = lo_shift == 64;

	w[0] = p->class_id | hi_shift << SEK_V6_REC_HI_SHIFT |
	       (lo_shift - more) << SEK_V6_REC_LO_SHIFT | more << SEK_V6_REC_LO_MORE |
	       (p->hi & 0xffff) << SEK_V6_REC_SUBNET;
	w[1] = p->lo;
}

/* Flattens the prefixes longer than /64 that share @p->hi, on a base of @around. Returns how many;
 * *ret_value. */
static size_t group_host(struct v6_build *b, const struct policy_prefix6 *p, size_t n,
			 uint32_t around, uint32_t *ret_value)
{
	size_t i;

	sweep_begin(b, &b->lo, 0, UINT64_MAX, around);
	for (i = 0; i < n && p[i].hi == p->hi && !b->err; i++) {
		uint64_t size = p[i].len == 128 ? 0 : UINT64_MAX >> (p[i].len - 64);

		sweep_open(b, &b->lo, p[i].lo, p[i].lo | size, p[i].class_id);
	}
	sweep_end(b, &b->lo);
	*ret_value = tree_build(b, &b->lo);
	return i;
}

/* Flattens the @n prefixes of one /48, on a base of @around, to a value. */
static uint32_t group_tree(struct v6_build *b, const struct policy_prefix6 *p, size_t n,
			   uint32_t around)
{
	uint64_t first = p->hi & ~0xffffull;
	uint32_t value;
	size_t i = 0;

	sweep_begin(b, &b->hi, first, first | 0xffff, around);
	while (i < n && !b->err) {
		uint64_t hi = p[i].hi;

		if (p[i].len <= 64) {
			sweep_open(b, &b->hi, hi,
				   hi | (p[i].len == 64 ? 0 : UINT64_MAX >> p[i].len),
				   p[i].class_id);
			i++;
			continue;
		}
		i += group_host(b, p + i, n - i, sweep_to(b, &b->hi, hi), &value);
		sweep_open(b, &b->hi, hi, hi, value);
	}
	sweep_end(b, &b->hi);
	return tree_build(b, &b->hi);
}

/* One /48's @n prefixes become one item; @around is the answer of the shorter ones. */
static void group_add(struct v6_build *b, const struct policy_prefix6 *p, size_t n, uint32_t around)
{
	struct item *item = &b->items[b->n_items++];
	uint32_t value, i;
	uint64_t *w;

	item->key = p->hi >> 16;
	item->kind = SEK_V6_RECORDS;
	if (n > GROUP_RECORDS_MAX || (n == 1 && p->len == 48)) {
		value = n == 1 ? p->class_id : group_tree(b, p, n, around);
		if (!(value & SEK_V6_TREE)) {
			item->kind = SEK_V6_WHOLE;
			item->value = value;
			return;
		}
		w = record_place(b, 1, &item->value);
		if (w) {
			w[0] = SEK_V6_REC_TREE;
			w[1] = value;
		}
		return;
	}
	if (n == 1 && p->len == 64 && p->class_id < 1u << (b->par.k - 3)) {
		item->kind = SEK_V6_SUBNET;
		item->value = (p->hi & 0xffff) << 16 | p->class_id;
		return;
	}
	w = record_place(b, n, &item->value);
	for (i = 0; w && i < n; i++)
		record_write(w + 2 * i,
			     &p[n - 1 - i]); /* what lies within comes behind: longest first */
}

static size_t group_size(const struct policy_prefix6 *p, size_t n)
{
	size_t i = 1;

	while (i < n && p[i].hi >> 16 == p->hi >> 16)
		i++;
	return i;
}

/* First pass: counts the /48s, which decides the number of buckets. */
static int count_groups(struct v6_build *b, const struct policy_prefix6 *p, size_t n)
{
	size_t groups = 0, n_buckets, i;

	for (i = 0; i < n; i += p[i].len < 48 ? 1 : group_size(p + i, n - i))
		groups += p[i].len >= 48;
	n_buckets = groups * 100 / (8 * V6_LOAD_PERCENT) + 1;
	v6_buckets_size(b, n_buckets > 1u << SEK_V6_K_MIN ? n_buckets : 1u << SEK_V6_K_MIN);
	b->items = malloc((groups + 1) * sizeof(*b->items));
	return b->items ? 0 : -ENOMEM;
}

static int add_prefixes(struct v6_build *b, const struct policy_prefix6 *p, size_t n)
{
	size_t i = 0, size;

	sweep_begin(b, &b->shorts, 0, UINT64_MAX, 0);
	while (i < n && !b->err) {
		if (p[i].len < 48) {
			sweep_open(b, &b->shorts, p[i].hi, p[i].hi | UINT64_MAX >> p[i].len,
				   p[i].class_id);
			i++;
			continue;
		}
		size = group_size(p + i, n - i);
		group_add(b, p + i, size, sweep_to(b, &b->shorts, p[i].hi));
		i += size;
	}
	sweep_end(b, &b->shorts);
	b->par.short_ref = tree_build(b, &b->shorts);
	return b->err;
}

static uint32_t copy_lines(struct table_image *image, uint32_t base, const void *lines, size_t n)
{
	if (n)
		memcpy((char *)image->lines + (size_t)base * SEK_LINE_BYTES, lines,
		       n * SEK_LINE_BYTES);
	return base + n;
}

static int write_image(struct v6_build *b, struct table_image *image)
{
	struct sek_table_v6 *par = &b->par;
	uint64_t lines =
	    par->filter_mask + 1ull + par->n_buckets + b->records.n + b->leaves.n + b->nodes.n;
	struct sek_table_head *head;
	uint32_t base;
	int r;

	if (lines > SEK_TABLE_LINES_MAX)
		return -E2BIG;
	r = table_image_add(image, lines, &base);
	if (r)
		return r;
	head = image->lines;
	head->v6_base = base;
	head->v6_lines = lines;
	par->filter_base = base;
	par->bucket_base = copy_lines(image, base, b->filter, par->filter_mask + 1ull);
	par->record_base = copy_lines(image, par->bucket_base, b->buckets, par->n_buckets);
	par->leaf_base = copy_lines(image, par->record_base, b->records.lines, b->records.n);
	par->node_base = copy_lines(image, par->leaf_base, b->leaves.lines, b->leaves.n);
	copy_lines(image, par->node_base, b->nodes.lines, b->nodes.n);
	par->record_lines = b->records.n;
	par->leaf_lines = b->leaves.n;
	par->node_lines = b->nodes.n;
	copy_lines(image, SEK_TABLE_V6_LINE, par, 1);
	return 0;
}

static void sweep_free(struct sweep *s)
{
	free(s->starts);
	free(s->values);
}

static void build_free(struct v6_build *b)
{
	free(b->records.lines);
	free(b->leaves.lines);
	free(b->nodes.lines);
	sweep_free(&b->shorts);
	sweep_free(&b->hi);
	sweep_free(&b->lo);
	free(b->items);
	free(b->buckets);
	free(b->slot_items);
	free(b->filter);
	free(b);
}

int table_v6_build(struct table_image *image, const struct policy *policy, uint64_t seed)
{
	struct v6_build *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->rng = seed;
	r = count_groups(b, policy->v6, policy->n6);
	if (!r)
		r = add_prefixes(b, policy->v6, policy->n6);
	if (!r)
		r = v6_filter_build(b, policy->v6, policy->n6);
	if (!r)
		r = v6_buckets_build(b);
	if (!r)
		r = write_image(b, image);
	build_free(b);
	return r;
}
