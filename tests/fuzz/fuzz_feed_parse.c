// SPDX-License-Identifier: GPL-2.0
/* Any bytes in chunks of a size the first byte picks: what comes out must pass its own check. */
#include <stdlib.h>

#include "lib/feed_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t chunk = size ? data[0] + 1u : 1, len;
	struct feed_parser *parser = feed_parse_new(0, 5000, NULL);
	struct list_view view;
	const char *why;
	void *file;

	for (size_t at = 0; at < size; at += chunk)
		(void)feed_parse_push(parser, data + at, size - at < chunk ? size - at : chunk); /* end says it again */
	if (feed_parse_end(parser, &file, &len, &why) == 0) {
		if (list_file_check(file, len, &view, &why))
			abort();
		free(file);
	}
	feed_parse_free(parser);
	return 0;
}
