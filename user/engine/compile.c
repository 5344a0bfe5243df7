// SPDX-License-Identifier: GPL-2.0
/*
 * From lists to a table in force: a snapshot of the lists is flattened and built on a worker
 * thread, the image goes to the keeper.
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

#include "feed_ids.h"
#include "held.h"
#include "lib/overlap.h"
#include "lib/table_build.h"
#include "quality.h"
#include "sys/channel.h"
#include "sys/log.h"

struct compile {
	uv_work_t work;
	struct engine *engine;
	struct policy_list *lists;
	size_t n_lists;
	void **maps; /* own mappings, so that a reload may drop the feed's */
	size_t *map_bytes;
	struct credit_plan *plan;
	struct held *held;
	struct limit_settings *limits; /* copies */
	size_t n_limits;
	uint8_t source_len6;
	uint64_t generation, seed;
	int fd, err;
	uint32_t prefixes_v4, prefixes_v6;
	size_t bytes;
	double took_s;
	struct overlap_class *classes; /* what each set of lists covers */
	uint32_t n_classes;
};

/* What there is to say of @compile's table. */
static struct engine_table describe(const struct compile *compile)
{
	struct engine_table table = {
		compile->prefixes_v4, compile->prefixes_v6, compile->bytes, compile->took_s, {0}};
	size_t i;

	for (i = 0; i < compile->n_lists; i++)
		table.lists[compile->lists[i].id / 64] |= 1ull << (compile->lists[i].id % 64);
	return table;
}

static int build(struct compile *compile, struct policy *policy)
{
	struct table_image image = { 0 };
	uint32_t i;
	int err;

	for (i = 1; i < policy->n_classes; i++)
		policy->classes[i].counter =
			credit_plan_counter(compile->plan, &policy->classes[i]);
	policy->limits = compile->limits;
	policy->n_limits = compile->n_limits;
	policy->source_len6 = compile->source_len6;
	err = table_build(policy, compile->generation, compile->seed, &image);
	if (err)
		return err;
	compile->bytes = (size_t)image.n_lines * SEK_LINE_BYTES;
	compile->fd = channel_memfd("table", image.lines, compile->bytes);
	compile->prefixes_v4 = policy->prefixes_v4;
	compile->prefixes_v6 = policy->prefixes_v6;
	table_image_free(&image);
	compile->n_classes = policy->n_classes;
	(void)overlap_classes(policy, &compile->classes); /* out of memory: the last ones stay */
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
	if (!compile->err)
		held_compare(compile->held);
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
	held_free(compile->held);
	free(compile->plan);
	free(compile->classes);
	free(compile->limits);
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
		log_line(LOG_ERR, "table: cannot be built: %s; generation %llu stays",
			 strerror(-compile->err), (unsigned long long)engine->swapped_generation);
		snprintf(engine->table_error, sizeof(engine->table_error),
			 "the table cannot be built: %s", strerror(-compile->err));
		engine->is_compiling = false;
	} else {
		take_left_out(engine, compile);
		credit_install(engine, compile->plan);
		limits_swapping(engine);
		quality_built(engine, compile->classes, compile->n_classes);
		compile->classes = NULL;
		held_send(compile->held);
		compile->held = NULL;
		engine->built = describe(compile);
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
	/* old size 0: a second mapping, mremap(2) */
	char *copy = mremap(feed->list.data, 0, bytes, MREMAP_MAYMOVE);

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

/* Sorts @n items in place and drops repeats. Returns how many are left. */
static size_t sort_unique(void *items, size_t n, size_t size,
			  int (*compare)(const void *, const void *))
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
	size_t bytes4 = (engine->allow.n4 + 1) * sizeof(*engine->allow.v4),
	       bytes6 = (engine->allow.n6 + 1) * sizeof(*engine->allow.v6);
	struct policy_list *list = &compile->lists[0];
	char *copy = mmap(NULL, bytes4 + bytes6, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return -errno;
	memcpy(copy, engine->allow.v4, engine->allow.n4 * sizeof(*engine->allow.v4));
	memcpy(copy + bytes4, engine->allow.v6, engine->allow.n6 * sizeof(*engine->allow.v6));
	list->id = 0;
	list->action = SEK_A_ALLOW;
	list->keep_private = true;
	list->n4 = sort_unique(copy, engine->allow.n4, sizeof(*engine->allow.v4), prefix4_compare);
	list->n6 = sort_unique(copy + bytes4, engine->allow.n6, sizeof(*engine->allow.v6),
			       prefix6_compare);
	list->v4 = (void *)copy;
	list->v6 = (void *)(copy + bytes4);
	compile->maps[0] = copy;
	compile->map_bytes[0] = bytes4 + bytes6;
	compile->n_lists = 1;
	return 0;
}

/* A reload frees the config while the worker builds. */
static int copy_limits(struct compile *compile)
{
	const struct config *config = compile->engine->config;
	size_t bytes = config->n_limits * sizeof(*config->limits);

	compile->limits = malloc(bytes + 1);
	if (!compile->limits)
		return -ENOMEM;
	if (bytes)
		memcpy(compile->limits, config->limits, bytes);
	compile->n_limits = config->n_limits;
	compile->source_len6 = config->source_len6;
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
	compile->plan = credit_plan(engine);
	if (compile->plan && compile->lists && compile->maps && compile->map_bytes &&
	    getrandom(&compile->seed, sizeof(compile->seed), 0) == sizeof(compile->seed))
		err = add_allow(compile);
	limits_compile(engine);
	if (!err)
		err = copy_limits(compile);
	if (!err)
		err = held_take(engine, &compile->held);
	for (i = 0; i < engine->n_feeds && !err; i++) {
		if (engine->feeds[i].list.data && engine->feeds[i].state.id &&
		    engine->feeds[i].config->action)
			err = add_list(compile, &engine->feeds[i]);
	}
	if (err) {
		free_compile(compile);
		return err;
	}
	compile->work.data = compile;
	return uv_queue_work(&engine->loop, &compile->work, work, done);
}

/*
 * An earlier agent's table knows a list that is damaged on our disk: it stays until that feed was
 * asked once.
 */
static bool is_waiting_for_list(const struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->n_feeds && engine->hello.body.hello.generation &&
		    !engine->swapped_generation;
	     i++) {
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

void compile_swapped(struct engine *engine, const struct role_msg *reply)
{
	size_t i;

	engine->is_compiling = false;
	for (i = 0; i < engine->n_feeds; i++)
		lists_rest(&engine->feeds[i].list);
	snprintf(engine->table_error, sizeof(engine->table_error), "%s",
		 reply->err ? reply->text : "");
	held_swapped(engine, !reply->err);
	if (reply->err)
		log_line(LOG_ERR, "table: the keeper refuses it: %s", reply->text);
	else {
		engine->swapped_generation = engine->generation;
		engine->table = engine->built;
		limits_swapped(engine);
		quality_in_force(engine);
	}
	if (!reply->err && credit_retire(engine))
		/* some classes had to share a counter: now there is room */
		engine->compile_wanted = true;
	if (!reply->err && feed_ids_claim(engine))
		engine->compile_wanted = true;
	if (!reply->err)
		say_ready(engine);
	if (engine->compile_wanted)
		compile_want(engine);
	control_poll_waiting(engine);
}
