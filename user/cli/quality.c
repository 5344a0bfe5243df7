// SPDX-License-Identifier: GPL-2.0
/* feed quality: how good each list is, and what it shares with the others: a matrix while there is
 * room for one. */
#include "cli.h"

#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MATRIX_MAX 9 /* lists: its columns fit 100 with names of 20 */
#define PAIRS_SHOWN 30

static json_t *of_name(const json_t *rows, const char *key, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row) {
		if (!strcmp(json_string_value(json_object_get(row, key)), name))
			return row;
	}
	return NULL;
}

static double larger(const json_t *pair)
{
	double v4 = json_number_value(json_object_get(pair, "share_v4")),
	       v6 = json_number_value(json_object_get(pair, "share_v6"));

	return v4 > v6 ? v4 : v6;
}

/* With action none a list is in no table, where what lists share is counted. */
static bool is_compared(const json_t *list)
{
	const char *action = json_string_value(json_object_get(list, "action"));

	return action && strcmp(action, "none");
}

/* One row a list, one column a list by its number: the share of the row's addresses that the
 * column's list holds as well. */
static int show_matrix(const json_t *lists, const json_t *pairs)
{
	static const char *const titles[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9"};
	struct print_column columns[MATRIX_MAX + 3] = {{"", "number", PRINT_NUMBER},
						       {"ALSO IN LIST", "name", PRINT_TEXT}};
	size_t n = json_array_size(lists), i, k;
	json_t *rows = json_array(), *pair;
	int status;

	for (i = 0; i < n; i++)
		columns[i + 2] = (struct print_column){titles[i], titles[i], PRINT_PERCENT};
	for (i = 0; i < n; i++) {
		const char *name =
			json_string_value(json_object_get(json_array_get(lists, i), "name"));
		json_t *row = json_pack("{s:i, s:s}", "number", (int)i + 1, "name", name);

		for (k = 0; k < n; k++)
			(void)json_object_set_new(
				row, titles[k],
				k == i || !is_compared(json_array_get(lists, i)) ||
						!is_compared(json_array_get(lists, k))
					? json_null()
					: json_real(0)); /* out of memory: a dash */
		json_array_foreach((json_t *)pairs, k, pair) {
			json_t *other = of_name(
				lists, "name", json_string_value(json_object_get(pair, "also_in")));

			for (size_t at = 0;
			     at < n &&
			     !strcmp(json_string_value(json_object_get(pair, "list")), name);
			     at++)
				if (json_array_get(lists, at) == other)
					(void)json_object_set_new(row, titles[at],
								  json_real(larger(pair)));
		}
		(void)json_array_append_new(rows, row); /* out of memory: a row less */
	}
	putchar('\n');
	status = print_table(rows, columns, NULL);
	json_decref(rows);
	for (i = 0; i < n && is_compared(json_array_get(lists, i)); i++)
		;
	if (!status && i < n)
		print_text(NULL, "A list with action none is in no table: sekisho feed try compares it with the others.");
	return status;
}

/* Of many lists only the pairs that share most. */
static int show_pairs(const json_t *pairs)
{
	static const struct print_column columns[] = {
		{"LIST", "list", PRINT_TEXT},
		{"ALSO IN", "also_in", PRINT_TEXT},
		{"IPV4", "share_v4", PRINT_PERCENT},
		{"IPV6", "share_v6", PRINT_PERCENT},
		{"ADDRESSES", "addresses", PRINT_NUMBER},
		{NULL, NULL, PRINT_TEXT},
	};
	json_t *first = json_array(), *pair;
	size_t i;
	int status;

	json_array_foreach((json_t *)pairs, i, pair) {
		if (i == PAIRS_SHOWN)
			break;
		(void)json_object_set_new(pair, "addresses",
					  json_integer((json_int_t)json_number_value(
						  json_object_get(pair, "addresses_v4"))));
		(void)json_array_append(first, pair); /* out of memory: a row less */
	}
	putchar('\n');
	status = print_table(first, columns, "no two lists share an address");
	json_decref(first);
	return status;
}

static int show_quality(const json_t *data)
{
	static const struct print_column columns[] = {
		{"LIST", "name", PRINT_TEXT},
		{"ACTION", "action", PRINT_STATE},
		{"ENTRIES", "entries", PRINT_NUMBER},
		{"HITS", "hits", PRINT_NUMBER},
		{"ONLY IT", "unique_hits", PRINT_NUMBER},
		{"ONLY", "unique_share", PRINT_PERCENT},
		{"HIT", "hit_entries", PRINT_NUMBER},
		{"CHURN/DAY", "churn_per_day", PRINT_PERCENT},
		{"CHANGED", "changed", PRINT_AGO},
		{"WRONG", "rejected", PRINT_NUMBER},
		{NULL, NULL, PRINT_TEXT},
	};
	const json_t *lists = json_object_get(data, "lists"),
		     *pairs = json_object_get(data, "overlaps");
	int status = print_table(lists, columns,
				 "no feeds; feeds: in the config names them, see sekisho.yaml(5)");

	if (status || !json_array_size(lists))
		return status;
	printf("\nof the last %" JSON_INTEGER_FORMAT
	       " days; HIT: entries that a sampled packet ever hit, at least\n",
	       json_integer_value(json_object_get(data, "days")));
	return json_array_size(lists) <= MATRIX_MAX ? show_matrix(lists, pairs) : show_pairs(pairs);
}

int cmd_feed_quality(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX], *days_text = NULL;
	const struct cli_option options[] = {{"--days", &days_text, NULL}, {NULL, NULL, NULL}};
	int status = cli_args(cli, command, argc, argv, options, 0, 0, words);
	char *end = "";
	long days = days_text ? strtol(days_text, &end, 10) : 7;
	json_t *data;

	if (!status && (*end || days < 1 || days > 90))
		status = cli_fail(CLI_USAGE, "\"%s\": give 1 to 90 days", days_text);
	if (!status)
		status = cli_call(
			cli, json_pack("{s:s, s:i}", "verb", "feed.quality", "days", (int)days),
			&data);
	if (status)
		return status;
	status = cli->json ? print_json(data) : show_quality(data);
	json_decref(data);
	return status;
}
