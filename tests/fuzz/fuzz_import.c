// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes as the file of `block import`: every line is an entry with a sound prefix, named as
 * bad, or nothing; with a bad one the agent is never told that all are there. The agent is a
 * stand-in that refuses some entries.
 */
/* link: cli/import.c */
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "lib/prefix.h"
#include "told.h"

#define BATCH_ENTRIES 1000 /* as import.c */

static size_t n_entries, n_named, n_calls;
static bool refuses, is_over;
static FILE *told;

int cli_args(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	     const struct cli_option *options, int min, int max,
	     const char *ret_words[CLI_WORDS_MAX])
{
	ret_words[0] = argv[0];
	return CLI_DONE;
}

int cli_fail(int status, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	n_named += !strncmp(text, "line ", 5);
	if (told && !strncmp(text, "line ", 5))
		fprintf(told, "bad %lu\n", strtoul(text + 5, NULL, 10));
	return status;
}

int cli_duration(const char *text, bool may_be_endless, json_int_t *ret_for_s)
{
	*ret_for_s = -1;
	return CLI_DONE;
}

int cli_origin(const char *origin)
{
	return CLI_DONE;
}

int cli_set_ssh_client(json_t *request)
{
	return CLI_DONE;
}

int print_json(const json_t *document)
{
	return CLI_DONE;
}

/* Of a pipe: not reached from a file. */
struct import;
int import_stream(struct import *import, int fd);
int import_stream(struct import *import, int fd)
{
	abort();
}

static void check_entry(const json_t *entry)
{
	const char *text = json_string_value(json_object_get(entry, "prefix"));
	struct prefix prefix;

	if (!text || prefix_parse(text, strlen(text), &prefix, NULL) != PREFIX_OK)
		abort();
	if (!json_is_integer(json_object_get(entry, "for_s")) ||
	    !json_is_string(json_object_get(entry, "origin")))
		abort();
	if (told) {
		(void)json_dumpf(entry, told, JSON_SORT_KEYS | JSON_ENSURE_ASCII);
		fputc('\n', told);
	}
}

int cli_call(struct cli *cli, json_t *request, json_t **ret_data)
{
	json_t *entry, *entries = json_object_get(request, "entries");
	bool is_last = !json_is_true(json_object_get(request, "more"));
	size_t i;

	if (is_over || json_array_size(entries) > BATCH_ENTRIES || (is_last && n_named))
		abort();
	json_array_foreach(entries, i, entry)
		check_entry(entry);
	n_entries += json_array_size(entries);
	n_calls++;
	is_over = is_last;
	*ret_data = refuses && json_array_size(entries)
			? json_pack("{s:i,s:[{s:i,s:s},{s:i}]}", "added", 0, "rejected", "index", 0,
				    "error", "no", "index", 5000)
			: json_pack("{s:i}", "added", (int)n_entries);
	json_decref(request);
	return CLI_DONE;
}

/* Lines of @data that say something. */
static size_t count_lines(const char *data, size_t size)
{
	size_t n = 0;

	while (size) {
		const char *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) + 1 : size, at = 0;

		while (at < len && data[at] && strchr(" \t\r\n", data[at]))
			at++;
		n += memchr(data, '\0', len) || (at < len && data[at] != '#');
		data += len;
		size -= len;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cli_command command = { "block", "import", cmd_entry_import, "", "" };
	struct cli cli = { .json = true, .fd = -1 };
	char path[40], *argv[] = { path, NULL };
	size_t by_agent;
	int fd, status;

	told = told_begin(size);
	if (!size)
		return 0;
	refuses = data[0] & 1;
	n_entries = n_named = n_calls = 0;
	is_over = false;
	fd = memfd_create("import", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	status = cmd_entry_import(&cli, &command, 1, argv);
	close(fd);
	by_agent = refuses && n_entries ? n_named
					: 0; /* what it named is counted among the entries, too */
	if (n_entries + n_named < count_lines((const char *)data + 1, size - 1) || !n_calls)
		abort();
	if (!by_agent && n_entries + n_named != count_lines((const char *)data + 1, size - 1))
		abort();
	if ((status == CLI_DONE) != !n_named || (!is_over && !n_named))
		abort();
	return 0;
}
