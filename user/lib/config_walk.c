// SPDX-License-Identifier: GPL-2.0
/* A YAML document walked by tables of keys: unknown and double keys, wrong kinds of node, each with
 * its place. */
#include "config_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

/* A row of @rows, of which *@n are used. False: out of memory. */
static bool add_row(struct config_walk *w, struct config_error *rows, unsigned *n, size_t line,
		    size_t column, const char *text)
{
	struct config_error *row = &rows[*n];

	row->file = strdup(w->file);
	row->text = strdup(text);
	row->line = (unsigned)line + 1;
	row->column = (unsigned)column + 1;
	if (row->file && row->text) {
		(*n)++;
		return true;
	}
	free(row->file);
	free(row->text);
	*row = (struct config_error){0};
	return false;
}

static void complain(struct config_walk *w, size_t line, size_t column, const char *text)
{
	if (w->errors->n >= CONFIG_ERRORS_MAX)
		return;
	if (w->errors->n == CONFIG_ERRORS_MAX - 1)
		text = "more errors follow: mend these first";
	if (!add_row(w, w->errors->error, &w->errors->n, line, column, text))
		w->no_memory = true;
}

void config_complain(struct config_walk *w, size_t line, size_t column, const char *format, ...)
{
	char buf[512];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	complain(w, line, column, buf);
}

void config_note(struct config_walk *w, const yaml_node_t *node, bool is_error, const char *format,
		 ...)
{
	struct config_errors *errors = w->errors;
	char buf[512];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	if (is_error)
		complain(w, node->start_mark.line, node->start_mark.column, buf);
	else if (errors->n_warnings < CONFIG_WARNINGS_MAX &&
		 !add_row(w, errors->warning, &errors->n_warnings, node->start_mark.line,
			  node->start_mark.column, buf))
		w->no_memory = true;
}

/* A bad value: KEY "VALUE": mend. */
void config_bad_value(struct config_walk *w, const yaml_node_t *node, const char *key,
		      const char *text, const char *mend)
{
	char shown[80];

	config_complain_at(w, node, "%s \"%s\": %s", key,
			   escape_text(text, strlen(text), shown, sizeof(shown)), mend);
}

const char *config_scalar(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE ||
	    strlen((char *)node->data.scalar.value) != node->data.scalar.length)
		return NULL;
	return (const char *)node->data.scalar.value;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);

	if (strlen(a) > 60 || n > 60)
		return 99;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[n];
}

#define GUESS_SHARE 3 /* one letter in so many may be wrong: what is further off is another word */

static void unknown_key(struct config_walk *w, const struct config_key *keys,
			const yaml_node_t *key, const char *name, const char *nearest, unsigned off)
{
	char shown[80], list[320];
	size_t longer, len = 0;

	name = name ? escape_text(name, strlen(name), shown, sizeof(shown)) : "";
	longer = nearest && strlen(nearest) > strlen(name) ? strlen(nearest) : strlen(name);
	if (nearest && off * GUESS_SHARE <= longer) {
		config_complain_at(w, key, "unknown key \"%s\": did you mean %s?", name, nearest);
		return;
	}
	for (unsigned i = 0; keys[i].name && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					keys[i].name);
	config_complain_at(w, key, "unknown key \"%s\": the keys here are %s", name, list);
}

static void read_key(struct config_walk *w, const struct config_key *keys, const yaml_node_t *key,
		     const yaml_node_t *value, uint32_t *seen)
{
	const char *name = config_scalar(key), *text = config_scalar(value), *nearest = NULL;
	unsigned best = 99, d;

	for (unsigned i = 0; name && keys[i].name; i++) {
		d = distance(name, keys[i].name);
		if (d < best) {
			best = d;
			nearest = keys[i].name;
		}
		if (d)
			continue;
		if (*seen & 1u << i)
			config_complain_at(w, key, "%s: given twice: remove one", name);
		else if (keys[i].is_scalar && !text)
			config_complain_at(w, value, "%s: give one plain value", name);
		else
			keys[i].read(w, value, text);
		*seen |= 1u << i;
		return;
	}
	unknown_key(w, keys, key, name, nearest, best);
}

void config_walk_mapping(struct config_walk *w, const yaml_node_t *node,
			 const struct config_key *keys, const char *what)
{
	uint32_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		config_complain_at(w, node, "%s: give keys with values, such as \"%s: ...\"", what,
				   keys[0].name);
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++)
		read_key(w, keys, yaml_document_get_node(w->doc, pair->key),
			 yaml_document_get_node(w->doc, pair->value), &seen);
}

/* Which of two words? -1 after an error. */
int config_choose(struct config_walk *w, const yaml_node_t *node, const char *key, const char *text,
		  const char *const *words, const char *mend)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	config_bad_value(w, node, key, text, mend);
	return -1;
}

/* Calls @read for each item of a list; a single value counts as a list of one. */
void config_each(struct config_walk *w, const yaml_node_t *node, const char *what,
		 config_key_fn read)
{
	if (node->type != YAML_SEQUENCE_NODE) {
		config_complain_at(w, node, "%s: give a list, such as [a, b]", what);
		return;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++) {
		const yaml_node_t *child = yaml_document_get_node(w->doc, *item);

		read(w, child, config_scalar(child));
	}
}
