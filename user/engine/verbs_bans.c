// SPDX-License-Identifier: GPL-2.0
/*
 * Live bans as block entries of origin limit:NAME: listed page by page, taken away one by one. See
 * bans_lift_some() for a flush.
 */
#include "bans.h"
#include "verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "limit:"

const char *verbs_ban_limit(const char *origin)
{
	return origin && !strncmp(origin, PREFIX, strlen(PREFIX)) ? origin + strlen(PREFIX) : NULL;
}

struct walk {
	json_t *rows;
	size_t limit;
	int64_t last;
};

static int add_row(void *arg, const struct store_ban *ban)
{
	struct walk *walk = arg;
	char text[PREFIX_TEXT_BYTES];

	if (json_array_size(walk->rows) >= walk->limit)
		return 1;
	json_array_append_new(walk->rows,
			      json_pack("{s:I,s:s,s:o,s:o,s:I,s:o,s:s}", "id", (json_int_t)ban->id,
					"prefix", prefix_format(&ban->source, text), "origin",
					json_sprintf(PREFIX "%s", ban->limit), "reason",
					json_sprintf("ban %lld", (long long)ban->id), "since",
					(json_int_t)ban->since_s, "expires",
					verbs_time(ban->until_s), "by", "agent"));
	walk->last = ban->id;
	return 0;
}

int verbs_ban_rows(struct engine *engine, const char *origin, int64_t after, size_t limit,
		   json_t *rows, int64_t *ret_last)
{
	struct walk walk = { .rows = rows, .limit = limit, .last = after };
	int more;

	if (origin && !verbs_ban_limit(origin))
		return 0;
	more = store_ban_live(engine->store, after, 0, verbs_ban_limit(origin), add_row, &walk);
	*ret_last = walk.last;
	return more;
}

/* The live ban of limit @name that holds @prefix, the longest first. */
static int find_live(struct engine *engine, const struct prefix *prefix, const char *name,
		     struct store_ban *ret_ban)
{
	unsigned len;

	for (len = prefix->len; len > 0; len--) {
		struct prefix around = lists_shorten(prefix, len);
		struct sek_entry_key key = bans_key(&around);
		const struct bans_row *row = bans_index_find(&engine->bans->index, &key);

		if (row && !row->is_over && !store_ban_get(engine->store, row->id, ret_ban) &&
		    !strcmp(ret_ban->limit, name))
			return 0;
	}
	return -ENOENT;
}

int verbs_ban_del(struct verbs_request *request, const struct prefix *prefix, const char *name,
		  char *why, size_t why_bytes)
{
	struct engine *engine = request->engine;
	char how[STORE_REASON_BYTES];
	struct store_ban ban;
	int err;

	bans_look(engine, prefix);
	if (find_live(engine, prefix, name, &ban)) {
		if (bans_in_kernel(engine, prefix, &ban) || strcmp(ban.limit, name))
			return 0;
		snprintf(why, why_bytes, "its ban cannot be recorded, so it stays: %s", store_error(engine->store));
		return -EIO;
	}
	snprintf(how, sizeof(how), "taken away by %s", request->client->user);
	why[0] = '\0';
	err = store_begin(engine->store);
	if (!err)
		err = bans_lift(engine, &ban, STORE_BAN_LIFTED, how, why, why_bytes);
	if (!err)
		err = store_commit(engine->store);
	if (!err)
		return 1;
	if (!why[0])
		snprintf(why, why_bytes, "the state cannot be written: %s",
			 store_error(engine->store));
	store_rollback(engine->store);
	bans_put_back(engine, &ban);
	return err;
}
