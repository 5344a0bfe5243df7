// SPDX-License-Identifier: GPL-2.0
/*
 * status and explain: the agent's two documents, for people in sections, for programs as they are.
 */
#include "cli.h"

#include "print.h"

#include <stdio.h>

#define RECENT_ROWS 4 /* kinds of recent drops, for people */

static const struct print_column interface_columns[] = {
	{"INTERFACE", "name", PRINT_TEXT},       {"ATTACH", "attach", PRINT_TEXT},
	{"DISPATCHER", "dispatcher", PRINT_YES}, {"PROGRAM", "program_id", PRINT_NUMBER},
	{"ATTACHED", "attached", PRINT_YES},     {NULL, NULL, PRINT_TEXT},
};
static const struct print_column feed_columns[] = {
	{"FEED", "name", PRINT_TEXT},         {"STATE", "state", PRINT_STATE},
	{"ENTRIES", "entries", PRINT_NUMBER}, {"AGE", "last_success", PRINT_AGO},
	{"ERROR", "error", PRINT_TEXT},       {NULL, NULL, PRINT_TEXT},
};
static const struct print_column protected_columns[] = {
	{"PROTECTED", "address", PRINT_TEXT},
	{"WHY", "why", PRINT_TEXT},
	{NULL, NULL, PRINT_TEXT},
};
static const struct print_column reason_columns[] = {
	{"REASON", "reason", PRINT_TEXT},
	{"PASSED", "passed", PRINT_NUMBER},
	{"DROPPED", "dropped", PRINT_NUMBER},
	{"WOULD DROP", "would_drop", PRINT_NUMBER},
	{NULL, NULL, PRINT_TEXT},
};
static const struct print_column match_columns[] = {
	{"PREFIX", "prefix", PRINT_TEXT}, {"KIND", "kind", PRINT_TEXT},
	{"SOURCE", "source", PRINT_TEXT}, {"ACTION", "action", PRINT_STATE},
	{"AGE", "since", PRINT_AGO},      {"LEFT", "expires", PRINT_LEFT},
	{"BY", "by", PRINT_TEXT},         {"REASON", "reason", PRINT_TEXT},
	{NULL, NULL, PRINT_TEXT},
};

static bool has_packets(json_t *counts)
{
	return json_integer_value(json_object_get(counts, "passed")) ||
	       json_integer_value(json_object_get(counts, "dropped")) ||
	       json_integer_value(json_object_get(counts, "would_drop"));
}

/* {"feed": {...}} to [{"reason": "feed", ...}]: the reasons that had packets, then their sum. */
static json_t *reason_rows(const json_t *packets)
{
	json_t *rows = json_array(), *counts, *row,
	       *by_reason = json_object_get(packets, "by_reason");
	const char *reason;

	json_object_foreach(by_reason, reason, counts) {
		if (!has_packets(counts))
			continue;
		row = json_copy(counts);
		(void)json_object_set_new(row, "reason",
					  json_string(reason)); /* out of memory: a dash */
		(void)json_array_append_new(rows, row);         /* out of memory: a row less */
	}
	row = json_copy((json_t *)packets);
	(void)json_object_set_new(row, "reason", json_string("all")); /* out of memory: a dash */
	(void)json_array_append_new(rows, row); /* out of memory: a row less */
	return rows;
}

static const struct print_column limit_columns[] = {
	{"LIMIT", "name", PRINT_TEXT},        {"ACTION", "action", PRINT_STATE},
	{"DROPPED", "dropped", PRINT_NUMBER}, {"WOULD", "would_drop", PRINT_NUMBER},
	{"BANS", "bans", PRINT_NUMBER},       {NULL, NULL, PRINT_TEXT},
};

