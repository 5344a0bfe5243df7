// SPDX-License-Identifier: GPL-2.0
/* Rates: what is read, what is refused, and that what is written reads back. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/rate.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int err;
		double per_s;
	} rows[] = {
		{ "1/s", 0, 1 },
		{ "90/m", 0, 1.5 },
		{ "20k/s", 0, 20e3 },
		{ "200M/s", 0, 200e6 },
		{ "1G/s", 0, 1e9 },
		{ "1.5k/s", 0, 1500 },
		{ "0.5/s", 0, 0.5 },
		{ "1000G/s", 0, 1e12 },
		{ "1/m", 0, 1. / 60 },
		{ "1001G/s", -ERANGE, 0 },
		{ "0/s", -ERANGE, 0 },
		{ "0.0k/m", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "100", -EINVAL, 0 },
		{ "/s", -EINVAL, 0 },
		{ "k/s", -EINVAL, 0 },
		{ "100/", -EINVAL, 0 },
		{ "100/h", -EINVAL, 0 },
		{ "100/sec", -EINVAL, 0 },
		{ "-1/s", -EINVAL, 0 },
		{ "+1/s", -EINVAL, 0 },
		{ "1e3/s", -EINVAL, 0 },
		{ "0x10/s", -EINVAL, 0 },
		{ ".5/s", -EINVAL, 0 },
		{ "5./s", -EINVAL, 0 },
		{ "1..5/s", -EINVAL, 0 },
		{ "1 /s", -EINVAL, 0 },
		{ "10K/s", -EINVAL, 0 },
		{ "10kk/s", -EINVAL, 0 },
		{ "999999999999999/s", -ERANGE, 0 },
		{ "9999999999999999/s", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double per_s = -1;
		int err = rate_parse(rows[i].text, strlen(rows[i].text), &per_s);

		if (err != rows[i].err ||
		    (!err && fabs(per_s - rows[i].per_s) > 1e-9 * rows[i].per_s) ||
		    (err && per_s != -1))
			fail_msg("%s: %d, %g", rows[i].text, err, per_s);
	}
}

static void test_format_reads_back(void **state)
{
	static const double rows[] = { 1,     10,  999,  1000, 1500,    20e3, 1e6,
				       200e6, 1e9, 1e12, 0.5,  1. / 60, 1.5 };
	char buf[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double per_s = 0;

		rate_format(rows[i], buf);
		assert_int_equal(rate_parse(buf, strlen(buf), &per_s), 0);
		if (fabs(per_s - rows[i]) > 1e-3 * rows[i])
			fail_msg("%g: %s", rows[i], buf);
	}
	assert_string_equal(rate_format(1.0 / 60, buf), "1/m");
	assert_string_equal(rate_format(20e3, buf), "20k/s");
	assert_string_equal(rate_format(100, buf), "100/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_format_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
