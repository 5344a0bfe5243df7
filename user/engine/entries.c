// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-made entries: rows in the state, one effective entry a prefix in the kernel. The later end of any origin's row
 * counts; each origin deletes only its own.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/rail.h"
#include "sys/channel.h"
#include "sys/log.h"

int64_t engine_now_s(void)
{
	return time(NULL);
}

static uint64_t until_ns(int64_t expires_s)
{
	struct timespec boot;
	int64_t left_s = expires_s - engine_now_s();

	if (!expires_s)
		return SEK_FOREVER;
	if (left_s <= 0)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (boot.tv_sec + left_s) * 1000000000ull + boot.tv_nsec;
}

static int merge_row(void *arg, const struct store_entry *row)
{
	struct role_entry *entry = arg;
	uint64_t until = until_ns(row->expires_s);

	if (row->kind == SEK_A_ALLOW && until > entry->value.allow_until_ns)
		entry->value.allow_until_ns = until;
	if (row->kind == SEK_A_BLOCK && until > entry->value.block_until_ns) {
		entry->value.block_until_ns = until;
		entry->value.flags = strncmp(row->origin, "limit:", 6) ? 0 : SEK_E_BAN;
	}
	if (row->kind == SEK_A_BLOCK && until && row->is_forced)
		entry->force = 1;
	return 0;
}

static struct sek_entry_key key_of(const struct prefix *prefix)
{
	struct sek_entry_key key = { .family = prefix->family, .len = prefix->len };

	memcpy(key.addr_be, prefix->addr_be, sizeof(key.addr_be));
	return key;
}

bool entries_is_protected(const struct engine *engine, const struct prefix *prefix, const struct prefix *ssh_client,
			  bool force, char *why, size_t why_bytes)
{
	struct sek_entry_key key = key_of(prefix);
	char text[PREFIX_TEXT_BYTES];
	struct role_rail rail;

	if (rail_is_all_local(&key)) {
		snprintf(why, why_bytes, "loopback and link-local sources are never dropped, not even with --force");
		return true;
	}
	if (force)
		return false;
	if (ssh_client->family && prefix_covers(prefix, ssh_client)) {
		snprintf(why, why_bytes, "it holds %s, the source of your own SSH session; --force overrides",
			 prefix_format(ssh_client, text));
		return true;
	}
	if (!rail_inside(engine->rails, engine->n_rails, &key, &rail))
		return false;
	snprintf(why, why_bytes, "it holds %s; --force overrides", rail_text(rail.kind));
	return true;
}

static int effective(struct engine *engine, const struct prefix *prefix, struct role_entry *ret_entry)
{
	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->key = key_of(prefix);
	return store_entry_exact(engine->store, prefix, merge_row, ret_entry);
}

int entries_apply(struct engine *engine, const struct prefix *prefix, char *why, size_t why_bytes)
{
	struct role_msg msg = { .type = ROLE_ENTRY }, reply;
	int err = effective(engine, prefix, &msg.body.entry);

	if (err) {
		snprintf(why, why_bytes, "the state cannot be read: %s", store_error(engine->store));
		return err;
	}
	role_call(engine, &msg, NULL, 0, &reply, NULL);
	snprintf(why, why_bytes, "%s", reply.text);
	return reply.err;
}

int entries_apply_all(struct engine *engine, const struct prefix *prefixes, size_t n, bool replace, char *why, size_t why_bytes)
{
	struct role_msg msg = { .type = ROLE_ENTRIES, .body.entries = { .count = n, .replace = replace } }, reply;
	struct role_entry *entries = calloc(n + 1, sizeof(*entries));
	size_t i;
	int fd, err = entries ? 0 : -ENOMEM;

	for (i = 0; i < n && !err; i++)
		err = effective(engine, &prefixes[i], &entries[i]);
	fd = err ? err : channel_memfd("entries", entries, (n + 1) * sizeof(*entries));
	free(entries);
	if (fd < 0) {
		snprintf(why, why_bytes, "%s", strerror(-fd));
		return fd;
	}
	role_call(engine, &msg, &fd, 1, &reply, NULL);
	close(fd);
	snprintf(why, why_bytes, "%s", reply.text);
	return reply.err;
}

struct prefix_list {
	struct prefix *prefix;
	size_t n, capacity;
};

static int collect(void *arg, const struct store_entry *row)
{
	struct prefix_list *list = arg;

	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 256;
		struct prefix *more = reallocarray(list->prefix, capacity, sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->prefix = more;
		list->capacity = capacity;
	}
	list->prefix[list->n++] = row->prefix;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

/* Several origins may hold one prefix: each is applied once. */
static void unique(struct prefix_list *list)
{
	size_t i, n = 0;

	qsort(list->prefix, list->n, sizeof(list->prefix[0]), compare);
	for (i = 0; i < list->n; i++) {
		if (!n || compare(&list->prefix[n - 1], &list->prefix[i]))
			list->prefix[n++] = list->prefix[i];
	}
	list->n = n;
}

int entries_restore(struct engine *engine)
{
	struct prefix_list list = { 0 };
	char why[ROLE_TEXT_BYTES];
	int n, err;

	(void)store_entry_delete_expired(engine->store, engine_now_s(), &n); /* tried again every second */
	err = store_entry_each(engine->store, SEK_A_NONE, NULL, 0, collect, &list);
	if (!err) {
		unique(&list);
		err = entries_apply_all(engine, list.prefix, list.n, true, why, sizeof(why));
		if (err)
			log_line(LOG_ERR, "entries: %s", why);
	}
	free(list.prefix);
	return err;
}

void entries_expire(struct engine *engine)
{
	struct prefix_list list = { 0 };
	char why[ROLE_TEXT_BYTES];
	size_t i;
	int n = 0;

	if (!store_entry_expired(engine->store, engine_now_s(), collect, &list) && list.n) {
		unique(&list);
		(void)store_entry_delete_expired(engine->store, engine_now_s(), &n); /* else again in a second */
		for (i = 0; i < list.n; i++)
			(void)entries_apply(engine, &list.prefix[i], why, sizeof(why)); /* it ended in the kernel by itself */
	}
	free(list.prefix);
}
