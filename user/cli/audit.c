// SPDX-License-Identifier: GPL-2.0
/*
 * audit: who changed what, when, and what came of it, as the agent has recorded it.
 */
#include "cli.h"

#include "print.h"

#include <stdlib.h>

#define AUDIT_ROWS 50 /* shown unless --limit says otherwise: a screen */

static int show_audit(json_t *data)
{
	static const struct print_column columns[] = {
		{"AGE", "time", PRINT_AGO},     {"USER", "user", PRINT_TEXT},
		{"UID", "uid", PRINT_NUMBER},   {"VERB", "verb", PRINT_TEXT},
		{"WHAT", "detail", PRINT_TEXT}, {"RESULT", "result", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};

	return print_table(json_object_get(data, "entries"), columns, "nothing was changed yet");
}

int cmd_audit(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *limit_text = NULL;
	const struct cli_option options[] = {{"--limit", &limit_text, NULL}, {NULL, NULL, NULL}};
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);
	json_int_t limit = limit_text ? strtoll(limit_text, NULL, 10) : AUDIT_ROWS;

	if (!status && (limit < 1 || limit > 1000))
		status = cli_fail(CLI_USAGE, "\"--limit\" is 1 to 1000");
	return status ? status
		      : cli_show(cli, json_pack("{s:s, s:I}", "verb", "audit", "limit", limit),
				 show_audit);
}
