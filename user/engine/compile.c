// SPDX-License-Identifier: GPL-2.0
/*
 * From lists to a table in force: a snapshot of the lists is flattened and built on a worker thread, the image goes to
 * the keeper. Also what the counters by class mean: which lists each is credited to.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib/table_build.h"
#include "sys/channel.h"
#include "sys/log.h"

struct compile {
	uv_work_t work;
	struct engine *engine;
	struct policy_list *lists;
	size_t n_lists;
	void **maps; /* own mappings, so that a reload may drop the feed's */
	size_t *map_bytes;
	uint64_t generation, seed;
	int fd, err;
	uint32_t prefixes_v4, prefixes_v6;
	size_t bytes;
	double took_s;
};

static bool is_same(const struct store_class *known, const struct sek_class *class)
{
	return known->action == class->action && known->winner == class->winner && !memcmp(known->lists, class->lists, sizeof(class->lists));
}

/*
 * The counter of @class, kept for good; the last one is shared by what comes after 4095 combinations. Only the worker
 * adds rows, one compile at a time; a row is complete before n_classes tells of it.
 */
static uint16_t counter_of(struct engine *engine, const struct sek_class *class)
{
	struct store_class *row;
	unsigned i;

	for (i = 1; i < engine->n_classes; i++) {
		if (is_same(&engine->classes[i], class))
			return i;
	}
	if (engine->n_classes >= SEK_CLASSES_MAX - 1)
		return SEK_CLASSES_MAX - 1;
	row = &engine->classes[i];
	row->counter = i;
	row->action = class->action;
	row->winner = class->winner;
	memcpy(row->lists, class->lists, sizeof(row->lists));
	__atomic_store_n(&engine->n_classes, i + 1, __ATOMIC_RELEASE);
	return i;
}

static int build(struct compile *compile, struct policy *policy)
{
	struct table_image image = { 0 };
	uint32_t i;
	int err;

	for (i = 1; i < policy->n_classes; i++)
		policy->classes[i].counter = counter_of(compile->engine, &policy->classes[i]);
	err = table_build(policy, compile->generation, compile->seed, &image);
	if (err)
		return err;
	compile->bytes = (size_t)image.n_lines * SEK_LINE_BYTES;
	compile->fd = channel_memfd("table", image.lines, compile->bytes);
	compile->prefixes_v4 = policy->prefixes_v4;
	compile->prefixes_v6 = policy->prefixes_v6;
	table_image_free(&image);
	return compile->fd < 0 ? compile->fd : 0;
}

static void work(uv_work_t *request)
{
	struct compile *compile = request->data;
	struct policy *policy = NULL;
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	compile->err = policy_flatten(compile->lists, compile->n_lists, &policy);
	if (!compile->err)
		compile->err = build(compile, policy);
	policy_free(policy);
	clock_gettime(CLOCK_MONOTONIC, &end);
	compile->took_s = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
}

static void free_compile(struct compile *compile)
{
	size_t i;

	for (i = 0; i < compile->n_lists; i++) {
		if (compile->maps[i])
			munmap(compile->maps[i], compile->map_bytes[i]);
	}
	if (compile->fd >= 0)
		close(compile->fd);
	free(compile->lists);
	free(compile->maps);
	free(compile->map_bytes);
	free(compile);
}

static void take_left_out(struct engine *engine, const struct compile *compile)
{
	size_t i, j;

	for (i = 1; i < compile->n_lists; i++) {
		for (j = 0; j < engine->n_feeds; j++) {
			if (engine->feeds[j].state.id == compile->lists[i].id) {
				engine->feeds[j].left_out4 = compile->lists[i].left_out4;
				engine->feeds[j].left_out6 = compile->lists[i].left_out6;
			}
		}
	}
}

