// SPDX-License-Identifier: GPL-2.0
/* The config's top-level keys, and a parse from its files' bytes to the struct; every error with
 * its place and mend. */
#include "config_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_DEFAULT_PER_S 100
/* bytes: four hours at the default sample, should all of it be used */
#define EVENTS_DEFAULT_BYTES (100u << 20)

static void one_feed(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	config_read_feed(w, node);
}

static void top_feeds(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (!text || *text) /* "feeds:" with nothing is none */
		config_each(w, node, "feeds", one_feed);
}

static void one_interface(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct config *config = w->config;

	if (!text || !*text || strlen(text) > 15 || strpbrk(text, "/ \t\n:")) {
		config_bad_value(w, node, "interfaces", text ? text : "",
				 "give interface names of 1 to 15 characters, or [auto]");
	} else if (!strcmp(text, "auto")) {
		config->interfaces_auto = true;
	} else if (config->n_interfaces >= SEK_IFACES_MAX) {
		config_complain_at(w, node, "interfaces: more than %d: remove some",
				   SEK_IFACES_MAX);
	} else {
		for (unsigned i = 0; i < config->n_interfaces; i++)
			if (!strcmp(config->interfaces[i], text))
				config_bad_value(w, node, "interfaces", text,
						 "given twice: remove one");
		strcpy(config->interfaces[config->n_interfaces++], text);
	}
}

static void top_interfaces(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	config_each(w, node, "interfaces", one_interface);
	if (w->config->interfaces_auto && w->config->n_interfaces)
		config_complain_at(w, node,
				   "interfaces: auto stands alone: remove it or the names");
}

static void one_allow(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct config *config = w->config;
	struct prefix *more;
	struct prefix prefix;
	enum prefix_error error =
	    text ? prefix_parse(text, strlen(text), &prefix, NULL) : PREFIX_BAD_ADDRESS;

	if (error) {
		config_bad_value(w, node, "allow", text ? text : "", prefix_error_text(error));
		return;
	}
	more = realloc(config->allow, (config->n_allow + 1) * sizeof(*more));
	if (!more) {
		w->no_memory = true;
		return;
	}
	config->allow = more;
	config->allow[config->n_allow++] = prefix;
}

static void top_allow(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (!text || *text)
		config_each(w, node, "allow", one_allow);
}

static void top_mode(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"enforce", "monitor", NULL};

	w->config->mode = config_choose(w, node, "mode", text, words, "use enforce or monitor") == 1
			      ? SEK_MODE_MONITOR
			      : SEK_MODE_ENFORCE;
}

static void top_attach(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"auto", "native", "generic", NULL};
	int i = config_choose(w, node, "attach", text, words, "use auto, native or generic");

	w->config->attach = i < 0 ? CONFIG_ATTACH_AUTO : (enum config_attach)i;
}

static void top_on_exit(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"keep", "detach", NULL};

	w->config->detach_on_exit =
	    config_choose(w, node, "on-exit", text, words, "use keep or detach") == 1;
	w->config->on_exit_set = true;
}

static void top_malformed(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"pass", "drop", NULL};

	w->config->malformed_drop =
	    config_choose(w, node, "malformed", text, words, "use pass or drop") == 1;
}

static void metrics_listen(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
	unsigned char addr[16];
	char buf[64] = "";
	bool is_v6 = len > 2 && host[0] == '[' && host[len - 1] == ']';

	if (!strcmp(text, "off")) {
		w->config->metrics_host[0] = '\0';
		return;
	}
	host += is_v6;
	len -= is_v6 ? 2 : 0;
	if (colon && len < sizeof(buf))
		memcpy(buf, host, len);
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, buf, addr) != 1 || port < 1 || port > 65535 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
		config_bad_value(w, node, "listen", text,
				 "give ADDRESS:PORT, such as 127.0.0.1:9477 or [::1]:9477, or off");
		return;
	}
	strcpy(w->config->metrics_host, buf);
	w->config->metrics_port = (uint16_t)port;
}

static void top_metrics(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const struct config_key keys[] = {{"listen", metrics_listen, true},
						 {NULL, NULL, false}};

	if (text && !strcmp(text, "off"))
		w->config->metrics_host[0] = '\0';
	else
		config_walk_mapping(w, node, keys, "metrics");
}

static const struct config_key top_keys[] = {
    {"interfaces", top_interfaces, false},
    {"mode", top_mode, true},
    {"attach", top_attach, true},
    {"on-exit", top_on_exit, true},
    {"malformed", top_malformed, true},
    {"allow", top_allow, false},
    {"feeds", top_feeds, false},
    {"metrics", top_metrics, false},
    {"crowdsec", config_read_crowdsec, false},
    {"limits", config_read_limits, false},
    {"ipv6-source-prefix", config_read_source_prefix, true},
    {"limiter-memory", config_read_limiter_memory, true},
    {"events", config_read_events, false},
    {NULL, NULL, false},
};

