// SPDX-License-Identifier: GPL-2.0
/*
 * Bans in the state: written and read whole, known again, judged, counted for limits and lists, and
 * forgotten in order.
 */
/* link: sys/store.c sys/store_entries.c sys/store_feeds.c sys/store_bans.c sys/store_verdicts.c -lsqlite3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/store_bans.h"

static char path[] = "/tmp/sek-bans-XXXXXX";
static char aside[PATH_MAX];
static struct store *store;

static int open_it(void **state)
{
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	close(mkstemp(path));
	return store_open(path, &store, aside);
}

static int close_it(void **state)
{
	char name[64];

	store_close(store);
	(void)unlink(path);
	snprintf(name, sizeof(name), "%s-wal", path);
	(void)unlink(name);
	return 0;
}

static struct store_ban one(uint32_t addr, uint32_t random)
{
	struct store_ban ban = { .limit = "ssh",
				 .threshold_per_s = 10,
				 .rate_per_s = 512.5,
				 .window_ms = 3000,
				 .since_s = 1000,
				 .until_s = 1600,
				 .trial_until_s = 2200,
				 .config_hash = "0123456789abcdef",
				 .lists = "[]",
				 .has_evidence = true,
				 .n_headers = 2 };

	ban.source = prefix_of4(addr, 32);
	ban.ban = (struct sek_ban){ .since_ns = 5, .until_ns = 6, .dropped = 7, .random = random };
	ban.evidence.packets = 99;
	ban.headers[1].dport_be = 0x1600;
	return ban;
}

static int64_t add(uint32_t addr, uint32_t random, const char *const *lists)
{
	struct store_ban ban = one(addr, random);
	int64_t id = 0;

	assert_int_equal(store_ban_add(store, &ban, lists, &id), 0);
	return id;
}

static int count(void *arg, const struct store_ban *ban)
{
	++*(int *)arg;
	return 0;
}

static int matching(struct store_ban_query query)
{
	int n = 0;

	query.max = query.max ? query.max : 1000;
	assert_int_equal(store_ban_each(store, &query, count, &n), 0);
	return n;
}

static struct store_review review(enum store_review_kind kind, const char *name)
{
	struct store_review got;

	assert_int_equal(store_review_get(store, kind, name, &got), 0);
	return got;
}

static void assert_review(enum store_review_kind kind, const char *name, unsigned bans,
			  unsigned confirmed, unsigned rejected)
{
	struct store_review got = review(kind, name);

	assert_int_equal(got.bans, bans);
	assert_int_equal(got.confirmed, confirmed);
	assert_int_equal(got.rejected, rejected);
}

static int judge(int64_t id, enum store_verdict verdict)
{
	struct store_verdict_row row = { .ban = id,
					 .time_s = 1100,
					 .verdict = verdict,
					 .uid = 1000,
					 .user = "ann",
					 .reason = "why" };

	return store_verdict_add(store, &row);
}

static void test_whole_record(void **state)
{
	struct store_ban want = one(0xc6336407, 77), got;
	int64_t id;

	assert_int_equal(store_ban_add(store, &want, NULL, &id), 0);
	assert_int_equal(store_ban_get(store, id, &got), 0);
	want.id = id;
	assert_memory_equal(&got, &want, sizeof(want));
	want.has_evidence = false;
	memset(&want.evidence, 0, sizeof(want.evidence));
	want.ban.random++;
	want.n_headers = 0;
	memset(want.headers, 0, sizeof(want.headers));
	assert_int_equal(store_ban_add(store, &want, NULL, &id), 0);
	assert_int_equal(store_ban_get(store, id, &got), 0);
	want.id = id;
	assert_memory_equal(&got, &want, sizeof(want));
	assert_int_equal(store_ban_get(store, id + 1, &got), -ENOENT);
}

/* The event, the scan and the next start all tell of one ban. */
static void test_known_again(void **state)
{
	static const char *const lists[] = { "drop", NULL };
	struct store_ban ban = one(0xc6336407, 77);
	int64_t id = add(0xc6336407, 77, lists), again = 0;

	ban.since_s++; /* our clock and the kernel's */
	assert_int_equal(store_ban_add(store, &ban, lists, &again), -EEXIST);
	assert_int_equal(again, id);
	assert_review(STORE_REVIEW_LIMIT, "ssh", 1, 0, 0);
	assert_review(STORE_REVIEW_LIST, "drop", 1, 0, 0);
	ban.since_s += 100; /* the same number by chance, much later */
	assert_int_equal(store_ban_add(store, &ban, lists, &again), 0);
	ban.source.len = 24;
	assert_int_equal(store_ban_add(store, &ban, lists, &again), 0);
	assert_review(STORE_REVIEW_LIMIT, "ssh", 3, 0, 0);
}

