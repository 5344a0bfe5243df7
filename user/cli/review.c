// SPDX-License-Identifier: GPL-2.0
/*
 * review: bans that limits made, with their evidence, and a person's word on each.
 */
#include "cli.h"

#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_ROWS 200 /* rows a question */
#define FRAME_SKIP 28 /* the Ethernet header, in hex */
#define FRAME_HEX 40  /* an IPv4 header */
#define LIST_ROWS 100 /* shown unless --rows says otherwise: a few screens */

static const struct print_column list_columns[] = {
	{"ID", "id", PRINT_NUMBER},
	{"SOURCE", "source", PRINT_TEXT},
	{"LIMIT", "limit", PRINT_TEXT},
	{"AGE", "since", PRINT_AGO},
	{"STATE", "state", PRINT_STATE},
	{"VERDICT", "verdict", PRINT_STATE},
	{"DROPPED", "n_dropped", PRINT_NUMBER},
	{"SIGNS (?: may be wrong)", "brief", PRINT_TEXT},
	{NULL, NULL, PRINT_TEXT},
};

/* dropped.packets to a column of its own. */
static void flatten(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) /* out of memory: a dash */
		(void)json_object_set(row, "n_dropped",
				      json_object_get(json_object_get(row, "dropped"), "packets"));
}

/* Pages into @all until there are @max. */
static int ask_all(struct cli *cli, bool undecided, const char *limit, json_int_t max, json_t *all)
{
	json_t *request, *page, *next = NULL;
	int status;

	do {
		request = json_pack("{s:s, s:b, s:I}", "verb", "review.list", "undecided",
				    undecided, "rows", (json_int_t)PAGE_ROWS);
		status = cli_set(request, "limit", limit);
		if (!status && next)
			(void)json_object_set(request, "before",
					      next); /* out of memory: found out below */
		json_decref(next);
		next = NULL;
		if (status) {
			json_decref(request);
			return status;
		}
		status = cli_call(cli, request, &page);
		if (status)
			return status;
		if (json_array_extend(all, json_object_get(page, "bans")))
			status = cli_fail(CLI_FAILED, "the agent's answer has no bans");
		if (!json_is_null(json_object_get(page, "next")))
			next = json_incref(json_object_get(page, "next"));
		json_decref(page);
	} while (!status && next && json_array_size(all) < (size_t)max);
	json_decref(next);
	while (json_array_size(all) > (size_t)max)
		(void)json_array_remove(all, json_array_size(all) - 1); /* it is there */
	return status;
}

int cmd_review_list(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *limit = NULL, *rows_text = NULL;
	bool undecided = false;
	const struct cli_option options[] = {{"--undecided", NULL, &undecided},
					     {"--limit", &limit, NULL},
					     {"--rows", &rows_text, NULL},
					     {NULL, NULL, NULL}};
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);
	json_int_t max = rows_text ? strtoll(rows_text, NULL, 10) : LIST_ROWS;
	json_t *document;

	if (!status && (max < 1 || max > 1000000))
		status = cli_fail(CLI_USAGE, "\"--rows\" is 1 to 1000000");
	if (status)
		return status;
	document = json_pack("{s:[]}", "bans");
	status = ask_all(cli, undecided, limit, max, json_object_get(document, "bans"));
	if (!status && cli->json) {
		status = print_json(document);
	} else if (!status) {
		flatten(json_object_get(document, "bans"));
		status = print_table(json_object_get(document, "bans"), list_columns,
				     undecided ? "nothing waits for a verdict" : "no bans");
	}
	json_decref(document);
	return status;
}

static void print_rate(const json_t *data)
{
	const char *unit = json_string_value(json_object_get(data, "unit"));

	print_text("rate", "%.0f %s/s allowed, %.0f/s measured over %lld ms",
		   json_number_value(json_object_get(data, "threshold_per_s")),
		   unit && unit[0] == 'b' ? "bits" : "packets",
		   json_number_value(json_object_get(data, "rate_per_s")),
		   (long long)json_integer_value(json_object_get(data, "window_ms")));
}

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Two of @data's times as ages in one line; a time that is not known is a dash. */
static void print_seen(const char *label, const json_t *data)
{
	static const char *const keys[] = {"first_seen", "last_seen"};
	char text[2][PRINT_CELL_BYTES];
	size_t i;

	for (i = 0; i < 2; i++) {
		json_t *time_s =
			json_integer((json_int_t)json_number_value(json_object_get(data, keys[i])));

		print_cell(time_s,
			   json_is_number(json_object_get(data, keys[i])) ? PRINT_AGO : PRINT_TEXT,
			   text[i]);
		json_decref(time_s);
	}
	print_text(label, "first %s ago, last %s ago", text[0], text[1]);
}

