// SPDX-License-Identifier: GPL-2.0
/* Rates as people write them: 100/s, 90/m, 20k/s, 200M/s. */
#pragma once

#include <stddef.h>

#define RATE_MAX_PER_S 1e12 /* a terabit a second: more is a typing error */

/*
 * Reads a rate of @len bytes: a decimal number, perhaps with one of k M G (powers of 1000), then /s
 * or /m.
 * Errors: -EINVAL, it is no such text; -ERANGE, nothing or over RATE_MAX_PER_S. *ret_per_s only on
 * success.
 */
int rate_parse(const char *text, size_t len, double *ret_per_s);

/*
 * Writes @per_s for people and for rate_parse(): "90/m", "1.5k/s", "200M/s", to @buf of 32 bytes.
 * Returns @buf.
 */
char *rate_format(double per_s, char *buf);
