// SPDX-License-Identifier: GPL-2.0
/*
 * The feed parsers from a shell. `feeds merge FILE...` reads lists and prints the fewest disjoint
 * IPv4 prefixes, as iprange does: scripts/bench-feeds.sh times both. `feeds parse FORMAT CHUNK FILE
 * [KEY=VALUE...]` prints what one file holds, pushed CHUNK bytes at a time:
 * tests/e2e/test_feed_formats.py compares that with a naive reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/feed_parse.h"
#include "lib/fetch_msg.h"
#include "lib/list_reduce.h"

#define READ_BYTES (1u << 16)
#define MAX_ENTRIES 10000000u

static int read_feed(const char *path, uint32_t format, size_t chunk,
		     const struct feed_options *options, void **ret_file, size_t *ret_len)
{
	static char room[READ_BYTES];
	struct feed_parser *parser = feed_parse_new(format, MAX_ENTRIES, options);
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	const char *why = "";
	ssize_t n;

	if (!parser || fd < 0) {
		fprintf(stderr, "feeds: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	chunk = chunk ? chunk : sizeof(room);
	while (!rc && (n = read(fd, room, sizeof(room))) > 0)
		for (size_t at = 0; !rc && at < (size_t)n; at += chunk)
			rc = feed_parse_push(parser, room + at,
					     (size_t)n - at < chunk ? (size_t)n - at : chunk);
	close(fd);
	rc = feed_parse_end(parser, ret_file, ret_len, &why);
	if (rc)
		printf("refused %s\n", why);
	feed_parse_free(parser);
	return rc;
}

/* Four decimal parts and a length, without printf: it would be most of the time. */
static char *put_number(char *at, unsigned value)
{
	if (value >= 100)
		*at++ = (char)('0' + value / 100);
	if (value >= 10)
		*at++ = (char)('0' + value / 10 % 10);
	*at++ = (char)('0' + value % 10);
	return at;
}

static void print_list(const struct prefix4 *list, size_t n)
{
	static char room[READ_BYTES];
	char *at = room;

	for (size_t i = 0; i < n; i++) {
		for (int shift = 24; shift >= 0; shift -= 8) {
			at = put_number(at, list[i].addr >> shift & 255);
			*at++ = shift ? '.' : '/';
		}
		at = list[i].len == 32 ? at - 1 : put_number(at, list[i].len);
		*at++ = '\n';
		if (at > room + sizeof(room) - 32) {
			fwrite(room, 1, (size_t)(at - room), stdout);
			at = room;
		}
	}
	fwrite(room, 1, (size_t)(at - room), stdout);
}

static int merge(char **paths, size_t n)
{
	const struct prefix4 **lists = calloc(n, sizeof(*lists));
	size_t *sizes = calloc(n, sizeof(*sizes)), len;
	void **files = calloc(n, sizeof(*files));
	struct prefix4 *list;
	struct list_view view;
	const char *why;
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		rc = read_feed(paths[i], FETCH_AUTO, READ_BYTES, NULL, &files[i], &len);
		if (!rc)
			rc = list_file_check(files[i], len, &view, &why);
		if (rc)
			continue;
		lists[i] = view.v4;
		sizes[i] = view.head->n4;
	}
	if (!rc)
		rc = list_reduce4(lists, sizes, n, &list, &len);
	if (rc)
		return 1;
	print_list(list, len);
	return 0;
}

static void read_options(char **words, struct feed_options *options)
{
	for (; *words; words++) {
		char *value = strchr(*words, '=');

		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(*words, "column"))
			options->column = (uint32_t)strtoul(value, NULL, 10);
		if (!strcmp(*words, "column") && !options->column)
			snprintf(options->column_name, sizeof(options->column_name), "%s", value);
		if (!strcmp(*words, "separator"))
			options->separator = !strcmp(value, "tab") ? '\t' : *value;
		if (!strcmp(*words, "select"))
			snprintf(options->select, sizeof(options->select), "%s", value);
		if (!strcmp(*words, "threshold"))
			options->threshold = (uint32_t)strtoul(value, NULL, 10);
		if (!strcmp(*words, "country") && !feed_countries_read(value, options->countries))
			exit(2);
	}
}

static int parse(char **words)
{
	struct feed_options options = {0};
	char text[PREFIX_TEXT_BYTES];
	struct list_view view;
	struct prefix prefix;
	uint32_t format = 0;
	const char *why;
	void *file;
	size_t len;

	while (format < FETCH_FORMAT_MAX && strcmp(feed_format_name(format), words[0]))
		format++;
	read_options(words + 3, &options);
	if (read_feed(words[2], format, strtoul(words[1], NULL, 10), &options, &file, &len))
		return 1;
	if (list_file_check(file, len, &view, &why))
		return 2;
	printf(
	    "format %s\nwhy %s\nlines %ju\nentries4 %ju\nentries6 %ju\nduplicates %ju\nhost_bits %ju\nerrors %ju\nskipped %ju\n",
	    feed_format_name(view.origin->format), view.origin->why, view.head->lines,
	    view.head->entries4, view.head->entries6, view.head->duplicates, view.head->host_bits,
	    view.head->errors, view.origin->skipped);
	for (uint32_t i = 0; i < view.head->n_errors; i++)
		printf("error %u %s: %.*s\n", view.errors[i].line,
		       feed_error_text(view.errors[i].reason), view.errors[i].text_len,
		       view.errors[i].text);
	for (uint32_t i = 0; i < view.head->n4; i++) {
		prefix = prefix_of4(view.v4[i].addr, view.v4[i].len);
		printf("prefix %s\n", prefix_format(&prefix, text));
	}
	for (uint32_t i = 0; i < view.head->n6; i++) {
		prefix = prefix_of6(view.v6[i].hi, view.v6[i].lo, view.v6[i].len);
		printf("prefix %s\n", prefix_format(&prefix, text));
	}
	free(file);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "merge"))
		return merge(argv + 2, (size_t)argc - 2);
	if (argc >= 5 && !strcmp(argv[1], "parse"))
		return parse(argv + 2);
	fprintf(stderr,
		"usage: feeds merge FILE... | feeds parse FORMAT CHUNK FILE [KEY=VALUE...]\n");
	return 2;
}
