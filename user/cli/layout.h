// SPDX-License-Identifier: GPL-2.0
/* Widths of a table's columns on a terminal, and text broken into lines of a width. Pure: it prints
 * nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LAYOUT_COLUMNS_MAX 16

struct layout_column {
	size_t title, widest; /* columns of the terminal that its title and its widest cell take */
	bool is_text;         /* may be broken into lines */
	bool is_empty;        /* no cell tells anything */
	size_t width;         /* result of layout_fit(); 0: leave the column out */
};

/*
 * Sets the widths of @n columns with a blank between them. Where @room is too small, empty columns
 * but the first go, then text gets narrower: the last column first, then whichever is widest. Where
 * that is not enough either, every column has its natural width. Returns whether it fits.
 */
bool layout_fit(struct layout_column *columns, size_t n, size_t room);

/*
 * Writes @text (one byte a terminal column) to @out with a newline wherever a line would be over
 * @width: at a blank, which goes, or behind a sign such as - or : where one stands in the line's
 * second half, else anywhere. Cut where @size is too small.
 */
void layout_wrap(const char *text, size_t width, char *out, size_t size);
