// SPDX-License-Identifier: GPL-2.0
/*
 * 600 feeds over time, one by one and by the hundreds, with 255 ids: each gets one, none while its
 * former owner's is in the generation in force, and those that were tried last keep theirs. The
 * state is a real one; swaps are played.
 */
/* link: engine/feed_ids.c sys/store.c sys/store_feeds.c sys/store_quality.c sys/log.c -lsqlite3 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "engine/feed_ids.h"
#include "engine/quality.h"

#define FEEDS_MAX 255

static char folder[] = "/tmp/sek-ids-XXXXXX";
static char path[PATH_MAX], aside[PATH_MAX];
static struct config config; /* no feed of it is CrowdSec */
static struct engine engine = { .config = &config };
static struct engine_feed feeds[FEEDS_MAX];
static struct config_feed configs[FEEDS_MAX];
static unsigned n_removed, n_begun, fails_at, n_forgotten;
static int64_t now_s;

/* Stand-ins: what is forgotten with an id. */
int credit_forget(struct engine *asked, uint32_t id)
{
	return ++n_forgotten == fails_at ? -EIO : store_counter_put(asked->store, "drops", id, 0);
}

void credit_begin(struct engine *asked, uint32_t id)
{
	n_begun++;
}

void quality_forget(struct engine *asked, uint32_t id)
{
	n_begun++;
}

void lists_drop_strangers(const char *state_dir, bool (*is_known)(void *arg, const char *name), void *arg)
{
	assert_string_equal(state_dir, folder);
}

struct engine_feed *feeds_credited(const struct engine *asked, size_t i)
{
	return i < asked->n_feeds ? &asked->feeds[i] : NULL;
}

struct engine_feed *feeds_find(struct engine *asked, const char *name)
{
	for (size_t i = 0; i < asked->n_feeds; i++)
		if (!strcmp(feeds[i].state.name, name))
			return &feeds[i];
	return NULL;
}

void lists_remove(const char *state_dir, const char *name)
{
	size_t i;

	for (i = 0; i < engine.n_feeds; i++)
		assert_string_not_equal(configs[i].name, name);
	n_removed++;
}

static bool has_id(const uint64_t *ids, uint32_t id)
{
	return ids[id / 64] >> (id % 64) & 1;
}

/* As feeds_configure(): feeds @first to before @first + @n are the config. */
static void configure(unsigned first, size_t n)
{
	memset(feeds, 0, sizeof(feeds));
	memset(configs, 0, sizeof(configs));
	for (size_t i = 0; i < n; i++) {
		snprintf(configs[i].name, sizeof(configs[i].name), "feed-%u", first + (unsigned)i);
		configs[i].url = "http://192.0.2.1/";
		feeds[i].config = &configs[i];
		snprintf(feeds[i].state.name, sizeof(feeds[i].state.name), "%s", configs[i].name);
		int err = store_feed_get(engine.store, configs[i].name, configs[i].url, feed_reading(configs[i].format, &configs[i].options),
					 &feeds[i].state);

		assert_true(!err || err == -ENOSPC);
		feeds[i].state.last_try_s = ++now_s;
		if (!err)
			assert_int_equal(store_feed_put(engine.store, &feeds[i].state), 0);
	}
	engine.n_feeds = n;
}

/* As compile_swapped() of a generation of all that have an id. True: another one is wanted. */
static bool swap(void)
{
	memset(engine.table.lists, 0, sizeof(engine.table.lists));
	for (size_t i = 0; i < engine.n_feeds; i++)
		if (feeds[i].state.id)
			engine.table.lists[feeds[i].state.id / 64] |= 1ull
								      << (feeds[i].state.id % 64);
	engine.swapped_generation = ++engine.generation;
	return feed_ids_claim(&engine);
}

/* Each has an id of its own; the state says the same. */
static void all_have_ids(void)
{
	uint64_t ids[SEK_LISTS_MAX / 64] = { 1 };
	struct store_feed row;

	for (size_t i = 0; i < engine.n_feeds; i++) {
		uint32_t id = feeds[i].state.id;

		assert_false(has_id(ids, id));
		ids[id / 64] |= 1ull << (id % 64);
		assert_int_equal(
		    store_feed_get(engine.store, configs[i].name, configs[i].url, feed_reading(configs[i].format, &configs[i].options), &row), 0);
		assert_int_equal(row.id, id);
		assert_int_equal(
		    row.last_try_s,
		    feeds[i].state.last_try_s); /* what it did before it had one is kept */
	}
}

static void six_hundred_one_by_one(void **state)
{
	for (unsigned i = 0; i < 600; i++) {
		configure(i, 1);
		swap();
		assert_true(feeds[0].state.id);
		swap();
		all_have_ids();
	}
	assert_int_equal(n_removed, 600 - 255);
	assert_int_equal(n_begun, 600 - 255);
	configure(599 - 100, 1); /* one of the last 255: still known */
	assert_true(feeds[0].state.id);
	assert_int_equal(n_removed, 600 - 255);
}

