// SPDX-License-Identifier: GPL-2.0
/* Any text: what is read of it is written as the same text again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size / 4 * 3 + 1), *text = malloc(BASE64_ROOM(size));
	FILE *told = told_begin(size);
	size_t len;

	if (!base64_decode((const char *)data, size, bytes, &len)) {
		if (told)
			told_hex(told, "bytes", bytes, len);
		base64_encode(bytes, len, text);
		if (strlen(text) != size || memcmp(text, data, size))
			abort();
	}
	free(bytes);
	free(text);
	return 0;
}
