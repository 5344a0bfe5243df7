// SPDX-License-Identifier: GPL-2.0
/*
 * feed.add and feed.remove: the values are checked here for a quick word, and again by the keeper,
 * who writes the file.
 */
#include "verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crowdsec.h"
#include "engine.h"
#include "lib/feed_file.h"
#include "sys/channel.h"

/* The keeper's answer, with @text (taken) where it went well. */
static json_t *said(struct engine *engine, struct verbs_wait *wait, json_t *text)
{
	json_t *answer = verbs_keeper_said(engine, wait);

	if (json_is_true(json_object_get(answer, "ok")))
		json_object_set(json_object_get(answer, "data"), "text", text);
	json_decref(text);
	return answer;
}

static json_t *added(struct engine *engine, struct verbs_wait *wait)
{
	return said(engine, wait, json_sprintf("feed %s is added and being fetched; `sekisho feed show %s` tells what came", wait->name, wait->name));
}

/*
 * The config without it has come before the keeper's answer, and with that all that is known of it
 * is gone (feed_ids.h).
 */
static json_t *out_of_force(struct engine *engine, struct verbs_wait *wait)
{
	if (engine->is_compiling || engine->compile_wanted)
		return NULL;
	return engine->table_error[0] ? verbs_error(1, "feed %s is out of the config, but its list still in force: %s", wait->name, engine->table_error)
				      : verbs_ok(json_pack("{s:o}", "text", json_sprintf("feed %s is removed", wait->name)));
}

static json_t *removed(struct engine *engine, struct verbs_wait *wait)
{
	json_t *answer = verbs_keeper_said(engine, wait);

	if (!answer || !json_is_true(json_object_get(answer, "ok")))
		return answer;
	json_decref(answer);
	wait->poll = out_of_force;
	wait->abandon = NULL;
	return out_of_force(engine, wait);
}

static json_t *ask(struct verbs_request *request, enum role_type type, const char *name, int fd)
{
	struct role_msg msg = { .type = type };

	snprintf(msg.body.feed.name, sizeof(msg.body.feed.name), "%s", name);
	snprintf(request->wait->name, sizeof(request->wait->name), "%s", name);
	if (role_ask(request->engine, &msg, fd, &request->wait->number))
		return verbs_error(1, "too many requests wait for the keeper: try again");
	request->wait->poll = type == ROLE_FEED_ADD ? added : removed;
	request->wait->abandon = verbs_keeper_forget;
	return NULL;
}

json_t *verbs_feed_add(struct verbs_request *request)
{
	const char *name = verbs_word(request, "name", "");
	char pairs[FEED_FILE_BYTES + 1], why[FEED_FILE_WHY_BYTES] = "out of memory";
	const struct engine_feed *other = feeds_find(request->engine, name);
	struct config *config;
	json_t *answer;
	size_t len;
	int fd;

	if (other)
		return verbs_error(1, "there is a feed %s, at %s:%u: choose another name", name, other->config->file, other->config->line);
	answer = verbs_feed_pairs(request, pairs, &len);
	if (answer)
		return answer;
	if (feed_file_read(name, pairs, len, &config, why, sizeof(why)))
		return verbs_error(1, "%s", why);
	config_free(config);
	fd = channel_memfd("feed-add", pairs, len);
	if (fd < 0)
		return verbs_error(1, "out of memory");
	answer = ask(request, ROLE_FEED_ADD, name, fd);
	close(fd);
	return answer;
}

json_t *verbs_feed_remove(struct verbs_request *request)
{
	const char *name = verbs_word(request, "name", "");

	if (!strcmp(name, CONFIG_CROWDSEC_NAME) && request->engine->crowdsec->config)
		return verbs_error(1, "crowdsec: is a part of the config: delete it there, then `sekisho reload`");
	if (!feeds_find(request->engine, name))
		return verbs_no_feed(name);
	return ask(request, ROLE_FEED_REMOVE, name, -1);
}
