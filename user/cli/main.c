// SPDX-License-Identifier: GPL-2.0
/*
 * The command line: options before the command, the command table, help.
 * Help that was asked for goes to stdout and exits 0; misuse is one line naming the wrong word,
 * and 2.
 */
#include "cli.h"

#include "sys/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADD_WORDS "PREFIX [--for 1h|-1] [--origin NAME] [--reason TEXT] [--force]"

static const struct cli_command commands[] = {
	{"status", NULL, cmd_status, "", "interfaces, mode, table, feeds, packets by reason"},
	{"explain", NULL, cmd_explain, "ADDRESS", "why this source is dropped or passed"},
	{"block", "add", cmd_entry_add, ADD_WORDS, "drop a source; again: extend"},
	{"block", "del", cmd_entry_del, "PREFIX [--origin NAME]", "take one origin's entry away"},
	{"block", "list", cmd_entry_list, "[--origin NAME]", "entries in force"},
	{"block", "import", cmd_entry_import, "FILE|- [--for D] [--origin NAME] [--force]",
	 "lines PREFIX [DURATION [ORIGIN [REASON]]] or JSON; -: in force as they come"},
	{"block", "flush", cmd_entry_flush, "--origin NAME",
	 "take all of one origin's entries away"},
	{"allow", "add", cmd_entry_add, ADD_WORDS, "never drop a source"},
	{"allow", "del", cmd_entry_del, "PREFIX [--origin NAME]", "take one origin's entry away"},
	{"allow", "list", cmd_entry_list, "[--origin NAME]", "allow entries in force"},
	{"allow", "import", cmd_entry_import, "FILE|- [--for D] [--origin NAME] [--force]",
	 "as block import"},
	{"allow", "flush", cmd_entry_flush, "--origin NAME",
	 "take all of one origin's entries away"},
	{"feed", "list", cmd_feed_list, "", "feeds with their state"},
	{"feed", "update", cmd_feed_update, "[NAME]", "fetch now"},
	{"feed", "accept", cmd_feed_accept, "NAME", "take a held update as it is"},
	{"feed", "show", cmd_feed_show, "NAME", "one feed, what was left out and why"},
	{"feed", "quality", cmd_feed_quality, "[--days N]",
	 "how good each list is, and what it shares with others"},
	{"feed", "try", cmd_feed_try, "URL|PATH [--format F] [KEY=VALUE ...]",
	 "what a list would do, before it is added"},
	{"feed", "add", cmd_feed_add,
	 "NAME [--url] URL|[--path] PATH [--action A] [--format F] [KEY=VALUE ...]",
	 "write it to feeds.d and reload"},
	{"feed", "remove", cmd_feed_remove, "NAME", "delete its file of feeds.d and reload"},
	{"limit", "list", cmd_limit_list, "", "limits, what they dropped, sources over them now"},
	{"limit", "suggest", cmd_limit_suggest, "",
	 "thresholds from the rates that sources reached"},
	{"limit", "try", cmd_limit_try, "NAME|all --packets RATE|--bits RATE",
	 "how many sources a threshold would have hit"},
	{"top", NULL, cmd_top, "[--by packets|bytes|drops] [--limit N]",
	 "the busiest sources, live on a terminal"},
	{"review", "list", cmd_review_list, "[--undecided] [--limit NAME] [--rows N]",
	 "bans that limits made, newest first"},
	{"review", "show", cmd_review_show, "ID", "one ban with its evidence"},
	{"review", "confirm", cmd_review_judge, "ID [--reason TEXT]", "it was right"},
	{"review", "reject", cmd_review_judge, "ID [--reason TEXT] [--allow 24h]",
	 "it was wrong: unblock, and allow for a time"},
	{"events", NULL, cmd_events, "[--follow] [--rows N]",
	 "drops, bans and sources over a limit, as they come"},
	{"mode", NULL, cmd_mode, "enforce|monitor [--confirm 60s]",
	 "switch; with --confirm back unless confirmed"},
	{"confirm", NULL, cmd_plain, "", "keep what mode --confirm has switched"},
	{"reload", NULL, cmd_plain, "", "read the config again"},
	{"detach", NULL, cmd_plain, "", "remove the program from every interface"},
	{"audit", NULL, cmd_audit, "[--limit N]", "who changed what, newest first"},
	{"check-config", NULL, cmd_check_config, "FILE",
	 "errors as FILE:LINE:COLUMN, no agent needed"},
	{"version", NULL, cmd_version, "", "of this program and of the agent"},
	{NULL, NULL, NULL, NULL, NULL},
};

