// SPDX-License-Identifier: GPL-2.0
/*
 * block import and allow import of a file: lines or JSON lines in, batches of entries out. Every
 * bad line is named on stderr, and then nothing is applied: the agent keeps the batches until the
 * last one says that all are there.
 */
#include "import.h"

#include "print.h"

#include "lib/prefix.h"
#include "lib/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_ENTRIES 1000 /* entries a request: about 100 kB, answered at once */

/* A file on its way. */
struct batch {
	struct import *import;
	json_t *entries;
	unsigned line;                 /* number of the line being read, from 1 */
	unsigned lines[BATCH_ENTRIES]; /* of the entries */
};

void import_reject(struct import *import, unsigned number, const char *why)
{
	import->rejected++;
	(void)cli_fail(CLI_FAILED, "line %u: %s", number,
		       why); /* told; the others are looked at too */
}

void import_rejected(struct import *import, const json_t *data, const unsigned *lines, size_t n)
{
	json_t *row, *rows = json_object_get(data, "rejected");
	size_t i;

	json_array_foreach(rows, i, row) {
		json_int_t index = json_integer_value(json_object_get(row, "index"));
		const char *why = json_string_value(json_object_get(row, "error"));

		if (index >= 0 && (size_t)index < n)
			import_reject(import, lines[index], why ? why : "refused by the agent");
	}
}

json_t *import_request(struct import *import, json_t *entries)
{
	json_t *request = json_pack("{s:s++, s:o, s:b}", "verb", import->command->group, ".",
				    "import", "entries", entries, "force", import->force);

	if (!request) {
		(void)cli_fail(CLI_FAILED, "out of memory");
		return NULL;
	}
	if (!cli_set_ssh_client(request))
		return request;
	json_decref(request);
	return NULL;
}

/* Hands the batch over; the last one puts all in force. */
static int send_batch(struct batch *batch, bool is_last)
{
	size_t n = json_array_size(batch->entries);
	json_t *request = import_request(batch->import, batch->entries), *data = NULL;
	int status;

	batch->entries = json_array();
	if (!request || !batch->entries ||
	    json_object_set_new(request, "more", json_boolean(!is_last))) {
		json_decref(request);
		return CLI_FAILED;
	}
	status = cli_call(batch->import->cli, request, &data);
	if (!status)
		import_rejected(batch->import, data, batch->lines, n);
	if (!status && is_last) {
		batch->import->added = json_integer_value(json_object_get(data, "added"));
		batch->import->host_bits = json_integer_value(json_object_get(data, "host_bits"));
	}
	json_decref(data);
	return status;
}

/* As cli_duration(), with the reason why not. */
static const char *bad_duration(const char *text, json_int_t *ret_for_s)
{
	uint64_t for_s;

	if (!strcmp(text, "-1")) {
		*ret_for_s = -1;
		return NULL;
	}
	if (units_parse_duration(text, strlen(text), &for_s) || !for_s)
		return "no duration; write 90s, 10m, 12h, 7d, or -1 for good";
	*ret_for_s = (json_int_t)for_s;
	return NULL;
}

static const char *bad_prefix(const char *text)
{
	struct prefix prefix;
	enum prefix_error error = prefix_parse(text, strlen(text), &prefix, NULL);

	return error == PREFIX_OK ? NULL : prefix_error_text(error);
}

/* PREFIX [DURATION [ORIGIN [REASON...]]]; returns why it cannot be, or NULL. */
static const char *entry_of_words(const struct import *import, char *line, json_t **ret_entry)
{
	char *rest, *prefix = strtok_r(line, IMPORT_BLANKS, &rest),
		    *duration = strtok_r(NULL, IMPORT_BLANKS, &rest);
	char *origin = duration ? strtok_r(NULL, IMPORT_BLANKS, &rest) : NULL,
	     *reason = origin ? rest + strspn(rest, IMPORT_BLANKS) : NULL;
	json_int_t for_s = import->for_s;
	const char *why = bad_prefix(prefix);

	if (!why && duration)
		why = bad_duration(duration, &for_s);
	if (why)
		return why;
	if (reason)
		reason[strcspn(reason, "\r\n")] = '\0';
	*ret_entry = json_pack("{s:s, s:I, s:s, s:s*}", "prefix", prefix, "for_s", for_s, "origin",
			       origin ? origin : import->origin, "reason",
			       reason && reason[0] ? reason : NULL);
	return *ret_entry ? NULL : "not UTF-8 text";
}

/* Why @in is not {"prefix": TEXT, "for_s": SECONDS or "for" or "duration": "1h", "origin": TEXT,
 * "reason": TEXT}; NULL: it may be. */
static const char *bad_keys(const json_t *in)
{
	static const char *const texts[] = {"prefix", "for", "duration", "origin", "reason"};
	const char *key;
	json_t *value;
	bool is_known;

	json_object_foreach((json_t *)in, key, value) {
		is_known = false;
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			is_known |= !strcmp(key, texts[i]);
		if (is_known && !json_is_string(value))
			return "prefix, for, duration, origin and reason are texts";
		if (!is_known && strcmp(key, "for_s"))
			return "a key that is none of prefix, for, for_s, duration, origin, reason";
		if (!is_known && !json_is_integer(value))
			return "for_s is a whole number of seconds";
	}
	return NULL;
}

