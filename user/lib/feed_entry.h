// SPDX-License-Identifier: GPL-2.0
/* What one entry of a feed says, whatever grammar it stood in: an address, a prefix or a range of
 * addresses. */
#pragma once

#include "feed_sink.h"

/* Takes blanks and tabs off both ends. */
void feed_trim(const char **text, size_t *len);

/* Reads @text, digits only, as a number up to 10^12. Returns whether it is one. */
bool feed_number(const char *text, size_t len, uint64_t *ret_value);

/* Is @text an address, a prefix or a range? */
bool feed_is_entry(const char *text, size_t len);

/*
 * Adds @text where it is an IPv4 address or prefix, whole, as feed_entry() would. False: it is
 * something else, and nothing was done. *@ret_rc: errors of feed_sink_add().
 */
bool feed_entry4(struct feed_sink *sink, const char *text, size_t len, int *ret_rc);

/*
 * Reads @text as ADDRESS, ADDRESS/LEN or A-B, whole, and adds it; what it is not becomes an error
 * row. Errors: of feed_sink_add(); an error row is none.
 */
int feed_entry(struct feed_sink *sink, const char *text, size_t len);

/* The same for a range whose ends stand apart: addresses of one family, blanks around them, first
 * not above last. */
int feed_entry_range(struct feed_sink *sink, const struct prefix *first, const struct prefix *last,
		     const char *text, size_t len);