/* How many packets of which frame size: "<64: 6, <128: 4". */
static void print_sizes(const json_t *sizes)
{
	char text[512] = "";
	const json_t *count;
	const char *name;
	size_t len = 0;

	json_object_foreach((json_t *)sizes, name, count) {
		if (len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s: %lld",
						len ? ", " : "", name,
						(long long)json_integer_value(count));
	}
	print_text("frame sizes", "%s", text);
}

static void print_evidence(const json_t *e)
{
	const json_t *by = json_object_get(e, "protocols"), *tcp = json_object_get(e, "tcp"), *port;
	size_t i;

	if (!json_is_object(e)) {
		puts("evidence        none: there was no record free for this source");
		return;
	}
	print_text("before the ban",
		   "%lld packets, %lld bytes, %lld over the limit; the busiest second %lld packets",
		   number(e, "packets"), number(e, "bytes"), number(e, "over_limit"),
		   number(e, "peak_packets_per_s"));
	print_seen("seen", e);
	print_text("protocols", "%lld tcp, %lld udp, %lld icmp, %lld other", number(by, "tcp"),
		   number(by, "udp"), number(by, "icmp"), number(by, "other"));
	if (number(by, "tcp"))
		print_text(
			"tcp",
			"%lld first SYNs, %lld ACKs, %lld FINs, %lld RSTs; %lld of %lld looked up belong to open connections",
			number(tcp, "syn"), number(tcp, "ack"), number(tcp, "fin"),
			number(tcp, "rst"), number(tcp, "of_open_connections"),
			number(tcp, "looked_up"));
	if (json_array_size(json_object_get(e, "last_ports")))
		printf("%-15s about %lld; the last:", "ports", number(e, "distinct_ports"));
	json_array_foreach(json_object_get(e, "last_ports"), i, port)
		printf(" %lld%s", (long long)json_integer_value(port),
		       i + 1 == json_array_size(json_object_get(e, "last_ports")) ? "\n" : "");
	print_text("packets", "%lld to %lld bytes, TTL %lld to %lld, %lld fragments",
		   number(e, "min_bytes"), number(e, "max_bytes"), number(e, "min_ttl"),
		   number(e, "max_ttl"), number(e, "fragments"));
	print_sizes(json_object_get(e, "sizes"));
}

static void print_signals(const json_t *rows)
{
	char text[PRINT_CELL_BYTES];
	const json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row) {
		const char *says = json_string_value(json_object_get(row, "says"));

		print_text(says && says[0] == 'w' ? "may be wrong" : "may be right", "%s",
			   print_cell(json_object_get(row, "text"), PRINT_TEXT, text));
	}
}

/* The headers alone, which is what a person reads; --json has all of the sample. */
static void shorten_frames(const json_t *rows)
{
	char text[FRAME_HEX + 4];
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row) {
		const char *hex = json_string_value(json_object_get(row, "header"));

		if (!hex || strlen(hex) <= FRAME_SKIP)
			continue;
		snprintf(text, sizeof(text), "%.*s%s", FRAME_HEX, hex + FRAME_SKIP,
			 strlen(hex) > FRAME_SKIP + FRAME_HEX ? "..." : "");
		(void)json_object_set_new(row, "header",
					  json_string(text)); /* out of memory: as long as it was */
	}
}

/* When a packet was last dropped. */
static void print_last(const json_t *dropped)
{
	static const struct print_column last = {"last dropped", "last_seen", PRINT_AGO};

	print_field(dropped, &last);
}

/* "2026-11-23 20:10:11" here, and how far that is from now. */
static void print_moment(const json_t *time, enum print_kind kind)
{
	time_t when = (time_t)json_integer_value(time);
	char text[PRINT_CELL_BYTES], clock[32];
	struct tm tm;

	strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", localtime_r(&when, &tm));
	printf("%s (%s %s)\n", clock, print_cell(time, kind, text),
	       kind == PRINT_LEFT ? "left" : "ago");
}

/* A ban in force has an end to come, one that is over has a reason: somebody's hand, or its time.
 */
static void print_end(const json_t *data)
{
	const char *state = json_string_value(json_object_get(data, "state"));
	const json_t *how = json_object_get(data, "how"), *ended = json_object_get(data, "ended");
	char text[PRINT_CELL_BYTES];

	if (state && !strcmp(state, "live")) {
		printf("%-15s until ", "still in force");
		print_moment(json_object_get(data, "until"), PRINT_LEFT);
		return;
	}
	printf("%-15s %s", "how it ended",
	       json_string_length(how) ? print_cell(how, PRINT_TEXT, text) : "its time was over");
	if (json_is_integer(ended)) {
		fputs(", ", stdout);
		print_moment(ended, PRINT_AGO);
	} else {
		putchar('\n');
	}
	if (state && !strcmp(state, "probation")) {
		printf("%-15s until ", "on probation");
		print_moment(json_object_get(data, "trial_until"), PRINT_LEFT);
	}
}

