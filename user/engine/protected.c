// SPDX-License-Identifier: GPL-2.0
/* The never-block rails as status and feed show tell them; the keeper keeps them, whatever is said
 * here. */
#include "engine.h"

#include <string.h>

#include "lib/rail.h"

static struct prefix host_of(const struct sek_rail_key *key)
{
	struct prefix host = {.family = key->family, .len = key->family == 4 ? 32 : 128};

	memcpy(host.addr_be, key->addr_be, sizeof(host.addr_be));
	return host;
}

json_t *protected_rows(const struct engine *engine, const struct engine_feed *feed)
{
	json_t *rows = json_array();
	char text[PREFIX_TEXT_BYTES];
	struct prefix found;
	unsigned i;

	for (i = 0; i < engine->n_rails; i++) {
		struct prefix host = host_of(&engine->rails[i].key);

		if (feed && !lists_find(&feed->list, &host, &found))
			continue;
		(void)json_array_append_new(
		    rows,
		    json_pack("{s:s,s:s}", "address", prefix_format(&host, text), "why",
			      rail_text(engine->rails[i].kind))); /* out of memory: a row less */
	}
	return rows;
}
