// SPDX-License-Identifier: GPL-2.0
/*
 * libyaml's document API behind key tables. Not libcyaml: it stops at the first error, and people want all of them.
 * In: one source's bytes. Out: calls of the readers, and error rows with line and column.
 */
#include "config_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

#define CONFIG_DEPTH_MAX 8 /* nesting: the deepest config has four levels; aliases could loop */
#define CONFIG_SHOWN_BYTES 80

static void add_error(struct config_walk *walk, unsigned line, unsigned column, const char *text)
{
	struct config_errors *errors = walk->errors;
	struct config_error *error;

	if (errors->n >= CONFIG_ERRORS_MAX)
		return;
	error = &errors->error[errors->n];
	error->file = strdup(walk->source->name);
	error->text = strdup(errors->n == CONFIG_ERRORS_MAX - 1 ? "more errors follow; mend these first" : text);
	if (!error->file || !error->text) {
		free(error->file);
		free(error->text);
		walk->is_out_of_memory = true;
		return;
	}
	error->line = line;
	error->column = column;
	errors->n++;
}

void config_error_at(struct config_walk *walk, const yaml_node_t *node, const char *format, ...)
{
	char text[400], shown[sizeof(text) * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	escape_text(text, strlen(text), shown, sizeof(shown));
	add_error(walk, node ? node->start_mark.line + 1 : 1, node ? node->start_mark.column + 1 : 1, shown);
}

const char *config_scalar(struct config_walk *walk, const yaml_node_t *node, const char *what)
{
	if (node->type != YAML_SCALAR_NODE) {
		config_error_at(walk, node, "%s: give one value here, not a list or a mapping", what);
		return NULL;
	}
	if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length) {
		config_error_at(walk, node, "%s: a NUL byte is in the value: remove it", what);
		return NULL;
	}
	return (const char *)node->data.scalar.value;
}

/* Length of the common start: good enough to guess what a mistyped key was meant to be. */
static const char *nearest(const char *name, const struct config_key *keys)
{
	const char *best = keys[0].name;
	size_t best_score = 0, score, i;

	for (; keys->name; keys++) {
		for (score = 0; name[score] && name[score] == keys->name[score]; score++)
			;
		score *= 4;
		for (i = 0; name[i]; i++)
			score += strchr(keys->name, name[i]) != NULL;
		if (score > best_score) {
			best_score = score;
			best = keys->name;
		}
	}
	return best;
}

static const struct config_key *find_key(struct config_walk *walk, const yaml_node_t *node, const struct config_key *keys, const char *what)
{
	const char *name = config_scalar(walk, node, what);
	const struct config_key *key;

	if (!name)
		return NULL;
	for (key = keys; key->name; key++) {
		if (!strcmp(key->name, name))
			return key;
	}
	config_error_at(walk, node, "unknown key \"%.*s\" in %s: did you mean \"%s\"?", CONFIG_SHOWN_BYTES, name, what, nearest(name, keys));
	return NULL;
}

void config_mapping(struct config_walk *walk, yaml_node_t *node, const struct config_key *keys, void *target, const char *what)
{
	const struct config_key *key;
	yaml_node_pair_t *pair;
	uint64_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		config_error_at(walk, node, "%s: write KEY: VALUE lines here", what);
		return;
	}
	if (++walk->depth > CONFIG_DEPTH_MAX) {
		config_error_at(walk, node, "%s: nested too deep", what);
		walk->depth--;
		return;
	}
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(walk->document, pair->key);
		yaml_node_t *value = yaml_document_get_node(walk->document, pair->value);

		key = find_key(walk, name, keys, what);
		if (!key)
			continue;
		if (seen >> (key - keys) & 1)
			config_error_at(walk, name, "key \"%s\" is there twice in %s: remove one", key->name, what);
		else
			key->read(walk, value, target);
		seen |= 1ull << (key - keys);
	}
	walk->depth--;
}

void config_sequence(struct config_walk *walk, yaml_node_t *node, const char *what, void *target,
		     void (*read)(struct config_walk *walk, yaml_node_t *node, void *target))
{
	yaml_node_item_t *item;

	if (node->type != YAML_SEQUENCE_NODE) {
		config_error_at(walk, node, "%s: give a list, such as [A, B]", what);
		return;
	}
	if (++walk->depth > CONFIG_DEPTH_MAX)
		config_error_at(walk, node, "%s: nested too deep", what);
	else
		for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
			read(walk, yaml_document_get_node(walk->document, *item), target);
	walk->depth--;
}

int config_word(struct config_walk *walk, const yaml_node_t *node, const char *what, const char *const *words)
{
	const char *value = config_scalar(walk, node, what);
	char list[200] = "";
	int i;

	if (!value)
		return -1;
	for (i = 0; words[i]; i++) {
		if (!strcmp(words[i], value))
			return i;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", words[i]);
	}
	config_error_at(walk, node, "%s \"%.*s\": use one of %s", what, CONFIG_SHOWN_BYTES, value, list);
	return -1;
}

void config_document(struct config_walk *walk, void (*read)(struct config_walk *walk, yaml_node_t *root, void *target), void *target)
{
	yaml_document_t document;
	yaml_parser_t parser;
	yaml_node_t *root;

	if (!yaml_parser_initialize(&parser)) {
		walk->is_out_of_memory = true;
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)walk->source->text, walk->source->len);
	if (!yaml_parser_load(&parser, &document)) {
		char text[300];

		if (parser.error == YAML_MEMORY_ERROR)
			walk->is_out_of_memory = true;
		snprintf(text, sizeof(text), "this is not YAML: %s; check indentation and quotes", parser.problem ? parser.problem : "unreadable");
		add_error(walk, parser.problem_mark.line + 1, parser.problem_mark.column + 1, text);
		yaml_parser_delete(&parser);
		return;
	}
	walk->document = &document;
	root = yaml_document_get_root_node(&document);
	if (root)
		read(walk, root, target);
	yaml_document_delete(&document);
	if (yaml_parser_load(&parser, &document)) {
		root = yaml_document_get_root_node(&document);
		if (root)
			config_error_at(walk, root, "a second document: keep one document in this file");
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
}
