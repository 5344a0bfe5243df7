// SPDX-License-Identifier: GPL-2.0
/* YAML documents walked by tables of keys; every error is collected with its place and its mend. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "escape.h"
#include "fetch_msg.h"
#include "units.h"

struct walk {
	struct config *config;
	struct config_feed *feed;
	struct config_errors *errors;
	const char *file;
	yaml_document_t *doc;
	bool no_memory;
};

typedef void (*key_fn)(struct walk *w, const yaml_node_t *node, const char *text);

struct key {
	const char *name;
	key_fn read;
	bool is_scalar;
};

__attribute__((format(printf, 4, 5))) static void complain(struct walk *w, size_t line, size_t column, const char *format, ...)
{
	struct config_error *error;
	char buf[512];
	va_list args;

	if (w->errors->n >= CONFIG_ERRORS_MAX)
		return;
	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	if (w->errors->n == CONFIG_ERRORS_MAX - 1)
		snprintf(buf, sizeof(buf), "more errors follow: mend these first");
	error = &w->errors->error[w->errors->n];
	error->file = strdup(w->file);
	error->text = strdup(buf);
	error->line = (unsigned)line + 1;
	error->column = (unsigned)column + 1;
	if (error->file && error->text) {
		w->errors->n++;
		return;
	}
	free(error->file);
	free(error->text);
	w->no_memory = true;
}

#define complain_at(w, node, ...) complain(w, (node)->start_mark.line, (node)->start_mark.column, __VA_ARGS__)

/* A bad value: KEY "VALUE": mend. */
static void bad_value(struct walk *w, const yaml_node_t *node, const char *key, const char *text, const char *mend)
{
	char shown[80];

	complain_at(w, node, "%s \"%s\": %s", key, escape_text(text, strlen(text), shown, sizeof(shown)), mend);
}

static const char *scalar(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || strlen((char *)node->data.scalar.value) != node->data.scalar.length)
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

static void read_key(struct walk *w, const struct key *keys, const yaml_node_t *key, const yaml_node_t *value, uint32_t *seen)
{
	const char *name = scalar(key), *text = scalar(value), *nearest = NULL;
	unsigned best = 99, d;
	char shown[80];

	for (unsigned i = 0; name && keys[i].name; i++) {
		d = distance(name, keys[i].name);
		if (d < best) {
			best = d;
			nearest = keys[i].name;
		}
		if (d)
			continue;
		if (*seen & 1u << i)
			complain_at(w, key, "%s: given twice: remove one", name);
		else if (keys[i].is_scalar && !text)
			complain_at(w, value, "%s: give one plain value", name);
		else
			keys[i].read(w, value, text);
		*seen |= 1u << i;
		return;
	}
	complain_at(w, key, "unknown key \"%s\": did you mean %s?",
		    name ? escape_text(name, strlen(name), shown, sizeof(shown)) : "", nearest ? nearest : keys[0].name);
}

static void walk_mapping(struct walk *w, const yaml_node_t *node, const struct key *keys, const char *what)
{
	uint32_t seen = 0;

	if (node->type != YAML_MAPPING_NODE) {
		complain_at(w, node, "%s: give keys with values, such as \"%s: ...\"", what, keys[0].name);
		return;
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		read_key(w, keys, yaml_document_get_node(w->doc, pair->key), yaml_document_get_node(w->doc, pair->value), &seen);
}

/* Which of two words? -1 after an error. */
static int choose(struct walk *w, const yaml_node_t *node, const char *key, const char *text, const char *const *words, const char *mend)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	bad_value(w, node, key, text, mend);
	return -1;
}

static char *keep(struct walk *w, char **slot, const char *text)
{
	free(*slot);
	*slot = strdup(text);
	w->no_memory |= !*slot;
	return *slot;
}

static void feed_name(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	if (!*text || *text == '.' || strlen(text) >= CONFIG_FEED_NAME_BYTES || text[strspn(text, ok)]) {
		bad_value(w, node, "name", text, "use 1 to 63 of a-z A-Z 0-9 _ - and dots, no dot first");
		return;
	}
	for (size_t i = 0; i < w->config->n_feeds; i++)
		if (!strcmp(w->config->feeds[i].name, text))
			bad_value(w, node, "name", text, "another feed has this name: choose a different one");
	strcpy(w->feed->name, text);
}