static int help(void)
{
	const struct cli_command *command;
	char name[32];

	puts("usage: sekisho [-s SOCKET] [--json] COMMAND ...\n");
	for (command = commands; command->group; command++) {
		(void)snprintf(name, sizeof(name), "%s%s%s", command->group,
			       command->verb ? " " : "",
			       command->verb ? command->verb : ""); /* the table's names fit */
		printf("  %-15s %s\n", name, command->does);
	}
	puts("\n`sekisho help COMMAND` shows a command's words; sekisho(1) explains them.\n"
	     "Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no agent there.");
	return CLI_DONE;
}

void cli_help(const struct cli_command *command)
{
	printf("usage: sekisho %s%s%s%s%s\n  %s\n", command->group, command->verb ? " " : "",
	       command->verb ? command->verb : "", command->words[0] ? " " : "", command->words,
	       command->does);
	exit(CLI_DONE);
}

/* Help for a group: `sekisho block --help`. */
static int help_group(const char *group)
{
	const struct cli_command *command;

	for (command = commands; command->group; command++)
		if (!strcmp(command->group, group))
			printf("sekisho %s%s%s%s%s\n", group, command->verb ? " " : "",
			       command->verb ? command->verb : "", command->words[0] ? " " : "",
			       command->words);
	return CLI_DONE;
}

/* `sekisho help [GROUP [VERB]]`. */
static int help_about(int argc, char **argv)
{
	const struct cli_command *command;

	if (!argc)
		return help();
	for (command = commands; command->group; command++) {
		if (strcmp(command->group, argv[0]))
			continue;
		if (argc == 1 && command->verb)
			return help_group(argv[0]);
		if (argc == 1 || (argc == 2 && command->verb && !strcmp(command->verb, argv[1])))
			cli_help(command);
	}
	return cli_fail(CLI_USAGE, "unknown command \"%s%s%s\"; see sekisho --help", argv[0],
			argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command;
	bool is_group = false;

	for (command = commands; command->group; command++) {
		if (strcmp(command->group, argv[0]))
			continue;
		if (!command->verb)
			return command->run(cli, command, argc - 1, argv + 1);
		if (argc > 1 && !strcmp(command->verb, argv[1]))
			return command->run(cli, command, argc - 2, argv + 2);
		is_group = true;
	}
	if (!is_group)
		return cli_fail(CLI_USAGE, "unknown command \"%s\"; see sekisho --help", argv[0]);
	if (argc == 1)
		return cli_fail(CLI_USAGE, "\"%s\" needs a word behind it; see sekisho %s --help",
				argv[0], argv[0]);
	if (is_help(argv[1]))
		return help_group(argv[0]);
	return cli_fail(CLI_USAGE, "unknown command \"%s %s\"; see sekisho %s --help", argv[0],
			argv[1], argv[0]);
}

int main(int argc, char **argv)
{
	struct cli cli = {.socket = getenv("SEKISHO_SOCKET"), .fd = -1};
	int i, status;

	if (!cli.socket || !cli.socket[0])
		cli.socket = CLIENT_DEFAULT_SOCKET;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (is_help(argv[i]))
			return help();
		if (!strcmp(argv[i], "--version")) {
			puts("sekisho " SEKISHO_VERSION);
			return CLI_DONE;
		}
		if (!strcmp(argv[i], "--json"))
			cli.json = true;
		else if (!strcmp(argv[i], "-s") && i + 1 < argc)
			cli.socket = argv[++i];
		else if (!strcmp(argv[i], "-s"))
			return cli_fail(CLI_USAGE, "\"-s\" needs a socket behind it");
		else
			return cli_fail(CLI_USAGE, "unknown option \"%s\"; see sekisho --help",
					argv[i]);
	}
	if (i == argc)
		return cli_fail(CLI_USAGE, "no command given; see sekisho --help");
	if (!strcmp(argv[i], "help"))
		return help_about(argc - i - 1, argv + i + 1);
	status = run_command(&cli, argc - i, argv + i);
	if (cli.fd >= 0)
		close(cli.fd);
	/* A full disk behind a redirection must not look like success. */
	if (fflush(stdout) && status == CLI_DONE)
		return cli_fail(CLI_FAILED, "cannot write the output");
	return status;
}
