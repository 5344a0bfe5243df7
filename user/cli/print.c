// SPDX-License-Identifier: GPL-2.0
/*
 * Tables for people (libsmartcols) and JSON for programs, from the same rows: see print.h.
 * Colours only on a terminal; every cell passes escape_text() first.
 */
#include "print.h"

#include "cli.h"
#include "lib/escape.h"
#include "lib/units.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LABEL_WIDTH 16	   /* of fields, the blank included */
#define LAST_COLUMN_MIN 20 /* terminal columns: narrower text is unreadable */

int print_json(const json_t *document)
{
	/* ASCII only: a C1 control in a feed's text must not reach a terminal this way either. */
	if (json_dumpf(document, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII))
		return cli_fail(CLI_FAILED, "cannot write the output");
	putchar('\n');
	return CLI_DONE;
}

/* A distance in time of @distance_s; below 0 (a clock that was set back) is 0. */
static void cell_distance(json_int_t distance_s, char *out)
{
	char text[32];

	(void)snprintf(out, PRINT_CELL_BYTES, "%s", units_format_duration(distance_s > 0 ? (uint64_t)distance_s : 0, text)); /* fits */
}

static void cell_bytes(double bytes, char *out)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB"};
	unsigned i = 0;

	for (; bytes >= 1024 && i < 3; i++)
		bytes /= 1024;
	(void)snprintf(out, PRINT_CELL_BYTES, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]); /* fits */
}

static void cell_text(const json_t *value, char *out)
{
	if (json_is_string(value))
		escape_text(json_string_value(value), json_string_length(value), out, PRINT_CELL_BYTES);
	else if (json_is_integer(value))
		(void)snprintf(out, PRINT_CELL_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); /* fits */
	else if (json_is_real(value))
		(void)snprintf(out, PRINT_CELL_BYTES, "%g", json_real_value(value)); /* fits */
	else if (json_is_boolean(value))
		strcpy(out, json_is_true(value) ? "yes" : "no");
	else
		strcpy(out, "-");
}

const char *print_cell(const json_t *value, enum print_kind kind, char *out)
{
	json_int_t now_s = (json_int_t)time(NULL);

	if (kind == PRINT_AGO && json_is_integer(value))
		cell_distance(now_s - json_integer_value(value), out);
	else if (kind == PRINT_LEFT && json_is_integer(value))
		cell_distance(json_integer_value(value) - now_s, out);
	else if (kind == PRINT_LEFT)
		strcpy(out, "never");
	else if (kind == PRINT_BYTES && json_is_number(value))
		cell_bytes(json_number_value(value), out);
	else if (kind == PRINT_PERCENT && json_is_number(value))
		(void)snprintf(out, PRINT_CELL_BYTES, "%.3g %%", json_number_value(value) * 100); /* fits */
	else
		cell_text(value, out);
	return out;
}

static bool use_colours(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (!no_color || !no_color[0]);
}

static const char *state_colour(const char *state)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
		{"drop", "red"},    {"block", "red"},	 {"failing", "red"},   {"no", "red"},	     {"held", "brown"},
		{"retrying", "brown"}, {"pending", "brown"}, {"monitor", "brown"}, {"ok", "green"},	     {"yes", "green"},
		{"pass", "green"},  {"allow", "green"},	 {"enforce", "green"},
		{"live", "red"},    {"undecided", "brown"}, {"confirmed", "green"}, {"rejected", "red"}, {"lost", "red"},
	};
	unsigned i;

	for (i = 0; i < sizeof(colours) / sizeof(*colours); i++)
		if (!strcmp(state, colours[i].word))
			return colours[i].colour;
	return NULL;
}

static const char *colour_code(const char *colour)
{
	return !strcmp(colour, "red") ? "\033[31m" : !strcmp(colour, "green") ? "\033[32m" : "\033[33m";
}

static int add_row(struct libscols_table *table, const json_t *row, const struct print_column *columns)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char text[PRINT_CELL_BYTES];
	size_t i;

	for (i = 0; line && columns[i].title; i++) {
		print_cell(json_object_get(row, columns[i].key), columns[i].kind, text);
		if (scols_line_set_data(line, i, text))
			return -1;
		if ((columns[i].kind == PRINT_STATE || columns[i].kind == PRINT_YES) && state_colour(text) &&
		    scols_cell_set_color(scols_line_get_cell(line, i), state_colour(text)))
			return -1;
	}
	return line ? 0 : -1;
}

