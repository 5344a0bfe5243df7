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

#define SET_WORDS (SEK_LISTS_MAX / 64)
#define HASH_SLOTS (SEK_CLASSES_MAX * 4)
#define NO_LIST 0xffff

struct item {
	uint64_t hi, lo;
	uint16_t source; /* index of the cursor; n_lists for the holes */
	uint8_t len;
};

struct frame {
	uint64_t hi, lo;
	uint64_t own[SET_WORDS], set[SET_WORDS];
	uint16_t best[SEK_A_MAX]; /* list id that wins among its kind, NO_LIST none */
	uint32_t class_id;
	uint8_t len;
	bool is_hole, is_done;
};

struct sweep {
	struct policy_list *lists;
	size_t n_lists;
	int family;
	struct policy *policy;
	size_t cap;
	uint16_t hash[HASH_SLOTS];
	bool kept[SEK_LISTS_MAX]; /* by id: keeps private ranges */
	uint8_t action[SEK_LISTS_MAX];
	size_t at[SEK_LISTS_MAX + 1];
	struct item heap[SEK_LISTS_MAX + 1];
	size_t n_heap;
	struct frame stack[130];
	unsigned depth; /* stack[0] is the whole space */
	uint64_t place; /* IPv4: first address without an answer yet */
};

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

static bool is_left_out(struct sweep *s, struct policy_list *list, const struct item *item)
{
	unsigned n;
	const struct policy_hole *hole = policy_holes(s->family, &n);
	uint64_t *left_out = s->family == 4 ? &list->left_out4 : &list->left_out6;

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

static void decide(struct sweep *s, struct frame *f)
{
	const struct frame *parent = f - 1;

	for (unsigned w = 0; w < SET_WORDS; w++)
		f->set[w] = f->is_hole ? 0 : parent->set[w];
	for (unsigned a = 0; a < SEK_A_MAX; a++)
		f->best[a] = f->is_hole ? NO_LIST : parent->best[a];
	/*
	 * In a hole only the kept lists count, deepest frame first: rare, so walked. Elsewhere this
	 * frame alone.
	 */
	bool has[SEK_A_MAX] = { false };

	for (const struct frame *g = f; g > s->stack; g--) {
		bool found[SEK_A_MAX] = { false };

		for (unsigned w = 0; w < SET_WORDS; w++) {
			for (uint64_t bits = g->own[w]; bits; bits &= bits - 1) {
				uint16_t id = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(bits));
				uint8_t action = s->action[id];

				if (f->is_hole && !s->kept[id])
					continue;
				f->set[w] |= 1ull << (id & 63);
				if (!has[action] && !found[action]) {
					f->best[action] = id;
					found[action] = true;
				}
			}
		}
		if (!f->is_hole)
			break;
		for (unsigned a = 0; a < SEK_A_MAX; a++)
			has[a] |= found[a];
	}
}

static uint32_t intern(struct sweep *s, const struct sek_class *class, uint32_t limit)
{
	uint64_t sum = class->winner * 0x9e3779b97f4a7c15ull + class->flags;
	struct policy *policy = s->policy;

	for (unsigned w = 0; w < SET_WORDS; w++)
		sum = (sum ^ class->lists[w] ^ sum >> 29) * 0xff51afd7ed558ccdull;
	for (uint32_t slot = (uint32_t)(sum >> 40);; slot++) {
		uint16_t *id = &s->hash[slot % HASH_SLOTS];

		if (*id && !memcmp(&policy->classes[*id], class, sizeof(*class)))
			return *id;
		if (*id)
			continue;
		if (policy->n_classes >= limit)
			return 0;
		*id = (uint16_t)policy->n_classes;
		policy->classes[policy->n_classes++] = *class;
		return *id;
	}
}

static uint32_t class_of(struct sweep *s, const struct frame *f)
{
	static const uint8_t order[] = { SEK_A_ALLOW, SEK_A_BLOCK, SEK_A_MONITOR };
	struct sek_class class = { 0 };
	uint32_t id;

	for (unsigned i = 0; i < 3 && !class.action; i++) {
		if (f->best[order[i]] == NO_LIST)
			continue;
		class.action = order[i];
		class.winner = f->best[order[i]];
	}
	if (!class.action)
		return 0;
	if (f->best[SEK_A_MONITOR] != NO_LIST && f->best[SEK_A_ALLOW] == NO_LIST)
		class.flags = SEK_C_MONITORED;
	memcpy(class.lists, f->set, sizeof(class.lists));
	id = intern(s, &class, SEK_CLASSES_MAX - 2 * SEK_LISTS_MAX);
	if (id)
		return id;
	/* Room for every (winner, flag) is kept back above. */
	memset(class.lists, 0, sizeof(class.lists));
	class.lists[class.winner / 64] = 1ull << (class.winner & 63);
	s->policy->merged_classes++;
	return intern(s, &class, SEK_CLASSES_MAX);
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

/* Fixes the answer of the innermost frame, once all lists of its prefix are in. */
static int finish_top(struct sweep *s)
{
	struct frame *f = &s->stack[s->depth];
	struct policy *policy = s->policy;
	void *array = policy->v6;
	int rc;

	if (f->is_done)
		return 0;
	decide(s, f);
	f->class_id = class_of(s, f);
	f->is_done = true;
	if (s->family == 4 || f->class_id == f[-1].class_id)
		return 0;
	rc = grow(s, &array, policy->n6, sizeof(*policy->v6));
	policy->v6 = array;
	if (!rc)
		policy->v6[policy->n6++] =
		    (struct policy_prefix6){ f->hi, f->lo, f->class_id, f->len, { 0 } };
	return rc;
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

static int enter(struct sweep *s, const struct item *item)
{
	uint32_t *n = s->family == 4 ? &s->policy->prefixes_v4 : &s->policy->prefixes_v6;
	struct frame *f = &s->stack[s->depth];
	static const uint64_t none[SET_WORDS];
	int rc;

	if (!s->depth || f->hi != item->hi || f->lo != item->lo || f->len != item->len) {
		rc = leave(s, item);
		if (!rc && s->depth)
			rc = finish_top(s);
		if (!rc && s->family == 4)
			rc = emit4(s, item->hi >> 32, s->stack[s->depth].class_id);
		if (rc)
			return rc;
		f = &s->stack[++s->depth];
		memset(f, 0, sizeof(*f));
		f->hi = item->hi;
		f->lo = item->lo;
		f->len = item->len;
	}
	if (item->source == s->n_lists) {
		f->is_hole = true;
		return 0;
	}
	if (!memcmp(f->own, none, sizeof(none)))
		(*n)++;
	f->own[s->lists[item->source].id / 64] |= 1ull << (s->lists[item->source].id & 63);
	return *n > (s->family == 4 ? SEK_PREFIXES_V4_MAX : SEK_PREFIXES_V6_MAX) ? -E2BIG : 0;
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
