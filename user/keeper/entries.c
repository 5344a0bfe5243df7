// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-made entries from the engine into the kernel's map, each checked. One is put at once; many
 * are put on a worker thread, and no request is read meanwhile, so that the event loop never waits
 * for millions of them.
 */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/rail.h"
#include "sys/channel.h"

/* A request with copies of all that changes on the event loop. keeper->entries is the job's while
 * it runs. */
struct entries_job {
	uv_work_t work;
	struct keeper *keeper;
	struct role_msg msg;
	uint32_t life; /* of the engine that asked */
	int fd, err;
	struct role_rail rails[SEK_RAILS_MAX];
	unsigned n_rails;
	char text[ROLE_TEXT_BYTES];
};

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
static int put_entry(struct entries_job *job, const struct role_entry *entry, bool is_restored,
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
	if (value.block_until_ns && !is_forced && !is_restored && rail_is_too_wide(&entry->key, false))
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
static int retain(struct entries_job *job, const struct role_entry *entries, uint32_t count)
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

static int put_one(struct entries_job *job)
{
	const char *why = "";
	int err = put_entry(job, &job->msg.body.entry, false, &why);

	snprintf(job->text, sizeof(job->text), "%s%s%s", err == -EPERM ? "it holds " : "", why,
		 err == -EPERM ? "; --force overrides" : "");
	return err;
}

/* Room for these and, where there is so much, for those that the engine says will follow: a map grows by being copied. */
static int make_room(struct entries_job *job)
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
static int put_all(struct entries_job *job, const struct role_entry *entries)
{
	bool is_whole = job->msg.body.entries.replace;
	uint32_t i, refused = 0, count = job->msg.body.entries.count;
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

static int put_many(struct entries_job *job)
{
	size_t bytes, want = (size_t)job->msg.body.entries.count * sizeof(struct role_entry);
	void *entries = NULL;
	int err;

	snprintf(job->text, sizeof(job->text), "the entries do not arrive whole");
	if (job->fd < 0 || job->msg.body.entries.count > SEK_ENTRIES_MAX ||
	    channel_check_sealed(job->fd, &bytes) || bytes < want)
		return -EBADMSG;
	if (want)
		entries = mmap(NULL, bytes, PROT_READ, MAP_SHARED, job->fd, 0);
	if (entries == MAP_FAILED)
		return -EBADMSG;
	err = put_all(job, entries);
	if (entries)
		munmap(entries, bytes);
	return err;
}

static void work(uv_work_t *work)
{
	struct entries_job *job = work->data;

	job->err = put_many(job);
}

static void finish(struct entries_job *job)
{
	struct keeper *keeper = job->keeper;

	engine_tell_ifaces(keeper); /* how full the entry map is */
	if (job->life == keeper->engine_life)
		requests_reply(keeper, job->msg.seq, job->err, job->text);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}

static void done(uv_work_t *work, int status)
{
	struct entries_job *job = work->data;
	struct keeper *keeper = job->keeper;

	keeper->is_putting = false;
	finish(job);
	engine_listen(keeper);
}

void entries_handle(struct keeper *keeper, const struct role_msg *msg, int fd)
{
	struct entries_job *job = calloc(1, sizeof(*job));

	if (!job) {
		requests_reply(keeper, msg->seq, -ENOMEM, NULL);
		if (fd >= 0)
			close(fd);
		return;
	}
	job->keeper = keeper;
	job->msg = *msg;
	job->life = keeper->engine_life;
	job->fd = fd;
	memcpy(job->rails, keeper->rails, sizeof(job->rails));
	job->n_rails = keeper->n_rails;
	job->work.data = job;
	if (msg->type == ROLE_ENTRY) {
		job->err = put_one(job);
		finish(job);
		return;
	}
	keeper->is_putting = true;
	engine_listen(keeper);
	uv_queue_work(&keeper->loop, &job->work, work, done);
}
