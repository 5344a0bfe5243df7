// SPDX-License-Identifier: GPL-2.0
/*
 * Looks an address up in a list, or in all that allow. Lists are sorted, so each length that may
 * hold it is one search. And gives a worker a mapping of a list for its own.
 */
#include "lists.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine.h"

struct prefix lists_shorten(const struct prefix *address, unsigned len)
{
	struct prefix prefix = *address;
	unsigned bit;

	prefix.len = len;
	for (bit = len; bit < 128; bit++)
		prefix.addr_be[bit / 8] &= ~(0x80 >> (bit % 8));
	return prefix;
}

bool lists_find(const struct engine_list *list, const struct prefix *address,
		struct prefix *ret_prefix)
{
	unsigned len;

	for (len = list->data ? address->len : 0; len > 0; len--) {
		struct prefix prefix = lists_shorten(address, len);
		struct prefix4 key4;
		struct prefix6 key6;
		const void *found;

		if (address->family == 4) {
			key4 = prefix_to4(&prefix);
			found = bsearch(&key4, list->view.v4, list->view.head->n4, sizeof(key4),
					prefix4_compare);
		} else {
			key6 = prefix_to6(&prefix);
			found = bsearch(&key6, list->view.v6, list->view.head->n6, sizeof(key6),
					prefix6_compare);
		}
		if (found) {
			*ret_prefix = prefix;
			return true;
		}
	}
	return false;
}

bool lists_allow(const struct engine *engine, const struct prefix *address)
{
	struct prefix found;
	size_t i;

	for (i = 0; i < engine->config->n_allow; i++) {
		if (prefix_covers(&engine->config->allow[i], address))
			return true;
	}
	for (i = 0; i < engine->n_feeds; i++) {
		if (engine->feeds[i].config->action == SEK_A_ALLOW &&
		    lists_find(&engine->feeds[i].list, address, &found))
			return true;
	}
	return false;
}

int lists_share(const struct engine_list *from, struct engine_list *ret_list)
{
	char *copy = mremap(from->data, 0, from->bytes, MREMAP_MAYMOVE), *old = from->data; /* old size 0: mremap(2) */

	if (copy == MAP_FAILED)
		return -errno;
	*ret_list = *from;
	ret_list->data = copy;
	ret_list->view.head = (void *)(copy + ((char *)from->view.head - old));
	ret_list->view.v4 = (void *)(copy + ((char *)from->view.v4 - old));
	ret_list->view.v6 = (void *)(copy + ((char *)from->view.v6 - old));
	return 0;
}
