// SPDX-License-Identifier: GPL-2.0
/*
 * The config's allow list by family, and that it is never half there: malloc fails at each call in
 * turn.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static unsigned n_callocs, fails_at; /* 0: none */

static void *poor_calloc(size_t n, size_t size)
{
	return ++n_callocs == fails_at ? NULL : calloc(n, size);
}

#define calloc poor_calloc
#include "engine/allow.c"
#undef calloc

static const char *const texts[] = { "192.0.2.1", "2001:db8::/32", "10.0.0.0/8", "192.0.2.1" };
static struct prefix prefixes[4];

static int setup(void **state)
{
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(prefix_parse(texts[i], strlen(texts[i]), &prefixes[i], NULL),
				 PREFIX_OK);
	return 0;
}

static void by_family(void **state)
{
	struct allow allow;

	fails_at = 0;
	assert_int_equal(allow_split(prefixes, 4, &allow), 0);
	assert_int_equal(allow.n4, 3);
	assert_int_equal(allow.n6, 1);
	assert_int_equal(allow.v4[1].addr, 0x0a000000);
	assert_int_equal(allow.v4[1].len, 8);
	assert_int_equal(allow.v6[0].len, 32);
	allow_free(&allow);
	assert_null(allow.v4);
	assert_int_equal(allow_split(prefixes, 0, &allow), 0);
	assert_int_equal(allow.n4 + allow.n6, 0);
	allow_free(&allow);
}

static void out_of_memory(void **state)
{
	const struct allow before = { .n4 = 7, .n6 = 9 };

	for (fails_at = 1; fails_at <= 2; fails_at++) {
		struct allow allow = before;

		n_callocs = 0;
		assert_int_equal(allow_split(prefixes, 4, &allow), -ENOMEM);
		assert_int_equal(n_callocs, 2);
		assert_memory_equal(&allow, &before, sizeof(allow)); /* what is in force stays */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(by_family),
					    cmocka_unit_test(out_of_memory) };

	return cmocka_run_group_tests(tests, setup, NULL);
}
