// SPDX-License-Identifier: GPL-2.0
/* Any KEY=VALUE lines of a command: what is made of them is one feed of the name that was given and of feeds.d, or an error with words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/feed_file.h"
#include "told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[FEED_FILE_WHY_BYTES] = "";
	FILE *told = told_begin(size);
	struct config *config;
	int err = feed_file_read("one", (const char *)data, size, &config, why, sizeof(why));

	if (err && (err != -EINVAL || !why[0]))
		abort();
	if (err)
		return 0;
	if (config->n_feeds != 1 || strcmp(config->feeds[0].name, "one") || config->feeds[0].is_main || config->n_interfaces || config->n_allow || config->n_limits)
		abort();
	if (told) {
		const struct config_feed *feed = config->feeds;
		const char *place = feed->url ? feed->url : feed->path;

		told_hex(told, feed->url ? "url" : "path", place, strlen(place));
		told_hex(told, "select", feed->options.select, strlen(feed->options.select));
	}
	config_free(config);
	return 0;
}
