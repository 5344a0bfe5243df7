// SPDX-License-Identifier: GPL-2.0
/*
 * events: what was dropped lately, who went over a limit, who was banned; with --follow until it is
 * interrupted. The agent keeps the events: a reader that is slow is told how many it missed.
 */
#include "cli.h"

#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EVENT_ROWS 50 /* shown unless --rows says otherwise: a screen */
#define PAUSE_US                                                                                   \
	200000 /* where the agent answers at once with nothing: more follow than may wait */

static void print_event(const json_t *row)
{
	static const struct {
		const char *label, *key;
	} more[] = {{"", "flags"}, {"limit ", "limit"}};
	long long sport = json_integer_value(json_object_get(row, "sport")),
		  dport = json_integer_value(json_object_get(row, "dport"));
	char source[PRINT_CELL_BYTES], text[PRINT_CELL_BYTES], when[16];
	double time_s = json_number_value(json_object_get(row, "time"));
	time_t whole = (time_t)time_s;
	struct tm tm;
	size_t i;

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&whole, &tm));
	if (json_object_get(row, "feed")) {
		printf("%s.%03d %-11s %s\n", when, (int)((time_s - (double)whole) * 1000),
		       json_string_value(json_object_get(row, "type")),
		       print_cell(json_object_get(row, "feed"), PRINT_TEXT, source));
		return;
	}
	printf("%s.%03d %-11s %-15s %-9s %s", when, (int)((time_s - (double)whole) * 1000),
	       json_string_value(json_object_get(row, "type")),
	       print_cell(json_object_get(row, "source"), PRINT_TEXT, source),
	       json_string_value(json_object_get(row, "reason")),
	       json_string_value(json_object_get(row, "protocol")));
	if (sport || dport)
		printf(" %lld -> %lld", sport, dport);
	for (i = 0; i < sizeof(more) / sizeof(*more); i++) {
		const json_t *one = json_object_get(row, more[i].key);

		if (json_string_length(one))
			printf(" %s%s", more[i].label, print_cell(one, PRINT_TEXT, text));
	}
	putchar('\n');
}

/* A line an event: for programs one JSON object each, as in an endless document there can be no
 * array. */
static void print_events(const struct cli *cli, const json_t *data)
{
	json_int_t missed = json_integer_value(json_object_get(data, "missed"));
	const json_t *row;
	size_t i;

	if (missed)
		fprintf(stderr,
			"sekisho: %lld events came faster than they were read and are missing here\n",
			(long long)missed);
	json_array_foreach(json_object_get(data, "events"), i, row) {
		if (!cli->json) {
			print_event(row);
			continue;
		}
		(void)json_dumpf(row, stdout,
				 JSON_COMPACT | JSON_ENSURE_ASCII); /* fflush() below tells */
		putchar('\n');
	}
}

static json_t *request_of(json_int_t after, json_int_t rows, bool wait)
{
	return json_pack("{s:s, s:I, s:I, s:b}", "verb", "events", "after", after, "limit", rows,
			 "wait", wait);
}

static int follow(struct cli *cli, json_int_t after)
{
	json_t *data;
	int status;

	for (;;) {
		if (fflush(stdout))
			return cli_fail(CLI_FAILED, "cannot write the output");
		status = cli_call(cli, request_of(after, 1000, true), &data);
		if (status)
			return status;
		print_events(cli, data);
		if (!json_array_size(json_object_get(data, "events")))
			usleep(PAUSE_US);
		after = json_integer_value(json_object_get(data, "last"));
		json_decref(data);
	}
}

int cmd_events(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *rows_text = NULL;
	bool is_following = false;
	const struct cli_option options[] = {{"--follow", NULL, &is_following},
					     {"--rows", &rows_text, NULL},
					     {NULL, NULL, NULL}};
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);
	json_int_t rows = rows_text ? strtoll(rows_text, NULL, 10) : EVENT_ROWS, last;
	json_t *data;

	if (!status && (rows < 1 || rows > 1000))
		status = cli_fail(CLI_USAGE, "\"--rows\" is 1 to 1000");
	if (!status)
		status = cli_call(cli, request_of(0, rows, false), &data);
	if (status)
		return status;
	last = json_integer_value(json_object_get(data, "last"));
	if (cli->json && !is_following)
		status = print_json(data);
	else
		print_events(cli, data);
	if (!cli->json && !is_following && !json_array_size(json_object_get(data, "events")))
		puts("no events lately");
	json_decref(data);
	return status || !is_following ? status : follow(cli, last);
}