static void feed_url(struct walk *w, const yaml_node_t *node, const char *text)
{
	size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;

	keep(w, &w->feed->url, text);
	if (!scheme || !text[scheme] || strlen(text) >= FETCH_URL_BYTES || strpbrk(text, " \t\r\n"))
		bad_value(w, node, "url", text, "give an http:// or https:// address, or use path: for a file");
	else if (memchr(text + scheme, '@', strcspn(text + scheme, "/?#")))
		complain_at(w, node, "url: holds a user or password: remove what stands before the @");
}

static void feed_path(struct walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->feed->path, text);
	if (*text != '/')
		bad_value(w, node, "path", text, "give an absolute path, such as /etc/sekisho/my.list");
}

static void feed_ca(struct walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->feed->ca_file, text);
	if (*text != '/' || strlen(text) >= 256)
		bad_value(w, node, "ca-file", text, "give an absolute path");
}

static void feed_format(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "auto", "plain", "netset", NULL };
	static const char *const later[] = { "dshield", "csv", "json", "ndjson", "p2p", "aws-ipset", NULL };
	int i;

	for (i = 0; later[i]; i++) {
		if (!strcmp(later[i], text)) {
			bad_value(w, node, "format", text, "not read by this version: use auto, plain or netset");
			return;
		}
	}
	i = choose(w, node, "format", text, words, "use auto, plain or netset");
	if (i >= 0)
		w->feed->format = (uint32_t)i;
}

static void feed_action(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "allow", "block", "monitor", NULL };
	int i = choose(w, node, "action", text, words, "use block, monitor or allow");

	if (i >= 0)
		w->feed->action = (enum sek_action)(i + 1);
}

static void feed_interval(struct walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s = 0;

	if (units_parse_duration(text, strlen(text), &s))
		bad_value(w, node, "interval", text, "give a duration with a unit, such as 12h");
	else if (s < 60 || s > 365 * 86400ull)
		bad_value(w, node, "interval", text, "give 5m (60s for a path) to 365d");
	else
		w->feed->interval_s = (uint32_t)s;
}

static void feed_max_entries(struct walk *w, const yaml_node_t *node, const char *text)
{
	size_t len = strlen(text);
	unsigned long n = strtoul(text, NULL, 10);

	if (!len || len > 8 || text[strspn(text, "0123456789")] || n < 1 || n > SEK_PREFIXES_V4_MAX)
		bad_value(w, node, "max-entries", text, "give a whole number from 1 to 10000000");
	else
		w->feed->max_entries = (uint32_t)n;
}

/* Reads N% with at most @max; -1 where it is none. */
static double read_percent(const char *text, double max)
{
	size_t len = strlen(text);
	double value;

	if (len < 2 || len > 12 || text[len - 1] != '%' || strspn(text, "0123456789.") != len - 1 || *text == '.')
		return -1;
	value = strtod(text, NULL);
	return value <= max ? value : -1;
}

static void feed_max_change(struct walk *w, const yaml_node_t *node, const char *text)
{
	double percent = read_percent(text, 100000);

	if (percent < 0 || percent != (uint32_t)percent)
		bad_value(w, node, "max-change", text, "give a whole percentage, such as 50% (0% for no check)");
	else
		w->feed->max_change_percent = (uint32_t)percent;
}

static void feed_max_coverage(struct walk *w, const yaml_node_t *node, const char *text)
{
	double percent = read_percent(text, 100);

	if (percent < 0)
		bad_value(w, node, "max-coverage", text, "give a percentage up to 100%, such as 2%");
	else
		w->feed->max_coverage = percent / 100;
}

static void feed_private(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "leave-out", "block", NULL };

	w->feed->keep_private = choose(w, node, "private", text, words, "use leave-out or block") == 1;
}

