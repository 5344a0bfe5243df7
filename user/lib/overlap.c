// SPDX-License-Identifier: GPL-2.0
/*
 * Both families are walked as ranges of 128-bit numbers, so that they are one code. A cursor joins
 * entries that lie inside one another or end where the next begins: what it gives is disjoint,
 * sorted and as long as can be.
 */
#include "overlap.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

typedef unsigned __int128 address;

struct range {
	address first, last;
};

struct cursor {
	const struct prefix4 *v4; /* one of both is set */
	const struct prefix6 *v6;
	size_t n, at;
	struct range now; /* valid until is_over */
	bool is_over;
};

static struct range range_at(const struct cursor *cursor, size_t i)
{
	struct range range;

	if (cursor->v4) {
		range.first = cursor->v4[i].addr;
		range.last = range.first + ((1ull << (32 - cursor->v4[i].len)) - 1);
	} else {
		range.first = (address)cursor->v6[i].hi << 64 | cursor->v6[i].lo;
		range.last = range.first | ~(address)0 >> 1 >> (cursor->v6[i].len - 1);
	}
	return range;
}

static void step(struct cursor *cursor)
{
	struct range next;

	cursor->is_over = cursor->at == cursor->n;
	if (cursor->is_over)
		return;
	cursor->now = range_at(cursor, cursor->at++);
	while (cursor->at < cursor->n) {
		next = range_at(cursor, cursor->at);
		if (next.first > cursor->now.last && next.first - cursor->now.last > 1)
			return;
		if (next.last > cursor->now.last)
			cursor->now.last = next.last;
		cursor->at++;
	}
}

static double size_of(const struct cursor *cursor, address first, address last)
{
	double size = (double)(last - first) + 1;

	return cursor->v4 ? size : ldexp(size, -64);
}

/* Sizes of both and of what they share; the cursors are at their beginning. */
static void measure(struct cursor a, struct cursor b, struct overlap *overlap)
{
	struct cursor walk;

	for (walk = a, step(&walk); !walk.is_over; step(&walk))
		overlap->size += size_of(&walk, walk.now.first, walk.now.last);
	for (walk = b, step(&walk); !walk.is_over; step(&walk))
		overlap->other_size += size_of(&walk, walk.now.first, walk.now.last);
	step(&a);
	step(&b);
	while (!a.is_over && !b.is_over) {
		address first = a.now.first > b.now.first ? a.now.first : b.now.first;
		address last = a.now.last < b.now.last ? a.now.last : b.now.last;

		if (first <= last)
			overlap->both += size_of(&a, first, last);
		step(a.now.last < b.now.last ? &a : &b);
	}
}

static void count_entries(const struct cursor *a, struct cursor b, struct overlap *overlap)
{
	size_t i;

	step(&b);
	for (i = 0; i < a->n; i++) {
		struct range one = range_at(a, i);

		while (!b.is_over && b.now.last < one.first)
			/*
			 * entries are sorted by their first address: none of them comes back to it
			 */
			step(&b);
		if (b.is_over || b.now.first > one.last)
			continue;
		overlap->entries_touched++;
		overlap->entries_inside += b.now.first <= one.first && b.now.last >= one.last;
	}
	overlap->entries = a->n;
}

void overlap4(const struct prefix4 *a, size_t n_a, const struct prefix4 *b, size_t n_b,
	      struct overlap *ret_overlap)
{
	static const struct prefix4 none;
	struct cursor left = {.v4 = n_a ? a : &none, .n = n_a},
		      right = {.v4 = n_b ? b : &none, .n = n_b};

	*ret_overlap = (struct overlap){ 0 };
	measure(left, right, ret_overlap);
	count_entries(&left, right, ret_overlap);
}

void overlap6(const struct prefix6 *a, size_t n_a, const struct prefix6 *b, size_t n_b,
	      struct overlap *ret_overlap)
{
	static const struct prefix6 none;
	struct cursor left = {.v6 = n_a ? a : &none, .n = n_a},
		      right = {.v6 = n_b ? b : &none, .n = n_b};

	*ret_overlap = (struct overlap){ 0 };
	measure(left, right, ret_overlap);
	count_entries(&left, right, ret_overlap);
}

static bool holds(const struct policy_prefix6 *outer, const struct policy_prefix6 *inner)
{
	struct prefix a = prefix_of6(outer->hi, outer->lo, outer->len),
		      b = prefix_of6(inner->hi, inner->lo, inner->len);

	return prefix_covers(&a, &b);
}

/* Prefixes lie inside one another; each one's own part is what those right inside it leave. */
static void measure6(const struct policy *policy, struct overlap_class *classes)
{
	const struct policy_prefix6 *around[129];
	unsigned depth = 0;
	size_t i;

	for (i = 0; i < policy->n6; i++) {
		const struct policy_prefix6 *one = &policy->v6[i];
		double size = ldexp(1, 64 - one->len);

		while (depth && !holds(around[depth - 1], one))
			depth--;
		if (depth)
			classes[around[depth - 1]->class_id].v6 -= size;
		classes[one->class_id].v6 += size;
		around[depth++] = one; /* each is longer than the one around it: 128 at most */
	}
}

int overlap_classes(const struct policy *policy, struct overlap_class **ret_classes)
{
	struct overlap_class *classes = calloc((size_t)policy->n_classes + 1, sizeof(*classes));
	uint64_t addresses = 0; /* of ranges of one class that follow each other */
	size_t i, word;

	if (!classes)
		return -ENOMEM;
	for (i = 0; i < policy->n_classes; i++) {
		for (word = 0; word < SEK_LISTS_MAX / 64; word++)
			classes[i].lists[word] = policy->classes[i].lists[word];
	}
	for (i = 0; i < policy->n4; i++) {
		addresses += (uint64_t)policy->v4[i].last - policy->v4[i].first + 1;
		if (i + 1 < policy->n4 && policy->v4[i + 1].class_id == policy->v4[i].class_id)
			continue;
		classes[policy->v4[i].class_id].v4 += (double)addresses;
		addresses = 0;
	}
	measure6(policy, classes);
	*ret_classes = classes;
	return 0;
}

struct overlap_sums overlap_both(const struct overlap_class *classes, size_t n, unsigned a,
				 unsigned b)
{
	struct overlap_sums sums = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		if (!(classes[i].lists[a / 64] >> (a % 64) & 1) ||
		    !(classes[i].lists[b / 64] >> (b % 64) & 1))
			continue;
		sums.v4 += classes[i].v4;
		sums.v6 += classes[i].v6;
	}
	return sums;
}

/* Is a list other than @a in the class? */
static bool has_other(const struct overlap_class *class, unsigned a)
{
	size_t i;

	for (i = 0; i < sizeof(class->lists) / sizeof(class->lists[0]); i++) {
		if (class->lists[i] & ~(i == a / 64 ? 1ull << (a % 64) : 0))
			return true;
	}
	return false;
}

struct overlap_sums overlap_shared(const struct overlap_class *classes, size_t n, unsigned a)
{
	struct overlap_sums sums = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		if (!(classes[i].lists[a / 64] >> (a % 64) & 1) || !has_other(&classes[i], a))
			continue;
		sums.v4 += classes[i].v4;
		sums.v6 += classes[i].v6;
	}
	return sums;
}
