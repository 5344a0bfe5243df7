// SPDX-License-Identifier: GPL-2.0
/* The never-block rails as status and feed show tell them; the keeper keeps them, whatever is said here. */
#include "engine.h"

#include <string.h>

#include "lib/rail.h"

static struct prefix host_of(const struct sek_rail_key *key)
{
	struct prefix host = { .family = key->family, .len = key->family == 4 ? 32 : 128 };

	memcpy(host.addr_be, key->addr_be, sizeof(host.addr_be));
	return host;
}

static bool list_holds(const struct list_view *list, const struct prefix *host)
{
	struct prefix one;
	uint32_t i;

	for (i = 0; host->family == 4 && i < list->head->n4; i++) {
		one = prefix_of4(list->v4[i].addr, list->v4[i].len);
		if (prefix_covers(&one, host))
			return true;
	}
	for (i = 0; host->family == 6 && i < list->head->n6; i++) {
		one = prefix_of6(list->v6[i].hi, list->v6[i].lo, list->v6[i].len);
		if (prefix_covers(&one, host))
			return true;
	}
	return false;
}

json_t *protected_rows(const struct engine *engine, const struct engine_feed *feed)
{
	json_t *rows = json_array();
	char text[PREFIX_TEXT_BYTES];
	unsigned i;

	for (i = 0; i < engine->n_rails; i++) {
		struct prefix host = host_of(&engine->rails[i].key);

		if (feed && (!feed->list.data || !list_holds(&feed->list.view, &host)))
			continue;
		(void)json_array_append_new(rows, json_pack("{s:s,s:s}", "address", prefix_format(&host, text), "why",
							    rail_text(engine->rails[i].kind))); /* out of memory: a row less */
	}
	return rows;
}
