// SPDX-License-Identifier: GPL-2.0
/*
 * What the config's files share: a walk over one YAML document by tables of keys, and how an error
 * gets its place. Only config*.c includes this.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

#include "config.h"

struct config_walk {
	struct config *config;
	struct config_feed *feed;
	struct limit_settings *limit;
	const yaml_node_t *limits_node; /* of the main file, while it is read; NULL: no limits */
	struct config_errors *errors;
	const char *file;
	yaml_document_t *doc;
	bool is_main; /* false: a file of feeds.d */
	bool no_memory;
	bool has_action; /* the feed that is being read says one */
};

typedef void (*config_key_fn)(struct config_walk *w, const yaml_node_t *node, const char *text);

struct config_key {
	const char *name;
	config_key_fn read;
	bool is_scalar;
};

/* Collects one error at @line and @column (from 0). Out of memory: w->no_memory. */
void config_complain(struct config_walk *w, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define config_complain_at(w, node, ...)                                                           \
	config_complain(w, (node)->start_mark.line, (node)->start_mark.column, __VA_ARGS__)

/* An error, or with @is_error false a warning: the config is taken all the same. */
void config_note(struct config_walk *w, const yaml_node_t *node, bool is_error, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

/* Complains: KEY "VALUE": mend. */
void config_bad_value(struct config_walk *w, const yaml_node_t *node, const char *key,
		      const char *text, const char *mend);

/* Text of a scalar without NUL bytes, else NULL. */
const char *config_scalar(const yaml_node_t *node);

/* Reads each key of mapping @node by its row in @keys (ended by a NULL name); @what names the
 * mapping in errors. */
void config_walk_mapping(struct config_walk *w, const yaml_node_t *node,
			 const struct config_key *keys, const char *what);

/* Calls @read for each item of list @node. */
void config_each(struct config_walk *w, const yaml_node_t *node, const char *what,
		 config_key_fn read);

/* Which of @words (ended by NULL) is @text? -1 after a complaint that ends in @mend. */
int config_choose(struct config_walk *w, const yaml_node_t *node, const char *key, const char *text,
		  const char *const *words, const char *mend);

/* limits:, ipv6-source-prefix and limiter-memory (config_limit.c). */
void config_read_limits(struct config_walk *w, const yaml_node_t *node, const char *text);
void config_read_source_prefix(struct config_walk *w, const yaml_node_t *node, const char *text);
void config_read_limiter_memory(struct config_walk *w, const yaml_node_t *node, const char *text);
/* events: (config_events.c). */
void config_read_events(struct config_walk *w, const yaml_node_t *node, const char *text);
/* What must hold between all limits, once the whole file is read and while its document lives. */
void config_finish_limits(struct config_walk *w);

/* crowdsec: and what must hold once every feed is read (config_crowdsec.c). */
void config_read_crowdsec(struct config_walk *w, const yaml_node_t *node, const char *text);
void config_free_crowdsec(struct config_crowdsec *crowdsec);

/* Reads one feed into w->config (config_feed.c). */
void config_read_feed(struct config_walk *w, const yaml_node_t *node);
