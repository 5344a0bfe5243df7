// SPDX-License-Identifier: GPL-2.0
/*
 * The answer of one place: the winner among the lists around it, and one class for each set of
 * lists.
 */
#include "policy_sweep.h"

#include <string.h>

static void decide(struct sweep *s, struct frame *f)
{
	const struct frame *parent = f - 1;

	for (unsigned w = 0; w < SWEEP_SET_WORDS; w++)
		f->set[w] = f->is_hole ? 0 : parent->set[w];
	for (unsigned a = 0; a < SEK_A_MAX; a++)
		f->best[a] = f->is_hole ? SWEEP_NO_LIST : parent->best[a];
	/*
	 * In a hole only the kept lists count, deepest frame first: rare, so walked. Elsewhere this
	 * frame alone.
	 */
	bool has[SEK_A_MAX] = { false };

	for (const struct frame *g = f; g > s->stack; g--) {
		bool found[SEK_A_MAX] = { false };

		for (unsigned w = 0; w < SWEEP_SET_WORDS; w++) {
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

	for (unsigned w = 0; w < SWEEP_SET_WORDS; w++)
		sum = (sum ^ class->lists[w] ^ sum >> 29) * 0xff51afd7ed558ccdull;
	for (uint32_t slot = (uint32_t)(sum >> 40);; slot++) {
		uint16_t *id = &s->hash[slot % SWEEP_HASH_SLOTS];

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
		if (f->best[order[i]] == SWEEP_NO_LIST)
			continue;
		class.action = order[i];
		class.winner = f->best[order[i]];
	}
	if (!class.action)
		return 0;
	if (f->best[SEK_A_MONITOR] != SWEEP_NO_LIST && f->best[SEK_A_ALLOW] == SWEEP_NO_LIST)
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

uint32_t policy_class_of(struct sweep *s, struct frame *f)
{
	decide(s, f);
	return class_of(s, f);
}
