// SPDX-License-Identifier: GPL-2.0
/* Lists' quality in the state: what is put is there after a close, days are summed but one, old ones go. */
/* link: sys/store.c sys/store_quality.c -lsqlite3 */
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

#include "sys/store_quality.h"

static char path[64];

static struct store *reopen(struct store *store)
{
	char aside[PATH_MAX];

	store_close(store);
	assert_int_equal(store_open(path, &store, aside), 0);
	assert_string_equal(aside, "");
	return store;
}

static void test_record(void **state)
{
	struct store_quality one = { .name = "seven", .since_s = 100, .changed_s = 200, .added = 3, .removed = 4, .updates = 5 }, got;
	struct store *store = reopen(NULL);
	uint32_t i;

	assert_int_equal(store_quality_get(store, "seven", &got), -ENOENT);
	for (i = 0; i < 1000; i++)
		(void)hll_add(&one.hits, hll_hash(&i, sizeof(i)));
	assert_int_equal(store_quality_put(store, &one), 0);
	store = reopen(store);
	memset(&got, 0xff, sizeof(got));
	assert_int_equal(store_quality_get(store, "seven", &got), 0);
	assert_memory_equal(&got, &one, sizeof(one));
	one.added = 9;
	assert_int_equal(store_quality_put(store, &one), 0); /* replaces */
	assert_int_equal(store_quality_get(store, "seven", &got), 0);
	assert_int_equal(got.added, 9);
	assert_int_equal(store_quality_get(store, "eight", &got), -ENOENT);
	store_close(store);
}

static void test_days(void **state)
{
	struct store_quality_day day = { .name = "three" }, got;
	uint64_t sum[STORE_QUALITY_COUNTS];
	struct store *store = reopen(NULL);
	unsigned days;
	int k;

	for (day.day = 100; day.day < 110; day.day++) {
		for (k = 0; k < STORE_QUALITY_COUNTS; k++)
			day.count[k] = (uint64_t)day.day * (k + 1);
		assert_int_equal(store_quality_day_put(store, &day), 0);
	}
	store = reopen(store);
	assert_int_equal(store_quality_day_get(store, "three", 104, &got), 0);
	assert_int_equal(got.count[STORE_QUALITY_UPDATES], 104 * 5);
	assert_int_equal(store_quality_day_get(store, "three", 111, &got), 0);
	assert_int_equal(got.count[STORE_QUALITY_HITS], 0);
	assert_int_equal(store_quality_sum(store, "three", 107, 109, sum, &days), 0);
	assert_int_equal(days, 2);
	assert_int_equal(sum[STORE_QUALITY_HITS], 107 + 108);
	assert_int_equal(sum[STORE_QUALITY_UNIQUE], 2 * (107 + 108));
	assert_int_equal(store_quality_sum(store, "four", 0, 0, sum, &days), 0);
	assert_int_equal(days + sum[STORE_QUALITY_HITS], 0);
	assert_int_equal(store_quality_forget(store, 108), 0);
	assert_int_equal(store_quality_sum(store, "three", 0, 0, sum, &days), 0);
	assert_int_equal(days, 2);
	store_close(store);
}

static int set_up(void **state)
{
	snprintf(path, sizeof(path), "/tmp/sekisho-test-quality-%d.db", (int)getpid());
	unlink(path);
	return 0;
}

static int tear_down(void **state)
{
	char other[80];

	unlink(path);
	snprintf(other, sizeof(other), "%s-wal", path);
	unlink(other);
	snprintf(other, sizeof(other), "%s-shm", path);
	unlink(other);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_days, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
