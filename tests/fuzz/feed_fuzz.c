// SPDX-License-Identifier: GPL-2.0
/*
 * The body picks its format, options and chunks by its size and last byte, so that files of
 * tests/golden are a corpus as they are.
 */
#include "feed_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/feed_parse.h"
#include "lib/fetch_msg.h"

#define MAX_ENTRIES 5000
/* A line of blanks before, longer than what a parser that was told its format keeps before it reads: then each chunk goes
 * through the grammar itself. One line, not as many empty ones: those were most of the time. */
#define PAD_BYTES 1100

struct outcome {
	int rc;
	void *file;
	size_t len;
	char why[256];
};

static void parse(uint32_t format, const struct feed_options *options, const uint8_t *data,
		  size_t size, size_t chunk, struct outcome *ret)
{
	/* a copy of each chunk's own size, so that reading past it is seen */
	uint8_t *copy = malloc(chunk < size ? chunk : size + 1);
	struct feed_parser *parser = feed_parse_new(format, MAX_ENTRIES, options);
	const char *why = "";
	char pad[PAD_BYTES];

	memset(ret, 0, sizeof(*ret));
	memset(pad, ' ', sizeof(pad) - 1);
	pad[sizeof(pad) - 1] = '\n';
	if (format != FETCH_AUTO && size % 4)
		(void)feed_parse_push(parser, pad, sizeof(pad));
	for (size_t at = 0; at < size; at += chunk) {
		size_t n = size - at < chunk ? size - at : chunk;

		memcpy(copy, data + at, n);
		(void)feed_parse_push(parser, copy, n); /* end says it again */
	}
	ret->rc = feed_parse_end(parser, &ret->file, &ret->len, &why);
	if (ret->rc)
		snprintf(ret->why, sizeof(ret->why), "%s", why);
	feed_parse_free(parser);
	free(copy);
}

void feed_fuzz(const uint32_t *formats, size_t n, const uint8_t *data, size_t size)
{
	static const char *const selects[] = {
	    "prefixes[].ip_prefix", "cidr,ip", "[]", "*[]", "*.*.*", "list[],type"};
	size_t pick = size + (size ? data[size - 1] : 0);
	struct feed_options options = {.column = (uint32_t)(pick % 5),
				       .separator = ",;|\t"[pick % 4],
				       .threshold = (uint32_t)(pick % 3)};
	struct outcome whole, parts;
	struct list_view view;
	const char *why;

	snprintf(options.select, sizeof(options.select), "%s", selects[pick % 6]);
	snprintf(options.column_name, sizeof(options.column_name), "%s",
		 options.column ? "" : "dst_ip");
	if (pick % 2)
		feed_countries_read("DE, AT", options.countries);
	parse(formats[pick % n], &options, data, size, size + 1, &whole);
	parse(formats[pick % n], &options, data, size, pick % 3 ? pick % 200 + 1 : 1, &parts);
	if (whole.rc != parts.rc || whole.len != parts.len || strcmp(whole.why, parts.why))
		abort();
	if (!whole.rc && (memcmp(whole.file, parts.file, whole.len) ||
			  list_file_check(whole.file, whole.len, &view, &why)))
		abort();
	free(whole.file);
	free(parts.file);
}
