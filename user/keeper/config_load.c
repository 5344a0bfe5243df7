// SPDX-License-Identifier: GPL-2.0
/* The config's files, read and parsed: the main one and feeds.d beside it. Every error is printed
 * with its place. */
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/file.h"
#include "sys/log.h"

#define CONFIG_MAX_BYTES (4u << 20) /* bytes a file: 255 feeds take about 100 kB */
#define CONFIG_FILES_MAX 256        /* the main file and one a list id */

struct config_files {
	struct config_source source[CONFIG_FILES_MAX + 1]; /* and one that is not there yet */
	unsigned n;
	char *why; /* where errors go; NULL: to the log */
	size_t why_bytes;
};

static void say(const struct config_files *files, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void say(const struct config_files *files, const char *format, ...)
{
	char line[5000];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (files->why)
		snprintf(files->why, files->why_bytes, "%s", line);
	else
		log_line(LOG_ERR, "%s", line);
}

static void free_files(struct config_files *files)
{
	unsigned i;

	for (i = 0; i < files->n; i++) {
		free((char *)files->source[i].name);
		free((char *)files->source[i].text);
	}
	files->n = 0;
}

static const char *mend_of(int err, bool is_main)
{
	if (err == -EACCES || err == -EPERM)
		return "run sekishod as root, or make the file readable";
	if (err == -EFBIG)
		return "a config of more than 4 MiB is none";
	return is_main ? "-c names the file"
		       : "each name in feeds.d that ends in .yaml is a file with one feed";
}

static int add_file(struct config_files *files, const char *path)
{
	struct config_source *source = &files->source[files->n];
	char *text;
	int err;

	if (files->n >= CONFIG_FILES_MAX) {
		say(files, "config: more than %d files; merge some into the main one", CONFIG_FILES_MAX);
		return -E2BIG;
	}
	err = file_read(path, CONFIG_MAX_BYTES, &text, &source->len);
	if (err) {
		say(files, "config %s: %s: %s", path, strerror(-err), mend_of(err, files->n == 0));
		return err;
	}
	source->text = text;
	source->name = strdup(path);
	files->n++;
	return source->name ? 0 : -ENOMEM;
}

static int is_yaml(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && !strcmp(dot, ".yaml");
}

void keeper_config_feeds_d(const struct keeper_options *options, char *dir)
{
	const char *slash = strrchr(options->config_path, '/');

	snprintf(dir, KEEPER_CONFIG_PATH_BYTES, "%.*sfeeds.d",
		 slash ? (int)(slash - options->config_path + 1) : 0, options->config_path);
}

static int add_feeds_d(struct config_files *files, const struct keeper_options *options)
{
	char dir[KEEPER_CONFIG_PATH_BYTES], path[KEEPER_CONFIG_PATH_BYTES + 300];
	struct dirent **names;
	int n, i, err = 0;

	keeper_config_feeds_d(options, dir);
	n = scandir(dir, &names, is_yaml, alphasort);
	if (n < 0 && errno == ENOENT)
		return 0; /* no such folder: no such feeds */
	if (n < 0) {
		err = -errno;
		say(files, "config %s: %s: it has to be a folder that can be read, or not be there", dir, strerror(-err));
		return err;
	}
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (!err)
			err = add_file(files, path);
		free(names[i]);
	}
	free(names);
	return err;
}

static int parse(struct config_files *files, struct keeper_config *config)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	unsigned i;
	int err;

	if (!errors)
		return -ENOMEM;
	err = config_parse(files->source, files->n, &config->config, errors);
	for (i = 0; err && i < errors->n; i++)
		fprintf(stderr, "%s:%u:%u: %s\n", errors->error[i].file, errors->error[i].line,
			errors->error[i].column, errors->error[i].text);
	for (i = 0; !err && i < errors->n_warnings; i++)
		fprintf(stderr, "%s:%u:%u: warning: %s\n", errors->warning[i].file,
			errors->warning[i].line, errors->warning[i].column,
			errors->warning[i].text);
	config_errors_clear(errors);
	free(errors);
	return err;
}

int keeper_config_load(const struct keeper_options *options, struct keeper_config *ret_config)
{
	struct config_files *files = calloc(1, sizeof(*files));
	struct keeper_config config = {0};
	int err;

	if (!files)
		return -ENOMEM;
	err = add_file(files, options->config_path);
	if (!err)
		err = add_feeds_d(files, options);
	if (!err)
		err = parse(files, &config);
	if (!err)
		err =
		    config_bundle_pack(files->source, files->n, &config.bundle, &config.bundle_len);
	free_files(files);
	free(files);
	if (err) {
		keeper_config_free(&config);
		return err;
	}
	config.epoch = ret_config->epoch + 1;
	*ret_config = config;
	return 0;
}

int keeper_config_look(const struct keeper_options *options, const struct config_source *more,
		       struct config **ret_config, char *why, size_t why_bytes)
{
	struct config_files *files = calloc(1, sizeof(*files));
	struct config_errors *errors = calloc(1, sizeof(*errors));
	int err = files && errors ? 0 : -ENOMEM;

	if (!err) {
		files->why = why;
		files->why_bytes = why_bytes;
		err = add_file(files, options->config_path);
	}
	if (!err)
		err = add_feeds_d(files, options);
	if (!err && more)
		files->source[files->n] = *more; /* borrowed: n does not count it */
	if (!err)
		err = config_parse(files->source, files->n + (more != NULL), ret_config, errors);
	if (err && errors && errors->n)
		snprintf(why, why_bytes, "%s:%u:%u: %s", errors->error[0].file,
			 errors->error[0].line, errors->error[0].column, errors->error[0].text);
	if (files)
		free_files(files);
	if (errors)
		config_errors_clear(errors);
	free(files);
	free(errors);
	return err;
}

void keeper_config_free(struct keeper_config *config)
{
	config_free(config->config);
	free(config->bundle);
	config->config = NULL;
	config->bundle = NULL;
}