static void read_root(struct config_walk *w, const yaml_node_t *root, bool is_main)
{
	if (is_main) {
		config_walk_mapping(w, root, top_keys, "config");
		return;
	}
	if (root->type != YAML_SEQUENCE_NODE) {
		config_read_feed(w, root);
	} else if (root->data.sequence.items.top - root->data.sequence.items.start == 1) {
		config_read_feed(w,
				 yaml_document_get_node(w->doc, *root->data.sequence.items.start));
	} else {
		config_complain_at(w, root,
				   "a file of feeds.d holds one feed: give each its own file");
	}
}

/* libyaml's words say what its grammar missed; the mend is ours. */
static void complain_yaml(struct config_walk *w, const struct config_source *source,
			  const yaml_parser_t *parser)
{
	const yaml_mark_t *mark = &parser->problem_mark;
	bool is_tab = mark->index < source->len && source->text[mark->index] == '\t';
	const char *mend = "check the indentation, quotes and brackets here and on the line before";

	if (parser->error == YAML_READER_ERROR)
		config_complain(w, 0, 0, "YAML: %s at byte %zu: save the file as UTF-8 text",
				parser->problem, parser->problem_offset);
	else if (is_tab)
		config_complain(w, mark->line, mark->column, "YAML: a tab: indent with spaces");
	else
		config_complain(w, mark->line, mark->column, "YAML: %s: %s",
				parser->problem ? parser->problem : "not readable", mend);
}

/* What stands behind a line of --- would be ignored without a word. */
static void refuse_more(struct config_walk *w, const struct config_source *source,
			yaml_parser_t *parser)
{
	yaml_document_t doc;
	yaml_node_t *root;

	if (!yaml_parser_load(parser, &doc)) {
		complain_yaml(w, source, parser);
		return;
	}
	root = yaml_document_get_root_node(&doc);
	if (root)
		config_complain_at(w, root, "a second document: remove the line --- before it");
	yaml_document_delete(&doc);
}

static void read_document(struct config_walk *w, const struct config_source *source,
			  yaml_parser_t *parser, bool is_main)
{
	yaml_document_t doc;
	yaml_node_t *root;

	if (!yaml_parser_load(parser, &doc)) {
		complain_yaml(w, source, parser);
		return;
	}
	w->doc = &doc;
	root = yaml_document_get_root_node(&doc);
	if (root)
		read_root(w, root, is_main);
	if (is_main)
		config_finish_limits(w);
	if (!root && !is_main)
		config_complain(w, 0, 0, "empty file: give one feed, or remove the file");
	yaml_document_delete(&doc);
	if (root)
		refuse_more(w, source, parser);
}

static void read_source(struct config_walk *w, const struct config_source *source, bool is_main)
{
	yaml_parser_t parser;

	w->file = source->name;
	w->is_main = is_main;
	if (!yaml_parser_initialize(&parser)) {
		w->no_memory = true;
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->len);
	read_document(w, source, &parser, is_main);
	yaml_parser_delete(&parser);
}

int config_parse(const struct config_source *sources, size_t n, struct config **ret_config,
		 struct config_errors *errors)
{
	struct config_walk w = {.errors = errors};

	memset(errors, 0, sizeof(*errors));
	w.config = calloc(1, sizeof(*w.config));
	if (!w.config)
		return -ENOMEM;
	strcpy(w.config->metrics_host, "127.0.0.1");
	w.config->metrics_port = 9477;
	w.config->source_len6 = 64;
	w.config->limiter_bits = SEK_LIMIT_LINES_BITS;
	w.config->events_per_s = EVENTS_DEFAULT_PER_S;
	w.config->events_max_bytes = EVENTS_DEFAULT_BYTES;
	for (size_t i = 0; i < n && !w.no_memory; i++)
		read_source(&w, &sources[i], i == 0);
	if (!w.config->n_interfaces)
		w.config->interfaces_auto = true;
	if (w.no_memory || errors->n) {
		config_free(w.config);
		return w.no_memory ? -ENOMEM : -EINVAL;
	}
	*ret_config = w.config;
	return 0;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_feeds; i++) {
		free(config->feeds[i].url);
		free(config->feeds[i].path);
		free(config->feeds[i].ca_file);
		free(config->feeds[i].key_file);
		free(config->feeds[i].file);
	}
	config_free_crowdsec(&config->crowdsec);
	free(config->feeds);
	free(config->allow);
	free(config->limits);
	free(config);
}

static void clear_rows(struct config_error *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(rows[i].file);
		free(rows[i].text);
	}
}

void config_errors_clear(struct config_errors *errors)
{
	clear_rows(errors->error, errors->n);
	clear_rows(errors->warning, errors->n_warnings);
	memset(errors, 0, sizeof(*errors));
}
