// SPDX-License-Identifier: GPL-2.0
/*
 * block import and allow import: lines or JSON lines in, batches of entries out. Every bad line is named on stderr, and
 * then nothing is applied: the agent keeps the batches until the last one says that all are there.
 */
#include "cli.h"

#include "print.h"

#include "lib/prefix.h"
#include "lib/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ENTRIES 1000 /* entries a request: about 100 kB, answered at once */
#define BLANKS " \t\r\n"

struct import {
	struct cli *cli;
	const struct cli_command *command;
	const char *origin; /* where the line names none */
	json_int_t for_s;   /* as above */
	bool force;
	json_t *entries;    /* of the batch */
	unsigned line;	    /* number of the line being read, from 1 */
	unsigned lines[BATCH_ENTRIES]; /* of the batch's entries */
	json_int_t added;   /* entries the agent has put in force */
	json_int_t rejected; /* lines it or we did not take */
};

/* Names a line that cannot be. */
static void reject_line(struct import *import, unsigned line, const char *why)
{
	import->rejected++;
	(void)cli_fail(CLI_FAILED, "line %u: %s", line, why); /* told; the others are looked at too */
}

static void reject(struct import *import, const char *why)
{
	reject_line(import, import->line, why);
}

/* Names the lines that the agent refuses: protected addresses, mostly. */
static void take_rejected(struct import *import, const json_t *data, size_t n)
{
	json_t *row, *rows = json_object_get(data, "rejected");
	size_t i;

	json_array_foreach(rows, i, row) {
		json_int_t index = json_integer_value(json_object_get(row, "index"));
		const char *why = json_string_value(json_object_get(row, "error"));

		if (index >= 0 && (size_t)index < n)
			reject_line(import, import->lines[index], why ? why : "refused by the agent");
	}
}

/* Hands the batch over; the last one puts all in force. */
static int send_batch(struct import *import, bool is_last)
{
	size_t n = json_array_size(import->entries);
	json_t *request, *data = NULL;
	int status;

	request = json_pack("{s:s++, s:o, s:b, s:b}", "verb", import->command->group, ".", "import", "entries",
			    import->entries, "force", import->force, "more", !is_last);
	import->entries = json_array();
	if (!request || !import->entries)
		return cli_fail(CLI_FAILED, "out of memory");
	status = cli_set_ssh_client(request);
	if (status) {
		json_decref(request);
		return status;
	}
	status = cli_call(import->cli, request, &data);
	if (!status)
		take_rejected(import, data, n);
	if (!status && is_last)
		import->added = json_integer_value(json_object_get(data, "added"));
	json_decref(data);
	return status;
}

/* As cli_duration(), naming the line. */
static bool is_duration(struct import *import, const char *text, json_int_t *ret_for_s)
{
	uint64_t for_s;

	if (!strcmp(text, "-1")) {
		*ret_for_s = -1;
		return true;
	}
	if (units_parse_duration(text, strlen(text), &for_s)) {
		reject(import, "no duration; write 90s, 10m, 12h, 7d, or -1 for good");
		return false;
	}
	*ret_for_s = (json_int_t)for_s;
	return true;
}

static bool is_prefix(struct import *import, const char *text)
{
	struct prefix prefix;
	enum prefix_error error = prefix_parse(text, strlen(text), &prefix, NULL);

	if (error != PREFIX_OK)
		reject(import, prefix_error_text(error));
	return error == PREFIX_OK;
}

/* PREFIX [DURATION [ORIGIN [REASON...]]]; NULL after naming the line. */
static json_t *entry_of_words(struct import *import, char *line)
{
	char *rest, *prefix = strtok_r(line, BLANKS, &rest), *duration = strtok_r(NULL, BLANKS, &rest);
	char *origin = duration ? strtok_r(NULL, BLANKS, &rest) : NULL, *reason = origin ? rest + strspn(rest, BLANKS) : NULL;
	json_int_t for_s = import->for_s;
	json_t *entry;

	if (!is_prefix(import, prefix) || (duration && !is_duration(import, duration, &for_s)))
		return NULL;
	if (reason)
		reason[strcspn(reason, "\r\n")] = '\0';
	entry = json_pack("{s:s, s:I, s:s, s:s*}", "prefix", prefix, "for_s", for_s, "origin",
			  origin ? origin : import->origin, "reason", reason && reason[0] ? reason : NULL);
	if (!entry)
		reject(import, "not UTF-8 text");
	return entry;
}

