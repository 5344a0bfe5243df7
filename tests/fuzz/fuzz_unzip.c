// SPDX-License-Identifier: GPL-2.0
/* link: fetch/unzip.c -lz */
/* A zip archive of any bytes, of one file or of MaxMind's several, whole and byte by byte: the same comes out, or the same refusal. */
#include <stdlib.h>
#include <string.h>

#include "fetch/unzip.h"
#include "told.h"

struct sum {
	uint64_t bytes, hash;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, const void *data, size_t len)
{
	struct sum *sum = ctx;

	sum->bytes += len;
	for (size_t i = 0; i < len; i++)
		sum->hash = sum->hash * 31 + ((const uint8_t *)data)[i];
	return sum->bytes > 1000000 ? -1 : 0;
}

static int unzip(bool is_maxmind, const uint8_t *data, size_t size, size_t chunk, struct sum *sum, const char **why)
{
	struct unzip *zip = unzip_new(is_maxmind ? unzip_pick_maxmind : NULL, take, sum);
	int rc = 0;

	for (size_t at = 0; !rc && at < size; at += chunk)
		rc = unzip_push(zip, data + at, size - at < chunk ? size - at : chunk, why);
	if (!rc)
		rc = unzip_end(zip, why);
	unzip_free(zip);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole = {0}, parts = {0};
	const char *why1 = NULL, *why2 = NULL;
	FILE *told = told_begin(size);
	int rc1 = unzip(size % 2, data, size, size + 1, &whole, &why1),
	    rc2 = unzip(size % 2, data, size, 1, &parts, &why2);

	if (told && !rc1)
		fprintf(told, "bytes %ju %ju\n", whole.bytes, whole.hash);
	if (!rc1 != !rc2 || (!rc1 && (whole.bytes != parts.bytes || whole.hash != parts.hash)))
		abort();
	return 0;
}
