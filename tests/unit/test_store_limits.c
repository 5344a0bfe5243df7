// SPDX-License-Identifier: GPL-2.0
/*
 * Limits in the state: numbers and counts come back as they were put; rates by day are merged, and
 * forgotten.
 */
/* link: sys/store.c sys/store_limits.c -lsqlite3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/store_limits.h"

static char path[PATH_MAX], aside[PATH_MAX];

static struct store *open_it(void)
{
	struct store *store = NULL;

	assert_int_equal(store_open(path, &store, aside), 0);
	return store;
}

struct seen {
	struct store_limit row[16];
	unsigned n;
};

static void take(void *arg, const struct store_limit *limit)
{
	struct seen *seen = arg;

	seen->row[seen->n++] = *limit;
}

static void test_rows(void **state)
{
	struct store_limit one = { .number = 15,
				   .name = "ssh",
				   .used_s = 1700000000,
				   .total = { 1, 2, 3, 4, 5, ~0ull >> 1 },
				   .seen = { 7, 8, 9, 10, 11, 12 } };
	struct store_limit two = { .number = 0, .name = "all", .used_s = 5 };
	struct store *store = open_it();
	struct seen seen = { .n = 0 };

	assert_int_equal(store_limit_put(store, &one), 0);
	assert_int_equal(store_limit_put(store, &two), 0);
	store_close(store);
	store = open_it();
	assert_int_equal(store_limit_each(store, take, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_memory_equal(&seen.row[1], &one, sizeof(one));
	one.number = 3; /* a name has one number: the other row goes */
	assert_int_equal(store_limit_put(store, &one), 0);
	snprintf(two.name, sizeof(two.name), "else"); /* a number has one name */
	assert_int_equal(store_limit_put(store, &two), 0);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(store_limit_each(store, take, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.row[0].name, "else");
	assert_int_equal(seen.row[1].number, 3);
	one.number = 16;
	assert_true(store_limit_put(store, &one) < 0);
	store_close(store);
}

static void test_rates(void **state)
{
	struct rate_hist *hist = calloc(1, sizeof(*hist)), *sum = calloc(1, sizeof(*sum));
	struct store *store = open_it();
	unsigned days = 9;

	assert_non_null(hist);
	assert_non_null(sum);
	rate_hist_add(hist, 10, 1);
	assert_int_equal(store_rates_put(store, "ssh", false, 100, hist), 0);
	rate_hist_add(hist, 1000, 1);
	assert_int_equal(store_rates_put(store, "ssh", false, 101, hist), 0);
	assert_int_equal(store_rates_put(store, "ssh", true, 101, hist), 0);
	assert_int_equal(store_rates_put(store, "", false, 101, hist), 0);
	assert_int_equal(store_rates_sum(store, "ssh", false, 100, sum, &days), 0);
	assert_int_equal(days, 2);
	assert_true(sum->total > 2.99 && sum->total < 3.01);
	assert_true(rate_hist_above(sum, 500) > 0.99 && rate_hist_above(sum, 500) < 1.01);
	assert_int_equal(store_rates_forget(store, 101), 0);
	memset(sum, 0, sizeof(*sum));
	assert_int_equal(store_rates_sum(store, "ssh", false, 0, sum, &days), 0);
	assert_int_equal(days, 1);
	assert_int_equal(store_rates_sum(store, "none", false, 0, sum, &days), 0);
	assert_int_equal(days, 0);
	store_close(store);
	free(hist);
	free(sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
					    cmocka_unit_test(test_rates) };
	char folder[] = "/tmp/sek-limits-XXXXXX";
	int failed;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/state.db", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(folder); /* nothing else is in it once the last connection has closed */
	return failed;
}
