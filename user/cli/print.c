// SPDX-License-Identifier: GPL-2.0
/*
 * Tables for people (libsmartcols) and JSON for programs, from the same rows: see print.h.
 * Colours only on a terminal; every cell passes escape_text() first.
 */
#include "print.h"

#include "cli.h"
#include "layout.h"
#include "lib/escape.h"
#include "lib/units.h"

#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LABEL_WIDTH 16       /* of fields, the blank included */
#define PERCENT_LEAST 0.0001 /* of all IPv4: four addresses */
#define TEXT_MIN 20          /* terminal columns: narrower text is unreadable */

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

	(void)snprintf(
		out, PRINT_CELL_BYTES, "%s",
		units_format_duration(distance_s > 0 ? (uint64_t)distance_s : 0, text)); /* fits */
}

static void cell_bytes(double bytes, char *out)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB"};
	unsigned i = 0;

	for (; bytes >= 1024 && i < 3; i++)
		bytes /= 1024;
	(void)snprintf(out, PRINT_CELL_BYTES, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]); /* fits */
}

/* Up to three digits, as people write them: no exponent, and what is too little to matter says so.
 */
static void cell_percent(double percent, char *out)
{
	if (percent > 0 && percent < PERCENT_LEAST)
		(void)snprintf(out, PRINT_CELL_BYTES, "< %g %%",
			       PERCENT_LEAST); /* fits, here and below */
	else
		(void)snprintf(out, PRINT_CELL_BYTES, percent < 100 ? "%.3g %%" : "%.0f %%",
			       percent);
}

static void cell_text(const json_t *value, char *out)
{
	if (json_is_string(value))
		escape_text(json_string_value(value), json_string_length(value), out,
			    PRINT_CELL_BYTES);
	else if (json_is_integer(value))
		(void)snprintf(out, PRINT_CELL_BYTES, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value)); /* fits */
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
		cell_percent(json_number_value(value) * 100, out);
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
		{"drop", "red"},        {"block", "red"},     {"failing", "red"},
		{"no", "red"},          {"held", "brown"},    {"retrying", "brown"},
		{"pending", "brown"},   {"monitor", "brown"}, {"ok", "green"},
		{"yes", "green"},       {"pass", "green"},    {"allow", "green"},
		{"enforce", "green"},   {"live", "red"},      {"undecided", "brown"},
		{"confirmed", "green"}, {"rejected", "red"},  {"lost", "red"},
	};
	unsigned i;

	for (i = 0; i < sizeof(colours) / sizeof(*colours); i++)
		if (!strcmp(state, colours[i].word))
			return colours[i].colour;
	return NULL;
}

static const char *colour_code(const char *colour)
{
	return !strcmp(colour, "red")     ? "\033[31m"
	       : !strcmp(colour, "green") ? "\033[32m"
					  : "\033[33m";
}

static size_t count(const struct print_column *columns)
{
	size_t n = 0;

	while (columns[n].title)
		n++;
	return n < LAYOUT_COLUMNS_MAX ? n : LAYOUT_COLUMNS_MAX;
}

/* What the columns take, and on a terminal how much of that they get: @ret of LAYOUT_COLUMNS_MAX.
 */
static void lay_out(const json_t *rows, const struct print_column *columns, size_t room,
		    struct layout_column *ret)
{
	char text[PRINT_CELL_BYTES];
	size_t n = count(columns), i, k, len;
	const json_t *row;

	for (i = 0; i < n; i++) {
		ret[i] = (struct layout_column){.title = strlen(columns[i].title),
						.is_text = columns[i].kind == PRINT_TEXT,
						.is_empty = true};
		json_array_foreach((json_t *)rows, k, row) {
			len = strlen(print_cell(json_object_get(row, columns[i].key),
						columns[i].kind, text));
			ret[i].widest = len > ret[i].widest ? len : ret[i].widest;
			ret[i].is_empty &= !len || !strcmp(text, "-");
		}
	}
	(void)layout_fit(
		ret, n,
		isatty(STDOUT_FILENO)
			? room
			: SIZE_MAX); /* where it does not fit, the terminal breaks the lines */
}