static void done(uv_work_t *request, int status)
{
	struct compile *compile = request->data;
	struct engine *engine = compile->engine;
	struct role_msg msg = { .type = ROLE_SWAP };

	if (compile->err) {
		log_line(LOG_ERR, "table: cannot be built: %s; generation %llu stays", strerror(-compile->err), (unsigned long long)engine->swapped_generation);
		snprintf(engine->table_error, sizeof(engine->table_error), "the table cannot be built: %s", strerror(-compile->err));
		engine->is_compiling = false;
	} else {
		take_left_out(engine, compile);
		engine->prefixes_v4 = compile->prefixes_v4;
		engine->prefixes_v6 = compile->prefixes_v6;
		engine->table_bytes = compile->bytes;
		engine->build_s = compile->took_s;
		msg.body.swap.bytes = compile->bytes;
		msg.body.swap.generation = compile->generation;
		engine->swap_seq = role_send(engine, &msg, &compile->fd, 1);
	}
	free_compile(compile);
	if (engine->is_compiling)
		return;
	if (engine->compile_wanted)
		compile_want(engine);
	control_poll_waiting(engine);
}

/* A mapping of the same pages that lives as long as the compile. */
static int add_list(struct compile *compile, const struct engine_feed *feed)
{
	struct policy_list *list = &compile->lists[compile->n_lists];
	size_t bytes = feed->list.bytes;
	char *copy = mremap(feed->list.data, 0, bytes, MREMAP_MAYMOVE); /* old size 0: a second mapping, mremap(2) */

	if (copy == MAP_FAILED)
		return -errno;
	list->id = feed->state.id;
	list->action = feed->config->action;
	list->keep_private = feed->config->keep_private;
	list->v4 = (void *)(copy + ((char *)feed->list.view.v4 - (char *)feed->list.data));
	list->n4 = feed->list.view.head->n4;
	list->v6 = (void *)(copy + ((char *)feed->list.view.v6 - (char *)feed->list.data));
	list->n6 = feed->list.view.head->n6;
	compile->maps[compile->n_lists] = copy;
	compile->map_bytes[compile->n_lists++] = bytes;
	return 0;
}

static int compare4(const void *a, const void *b)
{
	const struct prefix4 *x = a, *y = b;

	return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1) : x->len - y->len;
}

static int compare6(const void *a, const void *b)
{
	const struct prefix6 *x = a, *y = b;

	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->len - y->len;
}

/* Sorts @n items in place and drops repeats. Returns how many are left. */
static size_t sort_unique(void *items, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	char *at = items;
	size_t i, kept = 0;

	qsort(items, n, size, compare);
	for (i = 0; i < n; i++) {
		if (!kept || compare(at + (kept - 1) * size, at + i * size))
			memmove(at + kept++ * size, at + i * size, size);
	}
	return kept;
}

