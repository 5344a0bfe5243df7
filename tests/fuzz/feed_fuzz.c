// SPDX-License-Identifier: GPL-2.0
/*
 * The body picks its format, options and chunks by its size and last byte, so that files of
 * tests/golden are a corpus as they are. One longer than what is mutated is a real list, whole: it
 * is read in every format.
 */
#include "feed_fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/feed_parse.h"
#include "lib/fetch_msg.h"
#include "told.h"

#define MUTATED_BYTES 1024 /* -max_len of run-tests.sh */
#define MAX_ENTRIES 5000   /* of a mutated input: some hold more */
#define MAX_WHOLE 1000000  /* of a real list: none holds as many */
/* A line of blanks before, longer than what a parser that was told its format keeps before it reads: then each chunk goes
 * through the grammar itself. One line, not as many empty ones: those were most of the time. */
#define PAD_BYTES 1100

static const char *const selects[] = {"prefixes[].ip_prefix", "cidr,ip", "[]",
				      "*[]",                  "*.*.*",   "list[],type"};

struct outcome {
	int rc;
	uint32_t format; /* what auto has recognised */
	void *file;
	size_t len;
	char why[256];
};

static void parse(uint32_t format, const struct feed_options *options, const uint8_t *data,
		  size_t size, size_t chunk, bool is_padded, struct outcome *ret)
{
	/* a copy of each chunk's own size, so that reading past it is seen */
	uint8_t *copy = malloc(chunk < size ? chunk : size + 1);
	struct feed_parser *parser = feed_parse_new(
	    format, size > MUTATED_BYTES ? MAX_WHOLE : MAX_ENTRIES, options);
	const char *why = "";
	char pad[PAD_BYTES];

	memset(ret, 0, sizeof(*ret));
	memset(pad, ' ', sizeof(pad) - 1);
	pad[sizeof(pad) - 1] = '\n';
	if (is_padded)
		(void)feed_parse_push(parser, pad, sizeof(pad));
	for (size_t at = 0; at < size; at += chunk) {
		size_t n = size - at < chunk ? size - at : chunk;

		memcpy(copy, data + at, n);
		(void)feed_parse_push(parser, copy, n); /* end says it again */
	}
	ret->rc = feed_parse_end(parser, &ret->file, &ret->len, &why);
	if (ret->rc)
		snprintf(ret->why, sizeof(ret->why), "%s", why);
	ret->format = feed_parse_format(parser);
	feed_parse_free(parser);
	free(copy);
}

/* As `feeds parse` of tests/bench says it. */
static void tell_list(FILE *file, const struct list_view *view)
{
	char text[PREFIX_TEXT_BYTES];
	struct prefix prefix;

	fprintf(
	    file,
	    "format %s\nwhy %s\nlines %ju\nentries4 %ju\nentries6 %ju\nduplicates %ju\nhost_bits %ju\nerrors %ju\nskipped %ju\n",
	    feed_format_name(view->origin->format), view->origin->why, view->head->lines,
	    view->head->entries4, view->head->entries6, view->head->duplicates,
	    view->head->host_bits, view->head->errors, view->origin->skipped);
	for (uint32_t i = 0; i < view->head->n4; i++) {
		prefix = prefix_of4(view->v4[i].addr, view->v4[i].len);
		fprintf(file, "prefix %s\n", prefix_format(&prefix, text));
	}
	for (uint32_t i = 0; i < view->head->n6; i++) {
		prefix = prefix_of6(view->v6[i].hi, view->v6[i].lo, view->v6[i].len);
		fprintf(file, "prefix %s\n", prefix_format(&prefix, text));
	}
}

/* One reading, of the bytes as they are: its format, the number its options come from, the format
 * that was recognised, and what came of it. */
static void tell(FILE *file, uint32_t format, const struct feed_options *options, size_t pick,
		 const uint8_t *data, size_t size)
{
	struct outcome outcome;
	struct list_view view;
	const char *why;

	parse(format, options, data, size, size + 1, false, &outcome);
	fprintf(file, "read %s %zu %s\n", feed_format_name(format), pick,
		feed_format_name(outcome.format));
	if (outcome.rc)
		fprintf(file, "refused %s\n", outcome.why);
	else if (list_file_check(outcome.file, outcome.len, &view, &why))
		abort();
	else
		tell_list(file, &view);
	free(outcome.file);
}

static void read_as(uint32_t format, size_t pick, const uint8_t *data, size_t size, FILE *told)
{
	bool is_padded = format != FETCH_AUTO && size % 2;
	struct feed_options options = {.column = (uint32_t)(pick % 5),
				       .separator = ",;|\t"[pick % 4],
				       .threshold = (uint32_t)(pick % 3)};
	struct outcome whole, parts;
	struct list_view view;
	const char *why;

	snprintf(options.select, sizeof(options.select), "%s", selects[pick % 6]);
	snprintf(options.column_name, sizeof(options.column_name), "%s",
		 options.column ? "" : "dst_ip");
	if (pick % 2 || format == FETCH_MAXMIND) /* which is no config without */
		feed_countries_read("DE, AT", options.countries);
	parse(format, &options, data, size, size + 1, is_padded, &whole);
	parse(format, &options, data, size, pick % 3 ? pick % 200 + 1 : 1, is_padded, &parts);
	if (whole.rc != parts.rc || whole.len != parts.len || strcmp(whole.why, parts.why))
		abort();
	if (!whole.rc && (memcmp(whole.file, parts.file, whole.len) ||
			  list_file_check(whole.file, whole.len, &view, &why)))
		abort();
	if (told)
		tell(told, format, &options, pick, data, size);
	free(whole.file);
	free(parts.file);
}

void feed_fuzz(const uint32_t *formats, size_t n, const uint8_t *data, size_t size)
{
	size_t pick = size + (size ? data[size - 1] : 0);
	FILE *told = told_begin(size);

	if (size <= MUTATED_BYTES) {
		read_as(formats[pick % n], pick, data, size, told);
		return;
	}
	for (size_t i = 0; i < n; i++)
		read_as(formats[i], pick, data, size, told);
}
