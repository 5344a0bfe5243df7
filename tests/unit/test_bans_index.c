// SPDX-License-Identifier: GPL-2.0
/* The index of bans: found, made, deleted, places used again, through every growth. */
/* link: engine/bans_index.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/bans_index.h"

#define MANY 5000u

static struct sek_entry_key key(uint32_t i)
{
	struct sek_entry_key one = { .family = 4, .len = 32 };

	memcpy(one.addr_be, &i, sizeof(i));
	return one;
}

static void test_find_put_delete(void **state)
{
	struct bans_index index = { 0 };
	struct sek_entry_key one;
	uint32_t i;

	one = key(1);
	assert_null(bans_index_find(&index, &one));
	for (i = 0; i < MANY; i++) {
		one = key(i);
		bans_index_put(&index, &one)->id = i;
	}
	assert_int_equal(index.n_used, MANY);
	one = key(7);
	assert_int_equal(bans_index_put(&index, &one)->id, 7); /* it is there already */
	assert_int_equal(index.n_used, MANY);
	for (i = 0; i < MANY; i += 2) {
		one = key(i);
		bans_index_delete(&index, bans_index_find(&index, &one));
	}
	assert_int_equal(index.n_used, MANY / 2);
	for (i = 0; i < MANY; i++) {
		one = key(i);
		if (i % 2)
			assert_int_equal(bans_index_find(&index, &one)->id, i);
		else
			assert_null(bans_index_find(&index, &one));
	}
	for (i = 0; i < MANY; i += 2) {
		one = key(i + MANY);
		assert_int_equal(bans_index_put(&index, &one)->id,
				 0); /* nothing of who had the place */
	}
	assert_int_equal(index.n_rows, MANY);
	one = key(3);
	one.len = 24;
	assert_null(bans_index_find(&index, &one)); /* the length is part of the name */
	free(index.rows); /* the engine keeps it until its end */
	free(index.buckets);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_find_put_delete) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