/* The config's own allow list: copied, since a reload frees it. */
static int add_allow(struct compile *compile)
{
	struct engine *engine = compile->engine;
	size_t bytes4 = (engine->n_allow4 + 1) * sizeof(*engine->allow4), bytes6 = (engine->n_allow6 + 1) * sizeof(*engine->allow6);
	struct policy_list *list = &compile->lists[0];
	char *copy = mmap(NULL, bytes4 + bytes6, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return -errno;
	memcpy(copy, engine->allow4, engine->n_allow4 * sizeof(*engine->allow4));
	memcpy(copy + bytes4, engine->allow6, engine->n_allow6 * sizeof(*engine->allow6));
	list->id = 0;
	list->action = SEK_A_ALLOW;
	list->keep_private = true;
	list->n4 = sort_unique(copy, engine->n_allow4, sizeof(*engine->allow4), compare4);
	list->n6 = sort_unique(copy + bytes4, engine->n_allow6, sizeof(*engine->allow6), compare6);
	list->v4 = (void *)copy;
	list->v6 = (void *)(copy + bytes4);
	compile->maps[0] = copy;
	compile->map_bytes[0] = bytes4 + bytes6;
	compile->n_lists = 1;
	return 0;
}

static int start(struct engine *engine)
{
	struct compile *compile = calloc(1, sizeof(*compile));
	size_t i, room = engine->n_feeds + 1;
	int err = -ENOMEM;

	if (!compile)
		return err;
	compile->engine = engine;
	compile->fd = -1;
	compile->generation = ++engine->generation;
	compile->lists = calloc(room, sizeof(*compile->lists));
	compile->maps = calloc(room, sizeof(*compile->maps));
	compile->map_bytes = calloc(room, sizeof(*compile->map_bytes));
	if (compile->lists && compile->maps && compile->map_bytes && getrandom(&compile->seed, sizeof(compile->seed), 0) == sizeof(compile->seed))
		err = add_allow(compile);
	for (i = 0; i < engine->n_feeds && !err; i++) {
		if (engine->feeds[i].list.data && engine->feeds[i].state.id)
			err = add_list(compile, &engine->feeds[i]);
	}
	if (err) {
		free_compile(compile);
		return err;
	}
	compile->work.data = compile;
	return uv_queue_work(&engine->loop, &compile->work, work, done);
}

/* An earlier agent's table knows a list that is damaged on our disk: it stays until that feed was asked once. */
static bool is_waiting_for_list(const struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->n_feeds && engine->hello.body.hello.generation && !engine->swapped_generation; i++) {
		if (engine->feeds[i].is_damaged)
			return true;
	}
	return false;
}

static void say_ready(struct engine *engine)
{
	struct role_msg ready = { .type = ROLE_READY }, answer;

	if (engine->is_ready)
		return;
	engine->is_ready = true;
	role_call(engine, &ready, NULL, 0, &answer, NULL);
}

void compile_tick(struct engine *engine)
{
	if (engine->compile_wanted && !engine->is_compiling)
		compile_want(engine);
	if (is_waiting_for_list(engine))
		say_ready(engine); /* what was in force is */
}

void compile_want(struct engine *engine)
{
	int err;

	if (engine->is_compiling || is_waiting_for_list(engine)) {
		engine->compile_wanted = true;
		return;
	}
	engine->compile_wanted = false;
	err = start(engine);
	engine->is_compiling = err == 0;
	snprintf(engine->table_error, sizeof(engine->table_error), "%s", err ? "the table cannot be built: out of memory" : "");
	if (err)
		log_line(LOG_ERR, "table: cannot be built: %s", strerror(-err));
}

static void store_classes(struct engine *engine)
{
	int err = store_begin(engine->store);
	unsigned i;

	for (i = 1; i < engine->n_classes && !err; i++)
		err = store_class_put(engine->store, &engine->classes[i]);
	if (!err)
		err = store_commit(engine->store);
	if (!err)
		return;
	log_line(LOG_ERR, "state: the lists' counters cannot be kept: %s", store_error(engine->store));
	store_rollback(engine->store);
}

void compile_swapped(struct engine *engine, const struct role_msg *reply)
{
	engine->is_compiling = false;
	snprintf(engine->table_error, sizeof(engine->table_error), "%s", reply->err ? reply->text : "");
	if (reply->err)
		log_line(LOG_ERR, "table: the keeper refuses it: %s", reply->text);
	else
		engine->swapped_generation = engine->generation;
	if (!reply->err)
		store_classes(engine);
	if (!reply->err)
		say_ready(engine);
	if (engine->compile_wanted)
		compile_want(engine);
	control_poll_waiting(engine);
}

static bool holds(const struct store_class *class, uint16_t list)
{
	return class->lists[list / 64] >> (list % 64) & 1;
}

