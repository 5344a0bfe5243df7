// SPDX-License-Identifier: GPL-2.0
/*
 * Words in, requests out: option parsing, and one question to the agent with its answer.
 * What the agent says is taken for text from outside: it is escaped before anyone sees it.
 */
#include "cli.h"

#include "print.h"

#include "lib/escape.h"
#include "lib/units.h"
#include "sys/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the agent has escaped is not escaped again: its backslashes are as it sent them. */
static char *keep_backslashes(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		*to++ = *from;
		if (!strncmp(from, "\\x5c", 4))
			from += 3;
	}
	*to = '\0';
	return text;
}

int cli_fail(int status, const char *format, ...)
{
	char line[PRINT_CELL_BYTES], safe[PRINT_CELL_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args); /* a longer line is cut */
	va_end(args);
	fprintf(stderr, "sekisho: %s\n", keep_backslashes(escape_text(line, strlen(line), safe, sizeof(safe))));
	return status;
}

/* Takes one of the options known everywhere at @argv[*i]. Returns whether it was one. */
static bool common_option(struct cli *cli, const struct cli_command *command, int argc, char **argv,
			  int *i)
{
	if (!strcmp(argv[*i], "--help") || !strcmp(argv[*i], "-h"))
		cli_help(command);
	if (!strcmp(argv[*i], "--json")) {
		cli->json = true;
		return true;
	}
	if (!strcmp(argv[*i], "-s") && *i + 1 < argc) {
		cli->socket = argv[++*i];
		return true;
	}
	return false;
}

/* Takes @argv[*i] as one of @options. Returns CLI_DONE, or CLI_USAGE and says why. */
static int own_option(const struct cli_option *options, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	for (; options && options->name; options++) {
		if (strlen(options->name) != len || memcmp(options->name, word, len))
			continue;
		if (options->flag) {
			*options->flag = true;
			return equals ? cli_fail(CLI_USAGE, "\"%s\" takes no value", options->name)
				      : CLI_DONE;
		}
		if (!equals && *i + 1 >= argc)
			return cli_fail(CLI_USAGE, "\"%s\" needs a value behind it", word);
		*options->value = equals ? equals + 1 : argv[++*i];
		return CLI_DONE;
	}
	return cli_fail(CLI_USAGE, "unknown option \"%s\"", word);
}

int cli_args(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	     const struct cli_option *options, int min, int max,
	     const char *ret_words[CLI_WORDS_MAX])
{
	bool only_words = false;
	int i, n = 0, status;

	memset(ret_words, 0, CLI_WORDS_MAX * sizeof(*ret_words));
	for (i = 0; i < argc; i++) {
		if (!only_words && !strcmp(argv[i], "--")) {
			only_words = true;
		} else if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			if (n == max)
				return cli_fail(CLI_USAGE, "unexpected word \"%s\"", argv[i]);
			ret_words[n++] = argv[i];
		} else if (!common_option(cli, command, argc, argv, &i)) {
			status = own_option(options, argc, argv, &i);
			if (status)
				return status;
		}
	}
	if (n < min)
		return cli_fail(CLI_USAGE, "\"%s%s%s\" needs %s", command->group,
				command->verb ? " " : "", command->verb ? command->verb : "",
				command->words);
	return CLI_DONE;
}

int cli_connect(struct cli *cli)
{
	int err;

	if (cli->fd >= 0)
		return CLI_DONE;
	err = client_connect(cli->socket, &cli->fd);
	if (err == -EACCES)
		return cli_fail(
			CLI_FAILED,
			"%s: permission denied; be root or in the group sekisho (sekisho-view to look)",
			cli->socket);
	if (err)
		return cli_fail(CLI_NO_AGENT, "no agent at %s: %s; is sekishod running?",
				cli->socket, strerror(-err));
	return CLI_DONE;
}

