// SPDX-License-Identifier: GPL-2.0
/* The histogram of peak rates, beside an exact count of the same sources. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/rate_hist.h"

#define N 20000

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Rates spread over seven decades, the same every run. */
static void fill(double *rates)
{
	uint64_t x = 88172645463325252ull;

	for (int i = 0; i < N; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		rates[i] = pow(10, (double)(x % 7000) / 1000 - 1);
	}
}

static void test_against_exact(void **state)
{
	static const double shares[] = { 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1 };
	static struct rate_hist hist;
	static double rates[N];

	fill(rates);
	for (int i = 0; i < N; i++)
		rate_hist_add(&hist, rates[i], 4);
	qsort(rates, N, sizeof(rates[0]), by_value);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double exact = rates[(int)ceil(shares[i] * N) - 1],
		       read = rate_hist_quantile(&hist, shares[i]);

		if (fabs(log2(read / exact)) > 1.01 / RATE_HIST_STEPS)
			fail_msg("quantile %g: %g, exactly %g", shares[i], read, exact);
	}
	for (int i = 100; i < N; i += 1500) {
		double above = rate_hist_above(&hist, rates[i]) / 4, exact = N - 1 - i;

		if (fabs(above - exact) > 0.002 * N)
			fail_msg("above %g: %g, exactly %g", rates[i], above, exact);
	}
	assert_true(hist.total == 4.0 * N);
	assert_true(rate_hist_above(&hist, hist.highest_per_s) == 0);
	assert_true(rate_hist_above(&hist, 0) == 4.0 * N);
}

static void test_edges(void **state)
{
	struct rate_hist hist = { 0 };

	assert_true(rate_hist_quantile(&hist, 0.5) == 0);
	rate_hist_add(&hist, 0, 1);
	rate_hist_add(&hist, -1, 1);
	rate_hist_add(&hist, NAN, 1);
	rate_hist_add(&hist, 5, 0);
	assert_true(hist.total == 0);
	rate_hist_add(&hist, 1e-9, 1);
	rate_hist_add(&hist, 1e30, 1);
	assert_true(hist.total == 2 && hist.sources[0] == 1 &&
		    hist.sources[RATE_HIST_BINS - 1] == 1);
}

static void test_pack_and_merge(void **state)
{
	uint8_t data[RATE_HIST_PACKED_MAX];
	struct rate_hist a = { 0 }, b = { 0 }, back;
	size_t len;

	rate_hist_add(&a, 3, 2);
	rate_hist_add(&a, 3000, 1);
	rate_hist_add(&b, 3, 5);
	rate_hist_merge(&a, &b);
	assert_true(a.total == 8);
	len = rate_hist_pack(&a, data);
	assert_int_equal(len, 16 + 2 * 6);
	assert_int_equal(rate_hist_unpack(data, len, &back), 0);
	assert_memory_equal(&a, &back, sizeof(a));
	assert_int_equal(rate_hist_unpack(data, len - 1, &back), -EBADMSG);
	assert_int_equal(rate_hist_unpack(data, 15, &back), -EBADMSG);
	data[17] = 0xff; /* a bin that is not there */
	assert_int_equal(rate_hist_unpack(data, len, &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_exact),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_pack_and_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
