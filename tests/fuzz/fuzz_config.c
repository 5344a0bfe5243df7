// SPDX-License-Identifier: GPL-2.0
/* Any text as main file and as a feeds.d file: an error row or a config, never neither. */
#include <stdlib.h>

#include "lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_source sources[] = { { "a", (const char *)data, size / 2 },
					   { "b", (const char *)data + size / 2,
					     size - size / 2 } };
	static struct config_errors errors;

	for (size_t n = 1; n <= 2; n++) {
		struct config *config;
		int rc;

		sources[0].len = n == 1 ? size : size / 2;
		rc = config_parse(sources, n, &config, &errors);
		if (!rc)
			config_free(config);
		else if (!errors.n)
			abort();
		config_errors_clear(&errors);
	}
	return 0;
}