static void print_head(const json_t *data)
{
	static const struct print_column fields[] = {
		{"ban", "id", PRINT_NUMBER},         {"source", "source", PRINT_TEXT},
		{"limit", "limit", PRINT_TEXT},      {"state", "state", PRINT_STATE},
		{"verdict", "verdict", PRINT_STATE}, {"age", "since", PRINT_AGO},
	};
	static const struct print_column circumstances[] = {
		{"repeat", "level", PRINT_NUMBER},
		{"generation", "generation", PRINT_NUMBER},
		{"config", "config_hash", PRINT_TEXT},
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(data, &fields[i]);
	print_end(data);
	for (i = 0; i < sizeof(circumstances) / sizeof(*circumstances); i++)
		print_field(data, &circumstances[i]);
	print_rate(data);
}

static int show(json_t *data)
{
	static const struct print_column lists[] = {{"LIST", "list", PRINT_TEXT},
						    {"ACTION", "action", PRINT_STATE},
						    {"PREFIX", "prefix", PRINT_TEXT},
						    {"FOR AT LEAST", "since", PRINT_AGO},
						    {"KNOWN GOOD", "known_good", PRINT_TEXT},
						    {NULL, NULL, PRINT_TEXT}};
	static const struct print_column words[] = {{"AGE", "time", PRINT_AGO},
						    {"VERDICT", "verdict", PRINT_STATE},
						    {"USER", "user", PRINT_TEXT},
						    {"REASON", "reason", PRINT_TEXT},
						    {NULL, NULL, PRINT_TEXT}};
	static const struct print_column packets[] = {
		{"PROTOCOL", "protocol", PRINT_NUMBER}, {"SPORT", "sport", PRINT_NUMBER},
		{"DPORT", "dport", PRINT_NUMBER},       {"BYTES", "frame_bytes", PRINT_NUMBER},
		{"IP HEADER", "header", PRINT_TEXT},    {NULL, NULL, PRINT_TEXT}};
	const json_t *dropped = json_object_get(data, "dropped");
	char text[PRINT_CELL_BYTES];
	int status;

	print_head(data);
	print_evidence(json_object_get(data, "evidence"));
	print_text("during the ban",
		   "%lld packets dropped, %lld in the first second, %lld in the last",
		   number(dropped, "packets"), number(dropped, "first_second"),
		   number(dropped, "last_second"));
	print_last(dropped);
	if (json_is_string(json_object_get(dropped, "not_known")))
		print_text("not known", "what it sent besides, and whether it went on: %s",
			   print_cell(json_object_get(dropped, "not_known"), PRINT_TEXT, text));
	print_signals(json_object_get(data, "signals"));
	shorten_frames(json_object_get(data, "packets"));
	status = print_section(json_object_get(data, "lists"), lists);
	if (!status)
		status = print_section(json_object_get(data, "packets"), packets);
	return status ? status : print_section(json_object_get(data, "verdicts"), words);
}

/* ID of a ban from @word. */
static int read_id(const char *word, json_int_t *ret_id)
{
	char *end;
	long long id = strtoll(word, &end, 10);

	if (*end || id < 1)
		return cli_fail(CLI_USAGE, "\"%s\" is no number of a ban; see sekisho review list",
				word);
	*ret_id = id;
	return CLI_DONE;
}

int cmd_review_show(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	int status = cli_args(cli, command, argc, argv, NULL, 1, 1, words);
	json_int_t id = 0;

	if (!status)
		status = read_id(words[0], &id);
	return status ? status
		      : cli_show(cli, json_pack("{s:s, s:I}", "verb", "review.show", "id", id),
				 show);
}

int cmd_review_judge(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *reason = NULL, *allow = NULL;
	bool is_reject = command->verb[0] == 'r';
	const struct cli_option options[] = {{"--reason", &reason, NULL},
					     {is_reject ? "--allow" : NULL, &allow, NULL},
					     {NULL, NULL, NULL}};
	int status = cli_args(cli, command, argc, argv, options, 1, 1, words);
	json_int_t id = 0, allow_s = -1;
	json_t *request;

	if (!status)
		status = read_id(words[0], &id);
	if (!status && allow)
		status = cli_duration(allow, true, &allow_s);
	if (status)
		return status;
	request = json_pack("{s:s++, s:I}", "verb", command->group, ".", command->verb, "id", id);
	status = cli_set(request, "reason", reason);
	if (status) {
		json_decref(request);
		return status;
	}
	if (allow)
		(void)json_object_set_new(
			request, "allow_s",
			json_integer(allow_s)); /* out of memory: the agent's default */
	return cli_do(cli, request);
}
