// SPDX-License-Identifier: GPL-2.0
/* Bytes in any chunks to lines: LF, CRLF and CR end one, a line over FEED_LINE_BYTES is cut and
 * told so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FEED_LINE_BYTES 4096 /* bytes: no entry of any feed seen is over 200 */

struct feed_lines {
	char line[FEED_LINE_BYTES];
	size_t len;
	bool is_long, skip_lf;
};

/* Takes one line without its end; not 0 stops the splitting. */
typedef int (*feed_line_fn)(void *ctx, const char *text, size_t len, bool is_long);

/* Splits @len more bytes. Returns 0, or what @fn returned last. @lines is born zeroed. */
int feed_lines_push(struct feed_lines *lines, const char *text, size_t len, feed_line_fn fn,
		    void *ctx);

/* The text has ended: a last line without an end is one too. */
int feed_lines_end(struct feed_lines *lines, feed_line_fn fn, void *ctx);
