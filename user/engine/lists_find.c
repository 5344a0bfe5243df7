// SPDX-License-Identifier: GPL-2.0
/*
 * Looks an address up in a list, or in all that allow. Lists are sorted, so each length that may
 * hold it is one search. And gives a worker a mapping of a list for its own.
 */
#include "lists.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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

/* The first of @n sorted elements of @size bytes that is not below @key; NULL: all are. */
static const void *first_from(const void *key, const void *sorted, size_t n, size_t size,
			      int (*compare)(const void *, const void *))
{
	const char *base = sorted;
	size_t low = 0, high = n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare(base + middle * size, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n ? base + low * size : NULL;
}

bool lists_find_inside(const struct engine_list *list, const struct prefix *prefix,
		       struct prefix *ret_prefix)
{
	struct prefix first;
	const void *found = NULL;
	struct prefix4 key4;
	struct prefix6 key6;

	if (list->data && prefix->family == 4) {
		key4 = prefix_to4(prefix);
		found = first_from(&key4, list->view.v4, list->view.head->n4, sizeof(key4),
				   prefix4_compare);
	} else if (list->data) {
		key6 = prefix_to6(prefix);
		found = first_from(&key6, list->view.v6, list->view.head->n6, sizeof(key6),
				   prefix6_compare);
	}
	if (!found)
		return false;
	if (prefix->family == 4) {
		memcpy(&key4, found, sizeof(key4));
		first = prefix_of4(key4.addr, key4.len);
	} else {
		memcpy(&key6, found, sizeof(key6));
		first = prefix_of6(key6.hi, key6.lo, key6.len);
	}
	if (!prefix_covers(prefix, &first))
		return false;
	*ret_prefix = first;
	return true;
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

int lists_copy(const struct prefix4 *v4, size_t n4, const struct prefix6 *v6, size_t n6,
	       struct engine_list *ret_list)
{
	size_t bytes = sizeof(struct list_head) + n4 * sizeof(*v4) + n6 * sizeof(*v6);
	struct list_head *head =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct prefix4 *to4;
	struct prefix6 *to6;

	if (head == MAP_FAILED)
		return -ENOMEM;
	to4 = (void *)(head + 1);
	to6 = (void *)(to4 + n4);
	if (n4)
		memcpy(to4, v4, n4 * sizeof(*v4));
	if (n6)
		memcpy(to6, v6, n6 * sizeof(*v6));
	head->n4 = (uint32_t)n4;
	head->n6 = (uint32_t)n6;
	*ret_list = (struct engine_list){
		.data = head, .bytes = bytes, .view = {.head = head, .v4 = to4, .v6 = to6}};
	return 0;
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
	char *copy = mremap(from->data, 0, from->bytes, MREMAP_MAYMOVE); /* old size 0: mremap(2) */

	if (copy == MAP_FAILED)
		return -errno;
	lists_at(from, copy, ret_list);
	return 0;
}