static int add_row(struct libscols_table *table, const json_t *row,
		   const struct print_column *columns, const struct layout_column *layout)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char text[PRINT_CELL_BYTES], broken[2 * PRINT_CELL_BYTES];
	size_t n = count(columns), i, at = 0;

	for (i = 0; line && i < n; i++) {
		if (!layout[i].width)
			continue;
		print_cell(json_object_get(row, columns[i].key), columns[i].kind, text);
		layout_wrap(text, layout[i].width, broken, sizeof(broken));
		if (scols_line_set_data(line, at, broken))
			return -1;
		if ((columns[i].kind == PRINT_STATE || columns[i].kind == PRINT_YES) &&
		    state_colour(text) &&
		    scols_cell_set_color(scols_line_get_cell(line, at), state_colour(text)))
			return -1;
		at++;
	}
	return line ? 0 : -1;
}

static int add_column(struct libscols_table *table, const struct print_column *column)
{
	bool is_right = column->kind == PRINT_NUMBER || column->kind == PRINT_BYTES ||
			column->kind == PRINT_PERCENT || column->kind == PRINT_RATE;
	int flags = is_right ? SCOLS_FL_RIGHT : column->kind == PRINT_TEXT ? SCOLS_FL_WRAP : 0;
	struct libscols_column *made = scols_table_new_column(table, column->title, 0, flags);

	if (!made)
		return -1;
	/* Lines are broken by layout_wrap(), between words. */
	return flags & SCOLS_FL_WRAP ? scols_column_set_wrapfunc(made, scols_wrapnl_chunksize,
								 scols_wrapnl_nextchunk, NULL)
				     : 0;
}

static int fill_table(struct libscols_table *table, const json_t *rows,
		      const struct print_column *columns)
{
	struct layout_column layout[LAYOUT_COLUMNS_MAX];
	const json_t *row;
	size_t n = count(columns), i;

	lay_out(rows, columns, scols_table_get_termwidth(table), layout);
	for (i = 0; i < n; i++) {
		if (layout[i].width && add_column(table, &columns[i]))
			return -1;
	}
	json_array_foreach((json_t *)rows, i, row)
		if (add_row(table, row, columns, layout))
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

int print_section(const json_t *rows, const struct print_column *columns)
{
	if (json_array_size(rows))
		putchar('\n');
	return print_table(rows, columns, NULL);
}

/* Columns of the terminal behind a label, or no end: it is none, or too narrow to be read. */
static size_t room_behind(size_t label)
{
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ||
	    size.ws_col < label + TEXT_MIN)
		return PRINT_CELL_BYTES;
	return size.ws_col - label;
}

/* @text in the terminal's lines, broken between words, each behind @label blanks but the first. */
static void print_wrapped(const char *text, size_t label)
{
	char broken[2 * PRINT_CELL_BYTES], *line = broken, *end;

	layout_wrap(text, room_behind(label), broken, sizeof(broken));
	while ((end = strchr(line, '\n'))) {
		printf("%.*s\n%*s", (int)(end - line), line, (int)label, "");
		line = end + 1;
	}
	puts(line);
}

void print_text(const char *label, const char *format, ...)
{
	char text[PRINT_CELL_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* a longer one is cut */
	va_end(args);
	if (label)
		printf("%-*s", LABEL_WIDTH - 1, label);
	if (label)
		putchar(' ');
	print_wrapped(text, label ? LABEL_WIDTH : 0);
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
	else if (field->kind == PRINT_COMMAND)
		puts(text);
	else
		print_wrapped(text, LABEL_WIDTH);
}

void print_lines(const char *label, const json_t *list)
{
	char text[PRINT_CELL_BYTES];
	const json_t *line;
	size_t i;

	json_array_foreach((json_t *)list, i, line)
		printf("%s: %s\n", label, print_cell(line, PRINT_TEXT, text));
}
