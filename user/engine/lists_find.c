// SPDX-License-Identifier: GPL-2.0
/*
 * Looks an address up in a list. Lists are sorted, so each length that may hold it is one search.
 */
#include "lists.h"

#include <stdlib.h>

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