/* Columns of the terminal that all but the last column of the table take. */
static size_t width_before_last(const json_t *rows, const struct print_column *columns)
{
	char text[PRINT_CELL_BYTES];
	const json_t *row;
	size_t i, width, sum = 0;

	for (; columns[0].title && columns[1].title; columns++) {
		width = strlen(columns->title);
		json_array_foreach((json_t *)rows, i, row) {
			size_t cell = strlen(print_cell(json_object_get(row, columns->key), columns->kind, text));

			width = cell > width ? cell : width;
		}
		sum += width + 1;
	}
	return sum;
}

static int fill_table(struct libscols_table *table, const json_t *rows, const struct print_column *columns)
{
	/* The last column, one of free text, wraps inside what is left of a terminal's line, unless that is a sliver. */
	bool has_room = isatty(STDOUT_FILENO) && width_before_last(rows, columns) + LAST_COLUMN_MIN <= scols_table_get_termwidth(table);
	const struct print_column *column;
	const json_t *row;
	size_t i;

	for (column = columns; column->title; column++) {
		bool is_right = column->kind == PRINT_NUMBER || column->kind == PRINT_BYTES || column->kind == PRINT_PERCENT;

		int flags = is_right ? SCOLS_FL_RIGHT : has_room && column->kind == PRINT_TEXT && !column[1].title ? SCOLS_FL_WRAP : 0;

		if (!scols_table_new_column(table, column->title, 0, flags))
			return -1;
	}
	json_array_foreach((json_t *)rows, i, row)
		if (add_row(table, row, columns))
			return -1;
	return scols_print_table(table);
}

int print_table(const json_t *rows, const struct print_column *columns, const char *empty)
{
	struct libscols_table *table;
	int err;

	if (!json_array_size(rows)) {
		if (empty)
			puts(empty);
		return CLI_DONE;
	}
	table = scols_new_table();
	if (!table)
		return cli_fail(CLI_FAILED, "out of memory");
	(void)scols_table_enable_noencoding(table, 1); /* cells are escaped already; cannot fail */
	(void)scols_table_enable_colors(table, use_colours()); /* cannot fail */
	err = fill_table(table, rows, columns);
	scols_unref_table(table);
	return err ? cli_fail(CLI_FAILED, "cannot print the table") : CLI_DONE;
}

/* @text in the terminal's lines, broken between words, so that the eye finds the labels. */
static void print_wrapped(const char *text)
{
	struct winsize size = { 0 };
	size_t room = SIZE_MAX, len;

	if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col > LABEL_WIDTH + LAST_COLUMN_MIN)
		room = size.ws_col - LABEL_WIDTH;
	while ((len = strlen(text)) > room) {
		len = room;
		while (len && text[len] != ' ')
			len--;
		if (!len)
			len = room; /* one word that fills the line: cut it */
		printf("%.*s\n%*s", (int)len, text, LABEL_WIDTH, "");
		text += len + (text[len] == ' ');
	}
	puts(text);
}

void print_field(const json_t *object, const struct print_column *field)
{
	const json_t *value = json_object_get(object, field->key);
	char text[PRINT_CELL_BYTES];
	const char *colour, *code;

	if (!value || (json_is_null(value) && field->kind != PRINT_LEFT))
		return;
	print_cell(value, field->kind, text);
	colour = field->kind == PRINT_STATE && use_colours() ? state_colour(text) : NULL;
	code = colour ? colour_code(colour) : NULL;
	printf("%-*s", LABEL_WIDTH, field->title);
	if (code)
		printf("%s%s\033[0m\n", code, text);
	else
		print_wrapped(text);
}

void print_lines(const char *label, const json_t *list)
{
	char text[PRINT_CELL_BYTES];
	const json_t *line;
	size_t i;

	json_array_foreach((json_t *)list, i, line)
		printf("%s: %s\n", label, print_cell(line, PRINT_TEXT, text));
}
