// SPDX-License-Identifier: GPL-2.0
/* events: of the config: how many are sampled, and the file that programs read them from. */
#include "config_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rate.h"

#define EVENTS_MAX_PER_S 10e3 /* sampled drops a second: the ring holds some seconds of them */
/* bytes: some two hundred events; below it the file would turn with every breath */
#define SIZE_MIN (64ull << 10)
#define SIZE_MAX_BYTES (1ull << 40)

static void events_path(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	size_t len = strlen(text);

	if (text[0] != '/' || len >= sizeof(w->config->events_path) || text[len - 1] == '/')
		config_bad_value(w, node, "path", text, "give an absolute path of a file, of less than 200 characters");
	else
		strcpy(w->config->events_path, text);
}

/* A whole number, perhaps with one of k M G (powers of 1024). 0: it is no such text. */
static uint64_t read_size(const char *text)
{
	static const char units[] = "kMG";
	const char *unit;
	unsigned shift;
	uint64_t size;
	char *end;

	errno = 0;
	size = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
	if (!size || errno)
		return 0;
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1]))
		return 0;
	shift = unit ? 10 * (unit - units + 1) : 0;
	return size <= SIZE_MAX_BYTES >> shift ? size << shift : 0;
}

static void events_max_size(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	uint64_t size = read_size(text);

	if (size < SIZE_MIN || size > SIZE_MAX_BYTES)
		config_bad_value(w, node, "max-size", text, "give 64k to 1024G, such as 100M");
	else
		w->config->events_max_bytes = size;
}

static void events_sample(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	double per_s;

	if (rate_parse(text, strlen(text), &per_s) || per_s > EVENTS_MAX_PER_S)
		config_bad_value(w, node, "sample", text, "give at most 10k/s, such as 100/s or 6/m");
	else
		w->config->events_per_s = per_s;
}

void config_read_events(struct config_walk *w, const yaml_node_t *node, const char *text)
{
	static const struct config_key keys[] = {{"path", events_path, true},
						 {"sample", events_sample, true},
						 {"max-size", events_max_size, true},
						 {NULL, NULL, false}};

	config_walk_mapping(w, node, keys, "events");
}
