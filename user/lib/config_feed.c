// SPDX-License-Identifier: GPL-2.0
/* The keys of one feed. A feed with an error is not added, and every one of its errors is told. */
#include "config_feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch_msg.h"
#include "units.h"

#define FEED_INTERVAL_S 43200	   /* 12 h */
#define FEED_INTERVAL_PATH_MIN_S 60
#define FEED_INTERVAL_URL_MIN_S 300 /* list servers ask for an hour or more; tests and own servers for less */

static void read_name(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	const char *text = config_scalar(walk, node, "name");
	struct config_feed *feed = target;

	if (!text)
		return;
	if (!text[0] || strlen(text) >= sizeof(feed->name) || text[0] == '.' || text[0] == '-' || strspn(text, good) != strlen(text))
		config_error_at(walk, node, "name \"%.70s\": use 1 to 63 letters, digits, _ - and dots, not starting with - or a dot", text);
	else
		strcpy(feed->name, text);
}

static void keep(struct config_walk *walk, char **place, const char *text)
{
	free(*place);
	*place = strdup(text);
	if (!*place)
		walk->is_out_of_memory = true;
}

static void read_url(struct config_walk *walk, yaml_node_t *node, void *target)
{
	const char *text = config_scalar(walk, node, "url");
	struct config_feed *feed = target;
	const char *host;

	if (!text)
		return;
	host = strstr(text, "://");
	if (strncmp(text, "http://", 7) && strncmp(text, "https://", 8))
		config_error_at(walk, node, "url \"%.80s\": http:// and https:// are fetched; for a file use path:", text);
	else if (strlen(text) >= FETCH_URL_BYTES || strpbrk(text, " \t\r\n") || !host[3])
		config_error_at(walk, node, "url: it has a blank, no host, or more than %d characters", FETCH_URL_BYTES - 1);
	else if (memchr(host + 3, '@', strcspn(host + 3, "/?#")))
		config_error_at(walk, node, "url: no user or password may stand in it: logs and lists show it");
	else
		keep(walk, &feed->url, text);
}

static void read_absolute(struct config_walk *walk, yaml_node_t *node, const char *what, size_t max_bytes, char **place)
{
	const char *text = config_scalar(walk, node, what);

	if (!text)
		return;
	if (text[0] != '/' || strlen(text) >= max_bytes)
		config_error_at(walk, node, "%s \"%.80s\": give an absolute path of at most %zu characters", what, text, max_bytes - 1);
	else
		keep(walk, place, text);
}

static void read_path(struct config_walk *walk, yaml_node_t *node, void *target)
{
	read_absolute(walk, node, "path", FETCH_URL_BYTES, &((struct config_feed *)target)->path);
}

static void read_ca_file(struct config_walk *walk, yaml_node_t *node, void *target)
{
	read_absolute(walk, node, "ca-file", 256, &((struct config_feed *)target)->ca_file);
}

static void read_format(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const later[] = { "dshield", "csv", "json", "ndjson", "p2p", "aws-ipset", "dat", "geofeed", NULL };
	static const char *const words[] = { "auto", "plain", "netset", NULL }; /* enum fetch_format */
	const char *text = config_scalar(walk, node, "format");
	int i;

	if (!text)
		return;
	for (i = 0; later[i]; i++) {
		if (!strcmp(later[i], text)) {
			config_error_at(walk, node, "format %s is not read by this version: use a list in plain or netset form", text);
			return;
		}
	}
	i = config_word(walk, node, "format", words);
	if (i >= 0)
		((struct config_feed *)target)->format = i;
}

static void read_action(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const words[] = { "allow", "block", "monitor", NULL }; /* enum sek_action less one */
	int word = config_word(walk, node, "action", words);

	if (word >= 0)
		((struct config_feed *)target)->action = word + 1;
}

static void read_interval(struct config_walk *walk, yaml_node_t *node, void *target)
{
	const char *text = config_scalar(walk, node, "interval");
	uint64_t interval_s;

	if (!text)
		return;
	if (units_parse_duration(text, strlen(text), &interval_s) || interval_s > 86400 * 366ull)
		config_error_at(walk, node, "interval \"%.40s\": give a duration with a unit, such as 12h", text);
	else
		((struct config_feed *)target)->interval_s = interval_s;
}

