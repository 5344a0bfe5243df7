// SPDX-License-Identifier: GPL-2.0
/* See layout.h. */
#include "layout.h"

#include <string.h>

#define LAST_LEAST 20 /* terminal columns of the last text: narrower is unreadable */
#define TEXT_LEAST 8  /* of others: an IPv6 address in five lines */
#define TEXT_TIGHT 6  /* of others, where the lines would not fit otherwise */

static size_t max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t total(const struct layout_column *columns, size_t n)
{
	size_t i, sum = 0;

	for (i = 0; i < n; i++)
		sum += columns[i].width ? columns[i].width + 1 : 0;
	return sum ? sum - 1 : 0;
}

/* Takes up to @over off a column, down to @least or its title. */
static size_t narrow(struct layout_column *column, size_t over, size_t least)
{
	size_t floor = max(column->title, least), off;

	if (!column->width || !column->is_text || column->width <= floor)
		return 0;
	off = column->width - floor < over ? column->width - floor : over;
	column->width -= off;
	return off;
}

static struct layout_column *widest(struct layout_column *columns, size_t n, size_t least)
{
	struct layout_column *found = NULL;
	size_t i;

	for (i = 0; i < n; i++) {
		if (columns[i].is_text && columns[i].width > max(columns[i].title, least) &&
		    (!found || columns[i].width > found->width))
			found = &columns[i];
	}
	return found;
}

static void set_natural(struct layout_column *columns, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		columns[i].width = max(columns[i].title, columns[i].widest);
}

bool layout_fit(struct layout_column *columns, size_t n, size_t room)
{
	struct layout_column *column;
	size_t i;

	set_natural(columns, n);
	if (total(columns, n) <= room)
		return true;
	for (i = 1; i < n; i++) {
		if (columns[i].is_empty)
			columns[i].width = 0;
	}
	if (n && total(columns, n) > room)
		(void)narrow(&columns[n - 1], total(columns, n) - room,
			     LAST_LEAST); /* the loop goes on where it was not enough */
	while (total(columns, n) > room) {
		column = widest(columns, n - 1, TEXT_LEAST);
		if (!column)
			column = widest(columns, n - 1, TEXT_TIGHT);
		if (!column) {
			set_natural(columns, n);
			return false;
		}
		column->width--;
	}
	return true;
}

/* How much of @text, which is longer than @width, goes into this line. */
static size_t line_bytes(const char *text, size_t width)
{
	size_t len;

	for (len = width; len; len--) {
		if (text[len] == ' ')
			return len;
		if (len > width / 2 && strchr("-:/,;&", text[len - 1]))
			return len;
	}
	return width;
}

void layout_wrap(const char *text, size_t width, char *out, size_t size)
{
	size_t left = strlen(text), len, at = 0;

	while (left && at + 1 < size) {
		len = left > width ? line_bytes(text, width) : left;
		len = len < size - at - 1 ? len : size - at - 1;
		memcpy(out + at, text, len);
		at += len;
		text += len;
		left -= len;
		if (left && *text == ' ') {
			text++;
			left--;
		}
		if (left && at + 1 < size)
			out[at++] = '\n';
	}
	out[at] = '\0';
}
