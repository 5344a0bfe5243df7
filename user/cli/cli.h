// SPDX-License-Identifier: GPL-2.0
/*
 * What the command groups share: the run's options, the words of a command, and the way to the
 * agent. Every command returns an exit status, and has said why in one line on stderr where it is
 * not 0.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_exit {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_AGENT = 3,
};

struct cli {
	const char *socket;
	bool json;
	int fd; /* of the control socket, -1 until the first call */
};

struct cli_command {
	const char *group; /* first word */
	const char *verb;  /* second word, or NULL */
	int (*run)(struct cli *cli, const struct cli_command *command, int argc, char **argv);
	const char *words; /* for the help: what comes behind */
	const char *does;
};

/* One option of a command: with @value the next word is its value, else @flag is set. */
struct cli_option {
	const char *name; /* "--for" */
	const char **value;
	bool *flag;
};

#define CLI_WORDS_MAX 24 /* a feed has some twenty keys */

/*
 * Sorts the words behind a command into @options (NULL name ends it; --json, -s and --help are
 * known everywhere) and at most @max plain words, at least @min. Returns CLI_DONE or CLI_USAGE,
 * having named the wrong word; *ret_words is filled with NULLs behind the last.
 */
int cli_args(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	     const struct cli_option *options, int min, int max,
	     const char *ret_words[CLI_WORDS_MAX]);

/* One line `sekisho: ...` to stderr, escaped. Returns @status. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the usage line of @command to stdout and exits 0: help that was asked for. */
void cli_help(const struct cli_command *command) __attribute__((noreturn));

/* Opens cli->fd unless it is. Returns CLI_DONE, or a status after saying why not. */
int cli_connect(struct cli *cli);

/*
 * Takes one of the agent's lines apart. Returns CLI_DONE with *ret_data as cli_call(), or
 * CLI_FAILED with *ret_why, the caller's to free() (NULL: out of memory), and says nothing.
 */
int cli_answer(const char *text, size_t len, json_t **ret_data, char **ret_why);

/*
 * Sends @request (taken) and waits for the answer. *ret_data, the caller's to json_decref(), is an
 * object. Returns CLI_DONE, CLI_FAILED where the agent refused (its line is printed), or
 * CLI_NO_AGENT.
 */
int cli_call(struct cli *cli, json_t *request, json_t **ret_data);

/*
 * cli_call() for commands whose answer is shown as it comes: prints the data with --json, else
 * @show does. Returns its status, or cli_call()'s.
 */
int cli_show(struct cli *cli, json_t *request, int (*show)(json_t *data));

/*
 * cli_call() for commands with nothing to show: prints the data with --json, else data.text or
 * data.warnings where the agent sent any.
 */
int cli_do(struct cli *cli, json_t *request);

/*
 * Reads a duration; with @may_be_endless -1 as well, which is for good, as NULL is. *ret_for_s is
 * -1 for good. CLI_DONE, or CLI_USAGE and says why not.
 */
int cli_duration(const char *text, bool may_be_endless, json_int_t *ret_for_s);

/* Adds @value as @key unless it is NULL. Bytes that are not UTF-8 are a failure: CLI_USAGE, and
 * said. */
int cli_set(json_t *object, const char *key, const char *value);

/* Is @origin one that an entry may have? CLI_DONE, or CLI_USAGE and says why not. */
int cli_origin(const char *origin);

/* Sends along where this person sits, if they came by SSH: a block must not take that address. As
 * cli_set(). */
int cli_set_ssh_client(json_t *request);

/* The group's commands. */
int cmd_status(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_explain(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_entry_add(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_entry_del(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_entry_list(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_entry_flush(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_entry_import(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_list(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_show(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_accept(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_update(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_quality(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_try(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_add(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_feed_remove(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_limit_list(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_limit_suggest(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_limit_try(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_top(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_review_list(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_review_show(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_review_judge(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_events(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_mode(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_plain(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_audit(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_version(struct cli *cli, const struct cli_command *command, int argc, char **argv);
int cmd_check_config(struct cli *cli, const struct cli_command *command, int argc, char **argv);