/*
 * All at once are others: their ids are free when the generation without the former ones is in
 * force.
 */
static void hundreds_at_once(void **state)
{
	for (unsigned round = 0; round < 3; round++) {
		configure(1000 + 255 * round, 255);
		while (swap())
			;
		all_have_ids();
	}
	assert_false(feed_ids_claim(&engine));
}

static unsigned without_id(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < engine.n_feeds; i++)
		n += !feeds[i].state.id;
	return n;
}

/*
 * Nothing is taken from the generation in force, on its way, or unknown since this engine has just
 * started.
 */
static void ids_in_force_stay(void **state)
{
	configure(3000, 200);
	while (swap())
		;
	configure(4000, 100); /* 55 ids are of the round before, 45 have to wait */
	assert_int_equal(without_id(), 100);
	engine.is_compiling = true;
	assert_false(feed_ids_claim(&engine));
	engine.is_compiling = false;
	engine.swapped_generation = 0;
	assert_false(feed_ids_claim(&engine));
	engine.swapped_generation = engine.generation;
	assert_true(feed_ids_claim(&engine));
	assert_int_equal(without_id(), 45);
	for (size_t i = 0; i < engine.n_feeds; i++)
		assert_false(feeds[i].state.id && has_id(engine.table.lists, feeds[i].state.id));
	assert_true(swap());
	assert_int_equal(without_id(), 0);
	assert_false(swap());
	all_have_ids();
}

/* The state fails in the middle: the old owner is as it was, and the next try does it. */
static void all_or_nothing(void **state)
{
	unsigned removed = n_removed;

	configure(5000, 1);
	assert_int_equal(without_id(), 1);
	fails_at = n_forgotten + 1;
	assert_false(swap());
	assert_int_equal(without_id(), 1);
	assert_int_equal(n_removed, removed);
	configure(4000, 1);
	assert_int_equal(without_id(), 0); /* it was not forgotten */
	configure(5000, 1);
	assert_true(swap());
	assert_int_equal(n_removed, removed + 1);
	all_have_ids();
}

static bool has_quality(const char *name)
{
	struct store_quality quality;

	return store_quality_get(engine.store, name, &quality) == 0;
}

/* What is known of a feed goes with it, but for its id; that of others stays. */
static void comes_back_anew(void **state)
{
	struct store_quality_day day = { .name = "feed-6000", .day = 3, .count = { 1 } };
	uint64_t sum[STORE_QUALITY_COUNTS];
	struct store_feed row;
	unsigned begun, days;
	uint32_t id;

	configure(6000, 2);
	while (swap())
		;
	for (unsigned i = 0; i < 2; i++) {
		struct store_quality quality = { .since_s = 5 };

		snprintf(quality.name, sizeof(quality.name), "feed-%u", 6000 + i);
		assert_int_equal(store_quality_put(engine.store, &quality), 0);
		feeds[i].state.last_success_s = feeds[i].state.held_s = feeds[i].state.failures = feeds[i].state.failures_total = 7;
		strcpy(feeds[i].state.error, "an error");
		strcpy(feeds[i].state.etag, "\"etag\"");
		assert_int_equal(store_feed_put(engine.store, &feeds[i].state), 0);
	}
	assert_int_equal(store_quality_day_put(engine.store, &day), 0);
	id = feeds[0].state.id;
	begun = n_begun;
	feed_ids_forget_gone(&engine); /* control: both are in the config */
	assert_true(has_quality("feed-6000"));
	configure(6001, 1);
	begun = n_begun;
	feed_ids_forget_gone(&engine);
	assert_true(n_begun >= begun + 2); /* credit_begin(), quality_forget() */
	assert_false(has_quality("feed-6000"));
	assert_true(has_quality("feed-6001"));
	assert_int_equal(store_quality_sum(engine.store, "feed-6000", 0, 99, sum, &days), 0);
	assert_int_equal(days, 0);
	assert_int_equal(feeds[0].state.failures_total, 7);
	begun = n_begun;
	feed_ids_forget_gone(&engine); /* once is enough */
	assert_int_equal(n_begun, begun);
	assert_int_equal(store_feed_get(engine.store, "feed-6000", "http://192.0.2.1/", 0, &row), 0);
	assert_int_equal(row.id, id);
	assert_true(!row.last_success_s && !row.held_s && !row.failures && !row.failures_total && !row.error[0] && !row.etag[0]);
}

static int setup(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/state.db", folder);
	engine.feeds = feeds;
	engine.state_dir = folder;
	return store_open(path, &engine.store, aside);
}

static int teardown(void **state)
{
	store_close(engine.store);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_hundred_one_by_one), cmocka_unit_test(hundreds_at_once),
		cmocka_unit_test(ids_in_force_stay), cmocka_unit_test(all_or_nothing), cmocka_unit_test(comes_back_anew),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
