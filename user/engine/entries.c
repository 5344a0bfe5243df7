// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-made entries: rows in the state, one effective entry a prefix in the kernel. The later end
 * of any origin's row counts; each origin deletes only its own.
 */
#include "entries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bans.h"
#include "explain.h"
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
	entry->force |= row->kind == SEK_A_BLOCK && until && row->is_forced;
	return 0;
}

static struct sek_entry_key key_of(const struct prefix *prefix)
{
	struct sek_entry_key key = { .family = prefix->family, .len = prefix->len };

	memcpy(key.addr_be, prefix->addr_be, sizeof(key.addr_be));
	return key;
}

bool entries_is_protected(const struct engine *engine, const struct prefix *prefix,
			  const struct prefix *ssh_client, bool force, char *why, size_t why_bytes)
{
	struct sek_entry_key key = key_of(prefix);
	char text[PREFIX_TEXT_BYTES];
	struct role_rail rail;

	if (rail_is_all_local(&key)) {
		snprintf(why, why_bytes, "loopback and link-local sources are never dropped, not even with --force");
		return true;
	}
	if (rail_is_too_wide(&key, true)) {
		snprintf(why, why_bytes, "no block entry is wider than a /3 (IPv6: /7), not even with --force");
		return true;
	}
	if (force)
		return false;
	if (ssh_client->family && prefix_covers(prefix, ssh_client)) {
		snprintf(why, why_bytes, "it holds %s, the source of your own SSH session; --force overrides",
			 prefix_format(ssh_client, text));
		return true;
	}
	if (rail_inside(engine->rails, engine->n_rails, &key, &rail)) {
		snprintf(why, why_bytes, "it holds %s; --force overrides", rail_text(rail.kind));
		return true;
	}
	if (!rail_is_too_wide(&key, false))
		return false;
	snprintf(why, why_bytes, "it is wider than a /8 (IPv6: /16); --force overrides");
	return true;
}

static void set_key(const struct prefix *prefix, struct role_entry *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->key = key_of(prefix);
}

static int effective(struct engine *engine, const struct prefix *prefix,
		     struct role_entry *ret_entry)
{
	set_key(prefix, ret_entry);
	return store_entry_exact(engine->store, prefix, merge_row, ret_entry);
}

/* What others remember of an entry that was put in force, or taken away. */
static void remember(struct engine *engine, const struct prefix *prefix,
		     const struct role_entry *entry)
{
	if (entry->value.block_until_ns || entry->value.allow_until_ns)
		bans_hidden_entry(engine, prefix);
	else
		/* where an allow of it was left, that passes now, and is told of later */
		explain_lifted(prefix);
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
	if (!reply.err)
		remember(engine, prefix, &msg.body.entry);
	return reply.err;
}

/* Hands @n entries over, @to_come more will follow; with @replace they are all there is. */
static int send_entries(struct engine *engine, const struct role_entry *entries, size_t n,
			size_t to_come, bool replace, char *why, size_t why_bytes)
{
	struct role_msg msg = {.type = ROLE_ENTRIES,
			       .body.entries = {.count = n,
						.replace = replace,
						.to_come = to_come}},
			reply;
	static const struct role_entry none;
	int fd = channel_memfd("entries", n ? entries : &none, (n ? n : 1) * sizeof(*entries));

	if (fd < 0) {
		snprintf(why, why_bytes, "%s", strerror(-fd));
		return fd;
	}
	role_call(engine, &msg, &fd, 1, &reply, NULL);
	close(fd);
	snprintf(why, why_bytes, "%s", reply.text);
	return reply.err;
}

int entries_apply_many(struct engine *engine, const struct prefix *prefixes, size_t n,
		       size_t to_come, char *why, size_t why_bytes)
{
	struct role_entry *entries = calloc(n + 1, sizeof(*entries));
	int err = entries ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < n && !err; i++)
		err = effective(engine, &prefixes[i], &entries[i]);
	if (err)
		snprintf(why, why_bytes, "the state cannot be read: %s", strerror(-err));
	else if (n)
		err = send_entries(engine, entries, n, to_come, false, why, why_bytes);
	for (i = 0; i < n && !err; i++)
		remember(engine, &prefixes[i], &entries[i]);
	free(entries);
	return err;
}

struct entry_list {
	struct role_entry *entry;
	size_t n, capacity;
};

static int collect(void *arg, const struct store_entry *row)
{
	struct entry_list *list = arg;

	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 256;
		struct role_entry *more = reallocarray(list->entry, capacity, sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->entry = more;
		list->capacity = capacity;
	}
	set_key(&row->prefix, &list->entry[list->n]);
	merge_row(&list->entry[list->n], row);
	/* not what has ended */
	list->n += list->entry[list->n].value.block_until_ns ||
		   list->entry[list->n].value.allow_until_ns;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sek_entry_key));
}

/* Several origins may hold one prefix: the later end of each part counts. */
static void merge_same(struct entry_list *list)
{
	struct role_entry *to = list->entry, *from;
	size_t i;

	if (!list->n)
		return;
	qsort(list->entry, list->n, sizeof(list->entry[0]), compare);
	for (i = 1; i < list->n; i++) {
		from = &list->entry[i];
		if (compare(to, from)) {
			*++to = *from;
			continue;
		}
		if (from->value.block_until_ns > to->value.block_until_ns) {
			to->value.block_until_ns = from->value.block_until_ns;
			to->value.flags = from->value.flags;
		}
		if (from->value.allow_until_ns > to->value.allow_until_ns)
			to->value.allow_until_ns = from->value.allow_until_ns;
		to->force |= from->force;
	}
	list->n = to + 1 - list->entry;
}

int entries_restore(struct engine *engine)
{
	struct entry_list list = { 0 };
	char why[ROLE_TEXT_BYTES] = "";
	uint64_t lost = 0, unused;
	int err;

	/*
	 * From the first start after the loss on: what the kernel knows and we do not must not be
	 * wiped by a later start either.
	 */
	if (engine->state_is_lost)
		(void)store_counter_put(engine->store, "state_is_lost", 1, 0); /* the next line tells */
	(void)store_counter_get(engine->store, "state_is_lost", &lost, &unused); /* then nothing was */
	err = store_entry_each(engine->store, SEK_A_NONE, NULL, 0, collect, &list);
	if (err)
		snprintf(why, sizeof(why), "the state cannot be read: %s", store_error(engine->store));
	else {
		merge_same(&list);
		err = send_entries(engine, list.entry, list.n, 0, !lost && !engine->state_is_lost,
				   why, sizeof(why));
	}
	if (err)
		log_line(LOG_ERR, "entries: %s", why[0] ? why : strerror(-err));
	free(list.entry);
	return err;
}