static const struct key feed_keys[] = {
	{ "name", feed_name, true },	     { "url", feed_url, true },
	{ "path", feed_path, true },	     { "format", feed_format, true },
	{ "action", feed_action, true },     { "interval", feed_interval, true },
	{ "max-entries", feed_max_entries, true }, { "max-change", feed_max_change, true },
	{ "max-coverage", feed_max_coverage, true }, { "private", feed_private, true },
	{ "ca-file", feed_ca, true },	     { NULL, NULL, false },
};

static void read_feed(struct walk *w, const yaml_node_t *node)
{
	struct config *config = w->config;
	struct config_feed *more = realloc(config->feeds, (config->n_feeds + 1) * sizeof(*more));

	if (!more) {
		w->no_memory = true;
		return;
	}
	config->feeds = more;
	w->feed = &more[config->n_feeds];
	*w->feed = (struct config_feed){ .action = SEK_A_BLOCK, .interval_s = 12 * 3600, .max_entries = 1000000,
					 .max_change_percent = 50, .max_coverage = 0.02 };
	walk_mapping(w, node, feed_keys, "feed");
	config->n_feeds++;
	if (config->n_feeds == SEK_LISTS_MAX)
		complain_at(w, node, "feeds: more than %d: remove some", SEK_LISTS_MAX - 1);
	if (node->type != YAML_MAPPING_NODE)
		return;
	if (!w->feed->name[0])
		complain_at(w, node, "feed without a valid name: add name: NAME");
	if (!w->feed->url == !w->feed->path)
		complain_at(w, node, "feed \"%s\": give one of url and path", w->feed->name);
	if (w->feed->url && w->feed->interval_s < 300)
		complain_at(w, node, "feed \"%s\": interval: at least 5m for a url", w->feed->name);
}

/* Calls @read for each item of a list; a single value counts as a list of one. */
static void each(struct walk *w, const yaml_node_t *node, const char *what, key_fn read)
{
	if (node->type != YAML_SEQUENCE_NODE) {
		complain_at(w, node, "%s: give a list, such as [a, b]", what);
		return;
	}
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *child = yaml_document_get_node(w->doc, *item);

		read(w, child, scalar(child));
	}
}

static void one_feed(struct walk *w, const yaml_node_t *node, const char *text)
{
	read_feed(w, node);
}

static void top_feeds(struct walk *w, const yaml_node_t *node, const char *text)
{
	if (!text || *text) /* "feeds:" with nothing is none */
		each(w, node, "feeds", one_feed);
}

static void one_interface(struct walk *w, const yaml_node_t *node, const char *text)
{
	struct config *config = w->config;

	if (!text || !*text || strlen(text) > 15 || strpbrk(text, "/ \t\n:")) {
		bad_value(w, node, "interfaces", text ? text : "", "give interface names of 1 to 15 characters, or [auto]");
	} else if (!strcmp(text, "auto")) {
		config->interfaces_auto = true;
	} else if (config->n_interfaces >= SEK_IFACES_MAX) {
		complain_at(w, node, "interfaces: more than %d: remove some", SEK_IFACES_MAX);
	} else {
		for (unsigned i = 0; i < config->n_interfaces; i++)
			if (!strcmp(config->interfaces[i], text))
				bad_value(w, node, "interfaces", text, "given twice: remove one");
		strcpy(config->interfaces[config->n_interfaces++], text);
	}
}

static void top_interfaces(struct walk *w, const yaml_node_t *node, const char *text)
{
	each(w, node, "interfaces", one_interface);
	if (w->config->interfaces_auto && w->config->n_interfaces)
		complain_at(w, node, "interfaces: auto stands alone: remove it or the names");
}

static void one_allow(struct walk *w, const yaml_node_t *node, const char *text)
{
	struct config *config = w->config;
	struct prefix *more;
	struct prefix prefix;
	enum prefix_error error = text ? prefix_parse(text, strlen(text), &prefix, NULL) : PREFIX_BAD_ADDRESS;

	if (error) {
		bad_value(w, node, "allow", text ? text : "", prefix_error_text(error));
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

static void top_allow(struct walk *w, const yaml_node_t *node, const char *text)
{
	if (!text || *text)
		each(w, node, "allow", one_allow);
}

static void top_mode(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "enforce", "monitor", NULL };

	w->config->mode = choose(w, node, "mode", text, words, "use enforce or monitor") == 1 ? SEK_MODE_MONITOR : SEK_MODE_ENFORCE;
}

static void top_attach(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "auto", "native", "generic", NULL };
	int i = choose(w, node, "attach", text, words, "use auto, native or generic");

	w->config->attach = i < 0 ? CONFIG_ATTACH_AUTO : (enum config_attach)i;
}

