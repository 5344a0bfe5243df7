// SPDX-License-Identifier: GPL-2.0
/*
 * feed: try, add, remove. A file to try is read here, with the rights of who asks, and sent to the
 * agent, which opens no path for anyone.
 */
#include "cli.h"

#include "print.h"

#include "lib/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES                                                                                \
	(96u << 10) /* bytes of a file a request: 128 kB as text, which the agent reads in a       \
		       millisecond or two */
#define KEYS 4      /* keys that are options too */

struct feed_words {
	const char *option[KEYS];
	const char *source; /* URL or path; NULL: in a KEY=VALUE, or none */
	json_t *set;
	bool is_file;
};

static const char *const option_keys[KEYS] = {"format", "action", "url", "path"};

static bool is_url(const char *word)
{
	return !strncmp(word, "http://", 7) || !strncmp(word, "https://", 8);
}

static int set_once(json_t *set, const char *key, const char *value)
{
	if (json_object_get(set, key))
		return cli_fail(CLI_USAGE, "\"%s\" is given twice", key);
	return cli_set(set, key, value);
}

/* KEY=VALUE. */
static int set_pair(json_t *set, const char *word)
{
	const char *equals = strchr(word, '=');
	char key[32];

	if (!equals || equals == word || (size_t)(equals - word) >= sizeof(key))
		return cli_fail(CLI_USAGE, "\"%s\" is no KEY=VALUE", word);
	(void)snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word); /* it fits */
	return set_once(set, key, equals + 1);
}

/* The absolute form of a path, as feeds have it. */
static int set_path(json_t *set, const char *path)
{
	char *whole = realpath(path, NULL);
	int status;

	if (!whole)
		return cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
	status = set_once(set, "path", whole);
	free(whole);
	return status;
}

/* The words behind the name: a URL or path, then KEY=VALUE; and the options that stand for keys. */
static int read_words(const char **words, struct feed_words *ret)
{
	const char *path = NULL;
	int status = CLI_DONE;
	size_t i;

	for (; *words && !status; words++) {
		if (is_url(*words))
			status = set_once(ret->set, "url", *words);
		else if (strchr("./", **words) || !strchr(*words, '='))
			status = path ? cli_fail(CLI_USAGE, "unexpected word \"%s\"", *words)
				      : set_path(ret->set, path = *words);
		else if (!strncmp(*words, "path=", 5))
			status = set_path(ret->set, path = *words + 5);
		else
			status = set_pair(ret->set, *words);
	}
	for (i = 0; i < KEYS && !status; i++) {
		if (ret->option[i])
			status = strcmp(option_keys[i], "path")
					 ? set_once(ret->set, option_keys[i], ret->option[i])
					 : set_path(ret->set, ret->option[i]);
	}
	ret->source = json_string_value(json_object_get(ret->set, "url"));
	ret->is_file = !ret->source;
	if (!ret->source)
		ret->source = json_string_value(json_object_get(ret->set, "path"));
	if (!status && !ret->source)
		status = cli_fail(CLI_USAGE, "give a URL or the path of a file");
	return status;
}

/* Reads the command's words; its plain ones go to @words. */
static int read_args(struct cli *cli, const struct cli_command *command, int argc, char **argv,
		     int min, const char **words, struct feed_words *ret)
{
	const struct cli_option options[] = {
		{"--format", &ret->option[0], NULL},
		{"--action", &ret->option[1], NULL},
		{"--url", &ret->option[2], NULL},
		{"--path", &ret->option[3], NULL},
		{NULL, NULL, NULL},
	};
	int status;

	*ret = (struct feed_words){.set = json_object()};
	status = cli_args(cli, command, argc, argv, options, min, CLI_WORDS_MAX - 1, words);
	if (!status)
		status = read_words(words + min, ret);
	if (status)
		json_decref(ret->set);
	return status;
}

/* Sends what @fd has, all but the last piece; *@request (taken, and given back with it) goes with
 * the last. */
