// SPDX-License-Identifier: GPL-2.0
/* Rates: text to a number a second and back. The unit of time is never left out. */
#include "rate.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 15 /* a double holds as many exactly */

static const struct {
	char letter;
	double factor;
} scales[] = { { 'G', 1e9 }, { 'M', 1e6 }, { 'k', 1e3 } };

#define N_SCALES (sizeof(scales) / sizeof(scales[0]))

/* Digits, perhaps with one point inside. Returns how many bytes were read; 0: no number. */
static size_t read_number(const char *text, size_t len, double *ret_value)
{
	double value = 0, unit = 1;
	bool has_point = false;
	size_t i, digits = 0;

	for (i = 0; i < len && digits <= DIGITS_MAX; i++) {
		if (text[i] == '.' && !has_point && digits) {
			has_point = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9')
			break;
		value = value * 10 + (text[i] - '0');
		unit *= has_point ? 10 : 1;
		digits++;
	}
	if (!digits || digits > DIGITS_MAX || text[i - 1] == '.')
		return 0;
	*ret_value = value / unit;
	return i;
}

int rate_parse(const char *text, size_t len, double *ret_per_s)
{
	double value;
	size_t at = read_number(text, len, &value), i;

	if (!at || at >= len)
		return -EINVAL;
	for (i = 0; i < N_SCALES && text[at] != scales[i].letter; i++)
		;
	if (i < N_SCALES) {
		value *= scales[i].factor;
		at++;
	}
	if (len - at != 2 || text[at] != '/' || (text[at + 1] != 's' && text[at + 1] != 'm'))
		return -EINVAL;
	if (text[at + 1] == 'm')
		value /= 60;
	if (value <= 0 || value > RATE_MAX_PER_S)
		return -ERANGE;
	*ret_per_s = value;
	return 0;
}

char *rate_format(double per_s, char *buf)
{
	const char *unit = "/s";
	char scale[2] = "";
	size_t i;

	if (per_s < 1) {
		per_s *= 60;
		unit = "/m";
	}
	for (i = 0; i < N_SCALES && per_s < scales[i].factor; i++)
		;
	if (i < N_SCALES) {
		per_s /= scales[i].factor;
		scale[0] = scales[i].letter;
	}
	snprintf(buf, 32, "%.4g%s%s", per_s, scale, unit);
	return buf;
}
