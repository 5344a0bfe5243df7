// SPDX-License-Identifier: GPL-2.0
/* Any text as main file and as a feeds.d file: an error row or a config, never neither. */
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "told.h"

static void tell(FILE *told, const struct config *config)
{
	char text[PREFIX_TEXT_BYTES];

	fprintf(told, "mode %s\nauto %d\n", config->mode == SEK_MODE_MONITOR ? "monitor" : "enforce",
		config->interfaces_auto);
	for (unsigned i = 0; i < config->n_interfaces; i++)
		told_hex(told, "interface", config->interfaces[i], strlen(config->interfaces[i]));
	for (size_t i = 0; i < config->n_allow; i++)
		fprintf(told, "allow %s\n", prefix_format(&config->allow[i], text));
	for (size_t i = 0; i < config->n_feeds; i++) {
		const struct config_feed *feed = &config->feeds[i];
		const char *place = feed->url ? feed->url : feed->path;

		fprintf(told, "feed %s %s\n", feed->name, feed->url ? "url" : "path");
		told_hex(told, "place", place, strlen(place));
	}
	for (size_t i = 0; i < config->n_limits; i++)
		fprintf(told, "limit %s\n", config->limits[i].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_source sources[] = { { "a", (const char *)data, size / 2 },
					   { "b", (const char *)data + size / 2,
					     size - size / 2 } };
	static struct config_errors errors;
	FILE *told = told_begin(size);

	for (size_t n = 1; n <= 2; n++) {
		struct config *config;
		int rc;

		sources[0].len = n == 1 ? size : size / 2;
		rc = config_parse(sources, n, &config, &errors);
		if (!rc && told && n == 1)
			tell(told, config);
		if (!rc)
			config_free(config);
		else if (!errors.n)
			abort();
		config_errors_clear(&errors);
	}
	return 0;
}
