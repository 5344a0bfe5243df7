// SPDX-License-Identifier: GPL-2.0
/* Totals of lists from counters of classes. See credit.h. */
#include "credit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "sys/log.h"

#define SHARED_ID (SEK_CLASSES_MAX - 1)

static const char *const kinds[] = { "drops", "bytes", "woulds", "unique" };
#define KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

static uint64_t *total_of(struct credit_totals *totals, int kind)
{
	return kind == 0   ? &totals->drops
	       : kind == 1 ? &totals->drop_bytes
	       : kind == 2 ? &totals->woulds
			   : &totals->unique;
}

static enum sek_action action_of(const struct engine *engine, unsigned list)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if (engine->feeds[i].state.id == list)
			return engine->feeds[i].config->action;
	}
	return SEK_A_NONE;
}

/* A list that only watches would have dropped what another list dropped. */
static void credit_list(struct credit_totals *totals, enum sek_action list_action,
			enum sek_action class_action, const struct credit_totals *gain,
			bool is_unique)
{
	uint64_t before = credit_hits(totals);

	if (list_action == SEK_A_BLOCK) {
		totals->drops += gain->drops;
		totals->drop_bytes += gain->drop_bytes;
		if (class_action == SEK_A_BLOCK)
			totals->woulds += gain->woulds;
	} else if (list_action == SEK_A_MONITOR) {
		totals->woulds += gain->drops + gain->woulds;
	}
	if (is_unique)
		totals->unique += credit_hits(totals) - before;
}

uint64_t credit_hits(const struct credit_totals *totals)
{
	return totals->drops + totals->woulds;
}

/* How many lists of @action are in the class's set. */
static unsigned count_lists(const struct store_class *class, const enum sek_action *actions,
			    enum sek_action action)
{
	unsigned list, n = 0;

	for (list = 0; list < SEK_LISTS_MAX; list++)
		n += class->lists[list / 64] >> (list % 64) & 1 && actions[list] == action;
	return n;
}

/*
 * Would nobody but this list have dropped the packets? A list that only watches is alone where no
 * block list is either.
 */
static bool is_alone(enum sek_action action, unsigned n_block, unsigned n_monitor)
{
	return action == SEK_A_BLOCK ? n_block == 1 : n_block == 0 && n_monitor == 1;
}

static void credit_class(struct engine *engine, struct store_class *class,
			 const enum sek_action *actions)
{
	struct sek_counter drops = bpf_read_drops(&engine->read, class->counter);
	uint64_t woulds = bpf_read_woulds(&engine->read, class->counter).packets, bits;
	struct credit_totals gain = {.drops = drops.packets - class->seen_drops,
				     .drop_bytes = drops.bytes - class->seen_drop_bytes,
				     .woulds = woulds - class->seen_woulds};
	unsigned word, list, n_block, n_monitor;

	if (!gain.drops && !gain.drop_bytes && !gain.woulds)
		return;
	class->seen_drops = drops.packets;
	class->seen_drop_bytes = drops.bytes;
	class->seen_woulds = woulds;
	engine->credit->is_dirty[class->counter] = true;
	n_block = count_lists(class, actions, SEK_A_BLOCK);
	n_monitor = count_lists(class, actions, SEK_A_MONITOR);
	for (word = 0; word < SEK_LISTS_MAX / 64 && class->action != SEK_A_ALLOW; word++) {
		for (bits = class->lists[word]; bits; bits &= bits - 1) {
			list = word * 64 + __builtin_ctzll(bits);
			credit_list(&engine->credit->totals[list], actions[list], class->action,
				    &gain, is_alone(actions[list], n_block, n_monitor));
		}
	}
}

void credit_beside(struct engine *engine, uint32_t id, unsigned counter,
		   const struct credit_totals *gain)
{
	const struct store_class *class =
		counter < SHARED_ID ? &engine->credit->classes[counter] : NULL;
	struct credit_totals *own = &engine->credit->totals[id];
	bool is_only = true;
	unsigned list;

	for (list = 0;
	     class && class->counter && class->action != SEK_A_ALLOW && list < SEK_LISTS_MAX;
	     list++) {
		enum sek_action action = class->lists[list / 64] >> (list % 64) & 1
						 ? action_of(engine, list)
						 : SEK_A_NONE;

		if (action != SEK_A_NONE)
			credit_list(&engine->credit->totals[list], action, class->action, gain,
				    false);
		is_only &= action != SEK_A_BLOCK;
	}
	if (!id)
		return; /* all ids are taken */
	own->drops += gain->drops;
	own->drop_bytes += gain->drop_bytes;
	own->woulds += gain->woulds;
	own->unique += is_only ? gain->drops + gain->woulds : 0;
}

void credit_take(struct engine *engine)
{
	enum sek_action actions[SEK_LISTS_MAX];
	unsigned i;

	if (bpf_read_refresh(&engine->read))
		return; /* partly new copies could be credited twice: the next one is whole */
	for (i = 0; i < SEK_LISTS_MAX; i++)
		actions[i] = action_of(engine, i);
	for (i = 1; i < SHARED_ID; i++) {
		if (engine->credit->classes[i].counter)
			credit_class(engine, &engine->credit->classes[i], actions);
	}
	limits_take(engine);
}

static int put_totals(struct engine *engine)
{
	const struct engine_feed *feed;
	char name[32];
	size_t i;
	int kind, err = 0;

	for (i = 0; (feed = feeds_credited(engine, i)); i++) {
		for (kind = 0; kind < KINDS && !err; kind++) {
			snprintf(name, sizeof(name), "%s:%u", kinds[kind], feed->state.id);
			err = store_counter_put(
				engine->store, name,
				*total_of(&engine->credit->totals[feed->state.id], kind), 0);
		}
	}
	return err;
}

