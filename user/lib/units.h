// SPDX-License-Identifier: GPL-2.0
/* Durations as people write them: 90s 10m 12h 7d. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/*
 * Reads a duration of @len bytes: a whole number and one of s m h d (a bare number is refused).
 * Errors: -EINVAL; -ERANGE over 100 years. *ret_s only on success.
 */
int units_parse_duration(const char *text, size_t len, uint64_t *ret_s);

/*
 * Writes @s seconds for people, largest two units at most ("3h 20m", "45s"), to @buf of 32 bytes.
 * Returns @buf.
 */
char *units_format_duration(uint64_t s, char *buf);
