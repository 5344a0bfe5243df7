// SPDX-License-Identifier: GPL-2.0
/*
 * Looks an address up in a list. Lists are sorted, so each length that may hold it is one search. And gives a worker a mapping of
 * a list for its own.
 */
#include "lists.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

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

/* What @part of @from is at @data. */
static const void *part_at(const struct engine_list *from, const void *part, const char *data)
{
	return part ? data + ((const char *)part - (const char *)from->data) : NULL;
}

void lists_at(const struct engine_list *from, void *data, struct engine_list *ret_list)
{
	struct engine_list list = *from;

	list.data = data;
	list.view.head = part_at(from, from->view.head, data);
	list.view.v4 = part_at(from, from->view.v4, data);
	list.view.v6 = part_at(from, from->view.v6, data);
	list.view.errors = part_at(from, from->view.errors, data);
	list.view.origin = part_at(from, from->view.origin, data);
	*ret_list = list;
}

int lists_share(const struct engine_list *from, struct engine_list *ret_list)
{
	char *copy = mremap(from->data, 0, from->bytes, MREMAP_MAYMOVE); /* old size 0: mremap(2) */

	if (copy == MAP_FAILED)
		return -errno;
	lists_at(from, copy, ret_list);
	return 0;
}
