// SPDX-License-Identifier: GPL-2.0
/*
 * The config's keys: one reader a key, in tables. In: YAML sources. Out: a struct config, or every error there is.
 * Nothing here opens a file or knows what the values are used for.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_feed.h"
#include "config_yaml.h"

#define CONFIG_ALLOW_MAX 100000 /* addresses: longer allowlists belong in a feed with action: allow */

static void read_interface(struct config_walk *walk, yaml_node_t *node, void *target)
{
	const char *name = config_scalar(walk, node, "interface");
	struct config *config = target;
	unsigned i;

	if (!name)
		return;
	if (!strcmp(name, "auto")) {
		config->interfaces_auto = true;
		return;
	}
	/* Source: dev_valid_name() of the kernel. */
	if (!name[0] || strlen(name) > 15 || strpbrk(name, "/: \t\n") || !strcmp(name, ".") || !strcmp(name, "..")) {
		config_error_at(walk, node, "interface \"%.40s\": a name has 1 to 15 characters, no blank, slash or colon", name);
		return;
	}
	for (i = 0; i < config->n_interfaces; i++) {
		if (!strcmp(config->interfaces[i], name)) {
			config_error_at(walk, node, "interface \"%s\" is there twice: remove one", name);
			return;
		}
	}
	if (config->n_interfaces == SEK_IFACES_MAX)
		config_error_at(walk, node, "more than %d interfaces: remove some", SEK_IFACES_MAX);
	else
		strcpy(config->interfaces[config->n_interfaces++], name);
}

static void read_interfaces(struct config_walk *walk, yaml_node_t *node, void *target)
{
	config_sequence(walk, node, "interfaces", target, read_interface);
}

static void read_mode(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const words[] = { "enforce", "monitor", NULL };
	int word = config_word(walk, node, "mode", words);

	if (word >= 0)
		((struct config *)target)->mode = word;
}

static void read_attach(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const words[] = { "auto", "native", "generic", NULL };
	int word = config_word(walk, node, "attach", words);

	if (word >= 0)
		((struct config *)target)->attach = word;
}

static void read_on_exit(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const words[] = { "keep", "detach", NULL };
	struct config *config = target;

	config->detach_on_exit = config_word(walk, node, "on-exit", words) == 1;
	config->on_exit_set = true;
}

static void read_malformed(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const char *const words[] = { "pass", "drop", NULL };

	((struct config *)target)->malformed_drop = config_word(walk, node, "malformed", words) == 1;
}

static void read_allowed(struct config_walk *walk, yaml_node_t *node, void *target)
{
	const char *text = config_scalar(walk, node, "allow");
	struct config *config = target;
	struct prefix prefix, *more;
	enum prefix_error error;

	if (!text)
		return;
	error = prefix_parse(text, strlen(text), &prefix, NULL);
	if (error) {
		config_error_at(walk, node, "allow \"%.60s\": %s", text, prefix_error_text(error));
		return;
	}
	if (config->n_allow >= CONFIG_ALLOW_MAX) {
		config_error_at(walk, node, "more than %d allowed prefixes: put them in a feed with action: allow", CONFIG_ALLOW_MAX);
		return;
	}
	more = reallocarray(config->allow, config->n_allow + 1, sizeof(*more));
	if (!more) {
		walk->is_out_of_memory = true;
		return;
	}
	config->allow = more;
	config->allow[config->n_allow++] = prefix;
}

static void read_allow(struct config_walk *walk, yaml_node_t *node, void *target)
{
	config_sequence(walk, node, "allow", target, read_allowed);
}

static void read_feeds(struct config_walk *walk, yaml_node_t *node, void *target)
{
	config_sequence(walk, node, "feeds", target, config_feed_read);
}