static void top_on_exit(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "keep", "detach", NULL };

	w->config->detach_on_exit = choose(w, node, "on-exit", text, words, "use keep or detach") == 1;
	w->config->on_exit_set = true;
}

static void top_malformed(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = { "pass", "drop", NULL };

	w->config->malformed_drop = choose(w, node, "malformed", text, words, "use pass or drop") == 1;
}

static void metrics_listen(struct walk *w, const yaml_node_t *node, const char *text)
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
		bad_value(w, node, "listen", text, "give ADDRESS:PORT, such as 127.0.0.1:9477 or [::1]:9477, or off");
		return;
	}
	strcpy(w->config->metrics_host, buf);
	w->config->metrics_port = (uint16_t)port;
}

static void top_metrics(struct walk *w, const yaml_node_t *node, const char *text)
{
	static const struct key keys[] = { { "listen", metrics_listen, true }, { NULL, NULL, false } };

	if (text && !strcmp(text, "off"))
		w->config->metrics_host[0] = '\0';
	else
		walk_mapping(w, node, keys, "metrics");
}

static void top_later(struct walk *w, const yaml_node_t *node, const char *text)
{
	complain_at(w, node, "limits, events and ipv6-source-prefix: this version does not enforce them yet: remove the key");
}

static const struct key top_keys[] = {
	{ "interfaces", top_interfaces, false }, { "mode", top_mode, true },	 { "attach", top_attach, true },
	{ "on-exit", top_on_exit, true },	 { "malformed", top_malformed, true }, { "allow", top_allow, false },
	{ "feeds", top_feeds, false },		 { "metrics", top_metrics, false }, { "limits", top_later, false },
	{ "events", top_later, false },		 { "ipv6-source-prefix", top_later, false }, { NULL, NULL, false },
};

static void read_root(struct walk *w, const yaml_node_t *root, bool is_main)
{
	if (is_main) {
		walk_mapping(w, root, top_keys, "config");
		return;
	}
	if (root->type != YAML_SEQUENCE_NODE) {
		read_feed(w, root);
	} else if (root->data.sequence.items.top - root->data.sequence.items.start == 1) {
		read_feed(w, yaml_document_get_node(w->doc, *root->data.sequence.items.start));
	} else {
		complain_at(w, root, "a file of feeds.d holds one feed: give each its own file");
	}
}

static void read_source(struct walk *w, const struct config_source *source, bool is_main)
{
	yaml_parser_t parser;
	yaml_document_t doc;
	yaml_node_t *root;

	w->file = source->name;
	if (!yaml_parser_initialize(&parser)) {
		w->no_memory = true;
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->len);
	if (!yaml_parser_load(&parser, &doc)) {
		complain(w, parser.problem_mark.line, parser.problem_mark.column, "YAML: %s",
			 parser.problem ? parser.problem : "not readable");
		yaml_parser_delete(&parser);
		return;
	}
	w->doc = &doc;
	root = yaml_document_get_root_node(&doc);
	if (root)
		read_root(w, root, is_main);
	else if (!is_main)
		complain(w, 0, 0, "empty file: give one feed, or remove the file");
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
}

int config_parse(const struct config_source *sources, size_t n, struct config **ret_config, struct config_errors *errors)
{
	struct walk w = { .errors = errors };

	memset(errors, 0, sizeof(*errors));
	w.config = calloc(1, sizeof(*w.config));
	if (!w.config)
		return -ENOMEM;
	strcpy(w.config->metrics_host, "127.0.0.1");
	w.config->metrics_port = 9477;
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
	}
	free(config->feeds);
	free(config->allow);
	free(config);
}

void config_errors_clear(struct config_errors *errors)
{
	for (unsigned i = 0; i < errors->n; i++) {
		free(errors->error[i].file);
		free(errors->error[i].text);
	}
	memset(errors, 0, sizeof(*errors));
}
