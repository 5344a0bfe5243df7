// SPDX-License-Identifier: GPL-2.0
/*
 * One limit of the config: its keys, its ban, and what must hold between them and between all
 * limits.
 */
#include "config_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rate.h"
#include "units.h"

#define BAN_AFTER_MAX_S 7200ull		/* s: an over-since slot wraps every 4.9 h */
#define BAN_MAX_S (366ull * 86400)	/* s: longer is a block entry's job */
#define BAN_MOST_DEFAULT_S                                                                         \
	(7ull * 86400) /* s: a week, so that a repeat never ends in years by itself */
#define BURST_DEFAULT_S 1.0		/* s worth of the rate */
#define REPEAT_MAX 100.0

static void limit_name(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char ok[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	if (!*text || *text == '.' || strlen(text) >= LIMIT_NAME_BYTES ||
	    text[strspn(text, ok)]) {
		config_bad_value(w, node, "name", text,
				 "use 1 to 63 of a-z A-Z 0-9 _ - and dots, no dot first");
		return;
	}
	for (size_t i = 0; i < w->config->n_limits; i++)
		if (!strcmp(w->config->limits[i].name, text))
			config_bad_value(w, node, "name", text,
					 "another limit has this name: choose a different one");
	strcpy(w->limit->name, text);
}

static void limit_protocol(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"any", "tcp", "tcp-syn", "udp", "icmp", NULL};
	int i = config_choose(w, node, "protocol", text, words,
			      "use any, tcp, tcp-syn, udp or icmp");

	if (i >= 0)
		w->limit->protocol = (enum limit_protocol)i;
}

/* A port, or two with a dash between. */
static bool read_range(const char *text, struct limit_range *ret_range)
{
	unsigned long first, last;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	first = last = strtoul(text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		last = strtoul(end + 1, &end, 10);
	if (*end || first > 65535 || last > 65535 || last < first || strlen(text) > 11)
		return false;
	*ret_range = (struct limit_range){.first = (uint16_t)first, .last = (uint16_t)last};
	return true;
}

static void one_port(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct limit_settings *limit = w->limit;
	struct limit_range range;

	if (!text || !read_range(text, &range))
		config_bad_value(w, node, "ports", text ? text : "",
				 "give destination ports and ranges, such as [22, 2200-2299]");
	else if (limit->n_ports == LIMIT_PORTS_MAX)
		config_complain_at(w, node, "ports: more than %d: join ranges, or split the limit",
				   LIMIT_PORTS_MAX);
	else
		limit->ports[limit->n_ports++] = range;
}

static void limit_ports(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	config_each(w, node, "ports", one_port);
	if (node->type == YAML_SEQUENCE_NODE &&
	    node->data.sequence.items.start == node->data.sequence.items.top)
		config_complain_at(w, node,
				   "ports: an empty list: leave the key out for all ports");
}

static void read_rate(struct config_walk *w, const yaml_node_t *node, const char *key,
		      const char *text, double *ret_per_s)
{
	if (rate_parse(text, strlen(text), ret_per_s))
		config_bad_value(
		    w, node, key, text,
		    "give a rate a second or a minute, such as 100/s, 90/m, 20k/s or 200M/s");
}

static void limit_packets(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	read_rate(w, node, "packets", text, &w->limit->packets_per_s);
	if (w->limit->packets_per_s > 10e6)
		config_bad_value(w, node, "packets", text,
				 "at most 10M/s: a source of more is held by a bits limit");
}

static void limit_bits(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	read_rate(w, node, "bits", text, &w->limit->bits_per_s);
	if (w->limit->bits_per_s && w->limit->bits_per_s < 1000)
		config_bad_value(w, node, "bits", text,
				 "at least 1k/s: less than a packet a minute");
}

/* A whole number, perhaps with one of k M G. */
static void limit_burst(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char letters[] = "kMG";
	static const double factors[] = {1e3, 1e6, 1e9};
	size_t digits = strspn(text, "0123456789");
	const char *letter = text[digits] ? strchr(letters, text[digits]) : NULL;
	double value = strtod(text, NULL) * (letter ? factors[letter - letters] : 1);

	if (!digits || digits > 12 || (text[digits] && (!letter || text[digits + 1])) || value < 1)
		config_bad_value(
		    w, node, "burst", text,
		    "give a number of packets, or of bytes beside bits:, such as 100, 40k or 2M");
	else
		w->limit->burst = value;
}

static void limit_action(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"drop", "monitor", NULL};

	w->limit->is_monitor =
	    config_choose(w, node, "action", text, words, "use drop or monitor") == 1;
}

