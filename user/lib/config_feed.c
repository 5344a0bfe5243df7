// SPDX-License-Identifier: GPL-2.0
/* One feed of the config: its keys, their values and what must hold between them. */
#include "config_private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "feed_parse.h"
#include "feed_shape.h"
#include "feed_url.h"
#include "fetch_msg.h"
#include "units.h"

static char *keep(struct config_walk *w, char **slot, const char *text)
{
	free(*slot);
	*slot = strdup(text);
	w->no_memory |= !*slot;
	return *slot;
}

static void feed_name(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char ok[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	if (!*text || *text == '.' || *text == '-' || strlen(text) >= CONFIG_FEED_NAME_BYTES ||
	    text[strspn(text, ok)]) {
		config_bad_value(w, node, "name", text,
				 "use 1 to 63 of a-z A-Z 0-9 _ - and dots, no dot and no - first");
		return;
	}
	for (size_t i = 0; i < w->config->n_feeds; i++)
		if (!strcmp(w->config->feeds[i].name, text))
			config_complain_at(
				w, node,
				"name \"%s\": the feed at %s:%u has this name: choose a different one",
				text, w->config->feeds[i].file, w->config->feeds[i].line);
	if (!strcmp(text, CONFIG_CROWDSEC_NAME) && w->config->crowdsec.url)
		config_bad_value(w, node, "name", text,
				 "crowdsec: has this name already: choose a different one");
	strcpy(w->feed->name, text);
}

/* Does a host stand there, and behind it at most a port from 1 on? */
static bool has_place(const char *authority)
{
	size_t len = strcspn(authority, "/?#"), host, digits;
	const char *user = memrchr(authority, '@', len), *end = authority + len;

	authority = user ? user + 1 : authority;
	host = *authority == '[' ? strcspn(authority, "]/?#") : strcspn(authority, "[]:/?#");
	if (*authority == '[' && (host < 3 || authority[host++] != ']'))
		return false;
	authority += host;
	if (!host || authority == end)
		return host;
	digits = strspn(authority + 1, "0123456789");
	return *authority == ':' && authority + 1 + digits == end && digits <= 5 &&
	       (!digits || (atoi(authority + 1) > 0 && atoi(authority + 1) <= UINT16_MAX));
}

/* What it holds that is secret is in no message. */
static void read_url(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
	char shown[128], name[FEED_URL_NAME_BYTES];

	keep(w, &w->feed->url, text);
	if (!scheme || !text[scheme] || strlen(text) >= FETCH_URL_BYTES || strpbrk(text, " \t\r\n"))
		config_bad_value(w, node, "url", feed_url_hide(text, shown, sizeof(shown)),
				 "give an http:// or https:// address, or use path: for a file");
	else if (!has_place(text + scheme))
		config_bad_value(w, node, "url", feed_url_hide(text, shown, sizeof(shown)),
				 "give a host, an IPv6 address in brackets, and a port from 1 to 65535 or none");
	else if (memchr(text + scheme, '@', strcspn(text + scheme, "/?#")))
		config_complain_at(w, node, "url: holds a user or password: take out what stands before the @; base64 of USER:PASSWORD goes into a file of root's, for key-file: with key-header: \"Authorization: Basic\"");
	else if (feed_url_secret(text, name))
		config_complain_at(w, node, "url: its query holds a secret, \"%s\": take it out and put it into a file of root's, for key-file: with key-query: %s", name, name);
}

static void feed_path(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->feed->path, text);
	if (*text != '/')
		config_bad_value(w, node, "path", text,
				 "give an absolute path, such as /etc/sekisho/my.list");
}

static void feed_ca(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->feed->ca_file, text);
	if (*text != '/' || strlen(text) >= 256)
		config_bad_value(w, node, "ca-file", text, "give an absolute path");
}

static void feed_key_file(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->feed->key_file, text);
	if (*text != '/' || strlen(text) >= 256)
		config_complain_at(w, node, "key-file: give the absolute path of a file that holds the key, not the key");
}