static int send_pieces(struct cli *cli, int fd, json_t *request)
{
	static char piece[PIECE_BYTES], text[BASE64_ROOM(PIECE_BYTES)];
	size_t len = 0;
	json_t *data;
	ssize_t n;
	int status;

	for (;;) {
		n = read(fd, piece + len, sizeof(piece) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(CLI_FAILED, "the file cannot be read: %s", strerror(errno));
		len += (size_t)n;
		if (n && len < sizeof(piece))
			continue;
		base64_encode(piece, len, text);
		if (!n)
			return cli_set(request, "data", text);
		status = cli_call(
			cli,
			json_pack("{s:s, s:s, s:b}", "verb", "feed.try", "data", text, "more", 1),
			&data);
		if (status)
			return status;
		json_decref(data);
		len = 0;
	}
}

static int send_file(struct cli *cli, const char *path, json_t *request)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status;
	struct stat st;

	if (fd < 0)
		return cli_fail(CLI_FAILED, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		status = cli_fail(CLI_FAILED, "%s: not a regular file", path);
	else
		status = send_pieces(cli, fd, request);
	(void)close(fd); /* only read from */
	return status;
}

static int show_section(const char *title, const json_t *rows, const struct print_column *columns)
{
	if (!json_array_size(rows))
		return CLI_DONE;
	putchar('\n');
	print_text(NULL, "%s", title);
	return print_table(rows, columns, NULL);
}

/* Over 40 lines for the number of its columns. */
static int show_tables(const json_t *data)
{
	static const struct print_column overlaps[] = {
		{"LIST", "name", PRINT_TEXT},
		{"ACTION", "action", PRINT_STATE},
		{"KNOWN-GOOD", "known_good", PRINT_YES},
		{"INSIDE", "entries_inside", PRINT_NUMBER},
		{"TOUCHED", "entries_touched", PRINT_NUMBER},
		{"IPV4", "share_v4", PRINT_PERCENT},
		{"IPV6", "share_v6", PRINT_PERCENT},
		{"ITS IPV4", "of_list_v4", PRINT_PERCENT},
		{"ITS IPV6", "of_list_v6", PRINT_PERCENT},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct print_column protected[] = {{"ADDRESS", "address", PRINT_TEXT},
							{"WHY", "why", PRINT_TEXT},
							{NULL, NULL, PRINT_TEXT}};
	static const struct print_column seen[] = {
		{"ADDRESS", "address", PRINT_TEXT},
		{"ENTRY", "entry", PRINT_TEXT},
		{"PACKETS", "packets", PRINT_NUMBER},
		{"DROPPED", "drops", PRINT_NUMBER},
		{"CONNECTIONS", "connections", PRINT_YES},
		{"NOW", "now", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	static const struct print_column errors[] = {
		{"LINE", "line", PRINT_NUMBER},
		{"WHY", "reason", PRINT_TEXT},
		{"TEXT", "text", PRINT_TEXT},
		{NULL, NULL, PRINT_TEXT},
	};
	const json_t *of_seen = json_object_get(data, "seen");
	int status;

	status = show_section(
		"Its entries inside and touching lists in force; shares of its addresses, and of theirs:",
		json_object_get(data, "overlaps"), overlaps);
	if (!status)
		status = show_section("It names addresses that are never blocked:",
				      json_object_get(data, "protected"), protected);
	if (!status)
		status = show_section("It names sources seen here lately:",
				      json_object_get(of_seen, "rows"), seen);
	if (!status)
		status = show_section(
			"Lines that were not understood:", json_object_get(data, "errors"), errors);
	return status;
}

/* 'VALUE', as a shell reads it. */
static void show_quoted(const char *value)
{
	char text[PRINT_CELL_BYTES];
	json_t *string = json_string(value);

	putchar('\'');
	for (const char *c = print_cell(string, PRINT_TEXT, text); *c; c++)
		fputs(*c == '\'' ? "'\\''" : (char[]){*c, '\0'}, stdout);
	putchar('\'');
	json_decref(string);
}

/* With all that it was tried with: without its threshold or select it would be another list. */
static void show_add(const struct feed_words *words, const char *advice)
{
	const char *key, *format = words->option[0];
	json_t *value;

	printf("%-15s sekisho feed add NAME ", "to add it");
	show_quoted(words->source);
	printf(" --action %s", advice);
	if (format)
		printf(" --format %s", format);
	json_object_foreach(words->set, key, value) {
		if (!strcmp(key, "url") || !strcmp(key, "path") || !strcmp(key, "action") ||
		    (format && !strcmp(key, "format")))
			continue;
		printf(" %s=", key);
		show_quoted(json_string_value(value));
	}
	putchar('\n');
}

static void show_end(const json_t *data, const struct feed_words *words)
{
	static const struct print_column field = {"advice", "advice", PRINT_STATE};
	const char *advice = json_string_value(json_object_get(data, "advice"));
	char text[PRINT_CELL_BYTES];
	json_t *reason;
	size_t i;

	putchar('\n');
	print_field(data, &field);
	json_array_foreach(json_object_get(data, "reasons"), i, reason)
		print_text(i ? "" : "because", "%s", print_cell(reason, PRINT_TEXT, text));
	if (advice && strcmp(advice, "no"))
		show_add(words, advice);
}

static int show_try(const json_t *data, const struct feed_words *words)
{
	static const struct print_column fields[] = {
		{"url", "url", PRINT_TEXT},
		{"path", "path", PRINT_TEXT},
		{"read as", "format", PRINT_TEXT},
		{"known by", "format_why", PRINT_TEXT},
		{"bytes", "body_bytes", PRINT_BYTES},
		{"entries", "entries", PRINT_NUMBER},
		{"IPv4", "entries_v4", PRINT_NUMBER},
		{"IPv6", "entries_v6", PRINT_NUMBER},
		{"coverage IPv4", "coverage_v4", PRINT_PERCENT},
		{"coverage IPv6", "coverage_v6", PRINT_PERCENT},
		{"duplicates", "duplicates", PRINT_NUMBER},
		{"host bits set", "host_bits", PRINT_NUMBER},
		{"passed over", "skipped", PRINT_NUMBER},
		{"bad lines", "errors_total", PRINT_NUMBER},
	};
	static const struct print_column private = {"private entries", "entries", PRINT_NUMBER};
	static const struct print_column seen[] = {
		{"seen lately", "sources", PRINT_NUMBER},
		{"would drop", "would_drop", PRINT_NUMBER},
		{"had connections", "connections", PRINT_NUMBER},
		{"of packets", "share_of_packets", PRINT_PERCENT},
	};
	size_t i;
	int status;

	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		print_field(data, &fields[i]);
	print_field(json_object_get(data, "private"), &private);
	for (i = 0; i < sizeof(seen) / sizeof(*seen); i++)
		print_field(json_object_get(data, "seen"), &seen[i]);
	status = show_tables(data);
	show_end(data, words);
	return status;
}

int cmd_feed_try(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	struct feed_words feed;
	json_t *data, *request;
	int status = read_args(cli, command, argc, argv, 0, words, &feed);

	if (status)
		return status;
	request = json_pack("{s:s, s:O}", "verb", "feed.try", "set", feed.set);
	if (feed.is_file)
		status = send_file(cli, feed.source, request);
	if (status)
		json_decref(request);
	else
		status = cli_call(cli, request, &data);
	if (!status) {
		status = cli->json ? print_json(data) : show_try(data, &feed);
		json_decref(data);
	}
	json_decref(feed.set);
	return status;
}

int cmd_feed_add(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	struct feed_words feed;
	json_t *request;
	int status = read_args(cli, command, argc, argv, 1, words, &feed);

	if (status)
		return status;
	request = json_pack("{s:s, s:o}", "verb", "feed.add", "set", feed.set);
	status = cli_set(request, "name", words[0]);
	if (!status)
		return cli_do(cli, request);
	json_decref(request);
	return status;
}

int cmd_feed_remove(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	json_t *request;
	int status = cli_args(cli, command, argc, argv, NULL, 1, 1, words);

	if (status)
		return status;
	request = json_pack("{s:s}", "verb", "feed.remove");
	status = cli_set(request, "name", words[0]);
	if (!status)
		return cli_do(cli, request);
	json_decref(request);
	return status;
}