static void test_update_and_live(void **state)
{
	struct store_ban ban;
	int64_t id = add(1, 1, NULL), other = add(2, 2, NULL);
	int n = 0;

	assert_int_equal(store_ban_live(store, 0, 0, NULL, count, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(store_ban_get(store, id, &ban), 0);
	ban.state = STORE_BAN_ENDED;
	ban.ended_s = 1600;
	ban.ban.dropped = 4242;
	snprintf(ban.how, sizeof(ban.how), "its time was over");
	assert_int_equal(store_ban_update(store, &ban), 0);
	assert_int_equal(store_ban_get(store, id, &ban), 0);
	assert_int_equal(ban.ban.dropped, 4242);
	assert_int_equal(ban.state, STORE_BAN_ENDED);
	assert_string_equal(ban.how, "its time was over");
	n = 0;
	assert_int_equal(store_ban_live(store, 0, 0, "ssh", count, &n), 0);
	assert_int_equal(n, 1); /* the other */
	n = 0;
	assert_int_equal(store_ban_live(store, 0, 0, "web", count, &n), 0);
	assert_int_equal(n, 0);
	n = 0;
	assert_int_equal(store_ban_live(store, 0, 2199, NULL, count, &n), 0);
	assert_int_equal(n, 2); /* both on probation */
	n = 0;
	assert_int_equal(store_ban_live(store, 0, 2200, NULL, count, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(store_ban_get(store, other, &ban), 0);
	ban.state = STORE_BAN_REJECTED;
	assert_int_equal(store_ban_update(store, &ban), 0);
	n = 0;
	assert_int_equal(store_ban_live(store, 0, 2199, NULL, count, &n), 0);
	assert_int_equal(n, 1); /* a rejected one has no probation */
}

static void test_queries(void **state)
{
	struct prefix source = prefix_of4(3, 32), none = prefix_of4(3, 31);
	int64_t id = 0, i;

	for (i = 1; i <= 9; i++)
		id = add(i, i, NULL);
	assert_int_equal(judge(id, STORE_CONFIRMED), 0);
	assert_int_equal(matching((struct store_ban_query){ 0 }), 9);
	assert_int_equal(matching((struct store_ban_query){ .max = 4 }), 4);
	assert_int_equal(matching((struct store_ban_query){ .before = id }), 8);
	assert_int_equal(matching((struct store_ban_query){ .is_undecided = true }), 8);
	assert_int_equal(matching((struct store_ban_query){ .limit = "ssh" }), 9);
	assert_int_equal(matching((struct store_ban_query){ .limit = "ssh", .is_undecided = true }),
			 8);
	assert_int_equal(matching((struct store_ban_query){ .limit = "web" }), 0);
	assert_int_equal(matching((struct store_ban_query){ .source = &source }), 1);
	assert_int_equal(matching((struct store_ban_query){ .source = &none }), 0);
}

static int last_verdict(void *arg, const struct store_verdict_row *row)
{
	memcpy(arg, row, sizeof(*row));
	return 0;
}

/* Each word is kept; the last one counts, once, for the limit and for every list. */
static void test_verdicts(void **state)
{
	static const char *const lists[] = { "drop", "cloud", "drop", NULL };
	int64_t a = add(1, 1, lists), b = add(2, 2, NULL);
	struct store_verdict_row row = { .ban = 0 };
	uint64_t undecided, live;
	struct store_ban ban;

	assert_review(STORE_REVIEW_LIST, "drop", 1, 0, 0); /* named twice, counted once */
	assert_int_equal(judge(a, STORE_CONFIRMED), 0);
	assert_int_equal(judge(a, STORE_CONFIRMED), 0);
	assert_int_equal(judge(b, STORE_REJECTED), 0);
	assert_review(STORE_REVIEW_LIMIT, "ssh", 2, 1, 1);
	assert_review(STORE_REVIEW_LIST, "drop", 1, 1, 0);
	assert_review(STORE_REVIEW_LIST, "cloud", 1, 1, 0);
	assert_int_equal(judge(a, STORE_REJECTED), 0); /* on second thoughts */
	assert_review(STORE_REVIEW_LIMIT, "ssh", 2, 0, 2);
	assert_review(STORE_REVIEW_LIST, "drop", 1, 0, 1);
	assert_int_equal(store_verdict_each(store, a, last_verdict, &row), 0);
	assert_int_equal(row.verdict, STORE_REJECTED);
	assert_string_equal(row.user, "ann");
	assert_int_equal(row.uid, 1000);
	assert_string_equal(row.reason, "why");
	assert_int_equal(store_ban_get(store, a, &ban), 0);
	assert_int_equal(ban.verdict, STORE_REJECTED);
	assert_int_equal(store_ban_counts(store, &undecided, &live), 0);
	assert_int_equal(undecided, 0);
	assert_int_equal(live, 2);
	assert_int_equal(judge(12345, STORE_CONFIRMED), -ENOENT);
	assert_review(STORE_REVIEW_LIMIT, "ssh", 2, 0, 2);
}

static void end(int64_t id)
{
	struct store_ban ban;

	assert_int_equal(store_ban_get(store, id, &ban), 0);
	ban.state = STORE_BAN_ENDED;
	assert_int_equal(store_ban_update(store, &ban), 0);
}

/* The oldest go, some at a time; what lives, what was judged and what was counted stays. */
static void test_trim(void **state)
{
	uint64_t forgotten, unused;
	struct store_ban ban;
	int64_t id[10];
	unsigned n, i;

	for (i = 0; i < 10; i++) {
		id[i] = add(i + 1, i + 1, NULL);
		if (i != 1)
			end(id[i]);
	}
	assert_int_equal(judge(id[0], STORE_CONFIRMED), 0);
	assert_int_equal(store_ban_trim(store, 8, 100, &n),
			 0); /* eight ended and undecided: at the bound */
	assert_int_equal(n, 0);
	assert_int_equal(store_ban_trim(store, 5, 2, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(store_ban_trim(store, 5, 2, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(store_ban_trim(store, 5, 2, &n), 0);
	assert_int_equal(n, 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(store_ban_get(store, id[i], &ban), i < 2 || i > 4 ? 0 : -ENOENT);
	assert_review(STORE_REVIEW_LIMIT, "ssh", 10, 1, 0);
	assert_int_equal(store_counter_get(store, "bans_forgotten", &forgotten, &unused), 0);
	assert_int_equal(forgotten, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_record, open_it, close_it),
		cmocka_unit_test_setup_teardown(test_known_again, open_it, close_it),
		cmocka_unit_test_setup_teardown(test_update_and_live, open_it, close_it),
		cmocka_unit_test_setup_teardown(test_queries, open_it, close_it),
		cmocka_unit_test_setup_teardown(test_verdicts, open_it, close_it),
		cmocka_unit_test_setup_teardown(test_trim, open_it, close_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