int credit_forget(struct engine *engine, uint32_t id)
{
	char name[32];
	int kind, err = 0;

	for (kind = 0; kind < KINDS && !err; kind++) {
		snprintf(name, sizeof(name), "%s:%u", kinds[kind], id);
		err = store_counter_put(engine->store, name, 0, 0);
	}
	return err;
}

void credit_begin(struct engine *engine, uint32_t id)
{
	memset(&engine->credit->totals[id], 0, sizeof(engine->credit->totals[id]));
}

static int put_classes(struct engine *engine)
{
	struct credit *credit = engine->credit;
	unsigned i;
	int err = 0;

	for (i = 1; i < SHARED_ID && !err; i++) {
		if (!credit->is_dirty[i])
			continue;
		err = credit->classes[i].counter
			      ? store_class_put(engine->store, &credit->classes[i])
			      : store_class_delete(engine->store, i);
	}
	return err;
}

void credit_store(struct engine *engine)
{
	int err;

	credit_take(engine);
	err = store_begin(engine->store);
	if (!err)
		err = put_totals(engine);
	if (!err)
		err = put_classes(engine);
	if (!err)
		err = limits_put(engine);
	if (!err)
		err = store_counter_put(engine->store, "epoch", engine->hello.body.hello.epoch,
					engine_now_s());
	if (!err)
		err = store_commit(engine->store);
	if (err) {
		log_line(LOG_ERR, "state: the lists' counters cannot be kept: %s", store_error(engine->store));
		store_rollback(engine->store);
		return;
	}
	memset(engine->credit->is_dirty, 0, sizeof(engine->credit->is_dirty));
}

static bool is_same(const struct store_class *known, const struct sek_class *class)
{
	return known->counter && known->action == class->action && known->winner == class->winner &&
	       !memcmp(known->lists, class->lists, sizeof(class->lists));
}

struct credit_plan *credit_plan(const struct engine *engine)
{
	struct credit_plan *plan = calloc(1, sizeof(*plan));

	if (plan)
		memcpy(plan->classes, engine->credit->classes, sizeof(plan->classes));
	return plan;
}

uint16_t credit_plan_counter(struct credit_plan *plan, const struct sek_class *class)
{
	unsigned i, place = 0;

	for (i = 1; i < SHARED_ID; i++) {
		if (is_same(&plan->classes[i], class)) {
			plan->is_used[i] = true;
			return i;
		}
		if (!place && !plan->classes[i].counter)
			place = i;
	}
	if (!place) {
		plan->is_short = true;
		return SHARED_ID;
	}
	plan->classes[place] = (struct store_class){
		.counter = place, .action = class->action, .winner = class->winner};
	memcpy(plan->classes[place].lists, class->lists, sizeof(class->lists));
	plan->is_used[place] = plan->is_new[place] = true;
	return place;
}

void credit_install(struct engine *engine, const struct credit_plan *plan)
{
	struct credit *credit = engine->credit;
	struct sek_counter drops;
	unsigned i;

	credit_take(engine); /* and so reads the counters anew */
	for (i = 1; i < SHARED_ID; i++) {
		if (!plan->is_new[i])
			continue;
		drops = bpf_read_drops(&engine->read, i);
		credit->classes[i] = plan->classes[i];
		credit->classes[i].seen_drops = drops.packets;
		credit->classes[i].seen_drop_bytes = drops.bytes;
		credit->classes[i].seen_woulds = bpf_read_woulds(&engine->read, i).packets;
		credit->is_dirty[i] = true;
	}
	memcpy(credit->is_used, plan->is_used, sizeof(credit->is_used));
	credit->is_short = plan->is_short;
	credit_store(engine); /* before the kernel counts under the new ids: a restart finds them */
}

bool credit_retire(struct engine *engine)
{
	struct credit *credit = engine->credit;
	bool is_free = false;
	unsigned i;

	credit_take(engine);
	for (i = 1; i < SHARED_ID; i++) {
		if (!credit->classes[i].counter || credit->is_used[i])
			continue;
		memset(&credit->classes[i], 0, sizeof(credit->classes[i]));
		credit->is_dirty[i] = is_free = true;
	}
	return is_free && credit->is_short;
}

static void take_class(void *arg, const struct store_class *class)
{
	struct credit *credit = arg;

	if (class->counter >= 1 && class->counter < SHARED_ID)
		credit->classes[class->counter] = *class;
}

/* The counters of another life of the maps are gone, and with them what their ids meant. */
static void forget_classes(struct credit *credit)
{
	unsigned i;

	for (i = 1; i < SHARED_ID; i++)
		credit->is_dirty[i] = credit->classes[i].counter != 0;
	memset(credit->classes, 0, sizeof(credit->classes));
}

void credit_open(struct engine *engine)
{
	uint64_t epoch = 0, seen_s = 0, unused;
	char name[32];
	unsigned i;
	int kind;

	engine->credit = calloc(1, sizeof(*engine->credit));
	if (!engine->credit)
		exit(1); /* 600 kB at the start: there is nothing to keep yet */
	/* unknown classes get new ids */
	(void)store_class_each(engine->store, take_class, engine->credit);
	(void)store_counter_get(engine->store, "epoch", &epoch, &seen_s); /* a new life then */
	if (epoch != engine->hello.body.hello.epoch) {
		forget_classes(engine->credit);
		engine->former_maps_s = seen_s;
	}
	for (i = 1; i < SEK_LISTS_MAX; i++) {
		for (kind = 0; kind < KINDS; kind++) {
			snprintf(name, sizeof(name), "%s:%u", kinds[kind], i);
			/* then from 0 */
			(void)store_counter_get(engine->store, name,
						total_of(&engine->credit->totals[i], kind),
						&unused);
		}
	}
}
