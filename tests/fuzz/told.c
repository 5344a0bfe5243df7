// SPDX-License-Identifier: GPL-2.0
/* Lines of text for agree.py, an input after the other. */
#include "told.h"

#include <stdlib.h>

FILE *told_begin(size_t size)
{
	static FILE *file;
	const char *path = file ? NULL : getenv("FUZZ_TOLD");

	if (path) {
		file = fopen(path, "we");
		if (!file)
			abort();
	}
	if (file)
		fprintf(file, "input %zu\n", size);
	return file;
}

void told_hex(FILE *file, const char *word, const void *data, size_t len)
{
	const uint8_t *byte = data;

	fprintf(file, "%s ", word);
	for (size_t i = 0; i < len; i++)
		fprintf(file, "%02x", byte[i]);
	fputc('\n', file);
}