int cli_answer(const char *text, size_t len, json_t **ret_data, char **ret_why)
{
	json_t *reply = json_loadb(text, len, 0, NULL);
	json_t *data = json_object_get(reply, "data");
	const char *error = json_string_value(json_object_get(reply, "error"));
	int status = CLI_FAILED;

	if (!json_is_object(reply) || !json_is_boolean(json_object_get(reply, "ok"))) {
		*ret_why = strdup(
			"the agent's answer is not understood; are its version and this program's the same?");
	} else if (!json_is_true(json_object_get(reply, "ok"))) {
		*ret_why = strdup(error ? error : "the agent refused without a reason");
	} else {
		*ret_data = json_is_object(data) ? json_incref(data) : json_object();
		status = CLI_DONE;
	}
	json_decref(reply);
	return status;
}

/* The same, and says why not. */
static int read_answer(const char *text, size_t len, json_t **ret_data)
{
	char *why = NULL;
	int status = cli_answer(text, len, ret_data, &why);

	if (status)
		status = cli_fail(status, "%s", why ? why : "out of memory");
	free(why);
	return status;
}

int cli_call(struct cli *cli, json_t *request, json_t **ret_data)
{
	char *line = json_dumps(request, JSON_COMPACT), *reply = NULL;
	size_t line_len = line ? strlen(line) : 0, reply_len;
	int status, err;

	json_decref(request);
	if (!line)
		return cli_fail(CLI_FAILED, "out of memory");
	status = cli_connect(cli);
	if (!status) {
		line[line_len] = '\n'; /* over the NUL: the length is known */
		err = client_call(cli->fd, line, line_len + 1, &reply, &reply_len);
		if (err == -ECONNRESET || err == -EPIPE)
			status = cli_fail(CLI_NO_AGENT,
					  "the agent at %s hung up; it may be restarting",
					  cli->socket);
		else if (err)
			status = cli_fail(CLI_FAILED, "no answer from the agent: %s",
					  strerror(-err));
		else
			status = read_answer(reply, reply_len, ret_data);
	}
	free(reply);
	free(line);
	return status;
}

int cli_show(struct cli *cli, json_t *request, int (*show)(json_t *data))
{
	json_t *data;
	int status = cli_call(cli, request, &data);

	if (status)
		return status;
	status = cli->json ? print_json(data) : show(data);
	json_decref(data);
	return status;
}

static int show_said(json_t *data)
{
	const json_t *said = json_object_get(data, "text");
	char text[PRINT_CELL_BYTES];

	if (json_is_string(said))
		puts(print_cell(said, PRINT_TEXT, text));
	print_lines("warning", json_object_get(data, "warnings"));
	return CLI_DONE;
}

int cli_do(struct cli *cli, json_t *request)
{
	return cli_show(cli, request, show_said);
}

int cli_duration(const char *text, bool may_be_endless, json_int_t *ret_for_s)
{
	const char *endless = may_be_endless ? ", or -1 for good" : "";
	uint64_t for_s;
	int err;

	if (may_be_endless && (!text || !strcmp(text, "-1"))) {
		*ret_for_s = -1;
		return CLI_DONE;
	}
	err = units_parse_duration(text, strlen(text), &for_s);
	if (!err && !for_s) /* an entry that ends at once, a --confirm that waits for nobody */
		return cli_fail(CLI_USAGE, "\"%s\" is no time at all; write 90s, 10m, 12h, 7d",
				text);
	if (err)
		return cli_fail(CLI_USAGE, "\"%s\" is %s; write 90s, 10m, 12h, 7d%s", text,
				err == -ERANGE ? "over 100 years" : "no duration", endless);
	*ret_for_s = (json_int_t)for_s;
	return CLI_DONE;
}

int cli_set(json_t *object, const char *key, const char *value)
{
	json_t *string;

	if (!value)
		return CLI_DONE;
	string = json_string(value);
	if (!string)
		return cli_fail(CLI_USAGE, "\"%s\" is not UTF-8 text", value);
	return json_object_set_new(object, key, string) ? cli_fail(CLI_FAILED, "out of memory")
							: CLI_DONE;
}
