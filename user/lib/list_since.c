// SPDX-License-Identifier: GPL-2.0
/* Times of a list's prefixes, carried from one update to the next. See list_since.h. */
#include "list_since.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Prefixes of before that hold the one we are at, each inside the one below it; with the earliest
 * time so far.
 */
struct nest {
	struct prefix6 prefix[129]; /* one of each length */
	uint32_t since_s[129];
	unsigned n;
};

static bool covers6(const struct prefix6 *outer, const struct prefix6 *inner)
{
	unsigned hi = outer->len < 64 ? outer->len : 64, lo = outer->len - hi;

	if (outer->len > inner->len)
		return false;
	if (hi && (outer->hi ^ inner->hi) >> (64 - hi))
		return false;
	return !lo || !((outer->lo ^ inner->lo) >> (64 - lo));
}

static void leave(struct nest *nest, const struct prefix6 *next)
{
	while (nest->n && !covers6(&nest->prefix[nest->n - 1], next))
		nest->n--;
}

static void enter(struct nest *nest, const struct prefix6 *prefix, uint32_t since_s)
{
	leave(nest, prefix);
	if (nest->n && nest->since_s[nest->n - 1] < since_s)
		since_s = nest->since_s[nest->n - 1];
	if (nest->n == sizeof(nest->since_s) / sizeof(nest->since_s[0]))
		return; /* more lengths than there are: the file is not as we wrote it */
	nest->prefix[nest->n] = *prefix;
	nest->since_s[nest->n++] = since_s;
}

/* An IPv4 prefix in the form of the other family, in the same order. */
static struct prefix6 widen(const struct prefix4 *prefix)
{
	return (struct prefix6){ .hi = (uint64_t)prefix->addr << 32, .len = prefix->len };
}

static uint32_t time_in(struct nest *nest, const struct prefix6 *prefix, uint32_t now_s)
{
	leave(nest, prefix);
	return nest->n ? nest->since_s[nest->n - 1] : now_s;
}

static void make4(const struct list_since *before, const struct list_view *list, uint32_t now_s,
		  struct list_since4 *to)
{
	struct nest nest = { .n = 0 };
	uint32_t i, at = 0, n = before ? before->head->n4 : 0;
	struct prefix6 was, is;

	for (i = 0; i < list->head->n4; i++) {
		is = widen(&list->v4[i]);
		for (; at < n && prefix4_compare(&before->v4[at].prefix, &list->v4[i]) <= 0; at++) {
			was = widen(&before->v4[at].prefix);
			enter(&nest, &was, before->v4[at].since_s);
		}
		to[i] = (struct list_since4){.prefix = list->v4[i],
					     .since_s = time_in(&nest, &is, now_s)};
	}
}

static void make6(const struct list_since *before, const struct list_view *list, uint32_t now_s,
		  struct list_since6 *to)
{
	struct nest nest = { .n = 0 };
	uint32_t i, at = 0, n = before ? before->head->n6 : 0;

	for (i = 0; i < list->head->n6; i++) {
		for (; at < n && prefix6_compare(&before->v6[at].prefix, &list->v6[i]) <= 0; at++)
			enter(&nest, &before->v6[at].prefix, before->v6[at].since_s);
		to[i] = (struct list_since6){.prefix = list->v6[i],
					     .since_s = time_in(&nest, &list->v6[i], now_s)};
	}
}

/* The IPv6 part behind it begins at a multiple of eight. */
static size_t room4(uint32_t n4)
{
	return (n4 * sizeof(struct list_since4) + 7) / 8 * 8;
}

size_t list_since_bytes(const struct list_view *list)
{
	return sizeof(struct list_since_head) + room4(list->head->n4) +
	       (size_t)list->head->n6 * sizeof(struct list_since6);
}

int list_since_check(const void *data, size_t len, struct list_since *ret_since)
{
	const struct list_since_head *head = data;
	uint64_t want;

	if (len < sizeof(*head) || head->magic != LIST_SINCE_MAGIC)
		return -EBADMSG;
	want = sizeof(*head) + room4(head->n4) + (uint64_t)head->n6 * sizeof(struct list_since6);
	if (want != len || list_file_checksum(head + 1, len - sizeof(*head)) != head->checksum)
		return -EBADMSG;
	*ret_since = (struct list_since){
		.head = head,
		.v4 = (const void *)(head + 1),
		.v6 = (const void *)((const char *)(head + 1) + room4(head->n4))};
	return 0;
}

void list_since_make(const struct list_since *before, const struct list_view *list, uint32_t now_s,
		     void *data)
{
	struct list_since_head *head = data;
	size_t len = list_since_bytes(list) - sizeof(*head);
	char *body = (char *)(head + 1);

	memset(data, 0, len + sizeof(*head));
	make4(before, list, now_s, (void *)body);
	make6(before, list, now_s, (void *)(body + room4(list->head->n4)));
	*head = (struct list_since_head){.magic = LIST_SINCE_MAGIC,
					 .list_checksum = list->head->checksum,
					 .n4 = list->head->n4,
					 .n6 = list->head->n6,
					 .checksum = list_file_checksum(body, len)};
}

static int compare4(const void *key, const void *row)
{
	return prefix4_compare(key, &((const struct list_since4 *)row)->prefix);
}

static int compare6(const void *key, const void *row)
{
	return prefix6_compare(key, &((const struct list_since6 *)row)->prefix);
}

static uint32_t find_exact(const struct list_since *since, const struct prefix *prefix)
{
	const struct list_since4 *row4;
	const struct list_since6 *row6;
	struct prefix4 key4;
	struct prefix6 key6;

	if (prefix->family == 4) {
		key4 = prefix_to4(prefix);
		row4 = bsearch(&key4, since->v4, since->head->n4, sizeof(*row4), compare4);
		return row4 ? row4->since_s : 0;
	}
	key6 = prefix_to6(prefix);
	row6 = bsearch(&key6, since->v6, since->head->n6, sizeof(*row6), compare6);
	return row6 ? row6->since_s : 0;
}

uint32_t list_since_find(const struct list_since *since, const struct prefix *source)
{
	struct prefix prefix = *source;
	uint32_t found, earliest = 0;

	while (prefix.len) {
		found = find_exact(since, &prefix);
		if (found && (!earliest || found < earliest))
			earliest = found;
		prefix.len--;
		prefix.addr_be[prefix.len / 8] &= (uint8_t)~(0x80u >> prefix.len % 8);
	}
	return earliest;
}
