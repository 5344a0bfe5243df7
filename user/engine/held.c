// SPDX-License-Identifier: GPL-2.0
/*
 * Lists are shared mappings; the loop's thread alone changes which of them are in force. See
 * held.h.
 */
#include "held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "lib/lifted.h"
#include "lib/list_diff.h"

struct held_list {
	uint32_t id;
	bool keep_private;
	struct engine_list list;
};

struct held {
	struct held_list *lists; /* block lists */
	size_t n_lists;
	struct limit_settings *limits; /* copies */
	size_t n_limits;
	uint8_t source_len6;
	/* of held_compare() */
	struct prefix *gone; /* NULL: out of memory */
	size_t n_gone;	     /* LIFTED_MAX: there may be more */
	bool is_limit_gone;
};

static struct held *in_force, *sent;

void held_free(struct held *held)
{
	size_t i;

	if (!held)
		return;
	for (i = 0; i < held->n_lists; i++)
		lists_unmap(&held->lists[i].list);
	free(held->lists);
	free(held->limits);
	free(held->gone);
	free(held);
}

static int take_limits(const struct config *config, struct held *held)
{
	size_t i;

	held->limits = calloc(config->n_limits + 1, sizeof(*held->limits));
	if (!held->limits)
		return -ENOMEM;
	if (config->n_limits)
		memcpy(held->limits, config->limits, config->n_limits * sizeof(*held->limits));
	for (i = 0; i < config->n_limits; i++)
		held->limits[i].former = (struct limit_scale){ 0 }; /* ends by itself */
	held->n_limits = config->n_limits;
	held->source_len6 = config->source_len6;
	return 0;
}

/* A list that drops nothing lifts nothing. */
static int take_lists(const struct engine *engine, struct held *held)
{
	size_t i;
	int err = 0;

	held->lists = calloc(engine->n_feeds + 1, sizeof(*held->lists));
	if (!held->lists)
		return -ENOMEM;
	for (i = 0; i < engine->n_feeds && !err; i++) {
		const struct engine_feed *feed = &engine->feeds[i];
		struct held_list *list = &held->lists[held->n_lists];

		if (!feed->list.data || !feed->state.id || feed->config->action != SEK_A_BLOCK)
			continue;
		list->id = feed->state.id;
		list->keep_private = feed->config->keep_private;
		err = lists_share(&feed->list, &list->list);
		held->n_lists += !err;
	}
	return err;
}

int held_take(const struct engine *engine, struct held **ret_held)
{
	struct held *held = calloc(1, sizeof(*held));
	int err = held ? take_limits(engine->config, held) : -ENOMEM;

	if (!err)
		err = take_lists(engine, held);
	if (err) {
		held_free(held);
		return err;
	}
	*ret_held = held;
	return 0;
}

static const struct held_list *find(const struct held *held, uint32_t id)
{
	size_t i;

	for (i = 0; i < held->n_lists; i++) {
		if (held->lists[i].id == id)
			return &held->lists[i];
	}
	return NULL;
}

/* Of private ranges that are left out from now on, all may have been held. */
static void add_private(struct held *held)
{
	struct prefix4 v4[POLICY_PRIVATE_MAX];
	struct prefix6 v6[POLICY_PRIVATE_MAX];
	size_t i, n4 = policy_private4(v4), n6 = policy_private6(v6);

	for (i = 0; i < n4 && held->n_gone < LIFTED_MAX; i++)
		held->gone[held->n_gone++] = prefix_of4(v4[i].addr, v4[i].len);
	for (i = 0; i < n6 && held->n_gone < LIFTED_MAX; i++)
		held->gone[held->n_gone++] = prefix_of6(v6[i].hi, v6[i].lo, v6[i].len);
}

static void compare_list(struct held *held, const struct held_list *from)
{
	static const struct list_head none;
	const struct list_view empty = { .head = &none };
	const struct held_list *to = find(held, from->id);
	const struct list_view *before = &from->list.view, *after = to ? &to->list.view : &empty;

	if (to && from->keep_private && !to->keep_private)
		add_private(held);
	if (to && before->head->n4 == after->head->n4 && before->head->n6 == after->head->n6 &&
	    before->head->checksum == after->head->checksum)
		return; /* as nearly all are: no prefix is read */
	held->n_gone += list_diff_removed(before, after, LIFTED_MAX - held->n_gone,
					  held->gone + held->n_gone);
}

/* Is a limit of @before not as it was? */
static bool has_other_limits(const struct held *before, const struct held *after)
{
	size_t i, j;

	for (i = 0; i < before->n_limits; i++) {
		for (j = 0; j < after->n_limits; j++) {
			if (!memcmp(&before->limits[i], &after->limits[j],
				    sizeof(before->limits[i])))
				break;
		}
		if (j == after->n_limits)
			return true;
	}
	return before->n_limits && before->source_len6 != after->source_len6;
}

void held_compare(struct held *held)
{
	size_t i;

	if (!in_force)
		return;
	held->is_limit_gone = has_other_limits(in_force, held);
	held->gone = calloc(LIFTED_MAX, sizeof(*held->gone));
	for (i = 0; held->gone && i < in_force->n_lists; i++)
		compare_list(held, &in_force->lists[i]);
}

void held_send(struct held *held)
{
	held_free(sent);
	sent = held;
}

/* May it be any source that @held's table drops no more? An earlier agent's held what it did. */
static bool is_any_gone(const struct engine *engine, const struct held *held)
{
	if (!in_force)
		return engine->hello.body.hello.generation != 0;
	return held->is_limit_gone || !held->gone || held->n_gone == LIFTED_MAX;
}

static void tell(const struct engine *engine, const struct held *held)
{
	size_t i;

	if (is_any_gone(engine, held)) {
		explain_lifted_all();
		return;
	}
	for (i = 0; i < held->n_gone; i++)
		explain_lifted(&held->gone[i]);
}

bool held_may_lift(const struct engine *engine, const struct prefix *address)
{
	size_t i;

	if (!sent)
		return false;
	for (i = 0; i < sent->n_gone; i++) {
		if (prefix_covers(&sent->gone[i], address))
			return true;
	}
	return is_any_gone(engine, sent);
}

void held_swapped(const struct engine *engine, bool is_in_force)
{
	struct held *was = sent;
	size_t i;

	if (is_in_force && sent) {
		tell(engine, sent);
		was = in_force;
		in_force = sent;
		free(in_force->gone);
		in_force->gone = NULL;
		for (i = 0; i < in_force->n_lists; i++)
			lists_rest(&in_force->lists[i].list);
	}
	sent = NULL;
	held_free(was);
}