/* {"prefix": ..., "for_s": 3600 or "for": "1h", "origin": ..., "reason": ...}; NULL after naming the line. */
static json_t *entry_of_json(struct import *import, const char *line)
{
	json_t *in = json_loads(line, 0, NULL), *out = NULL;
	const char *prefix = json_string_value(json_object_get(in, "prefix"));
	const char *origin = json_string_value(json_object_get(in, "origin"));
	const char *for_text = json_string_value(json_object_get(in, "for"));
	json_t *for_s = json_object_get(in, "for_s");
	json_int_t seconds = json_is_integer(for_s) ? json_integer_value(for_s) : import->for_s;

	if (!prefix)
		reject(import, "not a JSON object with a \"prefix\"");
	else if (is_prefix(import, prefix) && (!for_text || is_duration(import, for_text, &seconds)))
		out = json_pack("{s:s, s:I, s:s, s:s*}", "prefix", prefix, "for_s", seconds, "origin",
				origin ? origin : import->origin, "reason", json_string_value(json_object_get(in, "reason")));
	json_decref(in);
	return out;
}

static int import_line(struct import *import, char *line, size_t len)
{
	char *start = line + strspn(line, BLANKS);
	int status = CLI_DONE;
	json_t *entry;

	if (strlen(line) != len) {
		reject(import, "a NUL byte");
		return CLI_DONE;
	}
	if (!*start || *start == '#')
		return CLI_DONE;
	entry = *start == '{' ? entry_of_json(import, start) : entry_of_words(import, start);
	if (!entry)
		return CLI_DONE;
	if (json_array_size(import->entries) == BATCH_ENTRIES)
		status = send_batch(import, false);
	import->lines[json_array_size(import->entries)] = import->line;
	if (json_array_append_new(import->entries, entry))
		return cli_fail(CLI_FAILED, "out of memory");
	return status;
}

static int import_file(struct import *import, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int status = CLI_DONE;

	while (!status && (len = getline(&line, &size, file)) >= 0) {
		import->line++;
		status = import_line(import, line, (size_t)len);
	}
	if (!status && ferror(file))
		status = cli_fail(CLI_FAILED, "cannot read line %u: %s", import->line + 1, strerror(errno));
	if (!status)
		status = send_batch(import, !import->rejected); /* with a bad line: only to hear of more */
	free(line);
	return status;
}

static int show_result(const struct import *import)
{
	json_t *document;

	if (import->cli->json) {
		document = json_pack("{s:I, s:I}", "added", import->added, "rejected", import->rejected);
		(void)print_json(document); /* it has said so */
		json_decref(document);
	} else if (!import->rejected) {
		printf("%" JSON_INTEGER_FORMAT " entries in force\n", import->added);
	}
	if (!import->rejected)
		return CLI_DONE;
	return cli_fail(CLI_FAILED, "nothing was applied: %" JSON_INTEGER_FORMAT " bad line%s", import->rejected, import->rejected == 1 ? "" : "s");
}

int cmd_entry_import(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	struct import import = {.cli = cli, .command = command, .origin = "manual"};
	const char *words[CLI_WORDS_MAX], *for_text = NULL;
	const struct cli_option options[] = {
		{"--for", &for_text, NULL}, {"--origin", &import.origin, NULL}, {"--force", NULL, &import.force}, {NULL, NULL, NULL},
	};
	FILE *file;
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);

	if (!status)
		status = cli_duration(for_text, &import.for_s);
	if (status)
		return status;
	file = strcmp(words[0], "-") ? fopen(words[0], "re") : stdin;
	if (!file)
		return cli_fail(CLI_FAILED, "%s: %s", words[0], strerror(errno));
	import.entries = json_array();
	status = import_file(&import, file);
	if (!status)
		status = show_result(&import);
	json_decref(import.entries);
	if (file != stdin)
		(void)fclose(file); /* only read from */
	return status;
}
