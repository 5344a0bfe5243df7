// SPDX-License-Identifier: GPL-2.0
/*
 * A feed's text to a list file: bytes in any chunks, in one of the formats of fetch_msg.h or in one
 * that is recognised. What is not understood is counted and kept as an error row, never skipped
 * silently; what is no list, or less than it says itself, is refused.
 */
#pragma once

#include "feed_options.h"
#include "list_file.h"

/* Reasons of error rows beside enum prefix_error. */
enum feed_error {
	FEED_E_LONG_LINE = PREFIX_ERROR_MAX + 1,
	FEED_E_NUL, /* of version 1's lists: now a text with NUL bytes is refused */
	FEED_E_NO_COUNT,
	FEED_E_DISAGREE,
	FEED_E_NO_COLUMN,
	FEED_E_NO_RANGE,
	FEED_E_NO_STRING,
	FEED_E_LONG_TEXT,
	FEED_E_COMMENT,
	FEED_E_SEVERAL,
};

struct feed_parser;

/*
 * A parser for @format (enum fetch_format) that refuses over @max_entries prefixes. @options (NULL:
 * none) are copied. NULL: out of memory.
 */
struct feed_parser *feed_parse_new(uint32_t format, uint32_t max_entries,
				   const struct feed_options *options);

/*
 * Reads @len more bytes. After an error the parser only waits for feed_parse_end() or
 * feed_parse_free(). Errors: -ENOMEM; -E2BIG over max_entries; -EBADMSG.
 */
int feed_parse_push(struct feed_parser *parser, const void *bytes, size_t len);

/*
 * The text may be cut: nothing but its last byte came after it. A text whose last line has no end
 * is then refused, but one that says how much it holds; JSON has an end of its own.
 */
void feed_parse_doubt_end(struct feed_parser *parser);

/*
 * Ends the text: *ret_file is a whole list file (list_file.h), the caller's to free().
 * Errors: -EBADMSG where the text is no list, -E2BIG, -ENOMEM; *ret_why says why, until
 * feed_parse_free().
 */
int feed_parse_end(struct feed_parser *parser, void **ret_file, size_t *ret_len,
		   const char **ret_why);
void feed_parse_free(struct feed_parser *parser);

/* What the text was read as; before feed_parse_end() succeeded what was asked for. */
uint32_t feed_parse_format(const struct feed_parser *parser);

/* The config's word for @format; NULL where there is none. */
const char *feed_format_name(uint32_t format);

/* Static text of an error row's reason (enum prefix_error or FEED_E_*). Never NULL. */
const char *feed_error_text(uint32_t reason);
