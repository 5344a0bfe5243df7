// SPDX-License-Identifier: GPL-2.0
/*
 * mode, confirm, reload, detach, version: one request and hardly anything to show.
 */
#include "cli.h"

#include "print.h"

#include <stdio.h>
#include <string.h>

int cmd_mode(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *confirm = NULL;
	const struct cli_option options[] = {{"--confirm", &confirm, NULL}, {NULL, NULL, NULL}};
	json_int_t confirm_s = 0;
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);

	if (status)
		return status;
	if (strcmp(words[0], "enforce") && strcmp(words[0], "monitor"))
		return cli_fail(CLI_USAGE, "\"%s\" is no mode; write enforce or monitor", words[0]);
	if (confirm)
		status = cli_duration(confirm, false, &confirm_s);
	if (status)
		return status;
	return cli_do(cli, json_pack("{s:s, s:s, s:I}", "verb", "mode", "mode", words[0],
				     "confirm_s", confirm_s));
}

int cmd_plain(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	int status = cli_args(cli, command, argc, argv, NULL, 0, 0, words);

	return status ? status : cli_do(cli, json_pack("{s:s}", "verb", command->group));
}

int cmd_version(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	static const struct print_column agent = {"agent", "version", PRINT_TEXT};
	const char *words[CLI_WORDS_MAX];
	json_t *data;
	int status = cli_args(cli, command, argc, argv, NULL, 0, 0, words);

	if (status)
		return status;
	if (!cli->json) {
		printf("%-15s %s\n", "sekisho", SEKISHO_VERSION);
		(void)fflush(stdout); /* main looks again; before the line on stderr where no agent
					 is there */
	}
	status = cli_call(cli, json_pack("{s:s}", "verb", "version"), &data);
	if (status)
		return status;
	if (cli->json)
		status = cli_set(data, "cli", SEKISHO_VERSION);
	else
		print_field(data, &agent);
	if (!status && cli->json)
		status = print_json(data);
	json_decref(data);
	return status;
}
