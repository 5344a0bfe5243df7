// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: an Accept header as a stranger sends it, and his text in a label: never a line of
 * its own.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/openmetrics.h"
#include "told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *header = malloc(size + 1), *text, *at;
	struct openmetrics om;
	FILE *told = told_begin(size);
	size_t len, lines = 0;

	if (!header)
		abort();
	memcpy(header, data, size);
	header[size] = '\0';
	if (told)
		fprintf(told, "open %d\n", openmetrics_accepts(header));
	openmetrics_begin(&om, openmetrics_accepts(header));
	openmetrics_family(&om, "sekisho_entries", OPENMETRICS_GAUGE, "Entries.");
	openmetrics_sample(&om, 1, "origin", header, NULL);
	if (openmetrics_end(&om, &text, &len))
		abort();
	for (at = text; (at = memchr(at, '\n', text + len - at)); at++)
		lines++;
	if (lines != (openmetrics_accepts(header)
			  ? 4
			  : 3)) /* HELP, TYPE, the sample, and EOF where it is open */
		abort();
	free(text);
	free(header);
	return 0;
}
