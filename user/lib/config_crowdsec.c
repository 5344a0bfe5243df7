// SPDX-License-Identifier: GPL-2.0
/* crowdsec: where CrowdSec's local API is, whose key opens it, and how often it is asked. */
#include "config_private.h"

#include <stdlib.h>
#include <string.h>

#include "feed_url.h"
#include "fetch_msg.h"
#include "units.h"

#define PATH_BYTES 256 /* of a file's name: as in struct fetch_job */
#define URL_ROOM 100   /* bytes of a URL for what the agent puts behind it */

static void keep(struct config_walk *w, char **slot, const char *text)
{
	free(*slot);
	*slot = strdup(text);
	w->no_memory |= !*slot;
}

/* Is the host of an http:// URL this machine? Then nobody listens on the way. */
static bool is_loopback(const char *host)
{
	size_t len = strcspn(host, "/?#");

	return (len >= 4 && !strncmp(host, "127.", 4)) || (len >= 5 && !strncmp(host, "[::1]", 5)) ||
	       (!strncmp(host, "localhost", 9) && strchr(":/", host[9]));
}

static void crowdsec_url(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
	char *url, shown[128];
	size_t len;

	keep(w, &w->config->crowdsec.url, text);
	url = w->config->crowdsec.url;
	for (len = url ? strlen(url) : 0; len && url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
	if (!scheme || !text[scheme] || strlen(text) + URL_ROOM >= FETCH_URL_BYTES ||
	    strpbrk(text, " \t\r\n?#"))
		config_bad_value(w, node, "url", feed_url_hide(text, shown, sizeof(shown)), "give the local API's address, such as http://127.0.0.1:8080");
	else if (memchr(text + scheme, '@', strcspn(text + scheme, "/")))
		config_complain_at(w, node, "url: holds a user or password: remove what stands before the @");
	else if (scheme == 7 && !is_loopback(text + scheme))
		config_note(w, node, false, "url: the key crosses the network in the clear: https:// hides it");
}

static void crowdsec_key(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->config->crowdsec.key_file, text);
	if (*text != '/' || strlen(text) >= PATH_BYTES)
		config_complain_at(w, node, "key-file: give the absolute path of a file that holds the key, not the key");
}

static void crowdsec_ca(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	keep(w, &w->config->crowdsec.ca_file, text);
	if (*text != '/' || strlen(text) >= PATH_BYTES)
		config_bad_value(w, node, "ca-file", text, "give an absolute path");
}

static void crowdsec_interval(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s;

	if (units_parse_duration(text, strlen(text), &s) || s < 1 || s > 3600)
		config_bad_value(w, node, "interval", text, "give a time from 1s to 1h, such as 10s");
	else
		w->config->crowdsec.interval_s = (uint32_t)s;
}

static void crowdsec_stale_after(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s;

	if (units_parse_duration(text, strlen(text), &s) || s < 60 || s > 3650ull * 86400)
		config_bad_value(w, node, "stale-after", text, "give a duration from 60s to 3650d, such as 1h");
	else
		w->config->crowdsec.stale_after_s = (uint32_t)s;
}

static void crowdsec_usage(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s = 0;

	if (strcmp(text, "off") &&
	    (units_parse_duration(text, strlen(text), &s) || s < 1 || s > 86400))
		config_bad_value(w, node, "usage-metrics", text, "give a time from 1s to 24h, such as 15m, or off");
	else
		w->config->crowdsec.usage_s = (uint32_t)s;
}

static void crowdsec_max(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!*text || strlen(text) > 7 || text[strspn(text, "0123456789")] || n < 1 ||
	    n > CONFIG_DECISIONS_MAX)
		config_bad_value(w, node, "max-decisions", text, "give a whole number from 1 to 1000000");
	else
		w->config->crowdsec.max_decisions = (uint32_t)n;
}

static void crowdsec_coverage(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	size_t len = strlen(text);
	double percent = strtod(text, NULL);

	if (len < 2 || len > 8 || text[len - 1] != '%' || strspn(text, "0123456789.") != len - 1 ||
	    *text == '.' || percent > 100)
		config_bad_value(w, node, "max-coverage", text, "give a percentage up to 100%, such as 2%");
	else
		w->config->crowdsec.max_coverage = percent / 100;
}

static const struct config_key crowdsec_keys[] = {
    {"url", crowdsec_url, true},
    {"key-file", crowdsec_key, true},
    {"ca-file", crowdsec_ca, true},
    {"interval", crowdsec_interval, true},
    {"stale-after", crowdsec_stale_after, true},
    {"usage-metrics", crowdsec_usage, true},
    {"max-decisions", crowdsec_max, true},
    {"max-coverage", crowdsec_coverage, true},
    {NULL, NULL, false},
};

/* `feed list` and the metrics show the decisions as a feed of this name: there can be one of it. */
static void check_name(struct config_walk *w, const yaml_node_t *node)
{
	for (size_t i = 0; i < w->config->n_feeds; i++)
		if (!strcmp(w->config->feeds[i].name, CONFIG_CROWDSEC_NAME))
			config_complain_at(w, node, "crowdsec: a feed has this name: choose a different one for it");
}

void config_read_crowdsec(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct config_crowdsec *crowdsec = &w->config->crowdsec;

	*crowdsec = (struct config_crowdsec){
		.interval_s = 10, .usage_s = 900, .max_decisions = 500000, .max_coverage = 0.02};
	config_walk_mapping(w, node, crowdsec_keys, "crowdsec");
	if (node->type != YAML_MAPPING_NODE)
		return;
	if (!crowdsec->url || !crowdsec->key_file)
		config_complain_at(w, node, "crowdsec: give url and key-file; `cscli bouncers add NAME` makes a key");
	if (!crowdsec->stale_after_s) /* most decisions last four hours */
		crowdsec->stale_after_s =
			crowdsec->interval_s * 4 > 3600 ? crowdsec->interval_s * 4 : 3600;
	check_name(w, node);
}

void config_free_crowdsec(struct config_crowdsec *crowdsec)
{
	free(crowdsec->url);
	free(crowdsec->key_file);
	free(crowdsec->ca_file);
}
