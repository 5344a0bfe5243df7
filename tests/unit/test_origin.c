// SPDX-License-Identifier: GPL-2.0
/* Which names of origins are one word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/origin.h"

static void test_rows(void **state)
{
	static const struct {
		const char *origin;
		const char *said; /* a part of it; NULL: it is taken */
	} rows[] = {
		{"manual", NULL},
		{"fail2ban:sshd", NULL},
		{"", NULL}, /* stands for manual */
		{"#{\"", NULL},
		{"gr\xc3\xbc\xc3\x9f", NULL},
		{"a b", "blank"},
		{" a", "blank"},
		{"a ", "blank"},
		{"a\tb", "blank"},
		{"a\nb", "blank"},
		{"a\rb", "blank"},
		{"\x1b[31m", "control"},
		{"a\x7f", "control"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = origin_error(rows[i].origin);

		assert_int_equal(why != NULL, rows[i].said != NULL);
		if (why)
			assert_non_null(strstr(why, rows[i].said));
	}
}

static void test_length(void **state)
{
	char origin[ORIGIN_NAME_BYTES + 1];

	memset(origin, 'o', sizeof(origin));
	origin[ORIGIN_NAME_BYTES] = '\0';
	assert_string_equal(origin_error(origin), "the origin is over 63 bytes long");
	origin[ORIGIN_NAME_BYTES - 1] = '\0';
	assert_null(origin_error(origin));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
					   cmocka_unit_test(test_length)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