/* HOST:PORT with a numeric host; an IPv6 host in brackets. */
static bool split_listen(const char *text, char *host, size_t host_bytes, unsigned *ret_port)
{
	const char *colon = strrchr(text, ':');
	bool is_v6 = text[0] == '[';
	size_t len = colon ? colon - text : 0;
	unsigned char address[16];
	char *end;

	if (!colon || (is_v6 && (len < 2 || text[len - 1] != ']')))
		return false;
	if (is_v6) {
		text++;
		len -= 2;
	}
	if (len >= host_bytes)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (colon[1] < '0' || colon[1] > '9')
		return false;
	*ret_port = strtoul(colon + 1, &end, 10);
	return !*end && *ret_port >= 1 && *ret_port <= 65535 && inet_pton(is_v6 ? AF_INET6 : AF_INET, host, address) == 1;
}

static void read_listen(struct config_walk *walk, yaml_node_t *node, void *target)
{
	const char *text = config_scalar(walk, node, "listen");
	struct config *config = target;
	char host[64];
	unsigned port;

	if (!text)
		return;
	if (!strcmp(text, "off")) {
		config->metrics_host[0] = '\0';
		return;
	}
	if (!split_listen(text, host, sizeof(host), &port)) {
		config_error_at(walk, node, "listen \"%.60s\": give ADDRESS:PORT, such as \"127.0.0.1:9477\" or \"[::1]:9477\", or off", text);
		return;
	}
	strcpy(config->metrics_host, host);
	config->metrics_port = port;
}

static void read_metrics(struct config_walk *walk, yaml_node_t *node, void *target)
{
	static const struct config_key keys[] = { { "listen", read_listen }, { NULL, NULL } };

	config_mapping(walk, node, keys, target, "metrics");
}

/* Nothing may look in force that is not. */
static void refuse_later(struct config_walk *walk, yaml_node_t *node, void *target)
{
	config_error_at(walk, node, "limits, events and ipv6-source-prefix are not enforced by this version: remove the key");
}

static const struct config_key main_keys[] = {
	{ "interfaces", read_interfaces }, { "mode", read_mode },	    { "attach", read_attach },
	{ "on-exit", read_on_exit },	   { "malformed", read_malformed }, { "allow", read_allow },
	{ "feeds", read_feeds },	   { "metrics", read_metrics },	    { "limits", refuse_later },
	{ "events", refuse_later },	   { "ipv6-source-prefix", refuse_later }, { NULL, NULL },
};

static void read_main(struct config_walk *walk, yaml_node_t *root, void *target)
{
	/* A file of comments only has an empty scalar for a root: every default holds. */
	if (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)
		return;
	config_mapping(walk, root, main_keys, target, "the config");
}

/* A file of feeds.d: one feed, or a list with one. */
static void read_feed_file(struct config_walk *walk, yaml_node_t *root, void *target)
{
	if (root->type != YAML_SEQUENCE_NODE)
		config_feed_read(walk, root, target);
	else if (root->data.sequence.items.top - root->data.sequence.items.start != 1)
		config_error_at(walk, root, "a file of feeds.d holds one feed: give each its own file");
	else
		config_sequence(walk, root, "feed", target, config_feed_read);
}

static struct config *defaults(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	strcpy(config->metrics_host, "127.0.0.1");
	config->metrics_port = 9477;
	return config;
}

int config_parse(const struct config_source *sources, size_t n, struct config **ret_config, struct config_errors *errors)
{
	struct config_walk walk = { .errors = errors, .config = defaults() };
	size_t i;

	if (!walk.config)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		walk.source = &sources[i];
		walk.depth = 0;
		config_document(&walk, i ? read_feed_file : read_main, walk.config);
	}
	if (!walk.config->n_interfaces)
		walk.config->interfaces_auto = true;
	if (errors->n || walk.is_out_of_memory) {
		config_free(walk.config);
		return errors->n ? -EINVAL : -ENOMEM;
	}
	*ret_config = walk.config;
	return 0;
}

void config_free(struct config *config)
{
	size_t i;

	if (!config)
		return;
	for (i = 0; i < config->n_feeds; i++) {
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
	unsigned i;

	for (i = 0; i < errors->n; i++) {
		free(errors->error[i].file);
		free(errors->error[i].text);
	}
	errors->n = 0;
}
