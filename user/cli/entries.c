// SPDX-License-Identifier: GPL-2.0
/*
 * block and allow: add, del, list, flush. `block add` is what a fail2ban action runs once a ban, so
 * nothing happens before the request that the request does not need.
 */
#include "cli.h"

#include "print.h"

#include "lib/origin.h"
#include "sys/ssh_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ENTRIES 5000 /* entries a question; the answer stays under 5 MB */

/* {"verb": "block.add"} */
static json_t *request_of(const struct cli_command *command)
{
	return json_pack("{s:s++}", "verb", command->group, ".", command->verb);
}

/*
 * The request about one origin's row of @prefix; *ret_request is the caller's whatever comes back.
 */
static int row_request(const struct cli_command *command, const char *prefix, const char *origin,
		       json_t **ret_request)
{
	int status;

	*ret_request = request_of(command);
	status = cli_set(*ret_request, "prefix", prefix);
	return status ? status : cli_set(*ret_request, "origin", origin);
}

int cli_set_ssh_client(json_t *request)
{
	char address[64];

	return ssh_source_find(address, sizeof(address)) ? cli_set(request, "ssh_client", address)
							 : CLI_DONE;
}

int cli_origin(const char *origin)
{
	const char *why = origin_error(origin);

	return why ? cli_fail(CLI_USAGE, "--origin \"%s\": %s", origin, why) : CLI_DONE;
}

int cmd_entry_add(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *for_text = NULL, *origin = "manual", *reason = NULL;
	bool force = false;
	const struct cli_option options[] = {
		{"--for", &for_text, NULL},  {"--origin", &origin, NULL},
		{"--reason", &reason, NULL}, {"--force", NULL, &force},
		{NULL, NULL, NULL},
	};
	json_int_t for_s;
	json_t *request;
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);

	if (!status)
		status = cli_duration(for_text, true, &for_s);
	if (!status)
		status = cli_origin(origin);
	if (status)
		return status;
	status = row_request(command, words[0], origin, &request);
	if (!status)
		status = cli_set(request, "reason", reason);
	if (!status)
		status = cli_set_ssh_client(request);
	if (status) {
		json_decref(request);
		return status;
	}
	(void)json_object_set_new(request, "for_s",
				  json_integer(for_s)); /* out of memory: the agent refuses */
	(void)json_object_set_new(request, "force", json_boolean(force)); /* as above */
	return cli_do(cli, request);
}

int cmd_entry_del(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *origin = "manual";
	const struct cli_option options[] = {{"--origin", &origin, NULL}, {NULL, NULL, NULL}};
	json_t *request;
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);

	if (status)
		return status;
	status = row_request(command, words[0], origin, &request);
	if (!status)
		return cli_do(cli, request);
	json_decref(request);
	return status;
}

int cmd_entry_flush(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *origin = NULL;
	const struct cli_option options[] = {{"--origin", &origin, NULL}, {NULL, NULL, NULL}};
	json_t *request;
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);

	if (status)
		return status;
	/* A flush of everything by a forgotten word would be a bad morning. */
	if (!origin)
		return cli_fail(CLI_USAGE, "\"%s flush\" needs --origin NAME", command->group);
	request = request_of(command);
	status = cli_set(request, "origin", origin);
	if (!status)
		return cli_do(cli, request);
	json_decref(request);
	return status;
}

/* One page behind @after (borrowed, may be NULL). */
static int ask_page(struct cli *cli, const struct cli_command *command, const char *origin,
		    json_t *after, json_t **ret_page)
{
	json_t *request = request_of(command);
	int status = cli_set(request, "origin", origin);

	if (status) {
		json_decref(request);
		return status;
	}
	if (after)
		(void)json_object_set(
			request, "after",
			after); /* out of memory: the first page again, and found out below */
	(void)json_object_set_new(
		request, "limit",
		json_integer(PAGE_ENTRIES)); /* the agent has a limit of its own */
	return cli_call(cli, request, ret_page);
}

/* Every page's entries in one array. */
static int ask_all(struct cli *cli, const struct cli_command *command, const char *origin,
		   json_t *all)
{
	json_t *page, *after = NULL, *next;
	int status;

	do {
		status = ask_page(cli, command, origin, after, &page);
		if (status)
			break;
		if (json_array_extend(all, json_object_get(page, "entries")))
			status = cli_fail(CLI_FAILED, "the agent's answer has no entries");
		next = json_object_get(page, "next");
		if (json_is_null(next))
			next = NULL;
		/* An agent that does not move on would be asked for ever. */
		if (!status && next && after && json_equal(next, after))
			status = cli_fail(CLI_FAILED, "the agent sent the same page twice");
		json_incref(next);
		json_decref(after);
		after = next;
		json_decref(page);
	} while (!status && after);
	json_decref(after);
	return status;
}

int cmd_entry_list(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	static const struct print_column columns[] = {
		{"PREFIX", "prefix", PRINT_TEXT}, {"ORIGIN", "origin", PRINT_TEXT},
		{"AGE", "since", PRINT_AGO},      {"LEFT", "expires", PRINT_LEFT},
		{"BY", "by", PRINT_TEXT},         {"REASON", "reason", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	const char *words[CLI_WORDS_MAX], *origin = NULL;
	const struct cli_option options[] = {{"--origin", &origin, NULL}, {NULL, NULL, NULL}};
	json_t *document, *all;
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);

	if (status)
		return status;
	document = json_pack("{s:[], s:n}", "entries", "next");
	all = json_object_get(document, "entries");
	status = ask_all(cli, command, origin, all);
	if (!status)
		status = cli->json ? print_json(document) : print_table(all, columns, "no entries");
	json_decref(document);
	return status;
}