static const struct print_column state_columns[] = {
	{"LIMIT", "name", PRINT_TEXT},     {"SOURCE", "source", PRINT_TEXT},
	{"ACTION", "action", PRINT_STATE}, {"PROTOCOL", "protocol", PRINT_TEXT},
	{"PORTS", "ports", PRINT_TEXT},    {"PACKETS", "packets", PRINT_RATE},
	{"BITS", "bits", PRINT_RATE},      {"USED", "used", PRINT_PERCENT},
	{"OVER", "over", PRINT_YES},       {"FOR S", "over_s", PRINT_NUMBER},
	{NULL, NULL, PRINT_TEXT},
};

/* The one thing that must not be overlooked at the end of a row. */
static void warn_unprotected(const json_t *interfaces)
{
	const json_t *interface;
	char name[PRINT_CELL_BYTES];
	size_t i;

	if (!json_array_size(interfaces))
		puts("warning: no interface is protected; name one in interfaces: of the config, then sekisho reload");
	json_array_foreach((json_t *)interfaces, i, interface)
		if (!json_is_true(json_object_get(interface, "attached")))
			printf("warning: interface %s is not protected; sekisho reload attaches it\n",
			       print_cell(json_object_get(interface, "name"), PRINT_TEXT, name));
}

/* What is not there is left out: an agent of before tells of fewer kinds. */
static void print_bans(const json_t *bans)
{
	static const struct {
		const char *name, *text;
	} kinds[] = {
		{"unrecorded", "more not recorded yet"},
		{"trial", "on trial"},
		{"undecided", "wait for: sekisho review list --undecided"},
	};
	json_int_t n, live = json_integer_value(json_object_get(bans, "live")), any = live;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		any += json_integer_value(json_object_get(bans, kinds[i].name));
	if (!any)
		return;
	printf("%-15s %" JSON_INTEGER_FORMAT " in force", "bans", live);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		n = json_integer_value(json_object_get(bans, kinds[i].name));
		if (n)
			printf(", %" JSON_INTEGER_FORMAT " %s", n, kinds[i].text);
	}
	putchar('\n');
}

static int show_status(json_t *data)
{
	static const struct print_column mode[] = {
		{"version", "version", PRINT_TEXT},
		{"mode", "mode", PRINT_STATE},
	};
	static const struct print_column table[] = {
		{"generation", "generation", PRINT_NUMBER},
		{"IPv4 prefixes", "prefixes_v4", PRINT_NUMBER},
		{"IPv6 prefixes", "prefixes_v6", PRINT_NUMBER},
		{"table size", "bytes", PRINT_BYTES},
	};
	const json_t *entries = json_object_get(data, "entries"),
		     *packets = json_object_get(data, "packets"),
		     *bans = json_object_get(data, "bans");
	json_int_t left_s = json_integer_value(json_object_get(data, "confirm_left_s"));
	json_t *rows;
	size_t i;
	int status;

	for (i = 0; i < 2; i++)
		print_field(data, &mode[i]);
	if (left_s > 0)
		printf("%-15s in %" JSON_INTEGER_FORMAT
		       "s the mode goes back; keep it with: sekisho confirm\n",
		       "confirm", left_s);
	for (i = 0; i < 4; i++)
		print_field(json_object_get(data, "table"), &table[i]);
	if (entries)
		printf("%-15s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT "\n", "entries",
		       json_integer_value(json_object_get(entries, "used")),
		       json_integer_value(json_object_get(entries, "size")));
	print_bans(bans);
	print_lines("warning", json_object_get(data, "warnings"));
	warn_unprotected(json_object_get(data, "interfaces"));
	status = print_section(json_object_get(data, "interfaces"), interface_columns);
	if (!status)
		status = print_section(json_object_get(data, "feeds"), feed_columns);
	if (!status)
		status = print_section(json_object_get(data, "limits"), limit_columns);
	if (!status)
		status = print_section(json_object_get(data, "protected"), protected_columns);
	if (!status && packets) {
		rows = reason_rows(packets);
		status = print_section(rows, reason_columns);
		json_decref(rows);
	}
	return status;
}

