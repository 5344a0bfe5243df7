// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-made entries from the engine into the kernel's map, each checked as if an attacker had sent
 * it.
 */
#include "keeper/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rail.h"

bool entries_key_is_valid(const struct sek_entry_key *key)
{
	unsigned max = key->family == 4 ? 32 : 128, bit;

	if ((key->family != 4 && key->family != 6) || key->len < 1 || key->len > max ||
	    key->pad[0] || key->pad[1])
		return false;
	for (bit = key->len; bit < 128; bit++) {
		if (key->addr_be[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	}
	return true;
}

/*
 * Puts one entry in force unless it is malformed or new and would cut off a protected address. What
 * is in force already, or restored from the state, came before its rail: the rail holds in the
 * program then, unless forced.
 */
static int put_entry(struct job *job, const struct role_entry *entry, bool is_restored,
		     const char **ret_why)
{
	bool is_forced =
	    entry->force && !(entry->value.flags & SEK_E_BAN); /* a limit is no person */
	struct sek_entry value = entry->value;
	struct role_rail rail;
	int err;

	*ret_why = "the entry is malformed";
	if (!entries_key_is_valid(&entry->key) || value.flags & ~SEK_E_BAN || value.pad)
		return -EINVAL;
	*ret_why = "no block entry is wider than a /3 (IPv6: /7), not even with --force";
	if (value.block_until_ns && rail_is_too_wide(&entry->key, true))
		return -EINVAL;
	if (value.block_until_ns && !is_forced && !is_restored &&
	    rail_inside(job->rails, job->n_rails, &entry->key, &rail) &&
	    !bpf_entries_has(&job->keeper->entries, &entry->key)) {
		*ret_why = rail_text(rail.kind);
		return -EPERM;
	}
	*ret_why = "more than the addresses of a /8 (IPv6: /16)";
	if (value.block_until_ns && !is_forced && !is_restored &&
	    rail_is_too_wide(&entry->key, false))
		return -EPERM;
	if (value.block_until_ns && is_forced)
		value.flags |= SEK_E_FORCED;
	err = bpf_entries_put(&job->keeper->entries, &entry->key, &value);
	*ret_why = err == -ENOSPC  ? "the entry map is full"
		   : err == -E2BIG ? "too many different prefix lengths in use"
				   : strerror(-err);
	return err;
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sek_entry_key));
}

/* What is in the kernel and not in the whole set goes, after the new ones are in. */
static int retain(struct job *job, const struct role_entry *entries, uint32_t count)
{
	struct sek_entry_key *keys = calloc(count + 1, sizeof(*keys));
	uint32_t i;
	int err;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		keys[i] = entries[i].key;
	qsort(keys, count, sizeof(*keys), compare_keys);
	err = bpf_entries_retain(&job->keeper->entries, keys, count);
	free(keys);
	return err;
}

static int put_one(struct job *job, const struct role_entry *entry)
{
	const char *why = "";
	int err = put_entry(job, entry, false, &why);

	snprintf(job->text, sizeof(job->text), "%s%s%s", err == -EPERM ? "it holds " : "", why,
		 err == -EPERM ? "; --force overrides" : "");
	return err;
}

/*
 * Room for these and, where there is so much, for those that the engine says will follow: a map
 * grows by being copied.
 */
static int make_room(struct job *job)
{
	uint64_t need = job->msg.body.entries.count, wish;

	if (!job->msg.body.entries.replace)
		need += job->keeper->entries.used;
	wish = need + job->msg.body.entries.to_come;
	if (wish > SEK_ENTRIES_MAX)
		wish = need > SEK_ENTRIES_MAX ? need : SEK_ENTRIES_MAX;
	return bpf_entries_reserve(&job->keeper->entries, wish);
}

/* The text names the first refused entry; the others are in force. */
static int put_all(struct job *job, const struct role_entry *entries)
{
	bool is_whole = job->msg.body.entries.replace;
	uint32_t i, refused = 0, count = job->count;
	const char *why = NULL, *first = NULL;
	int err, last = 0;

	err = make_room(job);
	if (err) {
		snprintf(job->text, sizeof(job->text), "the entry map is full at %u entries",
			 SEK_ENTRIES_MAX);
		return err;
	}
	for (i = 0; i < count; i++) {
		err = put_entry(job, &entries[i], is_whole, &why);
		if (err && !refused++)
			first = why;
		if (err)
			last = err;
	}
	if (refused)
		snprintf(job->text, sizeof(job->text), "%u of %u entries refused: %s", refused,
			 count, first);
	err = is_whole ? retain(job, entries, count) : 0;
	if (err && !refused)
		snprintf(job->text, sizeof(job->text), "old entries cannot be deleted: %s",
			 strerror(-err));
	return refused ? last : err;
}

static int put(struct job *job, const void *rows)
{
	return job->msg.type == ROLE_ENTRY ? put_one(job, rows) : put_all(job, rows);
}

void entries_handle(struct keeper *keeper, const struct role_msg *msg, int fd)
{
	static const struct job_kind entries = {
		.run = put, .after = engine_tell_ifaces, /* how full the entry map is */
		.row_bytes = sizeof(struct role_entry), .most = SEK_ENTRIES_MAX, .cut = "the entries do not arrive whole",
	};

	if (msg->type == ROLE_ENTRY)
		job_start(keeper, &entries, msg, &msg->body.entry, 1, fd);
	else
		job_start(keeper, &entries, msg, NULL, msg->body.entries.count, fd);
}
