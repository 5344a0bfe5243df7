// SPDX-License-Identifier: GPL-2.0
/*
 * Since when a list has held each of its prefixes, as far as we know: a file beside the list that
 * is carried over from update to update. A prefix that comes back begins anew; one that grows out
 * of a wider one has that one's time. Pure.
 *
 *   struct list_since_head | struct list_since4[n4] | struct list_since6[n6]
 */
#pragma once

#include "list_file.h"

#define LIST_SINCE_MAGIC 0x3145434e49534b53ull

struct list_since_head {
	uint64_t magic;
	uint64_t list_checksum; /* of the list that it was made for */
	uint32_t n4, n6;
	uint64_t checksum; /* list_file_checksum() of all that follows the head */
};
_Static_assert(sizeof(struct list_since_head) == 32, "since file format");

struct list_since4 {
	struct prefix4 prefix;
	uint32_t since_s; /* Unix time, until 2106; the earliest that is known */
};
_Static_assert(sizeof(struct list_since4) == 12, "since file format");

struct list_since6 {
	struct prefix6 prefix;
	uint32_t since_s;
	uint32_t pad;
};
_Static_assert(sizeof(struct list_since6) == 32, "since file format");

/* A checked file; pointers into the caller's mapping. */
struct list_since {
	const struct list_since_head *head;
	const struct list_since4 *v4;
	const struct list_since6 *v6;
};

/*
 * Checks @len bytes at @data: sizes, magic, checksum. The order is what the writer made it. Errors:
 * -EBADMSG.
 */
int list_since_check(const void *data, size_t len, struct list_since *ret_since);

/* Bytes of the file for @list. */
size_t list_since_bytes(const struct list_view *list);

/*
 * Writes the file for @list to @data: what @before (NULL: nothing is known) held has its time, the
 * rest @now_s. Both are sorted, so it is one walk.
 */
void list_since_make(const struct list_since *before, const struct list_view *list, uint32_t now_s,
		     void *data);

/* The earliest time of all prefixes that hold @source, 0: none does. */
uint32_t list_since_find(const struct list_since *since, const struct prefix *source);
