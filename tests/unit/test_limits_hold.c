// SPDX-License-Identifier: GPL-2.0
/*
 * By which settings the engine says that slots are: over changes, refused generations, its own end
 * at any moment, and until the last slot of the former ones is idle. The store is an array here.
 */
/* link: engine/limits_hold.c -luv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/engine.h"
#include "engine/limits.h"
#include "sys/log.h"

#define NUMBER 3
#define HOUR_S 3600

static struct engine engine;
static struct config config;
static struct limit_settings limit;
static struct limits limits;
static struct limit_fold folds[SEK_LIMITS_MAX];
static int64_t now_s;
static unsigned wanted, n_put;
static struct { char name[32]; uint64_t value, seen; } rows[3 * SEK_LIMITS_MAX];
static size_t n_rows;

int64_t engine_now_s(void) { return now_s; }
void compile_want(struct engine *asked) { wanted++; }
void log_line(int priority, const char *format, ...) { fail(); }
const char *store_error(struct store *store) { return ""; }

static size_t row_of(const char *name)
{
	size_t i;

	for (i = 0; i < n_rows && strcmp(rows[i].name, name); i++)
		;
	return i;
}

int store_counter_put(struct store *store, const char *name, uint64_t value, uint64_t seen)
{
	size_t i = row_of(name);

	assert_true(i < sizeof(rows) / sizeof(rows[0]));
	n_rows += i == n_rows;
	strcpy(rows[i].name, name);
	rows[i].value = value;
	rows[i].seen = seen;
	n_put++;
	return 0;
}

int store_counter_get(struct store *store, const char *name, uint64_t *ret_value, uint64_t *ret_seen)
{
	size_t i = row_of(name);

	*ret_value = i < n_rows ? rows[i].value : 0;
	*ret_seen = i < n_rows ? rows[i].seen : 0;
	return 0;
}

/* An engine that starts, by the state as it is. */
static void start(void)
{
	memset(&limits, 0, sizeof(limits));
	engine.limits = &limits;
	engine.config = &config;
	config.limits = &limit;
	config.n_limits = 1;
	limits_hold_open(&engine);
}

static int setup(void **state)
{
	n_rows = n_put = wanted = 0;
	now_s = 1000000;
	start();
	return 0;
}

/* Compiles with @packets_per_s, up to the request for the swap. Returns how many folds were asked for. */
static unsigned begin(double packets_per_s)
{
	limit = (struct limit_settings){.packets_per_s = packets_per_s, .burst = 10, .len4 = 32, .number = NUMBER};
	limits_hold_compile(&engine);
	return limits_hold_swapping(&engine, folds);
}

/* The same, and it is in force. */
static unsigned change(double packets_per_s)
{
	unsigned n = begin(packets_per_s);

	limits_hold_swapped(&engine);
	return n;
}

static uint64_t cost(double packets_per_s)
{
	return (uint64_t)(62.5e6 / packets_per_s * (1 << SEK_LIMIT_FRACTION));
}

static void check(unsigned parity, double former_packets_per_s)
{
	assert_int_equal(limit.parity, parity);
	assert_int_equal(limit.former.cost, former_packets_per_s > 0 ? cost(former_packets_per_s) : 0);
}

static void test_changes(void **state)
{
	unsigned put;

	assert_int_equal(change(10), 0);
	check(0, 0);
	put = n_put;
	assert_int_equal(change(10), 0);
	check(0, 0);
	assert_int_equal(n_put, put); /* nothing new to keep */
	assert_int_equal(change(1), 1);
	check(1, 10);
	assert_int_equal(folds[0].number, NUMBER);
	assert_int_equal(folds[0].parity, 1);
	assert_int_equal(folds[0].former_maxd, 0); /* none of them is live */
	assert_int_equal(change(1), 0);
	check(1, 10);
	assert_int_equal(change(100), 1);
	check(0, 1);
	assert_int_equal(folds[0].parity, 0);
	assert_true(folds[0].former_maxd > 0 && folds[0].former_mant > 0);
}

/* Long after a change there are no former settings; a generation takes them out, once. */
static void test_former_ends(void **state)
{
	change(10. / 60);
	change(1);
	now_s += 55; /* a burst of 10 lasts a minute */
	limits_tick(&engine);
	assert_int_equal(wanted, 0);
	change(1);
	check(1, 10. / 60);
	now_s += 120;
	limits_tick(&engine);
	limits_tick(&engine);
	assert_int_equal(wanted, 1);
	change(1);
	check(1, 0);
	now_s += HOUR_S;
	limits_tick(&engine);
	assert_int_equal(wanted, 1);
	assert_int_equal(change(10), 1); /* and then the slots by the first settings just go */
	check(0, 1);
	assert_int_equal(folds[0].former_maxd, 0);
}

/* A generation that the keeper refuses was never in force. */
static void test_refused(void **state)
{
	change(10);
	assert_int_equal(begin(1), 1);
	assert_int_equal(begin(1), 1);
	check(1, 10);
	assert_int_equal(begin(10), 0);
	check(0, 0);
}

/* An engine that ends before it knows what became of its generation says the same of its slots. */
static void test_ends_in_between(void **state)
{
	change(10);
	begin(1);
	start();
	assert_int_equal(begin(1), 0);
	check(1, 10);
	limits_hold_swapped(&engine);
	start();
	assert_int_equal(change(100), 1);
	check(0, 1);
	assert_int_equal(folds[0].parity, 0);
	assert_true(folds[0].former_maxd > 0);
}

/* The unit is kept, too. */
static void test_bits(void **state)
{
	limit = (struct limit_settings){.bits_per_s = 8e6, .burst = 1e6, .len4 = 32, .number = NUMBER};
	limits_hold_compile(&engine);
	limits_hold_swapping(&engine, folds);
	start();
	assert_int_equal(change(1), 1);
	assert_true(limit.former.is_bytes);
	start();
	assert_int_equal(change(2), 1);
	assert_false(limit.former.is_bytes);
	assert_int_equal(limit.former.cost, cost(1));
	assert_int_equal(limit.former.tau & 0xffffff, 0xffffff);
}

/* Another limit's number: its slots are wiped, and say nothing. */
static void test_given(void **state)
{
	change(10);
	limits.wipe = 1u << NUMBER;
	assert_int_equal(change(1), 0);
	check(0, 0);
	limits.wipe = 0;
	assert_int_equal(change(10), 1); /* control */
	check(1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_changes, setup),
		cmocka_unit_test_setup(test_former_ends, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_ends_in_between, setup),
		cmocka_unit_test_setup(test_bits, setup),
		cmocka_unit_test_setup(test_given, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