/* A header's name, and perhaps a colon and a word. */
static void feed_key_header(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t len = strlen(text), name = strspn(text, token), word = 0;

	if (name && !strncmp(text + name, ": ", 2))
		word = 2 + strspn(text + name + 2, token);
	if (!name || len >= sizeof(w->feed->key_header) || name + word != len || word == 2)
		config_bad_value(w, node, "key-header", text, "give a header's name such as Key, or with a word such as \"Authorization: Bearer\"");
	else
		strcpy(w->feed->key_header, text);
}

static void feed_key_query(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (!feed_url_is_name(text))
		config_bad_value(w, node, "key-query", text, "give the name of the query's value, such as apikey for ?apikey=");
	else
		strcpy(w->feed->key_query, text);
}

/* A secret goes to a server that is sure to be the right one, over a line that nobody reads. */
static void check_secret(struct config_walk *w, const yaml_node_t *node)
{
	static const char *const hosts[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
	const struct config_feed *feed = w->feed;
	bool is_safe = feed->url && !strncmp(feed->url, "https://", 8);

	for (size_t i = 0; feed->url && i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t len = strlen(hosts[i]);

		/* its NUL as well */
		is_safe |= !strncmp(feed->url, hosts[i], len) && strchr(":/?#", feed->url[len]);
	}
	if (feed->key_file && !is_safe)
		config_complain_at(w, node, "feed \"%s\": key-file: needs a url with https://, or one on this host: the key would be read on the way", feed->name);
	if (!feed->key_file && feed->key_header[0])
		config_complain_at(w, node, "feed \"%s\": key-header: is for key-file, set that too", feed->name);
	if (!feed->key_file && feed->key_query[0])
		config_complain_at(w, node, "feed \"%s\": key-query: is for key-file, set that too", feed->name);
	if (feed->key_query[0] && feed->key_header[0])
		config_complain_at(w, node, "feed \"%s\": give one of key-header and key-query", feed->name);
	if (!feed->key_header[0])
		strcpy(w->feed->key_header, "Authorization: Bearer");
}

static void feed_format(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	for (uint32_t i = 0; i < FETCH_FORMAT_MAX; i++) {
		if (!strcmp(feed_format_name(i), text)) {
			w->feed->format = i;
			return;
		}
	}
	config_bad_value(w, node, "format", text,
			 "use auto, plain, netset or another name under FORMATS in sekisho.yaml(5)");
}

static void feed_column(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct feed_options *options = &w->feed->options;
	size_t len = strlen(text);

	if (len && !text[strspn(text, "0123456789")]) {
		options->column = len < 5 ? (uint32_t)strtoul(text, NULL, 10) : 0;
		if (options->column < 1 || options->column > FEED_COLUMN_MAX)
			config_bad_value(w, node, "column", text,
					 "give 1 for the first column, or the column's name");
	} else if (!len || len >= sizeof(options->column_name)) {
		config_bad_value(w, node, "column", text,
				 "give its number, or its name in the header line");
	} else {
		strcpy(options->column_name, text);
	}
}

static void feed_separator(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (!strcmp(text, "tab"))
		w->feed->options.separator = '\t';
	else if (strlen(text) == 1 && strchr(",;|: \t", *text))
		w->feed->options.separator = *text;
	else
		config_bad_value(w, node, "separator", text, "use one of \",\" \";\" \"|\" \":\" \" \" and tab");
}

static void feed_select(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (strlen(text) >= sizeof(w->feed->options.select) || !feed_select_is_good(text))
		config_bad_value(w, node, "select", text,
				 "give paths such as prefixes[].ip_prefix, with commas between");
	else
		strcpy(w->feed->options.select, text);
}

static void feed_country(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (!feed_countries_read(text, w->feed->options.countries))
		config_bad_value(w, node, "country", text,
				 "give up to 32 two-letter codes, such as \"DE, AT\"");
}

static void feed_threshold(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	size_t len = strlen(text);
	unsigned long n = strtoul(text, NULL, 10);

	if (!len || len > 4 || text[strspn(text, "0123456789")] || n < 1 || n > FEED_THRESHOLD_MAX)
		config_bad_value(w, node, "threshold", text, "give a whole number from 1 to 1000");
	else
		w->feed->options.threshold = (uint32_t)n;
}

/* Each option belongs to a format, and some formats cannot do without. */
static void check_options(struct config_walk *w, const yaml_node_t *node)
{
	const struct config_feed *feed = w->feed;
	const struct feed_options *options = &feed->options;
	bool has_column = options->column || options->column_name[0];
	bool is_json = feed->format == FETCH_JSON || feed->format == FETCH_NDJSON;
	const struct {
		bool is_wrong;
		const char *text;
	} rows[] = {
		{has_column && feed->format != FETCH_CSV,
		 "column: is for format: csv, set that too"},
		{options->separator && feed->format != FETCH_CSV,
		 "separator: is for format: csv, set that too"},
		{feed->format == FETCH_CSV && !has_column,
		 "format: csv needs column: NUMBER or NAME"},
		{options->select[0] && !is_json,
		 "select: is for format: json and ndjson, set one too"},
		{is_json && !options->select[0], "format: json and ndjson need select: PATH"},
		{options->countries[0][0] && feed->format != FETCH_MAXMIND &&
			 feed->format != FETCH_GEOFEED,
		 "country: is for format: maxmind and geofeed, set one too"},
		{feed->format == FETCH_MAXMIND && !options->countries[0][0],
		 "format: maxmind needs country: CODES"},
		{options->threshold && feed->format != FETCH_IPSUM,
		 "threshold: is for format: ipsum, set that too"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].is_wrong)
			config_complain_at(w, node, "feed \"%s\": %s", feed->name, rows[i].text);
}

static void feed_action(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"none", "allow", "block", "monitor", NULL}; /* enum sek_action */
	int i = config_choose(w, node, "action", text, words, "use block, monitor, allow or none");

	if (i >= 0)
		w->feed->action = (enum sek_action)i;
	w->has_action = true;
}

