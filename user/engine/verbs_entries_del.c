// SPDX-License-Identifier: GPL-2.0
/* One origin's entry is deleted, and who did it is told of those that are still there. */
#include "engine.h"

#include <stdio.h>
#include <string.h>

#include "entries.h"
#include "verbs.h"

struct others {
	json_t *origins; /* each once */
	enum sek_action kind;
	int64_t now_s;
};

static int add_other(void *arg, const struct store_entry *entry)
{
	struct others *others = arg;
	json_t *origin;
	size_t i;

	if (entry->kind != others->kind || (entry->expires_s && entry->expires_s <= others->now_s))
		return 0;
	json_array_foreach(others->origins, i, origin) {
		if (!strcmp(json_string_value(origin), entry->origin))
			return 0;
	}
	/* out of memory: one less is told of */
	(void)json_array_append_new(others->origins, json_string(entry->origin));
	return 0;
}

/* Whose entries for @prefix are still there: who deletes his own may take that for its end. */
static json_t *origins_of(struct verbs_request *request, const struct prefix *prefix)
{
	struct others others = { json_array(), request->kind, engine_now_s() };

	/* a state that cannot be read has nothing to tell */
	(void)store_entry_exact(request->engine->store, prefix, add_other, &others);
	return others.origins;
}

/* verbs_cleared_text(), and a line on whose entries are still there. */
static json_t *deleted_text(const struct verbs_request *request, const struct prefix *prefix,
			    const char *given, bool host_bits, const json_t *still)
{
	const char *verb = request->kind == SEK_A_ALLOW ? "allowed" : "blocked",
		   *first = json_string_value(json_array_get(still, 0));
	json_t *cleared = verbs_cleared_text(prefix, given, host_bits), *both;
	char text[PREFIX_TEXT_BYTES], more[32] = "";

	if (!first)
		return cleared;
	if (json_array_size(still) > 1)
		snprintf(more, sizeof(more), " and %zu more", json_array_size(still) - 1);
	prefix_format(prefix, text);
	both = json_sprintf("%s%s%s is still %s, by %s%s; `sekisho explain %s` tells how to change that",
			    host_bits ? json_string_value(cleared) : "", host_bits ? "\n" : "",
			    text, verb, first, more, text);
	json_decref(cleared);
	return both;
}

json_t *verbs_entry_del(struct verbs_request *request)
{
	const char *text = verbs_word(request, "prefix", ""),
		   *origin = verbs_word(request, "origin", "manual");
	struct engine *engine = request->engine;
	char why[ROLE_TEXT_BYTES];
	struct prefix prefix;
	bool host_bits;
	enum prefix_error error = prefix_parse(text, strlen(text), &prefix, &host_bits);
	json_t *still;
	int n = 0;

	if (error)
		return verbs_error(1, "%s: %s", verbs_shown(text, why, sizeof(why)),
				   prefix_error_text(error));
	if (store_entry_delete(engine->store, &prefix, request->kind, origin, &n))
		return verbs_error(1, "the state cannot be written: %s", store_error(engine->store));
	if (n && entries_apply(engine, &prefix, why, sizeof(why)))
		return verbs_error(1, "%s: deleted, but the kernel was not told: %s; `sekisho reload` tells it", text, why);
	if (request->kind == SEK_A_BLOCK && verbs_ban_limit(origin)) {
		int bans = verbs_ban_del(request, &prefix, verbs_ban_limit(origin), why,
					 sizeof(why));

		if (bans < 0)
			return verbs_error(1, "%s: %s", text, why);
		n += bans;
	}
	still = origins_of(request, &prefix);
	return verbs_ok(json_pack("{s:i,s:b,s:o,s:o}", "deleted", n, "host_bits", host_bits,
				  "text", deleted_text(request, &prefix, text, host_bits, still),
				  "still", still));
}
