// SPDX-License-Identifier: GPL-2.0
/* What config.c's key tables need of libyaml: one document's nodes, and errors with their place. */
#pragma once

#include <yaml.h>

#include "config.h"

/* The walk over one source: where errors go, and under which name. */
struct config_walk {
	const struct config_source *source;
	yaml_document_t *document;
	struct config *config;
	struct config_errors *errors;
	int depth;
	bool is_out_of_memory;
};

/* One key of a mapping: its name and what reads its value into @target. */
struct config_key {
	const char *name;
	void (*read)(struct config_walk *walk, yaml_node_t *node, void *target);
};

/* Adds an error at @node (NULL: line 1, column 1). @format says what is wrong and how to mend it. */
void config_error_at(struct config_walk *walk, const yaml_node_t *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The scalar's text, or NULL after an error that says that @what is wanted. */
const char *config_scalar(struct config_walk *walk, const yaml_node_t *node, const char *what);

/* Reads @node, a mapping, by @keys (ended by a NULL name): unknown and repeated keys are errors. */
void config_mapping(struct config_walk *walk, yaml_node_t *node, const struct config_key *keys, void *target, const char *what);

/* Calls @read for each item of @node, a sequence. */
void config_sequence(struct config_walk *walk, yaml_node_t *node, const char *what, void *target,
		     void (*read)(struct config_walk *walk, yaml_node_t *node, void *target));

/* Index of the scalar in @words (ended by NULL), or -1 after an error that lists them. */
int config_word(struct config_walk *walk, const yaml_node_t *node, const char *what, const char *const *words);

/* Loads a document and gives its root to @read. A syntax error is a row like any other. */
void config_document(struct config_walk *walk, void (*read)(struct config_walk *walk, yaml_node_t *root, void *target), void *target);
