// SPDX-License-Identifier: GPL-2.0
/*
 * A nested sweep: the lists' prefixes come merged in order, a stack holds those around the present
 * place, and each place's answer is the stack's. IPv4 addresses sit in the upper half of hi, so
 * both families are one code.
 */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy_private.h"
#include "policy_sweep.h"

static int item_order(const struct item *a, const struct item *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return a->len - b->len;
}

static bool covers(uint64_t hi, uint64_t lo, unsigned len, uint64_t inner_hi, uint64_t inner_lo,
		   unsigned inner_len)
{
	if (len > inner_len)
		return false;
	if (len <= 64)
		return len == 0 || (hi ^ inner_hi) >> (64 - len) == 0;
	return hi == inner_hi && (lo ^ inner_lo) >> (128 - len) == 0;
}

static void sift_down(struct sweep *s)
{
	struct item item = s->heap[0];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->n_heap) {
		if (child + 1 < s->n_heap && item_order(&s->heap[child + 1], &s->heap[child]) < 0)
			child++;
		if (item_order(&item, &s->heap[child]) <= 0)
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = item;
}

static void mark_private(struct sweep *s)
{
	unsigned n;
	const struct policy_hole *hole = policy_holes(s->family, &n);

	memset(s->has_private, 0, sizeof(s->has_private));
	for (; n; n--, hole++) {
		unsigned octet = hole->hi >> 56,
			 last = octet | (hole->len < 8 ? 0xffu >> hole->len : 0);

		for (; hole->is_private && octet <= last; octet++)
			s->has_private[octet] = true;
	}
}

static bool is_left_out(struct sweep *s, struct policy_list *list, const struct item *item)
{
	unsigned n;
	const struct policy_hole *hole = policy_holes(s->family, &n);
	uint64_t *left_out = s->family == 4 ? &list->left_out4 : &list->left_out6;

	if (item->len >= 8 && !s->has_private[item->hi >> 56])
		return false;
	for (; n; n--, hole++) {
		if (!hole->is_private)
			continue;
		if (covers(hole->hi, hole->lo, hole->len, item->hi, item->lo, item->len)) {
			(*left_out)++;
			return true;
		}
		if (covers(item->hi, item->lo, item->len, hole->hi, hole->lo, hole->len)) {
			(*left_out)++;
			return false;
		}
	}
	return false;
}

/* The next item of cursor @source that takes part: 1, 0 at the end, -EINVAL unsorted. */
static int next_item(struct sweep *s, uint16_t source, struct item *item)
{
	unsigned max = s->family == 4 ? 32 : 128;
	struct item before = *item;

	item->source = source;
	if (source == s->n_lists) {
		unsigned n;
		const struct policy_hole *holes = policy_holes(s->family, &n);

		while (s->at[source] < n && !holes[s->at[source]].is_private)
			s->at[source]++;
		if (s->at[source] >= n)
			return 0;
		item->hi = holes[s->at[source]].hi;
		item->lo = holes[s->at[source]].lo;
		item->len = holes[s->at[source]++].len;
		return 1;
	}
	struct policy_list *list = &s->lists[source];

	while (s->at[source] < (s->family == 4 ? list->n4 : list->n6)) {
		size_t i = s->at[source]++;

		item->hi = s->family == 4 ? (uint64_t)list->v4[i].addr << 32 : list->v6[i].hi;
		item->lo = s->family == 4 ? 0 : list->v6[i].lo;
		item->len = s->family == 4 ? list->v4[i].len : list->v6[i].len;
		if (item->len < 1 || item->len > max || (i && item_order(&before, item) >= 0))
			return -EINVAL;
		before = *item;
		if (s->kept[list->id] || !is_left_out(s, list, item))
			return 1;
	}
	return 0;
}

static int grow(struct sweep *s, void **array, size_t n, size_t bytes)
{
	void *more;

	if (n < s->cap)
		return 0;
	more = realloc(*array, (s->cap ? s->cap * 2 : 256) * bytes);
	if (!more)
		return -ENOMEM;
	*array = more;
	s->cap = s->cap ? s->cap * 2 : 256;
	return 0;
}

