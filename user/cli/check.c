// SPDX-License-Identifier: GPL-2.0
/*
 * check-config: reads a config and feeds.d beside it, and prints every error. Needs no agent and no
 * root.
 */
#include "cli.h"

#include "print.h"

#include "lib/config.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX (1u << 20) /* bytes: a thousand feeds are 200 kB */

/* Reads @path whole; the caller frees source->text. */
static int read_source(const char *path, struct config_source *source)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(CONFIG_BYTES_MAX);
	size_t len = file && text ? fread(text, 1, CONFIG_BYTES_MAX, file) : 0;
	int err = !file                     ? errno
		  : !text                   ? ENOMEM
		  : ferror(file)            ? errno
		  : len == CONFIG_BYTES_MAX ? EFBIG
					    : 0;

	if (file)
		(void)fclose(file); /* only read from */
	if (err) {
		free(text);
		return cli_fail(CLI_FAILED, "%s: %s", path, strerror(err));
	}
	*source = (struct config_source){.name = path, .text = text, .len = len};
	return CLI_DONE;
}

/* One line for people, or a row of @rows. */
static void show_row(const struct cli *cli, const struct config_error *error, const char *kind,
		     json_t *rows)
{
	char text[PRINT_CELL_BYTES], line[PRINT_CELL_BYTES];
	json_t *row;

	if (cli->json) {
		row = json_pack("{s:s, s:i, s:i, s:s}", "file", error->file, "line",
				(int)error->line, "column", (int)error->column, "text",
				error->text);
		(void)json_array_append_new(rows, row); /* out of memory: a row less */
		return;
	}
	(void)snprintf(line, sizeof(line), "%s:%u:%u: %s%s", error->file, error->line,
		       error->column, kind, error->text); /* cut */
	row = json_string(line);
	puts(print_cell(row, PRINT_TEXT, text));
	json_decref(row);
}

static int show_errors(const struct cli *cli, const struct config_errors *errors)
{
	json_t *document =
		json_pack("{s:b, s:[], s:[]}", "ok", errors->n == 0, "errors", "warnings");
	int status = errors->n ? CLI_FAILED : CLI_DONE;
	unsigned i;

	for (i = 0; i < errors->n; i++)
		show_row(cli, &errors->error[i], "", json_object_get(document, "errors"));
	for (i = 0; i < errors->n_warnings; i++)
		show_row(cli, &errors->warning[i],
			 "warning: ", json_object_get(document, "warnings"));
	if (cli->json)
		(void)print_json(document); /* it has said so */
	json_decref(document);
	return status;
}

static int check_sources(const struct cli *cli, const struct config_source *sources, size_t n)
{
	struct config_errors errors = {.n = 0};
	struct config *config = NULL;
	int err = config_parse(sources, n, &config, &errors);
	int status;

	if (err && !errors.n)
		return cli_fail(CLI_FAILED, "%s: %s", sources[0].name, strerror(-err));
	status = show_errors(cli, &errors);
	config_errors_clear(&errors);
	if (config)
		config_free(config);
	return status;
}

int cmd_check_config(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	const char *words[CLI_WORDS_MAX];
	struct config_source *sources = NULL;
	char *pattern = NULL, *path = NULL;
	glob_t found = {.gl_pathc = 0};
	size_t i, n = 0;
	int status = cli_args(cli, command, argc, argv, NULL, 1, 1, words);

	if (status)
		return status;
	path = strdup(words[0]);
	if (!path || asprintf(&pattern, "%s/feeds.d/*.yaml", dirname(path)) < 0) {
		free(path);
		return cli_fail(CLI_FAILED, "out of memory");
	}
	(void)glob(pattern, 0, NULL, &found); /* sorted; none is as good as no folder */
	sources = calloc(found.gl_pathc + 1, sizeof(*sources));
	status = sources ? read_source(words[0], &sources[n])
			 : cli_fail(CLI_FAILED, "out of memory");
	for (n = status ? 0 : 1; !status && n <= found.gl_pathc; n++)
		status = read_source(found.gl_pathv[n - 1], &sources[n]);
	if (!status)
		status = check_sources(cli, sources, n);
	for (i = 0; sources && i <= found.gl_pathc; i++)
		free((char *)sources[i].text);
	free(sources);
	globfree(&found);
	free(pattern);
	free(path);
	return status;
}
