// SPDX-License-Identifier: GPL-2.0
/*
 * What people and programs see: tables from rows of the agent's data, or that data as one JSON
 * document. Every byte that came from outside is escaped before it reaches a terminal.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

enum print_kind {
	PRINT_TEXT,
	PRINT_NUMBER,  /* right aligned */
	PRINT_AGO,     /* Unix seconds in the past: "3h 20m", null: "-" */
	PRINT_LEFT,    /* Unix seconds to come: "3h 20m", null: "never" */
	PRINT_BYTES,   /* "1.5 MiB" */
	PRINT_PERCENT, /* share of 1: "0.12 %", "< 0.0001 %" */
	PRINT_STATE,   /* text, coloured on a terminal */
	PRINT_YES,     /* boolean: "yes" or "no", coloured as a state */
	PRINT_RATE,    /* text, right aligned */
	PRINT_COMMAND, /* text for a shell: never broken into lines */
};

struct print_column {
	const char *title;
	const char *key;
	enum print_kind kind;
};

#define PRINT_CELL_BYTES 1024 /* longest cell; more is cut */

/* Writes @document to stdout as one JSON document and a newline. Returns an exit status. */
int print_json(const json_t *document);

/*
 * Writes a table of @rows, an array of objects, by @columns (title NULL ends them), or the line
 * @empty (may be NULL: nothing) where there is no row. What is wider than the terminal is made to
 * fit (layout.h). Returns an exit status.
 */
int print_table(const json_t *rows, const struct print_column *columns, const char *empty);

/* The same under a blank line, and nothing where there is no row. */
int print_section(const json_t *rows, const struct print_column *columns);

/* Writes a line `label text`, or text alone (@label NULL), broken between words on a terminal. The
 * text must be escaped already. */
void print_text(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Writes one `label value` line of object[key]; nothing where the key is missing or null
 * (PRINT_LEFT: "never").
 */
void print_field(const json_t *object, const struct print_column *field);

/* Text of @value as @kind, escaped, in @out of PRINT_CELL_BYTES. Returns @out. */
const char *print_cell(const json_t *value, enum print_kind kind, char *out);

/* Writes each string of @list as its own line behind @label. */
void print_lines(const char *label, const json_t *list);