/* IPv4: the answer of @class_id from the present place up to before @end. */
static int emit4(struct sweep *s, uint64_t end, uint32_t class_id)
{
	struct policy *policy = s->policy;
	struct policy_range4 *last = policy->n4 ? &policy->v4[policy->n4 - 1] : NULL;
	void *array = policy->v4;
	uint64_t first = s->place;
	int rc;

	if (first >= end)
		return 0;
	s->place = end;
	if (!class_id)
		return 0;
	if (last && last->class_id == class_id && (uint64_t)last->last + 1 == first) {
		last->last = (uint32_t)(end - 1);
		return 0;
	}
	rc = grow(s, &array, policy->n4, sizeof(*policy->v4));
	policy->v4 = array;
	if (!rc)
		policy->v4[policy->n4++] =
		    (struct policy_range4){ (uint32_t)first, (uint32_t)(end - 1), class_id };
	return rc;
}

static int emit6(struct sweep *s, uint64_t hi, uint64_t lo, uint8_t len, uint32_t class_id)
{
	struct policy *policy = s->policy;
	void *array = policy->v6;
	int rc = grow(s, &array, policy->n6, sizeof(*policy->v6));

	policy->v6 = array;
	if (!rc)
		policy->v6[policy->n6++] =
		    (struct policy_prefix6){ hi, lo, class_id, len, { 0 } };
	return rc;
}

/* Fixes the answer of the innermost frame, once all lists of its prefix are in. */
static int finish_top(struct sweep *s)
{
	struct frame *f = &s->stack[s->depth];

	if (f->is_done)
		return 0;
	f->class_id = policy_class_of(s, f);
	f->is_done = true;
	if (s->family == 4 || f->class_id == f[-1].class_id)
		return 0;
	return emit6(s, f->hi, f->lo, f->len, f->class_id);
}

/* Leaves the frames that do not hold @item; NULL leaves all. */
static int leave(struct sweep *s, const struct item *item)
{
	int rc = 0;

	while (!rc && s->depth) {
		struct frame *f = &s->stack[s->depth];

		if (item && covers(f->hi, f->lo, f->len, item->hi, item->lo, item->len))
			break;
		rc = finish_top(s);
		if (!rc && s->family == 4)
			rc = emit4(s, (f->hi >> 32) + (1ull << (32 - f->len)), f->class_id);
		s->depth--;
	}
	return rc;
}

/*
 * Does no other prefix lie in @item, which is the next, nor a second list name it? What may follow
 * it is sorted.
 */
static bool is_leaf(const struct sweep *s, const struct item *item)
{
	const struct policy_list *list = &s->lists[item->source];
	size_t next = s->at[item->source];

	if (item->source == s->n_lists)
		return false;
	for (size_t i = 1; i < 3 && i < s->n_heap; i++)
		if (covers(item->hi, item->lo, item->len, s->heap[i].hi, s->heap[i].lo,
			   s->heap[i].len))
			return false;
	if (s->family == 4)
		return next >= list->n4 ||
		       !covers(item->hi, 0, item->len, (uint64_t)list->v4[next].addr << 32, 0,
			       list->v4[next].len);
	return next >= list->n6 || !covers(item->hi, item->lo, item->len, list->v6[next].hi,
					   list->v6[next].lo, list->v6[next].len);
}

static void start_frame(struct sweep *s, struct frame *f, const struct item *item)
{
	memset(f, 0, sizeof(*f));
	f->hi = item->hi;
	f->lo = item->lo;
	f->len = item->len;
	f->serial = ++s->serial;
}

static void own(const struct sweep *s, struct frame *f, const struct item *item)
{
	uint16_t id = s->lists[item->source].id;

	f->own[id / 64] |= 1ull << (id & 63);
}

/*
 * The answer of a leaf, which needs no frame: nearly all prefixes of a long list are, and the most
 * of them answer the same.
 */
static int put_leaf(struct sweep *s, const struct item *item)
{
	struct frame *around = &s->stack[s->depth], *f = around + 1;
	struct memo *memo = &s->memo[s->lists[item->source].id];
	uint32_t class_id = memo->class_id, merged = s->policy->merged_classes;

	if (memo->serial != around->serial) {
		start_frame(s, f, item);
		own(s, f, item);
		class_id = policy_class_of(s, f);
		if (s->policy->merged_classes == merged) /* else each of them counts */
			*memo = (struct memo){ around->serial, class_id };
	}
	if (s->family == 4)
		return emit4(s, (item->hi >> 32) + (1ull << (32 - item->len)), class_id);
	return class_id == around->class_id ? 0 : emit6(s, item->hi, item->lo, item->len, class_id);
}

