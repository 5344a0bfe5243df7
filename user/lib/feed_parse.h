// SPDX-License-Identifier: GPL-2.0
/*
 * Feed text to a list file: bytes in any chunks, one entry a line (address, prefix or a-b range),
 * # and ; comments. A line that is not understood is counted and kept as an error row, never skipped silently.
 */
#pragma once

#include "list_file.h"

/* Reasons of error rows beside enum prefix_error. */
enum feed_error {
	FEED_E_LONG_LINE = PREFIX_ERROR_MAX + 1,
	FEED_E_NUL,
};

struct feed_parser;

/* A parser for @format (enum fetch_format) that refuses over @max_entries prefixes. NULL: out of memory. */
struct feed_parser *feed_parse_new(uint32_t format, uint32_t max_entries);

/*
 * Reads @len more bytes. After an error the parser only waits for feed_parse_free().
 * Errors: -ENOMEM; -E2BIG over max_entries.
 */
int feed_parse_push(struct feed_parser *parser, const void *bytes, size_t len);

/*
 * Ends the text: *ret_file is a whole list file (list_file.h), the caller's to free().
 * Errors: -EBADMSG where the text is no list, -E2BIG, -ENOMEM; *ret_why is a static text then.
 */
int feed_parse_end(struct feed_parser *parser, void **ret_file, size_t *ret_len, const char **ret_why);
void feed_parse_free(struct feed_parser *parser);

/* Static text of an error row's reason (enum prefix_error or FEED_E_*). Never NULL. */
const char *feed_error_text(uint32_t reason);
