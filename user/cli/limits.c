// SPDX-License-Identifier: GPL-2.0
/* limit: list, suggest, try. */
#include "cli.h"

#include "print.h"

#include <stdio.h>
#include <string.h>

/* What a limit that forgets its sources is missing. */
static void warn_forgotten(const json_t *data)
{
	json_int_t n = json_integer_value(json_object_get(data, "forgotten"));

	if (n)
		printf("\nwarning: %" JSON_INTEGER_FORMAT
		       " sources were forgotten for newer ones: limiter-memory in the config makes room\n",
		       n);
}

/* "3 of 4": how many of the bans that people judged were right; null: none was judged. */
static json_t *right_of(const json_t *review)
{
	json_int_t right = json_integer_value(json_object_get(review, "confirmed")),
		   wrong = json_integer_value(json_object_get(review, "rejected"));

	return right + wrong ? json_sprintf("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT,
					    right, right + wrong)
			     : json_null();
}

/* "tcp-syn 22,2200-2299" */
static json_t *packets_of(const json_t *limit)
{
	const char *ports = json_string_value(json_object_get(limit, "ports"));

	return json_sprintf("%s%s%s", json_string_value(json_object_get(limit, "protocol")),
			    ports ? " " : "", ports ? ports : "");
}

/* "200M/s" as "200Mbit/s" */
static json_t *bit_rate(const char *rate)
{
	size_t len = strcspn(rate, "/");

	return json_sprintf("%.*sbit%s", (int)len, rate, rate + len);
}

/* Packets or bits a second: a limit has one of them, and its burst is in packets or bytes. */
static void make_cells(json_t *rows)
{
	char text[PRINT_CELL_BYTES];
	const char *bits;
	json_t *row, *burst;
	size_t i;

	json_array_foreach(rows, i, row) { /* out of memory: dashes */
		bits = json_string_value(json_object_get(row, "bits"));
		(void)json_object_set_new(row, "rate",
					  bits ? bit_rate(bits)
					       : json_incref(json_object_get(row, "packets")));
		burst = json_integer((json_int_t)json_number_value(json_object_get(row, "burst")));
		(void)json_object_set_new(
			row, "burst",
			json_string(print_cell(burst, bits ? PRINT_BYTES : PRINT_NUMBER, text)));
		json_decref(burst);
		(void)json_object_set_new(row, "of", packets_of(row));
		(void)json_object_set_new(row, "right", right_of(json_object_get(row, "review")));
	}
}

static int show_list(json_t *data)
{
	static const struct print_column columns[] = {
		{"NAME", "name", PRINT_TEXT},         {"OF", "of", PRINT_TEXT},
		{"RATE", "rate", PRINT_RATE},         {"BURST", "burst", PRINT_RATE},
		{"PER", "per", PRINT_TEXT},           {"ACTION", "action", PRINT_STATE},
		{"DROPPED", "dropped", PRINT_NUMBER}, {"WOULD", "would_drop", PRINT_NUMBER},
		{"OVER", "over_now", PRINT_NUMBER},   {"BANS", "bans", PRINT_NUMBER},
		{"RIGHT", "right", PRINT_RATE},       {NULL, NULL, PRINT_TEXT},
	};
	int status;

	make_cells(json_object_get(data, "limits"));
	status = print_table(json_object_get(data, "limits"), columns,
			     "no limits; limits: in the config names them, see sekisho.yaml(5)");
	warn_forgotten(data);
	return status;
}

static int show_suggestions(json_t *data)
{
	static const struct print_column columns[] = {
		{"LIMIT", "name", PRINT_TEXT},
		{"UNIT", "unit", PRINT_TEXT},
		{"SOURCES", "sources", PRINT_NUMBER},
		{"MEDIAN", "median", PRINT_RATE},
		{"99 %", "p99", PRINT_RATE},
		{"99.9 %", "p999", PRINT_RATE},
		{"HIGHEST", "highest", PRINT_RATE},
		{"SUGGEST", "suggested", PRINT_RATE},
		{"HITS", "suggested_hits", PRINT_NUMBER},
		{"NOW", "now", PRINT_RATE},
		{"HITS", "now_hits", PRINT_NUMBER},
		{NULL, NULL, PRINT_TEXT},
	};
	json_t *row, *rows = json_object_get(data, "suggestions");
	json_int_t days = 0, of_row;
	const char *unit;
	size_t i;
	int status;

	json_array_foreach(rows, i, row) {
		of_row = json_integer_value(json_object_get(row, "days"));
		days = of_row > days ? of_row : days;
		unit = json_string_value(json_object_get(row, "unit"));
		if (unit && unit[0] == 'p')
			(void)json_object_set_new(
				row, "unit",
				json_string("pkts")); /* out of memory: the longer word */
	}
	status = print_table(rows, columns, NULL);
	if (!status) {
		putchar('\n');
		print_text(
			NULL,
			"Rates of sources in their busiest second, on %" JSON_INTEGER_FORMAT
			" whole days; HITS: how many of them the limit before it would have hit.",
			days);
	}
	return status;
}

static int ask(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	       int (*show)(json_t *data))
{
	const char *words[CLI_WORDS_MAX];
	int status = cli_args(cli, command, argc, argv, NULL, 0, 0, words);

	return status ? status
		      : cli_show(cli,
				 json_pack("{s:s++}", "verb", command->group, ".", command->verb),
				 show);
}

int cmd_limit_list(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	return ask(cli, command, argc, argv, show_list);
}

int cmd_limit_suggest(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	return ask(cli, command, argc, argv, show_suggestions);
}

static int show_try(json_t *data)
{
	static const struct print_column fields[] = {
		{"limit", "name", PRINT_TEXT},
		{"rate", "rate", PRINT_TEXT},
		{"unit", "unit", PRINT_TEXT},
		{"sources", "sources", PRINT_NUMBER},
		{"would hit", "would_hit", PRINT_NUMBER},
		{"share", "share", PRINT_PERCENT},
		{"highest", "highest", PRINT_RATE},
		{"days", "days", PRINT_NUMBER},
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(data, &fields[i]);
	return CLI_DONE;
}

int cmd_limit_try(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *packets = NULL, *bits = NULL;
	const struct cli_option options[] = {
		{"--packets", &packets, NULL}, {"--bits", &bits, NULL}, {NULL, NULL, NULL}};
	json_t *request;
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);

	if (status)
		return status;
	if (!packets == !bits)
		return cli_fail(
			CLI_USAGE,
			"give one of --packets and --bits with a rate, such as --packets 50/s");
	request = json_pack("{s:s}", "verb", "limit.try");
	status = cli_set(request, "name", words[0]);
	if (!status)
		status = cli_set(request, "packets", packets);
	if (!status)
		status = cli_set(request, "bits", bits);
	if (status) {
		json_decref(request);
		return status;
	}
	return cli_show(cli, request, show_try);
}