static void feed_interval(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s = 0;

	if (units_parse_duration(text, strlen(text), &s))
		config_bad_value(w, node, "interval", text,
				 "give a duration with a unit, such as 12h");
	else if (s < 60 || s > 365 * 86400ull)
		config_bad_value(w, node, "interval", text, "give 5m (60s for a path) to 365d");
	else
		w->feed->interval_s = (uint32_t)s;
}

static void feed_stale_after(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s = 0;

	if (units_parse_duration(text, strlen(text), &s) || s < 60 || s > 10 * 365 * 86400ull)
		config_bad_value(w, node, "stale-after", text, "give a duration from 60s to 3650d, such as 3d");
	else
		w->feed->stale_after_s = (uint32_t)s;
}

static void feed_max_entries(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	size_t len = strlen(text);
	unsigned long n = strtoul(text, NULL, 10);

	if (!len || len > 8 || text[strspn(text, "0123456789")] || n < 1 || n > SEK_PREFIXES_V4_MAX)
		config_bad_value(w, node, "max-entries", text,
				 "give a whole number from 1 to 10000000");
	else
		w->feed->guard.max_entries = (uint32_t)n;
}

/* Reads N% with at most @max; -1 where it is none. */
static double read_percent(const char *text, double max)
{
	size_t len = strlen(text);
	double value;

	if (len < 2 || len > 12 || text[len - 1] != '%' || strspn(text, "0123456789.") != len - 1 ||
	    *text == '.')
		return -1;
	value = strtod(text, NULL);
	return value <= max ? value : -1;
}

static void feed_max_change(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	double percent = read_percent(text, 100000);

	if (percent < 0 || percent != (uint32_t)percent)
		config_bad_value(w, node, "max-change", text,
				 "give a whole percentage, such as 50% (0% for no check)");
	else
		w->feed->guard.max_change_percent = (uint32_t)percent;
}

static void feed_max_coverage(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	double percent = read_percent(text, 100);

	if (percent < 0)
		config_bad_value(w, node, "max-coverage", text,
				 "give a percentage up to 100%, such as 2%");
	else
		w->feed->guard.max_coverage = percent / 100;
}

