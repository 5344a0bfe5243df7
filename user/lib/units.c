// SPDX-License-Identifier: GPL-2.0
/*
 * Durations: text to seconds and back. A bare number is refused: people mean different units by it.
 */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DURATION_MAX_S (100ull * 365 * 86400) /* seconds: 100 years; more is a typing error */

static const struct {
	char letter;
	uint32_t seconds;
} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

#define N_UNITS (sizeof(units) / sizeof(units[0]))

int units_parse_duration(const char *text, size_t len, uint64_t *ret_s)
{
	uint64_t value = 0;

	if (len < 2)
		return -EINVAL;
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		if (value <= DURATION_MAX_S)
			value = value * 10 + (uint64_t)(text[i] - '0');
	}
	for (size_t i = 0; i < N_UNITS; i++) {
		if (text[len - 1] != units[i].letter)
			continue;
		if (value > DURATION_MAX_S / units[i].seconds)
			return -ERANGE;
		*ret_s = value * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

char *units_format_duration(uint64_t s, char *buf)
{
	size_t i = 0;
	uint64_t rest;

	while (i + 1 < N_UNITS && s < units[i].seconds)
		i++;
	rest = s % units[i].seconds;
	if (i + 1 < N_UNITS && rest / units[i + 1].seconds)
		snprintf(buf, 32, "%" PRIu64 "%c %u%c", s / units[i].seconds, units[i].letter,
			 (unsigned)(rest / units[i + 1].seconds), units[i + 1].letter);
	else
		snprintf(buf, 32, "%" PRIu64 "%c", s / units[i].seconds, units[i].letter);
	return buf;
}