static int enter(struct sweep *s, const struct item *item)
{
	uint32_t *n = s->family == 4 ? &s->policy->prefixes_v4 : &s->policy->prefixes_v6;
	uint32_t max = s->family == 4 ? SEK_PREFIXES_V4_MAX : SEK_PREFIXES_V6_MAX;
	struct frame *f = &s->stack[s->depth];
	static const uint64_t none[SWEEP_SET_WORDS];
	int rc;

	if (!s->depth || f->hi != item->hi || f->lo != item->lo || f->len != item->len) {
		rc = leave(s, item);
		if (!rc && s->depth)
			rc = finish_top(s);
		if (!rc && s->family == 4)
			rc = emit4(s, item->hi >> 32, s->stack[s->depth].class_id);
		if (rc)
			return rc;
		if (is_leaf(s, item)) {
			rc = put_leaf(s, item);
			return rc || ++*n <= max ? rc : -E2BIG;
		}
		f = &s->stack[++s->depth];
		start_frame(s, f, item);
	}
	if (item->source == s->n_lists) {
		f->is_hole = true;
		return 0;
	}
	if (!memcmp(f->own, none, sizeof(none)))
		(*n)++;
	own(s, f, item);
	return *n > max ? -E2BIG : 0;
}

static int sweep_family(struct sweep *s, int family)
{
	int rc;

	s->family = family;
	s->cap = s->n_heap = s->depth = 0;
	s->place = 0;
	memset(s->at, 0, sizeof(s->at));
	memset(&s->stack[0], 0, sizeof(s->stack[0]));
	memset(s->stack[0].best, 0xff, sizeof(s->stack[0].best));
	s->stack[0].is_done = true;
	s->stack[0].serial = ++s->serial;
	mark_private(s);
	for (size_t i = 0; i <= s->n_lists; i++) {
		struct item item = { 0 };

		rc = next_item(s, (uint16_t)i, &item);
		if (rc < 0)
			return rc;
		if (!rc)
			continue;
		/* Insertion keeps the array sorted, and a sorted array is a heap. */
		size_t at = s->n_heap++;

		for (; at && item_order(&item, &s->heap[at - 1]) < 0; at--)
			s->heap[at] = s->heap[at - 1];
		s->heap[at] = item;
	}
	while (s->n_heap) {
		rc = enter(s, &s->heap[0]);
		if (!rc)
			rc = next_item(s, s->heap[0].source, &s->heap[0]);
		if (rc < 0)
			return rc;
		if (!rc)
			s->heap[0] = s->heap[--s->n_heap];
		sift_down(s);
	}
	return leave(s, NULL);
}

static int check_lists(struct sweep *s)
{
	bool seen[SEK_LISTS_MAX] = { false };

	if (s->n_lists > SEK_LISTS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < s->n_lists; i++) {
		struct policy_list *list = &s->lists[i];

		if (list->id >= SEK_LISTS_MAX || seen[list->id] || list->action <= SEK_A_NONE ||
		    list->action >= SEK_A_MAX)
			return -EINVAL;
		seen[list->id] = true;
		s->action[list->id] = (uint8_t)list->action;
		s->kept[list->id] = list->keep_private || list->action == SEK_A_ALLOW;
		list->left_out4 = list->left_out6 = 0;
	}
	return 0;
}

int policy_flatten(struct policy_list *lists, size_t n_lists, struct policy **ret_policy)
{
	struct sweep *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->lists = lists;
	s->n_lists = n_lists;
	s->policy = calloc(1, sizeof(*s->policy));
	if (s->policy)
		s->policy->classes = calloc(SEK_CLASSES_MAX, sizeof(struct sek_class));
	rc = s->policy && s->policy->classes ? check_lists(s) : -ENOMEM;
	if (!rc) {
		s->policy->n_classes = 1;
		rc = sweep_family(s, 4);
	}
	if (!rc)
		rc = sweep_family(s, 6);
	if (rc)
		policy_free(s->policy);
	else
		*ret_policy = s->policy;
	free(s);
	return rc;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	free(policy->classes);
	free(policy->v4);
	free(policy->v6);
	free(policy);
}