int cmd_status(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	int status = cli_args(cli, command, argc, argv, NULL, 0, 0, words);

	return status ? status : cli_show(cli, json_pack("{s:s}", "verb", "status"), show_status);
}

static const struct print_column ban_columns[] = {
	{"BAN", "id", PRINT_NUMBER},
	{"LIMIT", "limit", PRINT_TEXT},
	{"AGE", "since", PRINT_AGO},
	{"STATE", "state", PRINT_STATE},
	{"VERDICT", "verdict", PRINT_STATE},
	{"SIGNS (?: may be wrong)", "brief", PRINT_TEXT},
	{NULL, NULL, PRINT_TEXT},
};
static const struct print_column recent_columns[] = {
	{"AGE", "time_s", PRINT_AGO},         {"WHAT", "type", PRINT_TEXT},
	{"REASON", "reason", PRINT_TEXT},     {"LIMIT", "limit", PRINT_TEXT},
	{"PROTOCOL", "protocol", PRINT_TEXT}, {"PORT", "dport", PRINT_NUMBER},
	{"TIMES", "times", PRINT_NUMBER},     {NULL, NULL, PRINT_TEXT},
};

static bool is_same_drop(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"type", "reason", "limit", "protocol", "dport"};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
			return false;
	}
	return true;
}

/* Adds @row to one of the first @n that tells the same. False: none does. */
static bool joins(json_t *rows, size_t n, const json_t *row)
{
	json_t *one;
	size_t i;

	for (i = 0; i < n; i++) {
		one = json_array_get(rows, i);
		if (!is_same_drop(one, row))
			continue;
		(void)json_object_set_new(
			one, "times",
			json_integer(json_integer_value(json_object_get(one, "times")) +
				     1)); /* out of memory: one less */
		return true;
	}
	return false;
}

/* A row for each kind of drop, newest first, so that one screen holds all of explain; --json has
 * them one by one. */
static void shorten_recent(json_t *rows)
{
	json_t *row;
	size_t i = 0;

	while (i < json_array_size(rows)) {
		row = json_array_get(rows, i);
		if (i >= RECENT_ROWS || joins(rows, i, row)) {
			(void)json_array_remove(rows, i); /* it is there */
			continue;
		}
		(void)json_object_set_new(row, "times",
					  json_integer(1)); /* out of memory: a dash */
		i++;
	}
	json_array_foreach(rows, i, row) /* out of memory: a dash */
		(void)json_object_set_new(
			row, "time_s",
			json_integer((json_int_t)json_number_value(json_object_get(row, "time"))));
}

static int show_explain(json_t *data)
{
	static const struct print_column fields[] = {
		{"address", "address", PRINT_TEXT},        {"answer", "answer", PRINT_TEXT},
		{"evidence", "evidence", PRINT_COMMAND},   {"verdict", "verdict", PRINT_STATE},
		{"reason", "reason", PRINT_TEXT},          {"mode", "mode", PRINT_STATE},
		{"protected", "protected", PRINT_TEXT},    {"differs", "differs", PRINT_TEXT},
		{"to change it", "advice", PRINT_COMMAND},
	};
	size_t i;
	int status;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(data, &fields[i]);
	status = print_section(json_object_get(data, "matches"), match_columns);
	if (!status)
		status = print_section(json_object_get(data, "limits"), state_columns);
	if (!status)
		status = print_section(json_object_get(data, "bans"), ban_columns);
	shorten_recent(json_object_get(data, "recent"));
	return status ? status : print_section(json_object_get(data, "recent"), recent_columns);
}

int cmd_explain(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	json_t *request;
	int status = cli_args(cli, command, argc, argv, NULL, 1, 1, words);

	if (status)
		return status;
	request = json_pack("{s:s}", "verb", "explain");
	status = cli_set(request, "address", words[0]);
	if (status) {
		json_decref(request);
		return status;
	}
	return cli_show(cli, request, show_explain);
}