/* Seconds of "for", "duration" or "for_s", of which one may be there; as bad_duration(). */
static const char *json_duration(const json_t *in, json_int_t *ret_for_s)
{
	const json_t *words = json_object_get(in, "for"),
		     *duration = json_object_get(in, "duration"),
		     *for_s = json_object_get(in, "for_s");

	if (!!words + !!duration + !!for_s > 1)
		return "more than one of for, duration and for_s";
	if (for_s && json_integer_value(for_s) < 1 && json_integer_value(for_s) != -1)
		return "for_s is a number of seconds from 1 on, or -1 for good";
	if (for_s)
		*ret_for_s = json_integer_value(for_s);
	if (!words && !duration)
		return NULL;
	return bad_duration(json_string_value(words ? words : duration), ret_for_s);
}

/* One JSON object; as entry_of_words(). */
static const char *entry_of_json(const struct import *import, const char *line, json_t **ret_entry)
{
	json_t *in = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	const char *prefix = json_string_value(json_object_get(in, "prefix"));
	const char *origin = json_string_value(json_object_get(in, "origin"));
	json_int_t seconds = import->for_s;
	const char *why = in ? bad_keys(in) : "not one JSON object with a \"prefix\"";

	if (!why)
		why = prefix ? bad_prefix(prefix) : "a JSON object without a \"prefix\"";
	if (!why)
		why = json_duration(in, &seconds);
	if (!why) {
		*ret_entry = json_pack("{s:s, s:I, s:s, s:s*}", "prefix", prefix, "for_s", seconds,
				       "origin", origin ? origin : import->origin, "reason",
				       json_string_value(json_object_get(in, "reason")));
		why = *ret_entry ? NULL : "out of memory";
	}
	json_decref(in);
	return why;
}

json_t *import_entry(struct import *import, char *line, size_t len, unsigned number)
{
	char *start = line + strspn(line, IMPORT_BLANKS);
	json_t *entry = NULL;
	const char *why;

	if (strlen(line) != len)
		why = "a NUL byte";
	else if (!*start || *start == '#')
		return NULL;
	else if (*start == '{')
		why = entry_of_json(import, start, &entry);
	else
		why = entry_of_words(import, start, &entry);
	if (why)
		import_reject(import, number, why);
	return entry;
}

static int take_line(struct batch *batch, char *line, size_t len)
{
	json_t *entry = import_entry(batch->import, line, len, batch->line);
	int status = CLI_DONE;

	if (!entry)
		return CLI_DONE;
	if (json_array_size(batch->entries) == BATCH_ENTRIES)
		status = send_batch(batch, false);
	batch->lines[json_array_size(batch->entries)] = batch->line;
	if (json_array_append_new(batch->entries, entry))
		return cli_fail(CLI_FAILED, "out of memory");
	return status;
}

static int import_file(struct import *import, FILE *file)
{
	struct batch batch = {.import = import, .entries = json_array()};
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int status = CLI_DONE;

	while (!status && (len = getline(&line, &size, file)) >= 0) {
		batch.line++;
		status = take_line(&batch, line, (size_t)len);
	}
	if (!status && ferror(file))
		status = cli_fail(CLI_FAILED, "cannot read line %u: %s", batch.line + 1,
				  strerror(errno));
	if (!status)
		status = send_batch(&batch,
				    !import->rejected); /* with a bad line: only to hear of more */
	json_decref(batch.entries);
	free(line);
	return status;
}

void import_show_added(const struct import *import)
{
	printf("%" JSON_INTEGER_FORMAT " entries in force", import->added);
	if (import->host_bits)
		printf(" (host bits of %" JSON_INTEGER_FORMAT " cleared)", import->host_bits);
	putchar('\n');
}

static int show_result(const struct import *import)
{
	json_t *document;

	if (import->cli->json) {
		document = json_pack("{s:I, s:I, s:I}", "added", import->added, "rejected",
				     import->rejected, "host_bits", import->host_bits);
		(void)print_json(document); /* it has said so */
		json_decref(document);
	} else if (!import->rejected) {
		import_show_added(import);
	}
	if (!import->rejected)
		return CLI_DONE;
	return cli_fail(CLI_FAILED, "nothing was applied: %" JSON_INTEGER_FORMAT " bad line%s",
			import->rejected, import->rejected == 1 ? "" : "s");
}

int cmd_entry_import(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	struct import import = {.cli = cli, .command = command, .origin = "manual"};
	const char *words[CLI_WORDS_MAX], *for_text = NULL;
	const struct cli_option options[] = {
		{"--for", &for_text, NULL},
		{"--origin", &import.origin, NULL},
		{"--force", NULL, &import.force},
		{NULL, NULL, NULL},
	};
	FILE *file;
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);

	if (!status)
		status = cli_duration(for_text, true, &import.for_s);
	if (!status)
		status = cli_origin(import.origin);
	if (status)
		return status;
	if (!strcmp(words[0], "-"))
		return import_stream(&import, STDIN_FILENO);
	file = fopen(words[0], "re");
	if (!file)
		return cli_fail(CLI_FAILED, "%s: %s", words[0], strerror(errno));
	status = import_file(&import, file);
	if (!status)
		status = show_result(&import);
	(void)fclose(file); /* only read from */
	return status;
}
