// SPDX-License-Identifier: GPL-2.0
/* Line splitting with bounded memory: only a line that ends in a later chunk is copied. */
#include "feed_lines.h"

#include <string.h>

/* Keeps the part of a line that ends in a later chunk. */
static void keep(struct feed_lines *lines, const char *text, size_t len)
{
	size_t room = sizeof(lines->line) - lines->len;

	if (len > room) {
		lines->is_long = true;
		len = room;
	}
	memcpy(lines->line + lines->len, text, len);
	lines->len += len;
}

static int end_line(struct feed_lines *lines, const char *text, size_t len, feed_line_fn fn,
		    void *ctx)
{
	int rc;

	if (!lines->len && !lines->is_long)
		return fn(ctx, text, len, len > FEED_LINE_BYTES);
	if (len)
		keep(lines, text, len);
	rc = fn(ctx, lines->line, lines->len, lines->is_long);
	lines->len = 0;
	lines->is_long = false;
	return rc;
}

int feed_lines_push(struct feed_lines *lines, const char *text, size_t len, feed_line_fn fn,
		    void *ctx)
{
	const char *lf = NULL, *cr = NULL, *end = text + len, *stop;
	int rc = 0;

	if (len && lines->skip_lf && *text == '\n')
		text++;
	lines->skip_lf = lines->skip_lf && !len;
	while (text < end && !rc) {
		if (!lf || lf < text)
			lf = memchr(text, '\n', (size_t)(end - text));
		if (!lf)
			lf = end;
		if (!cr || cr < text)
			cr = memchr(text, '\r', (size_t)(end - text));
		if (!cr)
			cr = end;
		stop = lf < cr ? lf : cr;
		if (stop == end) {
			keep(lines, text, (size_t)(end - text));
			break;
		}
		rc = end_line(lines, text, (size_t)(stop - text), fn, ctx);
		text = stop + 1;
		lines->skip_lf = *stop == '\r' && text == end;
		if (*stop == '\r' && text < end && *text == '\n')
			text++;
	}
	return rc;
}

int feed_lines_end(struct feed_lines *lines, feed_line_fn fn, void *ctx)
{
	return lines->len || lines->is_long ? end_line(lines, NULL, 0, fn, ctx) : 0;
}
