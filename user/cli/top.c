// SPDX-License-Identifier: GPL-2.0
/* top: the busiest sources; on a terminal again and again until a key or a signal ends it. */
#include "cli.h"

#include "print.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_MS 2000 /* the agent measures rates over as long */
#define CLEAR "\033[H\033[2J"

/* Rates as whole numbers: the sample makes more digits a lie. */
static void round_rates(json_t *rows)
{
	static const char *const keys[] = {"packets_per_s", "bytes_per_s", "drops_per_s"};
	json_t *row;
	size_t i, k;

	json_array_foreach(rows, i, row)
		for (k = 0; k < 3; k++)
			(void)json_object_set_new(
				row, keys[k],
				json_integer((json_int_t)(json_number_value(
								  json_object_get(row, keys[k])) +
							  0.5)));
}

static int show(const struct cli *cli, json_t *data)
{
	static const struct print_column columns[] = {
		{"SOURCE", "address", PRINT_TEXT},
		{"PACKETS/S", "packets_per_s", PRINT_NUMBER},
		{"BYTES/S", "bytes_per_s", PRINT_BYTES},
		{"DROPS/S", "drops_per_s", PRINT_NUMBER},
		{"PACKETS", "packets", PRINT_NUMBER},
		{"DROPS", "drops", PRINT_NUMBER},
		{"ERROR", "error", PRINT_NUMBER},
		{NULL, NULL, PRINT_TEXT},
	};
	int status;

	if (cli->json)
		return print_json(data);
	round_rates(json_object_get(data, "sources"));
	status = print_table(json_object_get(data, "sources"), columns,
			     "no source sent anything for a minute");
	if (!status) {
		putchar('\n');
		print_text(
			NULL,
			"Counted from every packet where a CPU is quiet, from one in %" JSON_INTEGER_FORMAT
			" where it is busy: off by chance there, see sekisho(1). Else PACKETS are too high by ERROR at most.",
			json_integer_value(json_object_get(data, "sample")));
	}
	return status;
}

static int once(struct cli *cli, const char *by, const char *limit)
{
	json_t *request = json_pack("{s:s, s:s}", "verb", "top", "by", by), *data;
	int status;

	if (limit)
		(void)json_object_set_new(request, "limit", json_integer(atoi(limit)));
	status = cli_call(cli, request, &data);
	if (status)
		return status;
	status = show(cli, data);
	json_decref(data);
	return status;
}

/* False once a key was pressed or the input has ended. */
static bool wait_on(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, AGAIN_MS) == 0;
}

int cmd_top(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *by = "packets", *limit = NULL;
	const struct cli_option options[] = {
		{"--by", &by, NULL}, {"--limit", &limit, NULL}, {NULL, NULL, NULL}};
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);
	bool is_live = !cli->json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);

	if (status)
		return status;
	if (strcmp(by, "packets") && strcmp(by, "bytes") && strcmp(by, "drops"))
		return cli_fail(CLI_USAGE, "--by \"%s\": packets, bytes or drops", by);
	if (limit &&
	    (strspn(limit, "0123456789") != strlen(limit) || atoi(limit) < 1 || atoi(limit) > 1000))
		return cli_fail(CLI_USAGE, "--limit \"%s\": a number from 1 to 1000", limit);
	do {
		if (is_live)
			fputs(CLEAR, stdout);
		status = once(cli, by, limit);
		if (is_live && !status)
			puts("Enter ends it.");
		(void)fflush(stdout); /* the last one is looked at in main() */
	} while (is_live && !status && wait_on());
	return status;
}