/* /N to 32 holds IPv4 networks, above it IPv6 ones; the other family stays as it is. */
static void one_per(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	unsigned long len = text && text[0] == '/' ? strtoul(text + 1, NULL, 10) : 0;

	if (text && !strcmp(text, "address"))
		return;
	if (!text || text[0] != '/' || strlen(text) < 2 || strlen(text) > 4 ||
	    text[1 + strspn(text + 1, "0123456789")] || len < 8 || len > 128)
		config_bad_value(
		    w, node, "per", text ? text : "",
		    "use address, /8 to /32 for IPv4 networks, /33 to /128 for IPv6 ones, or a list of both");
	else if (len <= 32)
		w->limit->len4 = (uint8_t)len;
	else
		w->limit->len6 = (uint8_t)len;
}

/* A list of two says one thing of each family. */
static bool says_twice(struct config_walk *w, const yaml_node_t *node)
{
	unsigned seen[3] = {0}; /* address, IPv4, IPv6 */

	if (node->type != YAML_SEQUENCE_NODE)
		return false;
	for (yaml_node_item_t *item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++) {
		const char *text = config_scalar(yaml_document_get_node(w->doc, *item));

		if (text && text[0] == '/')
			seen[strtoul(text + 1, NULL, 10) <= 32 ? 1 : 2]++;
		else
			seen[0]++;
	}
	return seen[0] > 1 || seen[1] > 1 || seen[2] > 1 || seen[0] + seen[1] + seen[2] > 2;
}

static void limit_per(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (text)
		one_per(w, node, text);
	else
		config_each(w, node, "per", one_per);
	if (says_twice(w, node))
		config_complain_at(w, node,
				   "per: more than one length for a family: give one of each at most");
}

static void read_duration(struct config_walk *w, const yaml_node_t *node, const char *key,
			  const char *text, uint64_t max_s, uint64_t *ret_s)
{
	uint64_t s = 0;
	char mend[80];

	if (!units_parse_duration(text, strlen(text), &s) && s >= 1 && s <= max_s) {
		*ret_s = s;
		return;
	}
	(void)snprintf(mend, sizeof(mend), "give a duration from 1s to %s, such as 10m",
		       max_s == BAN_AFTER_MAX_S ? "2h" : "366d");
	config_bad_value(w, node, key, text, mend);
}

static void ban_after(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t s = 0;

	read_duration(w, node, "after", text, BAN_AFTER_MAX_S, &s);
	w->limit->ban.after_ms = s * 1000;
}

static void ban_for(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	read_duration(w, node, "for", text, BAN_MAX_S, &w->limit->ban.for_s);
}

static void ban_most(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	read_duration(w, node, "at-most", text, BAN_MAX_S, &w->limit->ban.most_s);
}

static void ban_probation(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	read_duration(w, node, "probation", text, BAN_MAX_S, &w->limit->ban.trial_s);
}

static void ban_repeat(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (!*text || *end || text[strspn(text, "0123456789.")] || !(value >= 1) ||
	    value > REPEAT_MAX)
		config_bad_value(w, node, "repeat", text,
				 "give a factor from 1 to 100: 2 doubles each time");
	else
		w->limit->ban.repeat = value;
}

static const struct config_key ban_keys[] = {
    {"after", ban_after, true},	  {"for", ban_for, true},
    {"repeat", ban_repeat, true}, {"at-most", ban_most, true},
    {"probation", ban_probation, true}, {NULL, NULL, false}};

static void limit_ban(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct limit_ban *ban = &w->limit->ban;
	unsigned before = w->errors->n;

	*ban = (struct limit_ban){.is_set = true, .repeat = 1};
	config_walk_mapping(w, node, ban_keys, "ban");
	if (w->errors->n != before)
		return;
	if (!ban->after_ms || !ban->for_s)
		config_complain_at(w, node,
				   "ban: give after: and for:, such as {after: 3s, for: 10m}");
	if (ban->most_s && ban->most_s < ban->for_s)
		config_complain_at(w, node, "ban: at-most is shorter than for: make it longer");
	if (!ban->most_s)
		ban->most_s = ban->for_s > BAN_MOST_DEFAULT_S ? ban->for_s : BAN_MOST_DEFAULT_S;
}

static const struct config_key limit_keys[] = {
    {"name", limit_name, true},
    {"protocol", limit_protocol, true},
    {"ports", limit_ports, false},
    {"packets", limit_packets, true},
    {"bits", limit_bits, true},
    {"burst", limit_burst, true},
    {"action", limit_action, true},
    {"per", limit_per, false},
    {"ban", limit_ban, false},
    {NULL, NULL, false},
};