static void feed_max_errors(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	double percent = read_percent(text, 100);

	if (percent < 0)
		config_bad_value(w, node, "max-errors", text,
				 "give a percentage up to 100%, such as 5%");
	else
		w->feed->guard.max_errors = percent / 100;
}

static void feed_private(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"leave-out", "block", NULL};

	w->feed->keep_private =
	    config_choose(w, node, "private", text, words, "use leave-out or block") == 1;
}

static void feed_known_good(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"false", "true", NULL};

	w->feed->known_good = config_choose(w, node, "known-good", text, words, "use true or false") == 1;
}

static const struct config_key feed_keys[] = {
    {"name", feed_name, true},
    {"url", read_url, true},
    {"path", feed_path, true},
    {"format", feed_format, true},
    {"column", feed_column, true},
    {"separator", feed_separator, true},
    {"select", feed_select, true},
    {"country", feed_country, true},
    {"threshold", feed_threshold, true},
    {"action", feed_action, true},
    {"interval", feed_interval, true},
    {"stale-after", feed_stale_after, true},
    {"max-entries", feed_max_entries, true},
    {"max-change", feed_max_change, true},
    {"max-coverage", feed_max_coverage, true},
    {"max-errors", feed_max_errors, true},
    {"private", feed_private, true},
    {"known-good", feed_known_good, true},
    {"ca-file", feed_ca, true},
    {"key-file", feed_key_file, true},
    {"key-header", feed_key_header, true},
    {"key-query", feed_key_query, true},
    {NULL, NULL, false},
};

/* Publishers who have said how often they may be asked. */
static void check_interval(struct config_walk *w, const yaml_node_t *node)
{
	const struct config_feed *feed = w->feed;
	const struct feed_url_rule *rule = feed->url ? feed_url_rule(feed->url) : NULL;

	if (feed->url && feed->interval_s < 300)
		config_complain_at(w, node, "feed \"%s\": interval: at least 5m for a url", feed->name);
	else if (rule && feed->interval_s < rule->interval_s)
		config_note(w, node, false, "feed \"%s\": interval: %s", feed->name, rule->says);
}

void config_read_feed(struct config_walk *w, const yaml_node_t *node)
{
	struct config *config = w->config;
	struct config_feed *more = realloc(config->feeds, (config->n_feeds + 1) * sizeof(*more));

	if (!more) {
		w->no_memory = true;
		return;
	}
	config->feeds = more;
	w->feed = &more[config->n_feeds];
	*w->feed = (struct config_feed){.action = SEK_A_BLOCK,
					.interval_s = 12 * 3600,
					.guard = {.max_entries = 1000000,
						  .max_change_percent = 50,
						  .max_coverage = 0.02,
						  .max_errors = 0.05},
					.line = (unsigned)node->start_mark.line + 1,
					.is_main = w->is_main};
	if (!keep(w, &w->feed->file, w->file))
		return;
	w->has_action = false;
	config_walk_mapping(w, node, feed_keys, "feed");
	if (w->feed->known_good && !w->has_action)
		w->feed->action = SEK_A_NONE; /* a signal for people, no verdict */
	config->n_feeds++;
	if (config->n_feeds == SEK_LISTS_MAX)
		config_complain_at(w, node, "feeds: more than %d: remove some", SEK_LISTS_MAX - 1);
	if (node->type != YAML_MAPPING_NODE)
		return;
	check_options(w, node);
	check_secret(w, node);
	if (!w->feed->name[0])
		config_complain_at(w, node, "feed without a valid name: add name: NAME");
	if (w->feed->known_good && w->feed->action == SEK_A_BLOCK)
		config_complain_at(w, node, "feed \"%s\": known-good: true and action: block contradict each other: use action none, or leave known-good out", w->feed->name);
	if (!w->feed->url == !w->feed->path)
		config_complain_at(w, node, "feed \"%s\": give one of url and path", w->feed->name);
	if (!w->feed->stale_after_s)
		w->feed->stale_after_s =
			w->feed->interval_s * 4 > 86400 ? w->feed->interval_s * 4 : 86400;
	check_interval(w, node);
}
