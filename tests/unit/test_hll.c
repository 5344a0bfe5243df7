// SPDX-License-Identifier: GPL-2.0
/* The count of different things: none, one, repeats, and numbers up to half a million within three standard errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "lib/hll.h"

static void test_few_are_exact(void **state)
{
	struct hll hll = { .rank = { 0 } };
	uint32_t i;

	assert_true(hll_count(&hll) == 0);
	for (i = 0; i < 20; i++) {
		assert_true(hll_add(&hll, hll_hash(&i, sizeof(i))));
		assert_false(hll_add(&hll, hll_hash(&i, sizeof(i)))); /* a repeat is none */
		assert_int_equal(lround(hll_count(&hll)), i + 1);
	}
}

static void test_many_are_within_the_error(void **state)
{
	static const uint32_t sizes[] = { 100, 1000, 5000, 10000, 12000, 20000, 100000, 500000 };
	struct hll hll;
	uint32_t row, i;

	for (row = 0; row < sizeof(sizes) / sizeof(sizes[0]); row++) {
		memset(&hll, 0, sizeof(hll));
		for (i = 0; i < sizes[row]; i++) {
			uint32_t thing[2] = { row, i };

			(void)hll_add(&hll, hll_hash(thing, sizeof(thing)));
		}
		assert_true(fabs(hll_count(&hll) / sizes[row] - 1) < 0.05);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_few_are_exact), cmocka_unit_test(test_many_are_within_the_error) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
