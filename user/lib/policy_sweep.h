// SPDX-License-Identifier: GPL-2.0
/*
 * Inside of policy_flatten(): where a sweep over all lists stands, and the class of one frame. For
 * policy.c and policy_class.c only.
 */
#pragma once

#include "policy.h"

#define SWEEP_SET_WORDS (SEK_LISTS_MAX / 64)
#define SWEEP_HASH_SLOTS (SEK_CLASSES_MAX * 4)
#define SWEEP_NO_LIST 0xffff /* in frame.best: none */

struct item {
	uint64_t hi, lo;
	uint16_t source; /* index of the cursor; n_lists for the holes */
	uint8_t len;
};

struct frame {
	uint64_t hi, lo;
	uint64_t own[SWEEP_SET_WORDS], set[SWEEP_SET_WORDS];
	uint16_t best[SEK_A_MAX]; /* list id that wins among its kind, SWEEP_NO_LIST none */
	uint64_t serial; /* tells the frames apart that were ever there */
	uint32_t class_id;
	uint8_t len;
	bool is_hole, is_done;
};

/* What a prefix of one list alone answers inside the frame of @serial. */
struct memo {
	uint64_t serial; /* 0: none */
	uint32_t class_id;
};

struct sweep {
	struct policy_list *lists;
	size_t n_lists;
	int family;
	struct policy *policy;
	size_t cap;
	uint16_t hash[SWEEP_HASH_SLOTS];
	bool kept[SEK_LISTS_MAX]; /* by id: keeps private ranges */
	uint8_t action[SEK_LISTS_MAX];
	struct memo memo[SEK_LISTS_MAX]; /* by id */
	bool has_private[256];		 /* by first byte: most lists have few prefixes there */
	size_t at[SEK_LISTS_MAX + 1];
	struct item heap[SEK_LISTS_MAX + 1];
	size_t n_heap;
	struct frame stack[130];
	unsigned depth; /* stack[0] is the whole space */
	uint64_t serial; /* of the newest frame */
	uint64_t place; /* IPv4: first address without an answer yet */
};

/*
 * Decides who wins at @f, innermost frame of @s, and who holds it (f->best, f->set, for the frames
 * inside it). Returns the class, new or one that was there; 0: none. Over SEK_CLASSES_MAX the set
 * is cut down to the winner, and merged_classes counts it.
 */
uint32_t policy_class_of(struct sweep *s, struct frame *f);