/* What must hold between the keys of one limit. */
static void check_limit(struct config_walk *w, const yaml_node_t *node)
{
	struct limit_settings *limit = w->limit;
	bool can_have_ports = limit->protocol != LIMIT_ICMP;

	if (!limit->name[0])
		config_complain_at(w, node, "limit without a valid name: add name: NAME");
	if (!limit->packets_per_s == !limit->bits_per_s)
		config_complain_at(w, node, "limit \"%s\": give one of packets and bits",
				   limit->name);
	if (limit->n_ports && !can_have_ports)
		config_complain_at(w, node, "limit \"%s\": icmp has no ports: remove ports",
				   limit->name);
	if (limit->ban.is_set && limit->is_monitor)
		config_complain_at(
		    w, node,
		    "limit \"%s\": a limit in monitor bans nobody: remove ban, or use action: drop",
		    limit->name);
	if (!limit->burst && limit->packets_per_s)
		limit->burst = fmax(1, round(limit->packets_per_s * BURST_DEFAULT_S));
	if (!limit->burst && limit->bits_per_s)
		limit->burst =
		    fmax(CONFIG_BURST_BYTES_MIN, limit->bits_per_s / 8 * BURST_DEFAULT_S);
	if (limit->bits_per_s && !limit->packets_per_s && limit->burst < CONFIG_BURST_BYTES_MIN)
		config_complain_at(
		    w, node,
		    "limit \"%s\": a burst of %.0f bytes passes no full frame: at least %d",
		    limit->name, limit->burst, CONFIG_BURST_BYTES_MIN);
}

static void one_limit(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	struct config *config = w->config;
	struct limit_settings *more =
	    realloc(config->limits, (config->n_limits + 1) * sizeof(*more));
	unsigned before = w->errors->n;

	if (!more) {
		w->no_memory = true;
		return;
	}
	config->limits = more;
	w->limit = &more[config->n_limits];
	*w->limit = (struct limit_settings){.len4 = 32, .number = (uint8_t)config->n_limits};
	config_walk_mapping(w, node, limit_keys, "limit");
	config->n_limits++;
	if (w->errors->n == before)
		check_limit(w, node);
}

/* The problems that lib/limit.h finds, each at its limit's place. */
static void check_all(struct config_walk *w, const yaml_node_t *node)
{
	struct config *config = w->config;
	struct limit_problem problems[LIMIT_PROBLEMS_MAX];
	size_t n = limit_problems(config->limits, config->n_limits, config->limiter_bits, problems,
				  LIMIT_PROBLEMS_MAX);

	for (size_t i = 0; i < n; i++) {
		const yaml_node_t *at = node;
		const char *name = NULL;

		if (problems[i].index < config->n_limits) {
			at = yaml_document_get_node(
			    w->doc, node->data.sequence.items.start[problems[i].index]);
			name = config->limits[problems[i].index].name;
		}
		config_note(w, at, problems[i].is_error, "%s%s%s%s", name ? "limit \"" : "limits",
			    name ? name : "", name ? "\": " : ": ", problems[i].text);
	}
}

void config_read_limits(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	if (text && !*text)
		return; /* "limits:" with nothing is none */
	config_each(w, node, "limits", one_limit);
	w->limits_node = node;
	w->limit = NULL;
	if (w->config->n_limits > SEK_LIMITS_MAX)
		config_complain_at(w, node, "limits: more than %d: remove some", SEK_LIMITS_MAX);
}

void config_finish_limits(struct config_walk *w)
{
	if (w->limits_node && !w->errors->n && !w->no_memory)
		check_all(w, w->limits_node);
	w->limits_node = NULL;
}

void config_read_source_prefix(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	unsigned long len = strtoul(text, NULL, 10);

	if (!*text || strlen(text) > 3 || text[strspn(text, "0123456789")] || len < 48 || len > 128)
		config_bad_value(w, node, "ipv6-source-prefix", text,
				 "give a prefix length from 48 to 128; 64 is a customer's network");
	else
		w->config->source_len6 = (uint8_t)len;
}

void config_read_limiter_memory(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const char *const words[] = {"2M", "4M", "8M", "16M", "32M", "64M", NULL};
	int i = config_choose(w, node, "limiter-memory", text, words,
			      "use 2M, 4M, 8M, 16M, 32M or 64M");

	if (i >= 0)
		w->config->limiter_bits = SEK_LIMIT_LINES_MIN_BITS + (unsigned)i;
}