void compile_list_totals(const struct engine *engine, uint16_t list, uint64_t *ret_drops, uint64_t *ret_bytes, uint64_t *ret_woulds)
{
	uint64_t drops = engine->base_drops[list], bytes = engine->base_drop_bytes[list], woulds = engine->base_woulds[list];
	enum sek_action action = SEK_A_NONE;
	struct sek_counter one;
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if (engine->feeds[i].state.id == list)
			action = engine->feeds[i].config->action;
	}
	for (i = 1; i < engine->n_classes; i++) {
		if (!holds(&engine->classes[i], list) || engine->classes[i].action == SEK_A_ALLOW)
			continue;
		one = bpf_read_drops(&engine->read, i);
		if (action == SEK_A_BLOCK) {
			drops += one.packets;
			bytes += one.bytes;
		} else if (action == SEK_A_MONITOR) {
			woulds += one.packets; /* another list dropped it; this one would have */
		}
		if (action != SEK_A_ALLOW && (action == SEK_A_MONITOR || engine->classes[i].action == SEK_A_BLOCK))
			woulds += bpf_read_woulds(&engine->read, i).packets;
	}
	*ret_drops = drops;
	*ret_bytes = bytes;
	*ret_woulds = woulds;
}

/* Each total is kept with the base it was counted from, so that a restart in the same life of the maps adds nothing twice. */
void compile_store_totals(struct engine *engine)
{
	uint64_t drops, bytes, woulds;
	char name[128];
	uint16_t id;
	size_t i;

	(void)bpf_read_refresh(&engine->read); /* then the last copy is told */
	if (store_begin(engine->store))
		return;
	for (i = 0; i < engine->n_feeds; i++) {
		id = engine->feeds[i].state.id;
		compile_list_totals(engine, id, &drops, &bytes, &woulds);
		snprintf(name, sizeof(name), "drops:%u", id);
		(void)store_counter_put(engine->store, name, drops, engine->base_drops[id]); /* the commit tells */
		snprintf(name, sizeof(name), "bytes:%u", id);
		(void)store_counter_put(engine->store, name, bytes, engine->base_drop_bytes[id]); /* as above */
		snprintf(name, sizeof(name), "woulds:%u", id);
		(void)store_counter_put(engine->store, name, woulds, engine->base_woulds[id]); /* as above */
	}
	(void)store_counter_put(engine->store, "epoch", engine->hello.body.hello.epoch, 0); /* as above */
	if (store_commit(engine->store))
		log_line(LOG_ERR, "state: %s", store_error(engine->store));
}

static void take_class(void *arg, const struct store_class *class)
{
	struct engine *engine = arg;

	if (class->counter < 1 || class->counter >= SEK_CLASSES_MAX - 1)
		return;
	engine->classes[class->counter] = *class;
	if (class->counter >= engine->n_classes)
		engine->n_classes = class->counter + 1;
}

void compile_load_classes(struct engine *engine)
{
	uint64_t epoch = 0, unused, total, base;
	bool is_same_life;
	char name[128];
	unsigned i;

	engine->classes = calloc(SEK_CLASSES_MAX, sizeof(*engine->classes));
	engine->n_classes = 1;
	if (!engine->classes)
		exit(1); /* 256 kB at the start: there is nothing to keep yet */
	(void)store_class_each(engine->store, take_class, engine); /* unknown classes get new counters */
	(void)store_counter_get(engine->store, "epoch", &epoch, &unused); /* a new life then */
	is_same_life = epoch == engine->hello.body.hello.epoch;
	for (i = 1; i < SEK_LISTS_MAX; i++) {
		uint64_t *const bases[] = { &engine->base_drops[i], &engine->base_drop_bytes[i], &engine->base_woulds[i] };
		static const char *const kinds[] = { "drops", "bytes", "woulds" };
		int kind;

		for (kind = 0; kind < 3; kind++) {
			total = base = 0;
			snprintf(name, sizeof(name), "%s:%u", kinds[kind], i);
			(void)store_counter_get(engine->store, name, &total, &base); /* then from 0 */
			*bases[kind] = is_same_life ? base : total;
		}
	}
}
