// SPDX-License-Identifier: GPL-2.0
/*
 * feed: list, show, update, accept. A feed's errors are its sender's text: they are shown escaped.
 */
#include "cli.h"

#include "print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* An alarm is shown before the last update's error, which may be none. */
static void add_alarms(json_t *feeds)
{
	json_t *feed;
	size_t i;

	json_array_foreach(feeds, i, feed) {
		const char *alarm = json_string_value(json_object_get(feed, "alarm"));
		const char *error = json_string_value(json_object_get(feed, "error"));

		if (alarm)
			json_object_set_new(feed, "error",
					    json_sprintf("stale: %s%s%s", alarm, error ? "; " : "",
							 error ? error : ""));
	}
}

static int show_list(json_t *data)
{
	static const struct print_column columns[] = {
		{"NAME", "name", PRINT_TEXT},
		{"ACTION", "action", PRINT_STATE},
		{"STATE", "state", PRINT_STATE},
		{"IPV4", "entries_v4", PRINT_NUMBER},
		{"IPV6", "entries_v6", PRINT_NUMBER},
		{"AGE", "last_success", PRINT_AGO},
		{"NEXT", "next_try", PRINT_LEFT},
		{"ERROR", "error", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};

	add_alarms(json_object_get(data, "feeds"));
	return print_table(json_object_get(data, "feeds"), columns,
			   "no feeds; feeds: in the config names them, see sekisho.yaml(5)");
}

int cmd_feed_list(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	int status = cli_args(cli, command, argc, argv, NULL, 0, 0, words);

	return status ? status : cli_show(cli, json_pack("{s:s}", "verb", "feed.list"), show_list);
}

/* {"verb": "feed.show", "name": ...}; NULL after saying why not. */
static json_t *feed_request(const struct cli_command *command, const char *name, int *ret_status)
{
	json_t *request = json_pack("{s:s++}", "verb", command->group, ".", command->verb);

	*ret_status = cli_set(request, "name", name);
	if (!*ret_status)
		return request;
	json_decref(request);
	return NULL;
}

static void show_prefixes(const char *name, const json_t *prefixes)
{
	char text[PRINT_CELL_BYTES];
	size_t i;
	json_t *one;

	json_array_foreach(prefixes, i, one)
		printf("  %s %s\n", name, print_cell(one, PRINT_TEXT, text));
}

/* What `feed accept` would change. */
static void show_held(const json_t *held)
{
	static const struct print_column fields[] = {
		{"held", "why", PRINT_TEXT},
		{"held for", "since", PRINT_AGO},
		{"held IPv4", "entries_v4", PRINT_NUMBER},
		{"held IPv6", "entries_v6", PRINT_NUMBER},
		{"would add", "added", PRINT_NUMBER},
		{"would remove", "removed", PRINT_NUMBER},
	};
	static const struct print_column errors[] = {
		{"HELD LINE", "line", PRINT_NUMBER},
		{"WHY", "reason", PRINT_TEXT},
		{"TEXT", "text", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	size_t i;

	if (!json_is_object(held))
		return;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(held, &fields[i]);
	show_prefixes("+", json_object_get(held, "added_first"));
	if (!json_equal(json_object_get(held, "added_first"),
			json_object_get(held, "added_largest")))
		show_prefixes("+ largest", json_object_get(held, "added_largest"));
	show_prefixes("-", json_object_get(held, "removed_first"));
	if (!json_array_size(json_object_get(held, "errors")))
		return;
	putchar('\n');
	(void)print_table(json_object_get(held, "errors"), errors,
			  NULL); /* out of memory: a later table says it */
}

/* How right the bans of sources on the list were. */
static void show_review(const json_t *review)
{
	json_int_t bans = json_integer_value(json_object_get(review, "bans"));

	if (bans)
		print_text("bans",
			   "%" JSON_INTEGER_FORMAT " of its sources, %" JSON_INTEGER_FORMAT
			   " called right, %" JSON_INTEGER_FORMAT " wrong",
			   bans, json_integer_value(json_object_get(review, "confirmed")),
			   json_integer_value(json_object_get(review, "rejected")));
}

/* CrowdSec's decisions: who made them, and what is not enforced. */
static void show_crowdsec(const json_t *feed)
{
	static const struct print_column decisions[] = {
		{"MADE BY", "origin", PRINT_TEXT},
		{"FAMILY", "family", PRINT_TEXT},
		{"DECISIONS", "decisions", PRINT_NUMBER},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct print_column fields[] = {
		{"failing for", "failing_since", PRINT_AGO},
		{"failures", "failures_total", PRINT_NUMBER},
	};
	static const struct print_column refused[] = {
		{"NOT ENFORCED", "prefix", PRINT_TEXT},
		{"DECISION", "decision", PRINT_TEXT},
		{"MADE BY", "by", PRINT_TEXT},
		{"WHY", "why", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct print_column usage[] = {
		{"usage pushed", "last_push", PRINT_AGO},
		{"usage error", "error", PRINT_TEXT},
	};
	const char *why;
	json_t *n;
	size_t i;

	if (!json_object_get(feed, "decisions"))
		return;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(feed, &fields[i]);
	json_object_foreach(json_object_get(feed, "ignored"), why, n) {
		if (json_integer_value(n))
			printf("%-15s %" JSON_INTEGER_FORMAT " by %s\n", "not enforced",
			       json_integer_value(n), why);
	}
	for (i = 0; i < sizeof(usage) / sizeof(*usage); i++)
		print_field(json_object_get(feed, "usage_metrics"), &usage[i]);
	putchar('\n');
	(void)print_table(json_object_get(feed, "decisions"), decisions,
			  "no decisions"); /* out of memory: it has said so */
	if (json_array_size(json_object_get(feed, "refused"))) {
		putchar('\n');
		(void)print_table(json_object_get(feed, "refused"), refused, NULL); /* the same */
	}
}

/* What it did in the last week. */
static void show_quality(const json_t *quality)
{
	static const struct print_column fields[] = {
		{"hits in 7 days", "hits", PRINT_NUMBER},
		{"only this list", "unique_hits", PRINT_NUMBER},
		{"entries hit", "hit_entries", PRINT_NUMBER},
		{"added", "added", PRINT_NUMBER},
		{"removed", "removed", PRINT_NUMBER},
		{"last change", "changed", PRINT_AGO},
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(quality, &fields[i]);
}

/* Addresses of feed servers, and known-good lists that the list meets. */
static int show_names(const json_t *names)
{
	static const struct print_column servers[] = {
		{"LISTED FEED SERVER", "address", PRINT_TEXT},
		{"OF FEED", "feed", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct print_column good[] = {
		{"MEETS KNOWN-GOOD LIST", "feed", PRINT_TEXT},
		{"ENTRIES", "entries", PRINT_NUMBER},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct {
		const char *key;
		const struct print_column *columns;
	} tables[] = {{"servers", servers}, {"known_good", good}};
	size_t i;

	for (i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		const json_t *rows = json_object_get(names, tables[i].key);

		if (!json_array_size(rows))
			continue;
		putchar('\n');
		if (print_table(rows, tables[i].columns, NULL))
			return CLI_FAILED;
	}
	return CLI_DONE;
}

/* What of its addresses other lists hold too. */
static void show_overlaps(const json_t *rows)
{
	static const struct print_column columns[] = {
		{"ALSO IN LIST", "also_in", PRINT_TEXT},
		{"OF ITS IPV4", "share_v4", PRINT_PERCENT},
		{"OF ITS IPV6", "share_v6", PRINT_PERCENT},
		{NULL, NULL, PRINT_TEXT},
	};

	if (!json_array_size(rows))
		return;
	putchar('\n');
	(void)print_table(rows, columns, NULL); /* out of memory: the next table says it */
}

static int show_feed(json_t *feed)
{
	static const struct print_column fields[] = {
		{"name", "name", PRINT_TEXT},
		{"url", "url", PRINT_TEXT},
		{"path", "path", PRINT_TEXT},
		{"stands in", "file", PRINT_TEXT},
		{"action", "action", PRINT_TEXT},
		{"state", "state", PRINT_STATE},
		{"error", "error", PRINT_TEXT},
		{"alarm", "alarm", PRINT_TEXT},
		{"age", "last_success", PRINT_AGO},
		{"next try in", "next_try", PRINT_LEFT},
		{"because", "next_why", PRINT_TEXT},
		{"entries", "entries", PRINT_NUMBER},
		{"IPv4", "entries_v4", PRINT_NUMBER},
		{"IPv6", "entries_v6", PRINT_NUMBER},
		{"coverage IPv4", "coverage_v4", PRINT_PERCENT},
		{"coverage IPv6", "coverage_v6", PRINT_PERCENT},
		{"left out IPv4", "left_out_v4", PRINT_NUMBER},
		{"left out IPv6", "left_out_v6", PRINT_NUMBER},
		{"read as", "format", PRINT_TEXT},
		{"known by", "format_why", PRINT_TEXT},
		{"lines", "lines", PRINT_NUMBER},
		{"duplicates", "duplicates", PRINT_NUMBER},
		{"host bits set", "host_bits", PRINT_NUMBER},
		{"passed over", "skipped", PRINT_NUMBER},
		{"bad lines", "errors_total", PRINT_NUMBER},
	};
	static const struct print_column errors[] = {
		{"LINE", "line", PRINT_NUMBER},
		{"WHY", "reason", PRINT_TEXT},
		{"TEXT", "text", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct print_column protected[] = {
		{"LISTED BUT PROTECTED", "address", PRINT_TEXT},
		{"WHY", "why", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(feed, &fields[i]);
	show_quality(json_object_get(feed, "quality"));
	show_crowdsec(feed);
	show_review(json_object_get(feed, "review"));
	show_held(json_object_get(feed, "held"));
	show_overlaps(json_object_get(feed, "overlaps"));
	if (json_array_size(json_object_get(feed, "protected"))) {
		putchar('\n');
		(void)print_table(json_object_get(feed, "protected"), protected,
				  NULL); /* out of memory: the next table says it */
	}
	if (show_names(json_object_get(feed, "names")))
		return CLI_FAILED;
	if (json_array_size(json_object_get(feed, "errors")))
		putchar('\n');
	return print_table(json_object_get(feed, "errors"), errors, NULL);
}

int cmd_feed_show(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	json_t *request;
	int status = cli_args(cli, command, argc, argv, NULL, 1, 1, words);

	request = status ? NULL : feed_request(command, words[0], &status);
	return status ? status : cli_show(cli, request, show_feed);
}

/* The rows of feed.list that are called @name, all of them where it is NULL; says each one's error.
 */
static int updated_feeds(struct cli *cli, const char *name, json_t *ret_rows)
{
	json_t *data, *feed;
	const char *feed_name, *error;
	char clock[32];
	struct tm tm;
	time_t wish;
	size_t i;
	int status = cli_call(cli, json_pack("{s:s}", "verb", "feed.list"), &data),
	    ended = CLI_DONE;

	if (status)
		return status;
	json_array_foreach(json_object_get(data, "feeds"), i, feed) {
		feed_name = json_string_value(json_object_get(feed, "name"));
		if (!feed_name || (name && strcmp(name, feed_name)))
			continue;
		(void)json_array_append(ret_rows, feed); /* out of memory: a row less */
		error = json_string_value(json_object_get(feed, "error"));
		wish = json_integer_value(json_object_get(feed, "not_before"));
		strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", gmtime_r(&wish, &tm));
		if (error && wish)
			ended = cli_fail(CLI_FAILED, "feed %s: %s; its server wants no request before %s UTC (Retry-After)", feed_name, error, clock);
		else if (error)
			ended = cli_fail(CLI_FAILED, "feed %s: %s", feed_name, error);
	}
	json_decref(data);
	return ended;
}

int cmd_feed_update(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	json_t *request, *data, *rows;
	int status = cli_args(cli, command, argc, argv, NULL, 0, 1, words);

	request = status ? NULL : feed_request(command, words[0], &status);
	if (!status)
		status = cli_call(cli, request, &data);
	if (status)
		return status;
	json_decref(data);
	data = json_pack("{s:[]}", "feeds");
	rows = json_object_get(data, "feeds");
	status = updated_feeds(cli, words[0], rows);
	if (cli->json && json_array_size(rows))
		(void)print_json(data); /* it has said so */
	json_decref(data);
	return status;
}

int cmd_feed_accept(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	json_t *request;
	int status = cli_args(cli, command, argc, argv, NULL, 1, 1, words);

	request = status ? NULL : feed_request(command, words[0], &status);
	return status ? status : cli_do(cli, request);
}