/* A whole number from 1 to @max; 0 after an error. */
static unsigned long read_number(struct config_walk *walk, yaml_node_t *node, const char *what, const char *suffix, unsigned long max)
{
	const char *text = config_scalar(walk, node, what);
	unsigned long number = 0;
	char *end = NULL;

	if (!text)
		return 0;
	if (text[0] >= '0' && text[0] <= '9')
		number = strtoul(text, &end, 10);
	if (!end || strcmp(end, suffix) || number < 1 || number > max) {
		config_error_at(walk, node, "%s \"%.40s\": give a whole number from 1 to %lu%s%s", what, text, max, suffix[0] ? " with " : "", suffix);
		return 0;
	}
	return number;
}

static void read_max_entries(struct config_walk *walk, yaml_node_t *node, void *target)
{
	((struct config_feed *)target)->max_entries = read_number(walk, node, "max-entries", "", SEK_PREFIXES_V4_MAX);
}

static void read_max_change(struct config_walk *walk, yaml_node_t *node, void *target)
{
	((struct config_feed *)target)->max_change_percent = read_number(walk, node, "max-change", "%", 10000);
}

static void read_max_coverage(struct config_walk *walk, yaml_node_t *node, void *target)
{
	const char *text = config_scalar(walk, node, "max-coverage");
	double percent = 0;
	char *end = NULL;

	if (!text)
		return;
	if (text[0] >= '0' && text[0] <= '9')
		percent = strtod(text, &end);
	if (!end || strcmp(end, "%") || !(percent > 0 && percent <= 100))
		config_error_at(walk, node, "max-coverage \"%.40s\": give a share above 0%% and up to 100%%, such as 2%%", text);
	else
		((struct config_feed *)target)->max_coverage = percent / 100;
}

static void read_private(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const words[] = { "leave-out", "block", NULL };

	((struct config_feed *)target)->keep_private = config_word(walk, node, "private", words) == 1;
}

static const struct config_key feed_keys[] = {
	{ "name", read_name },		 { "url", read_url },		      { "path", read_path },
	{ "format", read_format },	 { "action", read_action },	      { "interval", read_interval },
	{ "max-entries", read_max_entries }, { "max-change", read_max_change }, { "max-coverage", read_max_coverage },
	{ "private", read_private },	 { "ca-file", read_ca_file },	      { NULL, NULL },
};

static void check_whole(struct config_walk *walk, yaml_node_t *node, struct config_feed *feed)
{
	unsigned min_s = feed->path ? FEED_INTERVAL_PATH_MIN_S : FEED_INTERVAL_URL_MIN_S;
	size_t i;

	if (!feed->name[0])
		config_error_at(walk, node, "a feed without a name: add name:");
	if (!feed->url == !feed->path)
		config_error_at(walk, node, "feed \"%s\": give either url: or path:", feed->name);
	else if (feed->interval_s < min_s)
		config_error_at(walk, node, "feed \"%s\": the shortest interval is %us for a %s", feed->name, min_s, feed->path ? "path" : "url");
	for (i = 0; i < walk->config->n_feeds; i++) {
		if (feed->name[0] && !strcmp(walk->config->feeds[i].name, feed->name))
			config_error_at(walk, node, "feed \"%s\" is there twice: rename one", feed->name);
	}
	if (walk->config->n_feeds >= SEK_LISTS_MAX - 1)
		config_error_at(walk, node, "more than %d feeds: merge some", SEK_LISTS_MAX - 1);
}

void config_feed_read(struct config_walk *walk, yaml_node_t *node, void *target)
{
	struct config_feed feed = {
		.action = SEK_A_BLOCK, .interval_s = FEED_INTERVAL_S, .max_entries = 1000000, .max_change_percent = 50, .max_coverage = 0.02,
	};
	unsigned before = walk->errors->n;
	struct config *config = target;
	struct config_feed *more = NULL;

	config_mapping(walk, node, feed_keys, &feed, "a feed");
	if (walk->errors->n == before)
		check_whole(walk, node, &feed);
	if (walk->errors->n == before && !walk->is_out_of_memory)
		more = reallocarray(config->feeds, config->n_feeds + 1, sizeof(*more));
	if (!more) {
		free(feed.url);
		free(feed.path);
		free(feed.ca_file);
		return;
	}
	config->feeds = more;
	config->feeds[config->n_feeds++] = feed;
}
