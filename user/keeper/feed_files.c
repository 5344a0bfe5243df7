// SPDX-License-Identifier: GPL-2.0
/*
 * feed add and feed remove: one file of feeds.d beside the config, written or deleted for the
 * engine, which cannot. What is asked is made into YAML here, and the whole config with it is
 * checked before a byte is written.
 */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/escape.h"
#include "lib/feed_file.h"
#include "sys/file_put.h"
#include "sys/log.h"

static int refuse(int err, char *why, size_t why_bytes, const char *dir)
{
	const char *mend = err == -EROFS ? "ReadWritePaths= in the unit has to name it" :
			   err == -EACCES || err == -EPERM ? "the folder has to be root's own, and nobody else's to write to" :
			   err == -EEXIST ? "a file of that name is there: choose another name, or delete it" : "nothing was changed";

	snprintf(why, why_bytes, "%.150s: %s: %s", dir, strerror(-err), mend);
	return err;
}

/* In force, or as it was before. */
static int reload(struct keeper *keeper, char *why, size_t why_bytes)
{
	char reason[ROLE_TEXT_BYTES] = "";
	int err = keeper_reload(keeper, reason, sizeof(reason));

	if (err)
		snprintf(why, why_bytes, "nothing was changed: %.200s", reason);
	return err;
}

static int write_and_reload(struct keeper *keeper, const char *name, const char *text, size_t len,
			    char *why, size_t why_bytes)
{
	char dir[KEEPER_CONFIG_PATH_BYTES], file[CONFIG_FEED_NAME_BYTES + 8];
	int err;

	keeper_config_feeds_d(&keeper->options, dir);
	snprintf(file, sizeof(file), "%s.yaml", name);
	err = file_put(dir, file, text, len);
	if (err)
		return refuse(err, why, why_bytes, dir);
	err = reload(keeper, why, why_bytes);
	if (err)
		(void)file_remove(dir, file); /* as it was before */
	else
		log_line(LOG_NOTICE, "feed %s: added in %s/%s", name, dir, file);
	return err;
}

/* The message's name, which ends where ours do. Errors: -EBADMSG it does not. */
static int name_of(const struct role_msg *msg, char name[CONFIG_FEED_NAME_BYTES])
{
	if (!memchr(msg->body.feed.name, '\0', CONFIG_FEED_NAME_BYTES))
		return -EBADMSG;
	strcpy(name, msg->body.feed.name);
	return 0;
}

int feed_files_add(struct keeper *keeper, const struct role_msg *msg, int fd, char *why,
		   size_t why_bytes)
{
	char name[CONFIG_FEED_NAME_BYTES], shown[CONFIG_FEED_NAME_BYTES + 32],
		pairs[FEED_FILE_BYTES + 1], *text;
	struct config_source source = { .name = shown };
	struct config *config;
	size_t len;
	int err;

	err = name_of(msg, name);
	if (!err)
		err = fetchers_read_pairs(fd, pairs, &len);
	if (!err)
		err = feed_file_make(name, pairs, len, &text, &source.len, why, why_bytes);
	if (err)
		return err;
	source.text = text;
	snprintf(shown, sizeof(shown), "the new feed %s", name);
	err = keeper_config_look(&keeper->options, &source, &config, why, why_bytes);
	if (!err) {
		config_free(config);
		err = write_and_reload(keeper, name, text, source.len, why, why_bytes);
	}
	free(text);
	return err;
}

static const struct config_feed *find(const struct config *config, const char *name)
{
	size_t i;

	for (i = 0; i < config->n_feeds; i++) {
		if (!strcmp(config->feeds[i].name, name))
			return &config->feeds[i];
	}
	return NULL;
}

/* The file goes to a name that is not read, and comes back from there where the reload fails. */
static int remove_and_reload(struct keeper *keeper, const struct config_feed *feed, char *why,
			     size_t why_bytes)
{
	char dir[KEEPER_CONFIG_PATH_BYTES], aside[KEEPER_CONFIG_PATH_BYTES + 32];
	const char *file = strrchr(feed->file, '/');
	int err;

	keeper_config_feeds_d(&keeper->options, dir);
	file = file ? file + 1 : feed->file;
	snprintf(aside, sizeof(aside), "%s/.removed", dir);
	if (rename(feed->file, aside))
		return refuse(-errno, why, why_bytes, dir);
	err = reload(keeper, why, why_bytes);
	if (err) {
		if (rename(aside, feed->file))
			snprintf(why, why_bytes, "the feed's file is now %.180s: %s", aside, strerror(errno));
		return err;
	}
	err = file_remove(dir, ".removed");
	if (err) /* not in force, and not read at the next start either */
		log_line(LOG_ERR, "feed %s: %s cannot be deleted: %s", feed->name, aside, strerror(-err));
	log_line(LOG_NOTICE, "feed %s: removed from %s/%s", feed->name, dir, file);
	return 0;
}

int feed_files_remove(struct keeper *keeper, const struct role_msg *msg, char *why,
		      size_t why_bytes)
{
	char name[CONFIG_FEED_NAME_BYTES], shown[4 * CONFIG_FEED_NAME_BYTES];
	const struct config_feed *feed;
	struct config *config;
	int err = name_of(msg, name);

	if (!err)
		err = keeper_config_look(&keeper->options, NULL, &config, why, why_bytes);
	if (err)
		return err;
	feed = find(config, name);
	if (!feed) {
		err = -ENOENT;
		snprintf(why, why_bytes, "there is no feed %s; `sekisho feed list` names them", escape_text(name, strlen(name), shown, sizeof(shown)));
	} else if (feed->is_main) {
		err = -EPERM;
		snprintf(why, why_bytes, "feed %s stands in the config, at %.120s:%u: delete it there, then `sekisho reload`", name, feed->file, feed->line);
	} else {
		err = remove_and_reload(keeper, feed, why, why_bytes);
	}
	config_free(config);
	return err;
}
