// SPDX-License-Identifier: GPL-2.0
/*
 * Who is credited with a dropped packet. The kernel counts by class (an action and the set of lists
 * that hold the source), each class under a counter id of its own; here what a counter has gained
 * is added to the totals of the class's lists. Ids are few: once a generation without the class is
 * in force and the last packet is credited, the id is given to another.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sys/store.h"

struct engine;

struct credit_totals {
	uint64_t drops, drop_bytes, woulds;
	uint64_t unique; /* packets of drops and woulds that no other list would have dropped */
};

struct credit {
	struct store_class classes[SEK_CLASSES_MAX]; /* by counter id; counter 0: the id is free */
	bool is_dirty[SEK_CLASSES_MAX];		     /* differs from the state */
	bool is_used[SEK_CLASSES_MAX];		     /* by the generation on its way */
	/* some of its classes share the last id, credited to nobody */
	bool is_short;
	struct credit_totals totals[SEK_LISTS_MAX];
};

/* What a compile on the worker thread decides about ids, from a copy. */
struct credit_plan {
	struct store_class classes[SEK_CLASSES_MAX];
	bool is_used[SEK_CLASSES_MAX], is_new[SEK_CLASSES_MAX];
	bool is_short;
};

/*
 * List @id is to be another feed's: its totals are 0 in the state. Errors: of the store.
 * credit_begin(), once that is on disk: and here.
 */
int credit_forget(struct engine *engine, uint32_t id);
void credit_begin(struct engine *engine, uint32_t id);
/* Packets that a list dropped or would have: what `unique` is a part of. */
uint64_t credit_hits(const struct credit_totals *totals);
/* Reads what the state knows. Ends the process where there is no memory. */
void credit_open(struct engine *engine);
/* Credits what was counted since the last time. */
void credit_take(struct engine *engine);
/* The same, and writes totals and how far each counter is credited, in one transaction. */
void credit_store(struct engine *engine);
/*
 * Credits list @id, which has no class, with packets of an entry, and beside it the lists of class
 * @counter (0: none), which hold the source too.
 */
void credit_beside(struct engine *engine, uint32_t id, unsigned counter,
		   const struct credit_totals *gain);
/* A plan of the ids as they are; free(3) it. NULL: out of memory. */
struct credit_plan *credit_plan(const struct engine *engine);
/* The id of @class in @plan; the last id where none is free. */
uint16_t credit_plan_counter(struct credit_plan *plan, const struct sek_class *class);
/* Before the generation of @plan is sent: its new ids begin at what their counters say now. */
void credit_install(struct engine *engine, const struct credit_plan *plan);
/*
 * It is in force: ids it does not use are credited for the last time and free. True: another
 * compile would find room now.
 */
bool credit_retire(struct engine *engine);
