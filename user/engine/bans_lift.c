// SPDX-License-Identifier: GPL-2.0
/*
 * Bans that are taken away by a person, and put back after a reboot. Only the keeper writes the
 * kernel's map.
 */
#include "bans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/bpf_bans_read.h"
#include "sys/channel.h"
#include "sys/log.h"

/* One, or many in a memfd. */
static int send_bans(struct engine *engine, enum role_type type, const struct role_ban *bans,
		     size_t n, char *why, size_t why_bytes)
{
	struct role_msg msg = { .type = type }, reply;
	int fd = -1;

	if (n == 1) {
		msg.body.ban = bans[0];
	} else {
		msg.body.count = n;
		fd = channel_memfd("bans", bans, n * sizeof(*bans));
		if (fd < 0) {
			snprintf(why, why_bytes, "%s", strerror(-fd));
			return fd;
		}
	}
	role_call(engine, &msg, &fd, fd >= 0, &reply, NULL);
	if (fd >= 0)
		close(fd);
	snprintf(why, why_bytes, "%s",
		 reply.text[0] ? reply.text : strerror(reply.err < 0 ? -reply.err : 0));
	return reply.err;
}

static struct role_ban role_ban_of(const struct store_ban *ban)
{
	return (struct role_ban){ .key = bans_key(&ban->source), .value = ban->ban };
}

void bans_refresh(struct engine *engine, struct store_ban *ban)
{
	struct sek_entry_key key = bans_key(&ban->source);
	struct sek_ban now;

	if (ban->state == STORE_BAN_LIVE &&
	    !bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &key, &now) &&
	    now.random == ban->ban.random)
		ban->ban = now;
}

/* Does the kernel still hold this very ban, or its probation? */
static bool is_there(struct engine *engine, const struct store_ban *ban)
{
	struct sek_entry_key key = bans_key(&ban->source);
	struct sek_ban now;

	return !bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &key, &now) &&
	       now.random == ban->ban.random;
}

static void forget(struct engine *engine, const struct store_ban *ban)
{
	struct sek_entry_key key = bans_key(&ban->source);
	struct bans_row *row = bans_index_find(&engine->bans->index, &key);

	if (!row || row->id != ban->id)
		return;
	engine->bans->index.n_live -= !row->is_over;
	bans_index_delete(&engine->bans->index, row);
}

int bans_lift(struct engine *engine, struct store_ban *ban, enum store_ban_state state,
	      const char *how, char *why, size_t why_bytes)
{
	struct role_ban one;
	int err = 0;

	bans_refresh(engine, ban);
	one = role_ban_of(ban);
	if (is_there(engine, ban))
		err = send_bans(engine, ROLE_BAN_DEL, &one, 1, why, why_bytes);
	if (err)
		return err;
	forget(engine, ban);
	if (ban->state == STORE_BAN_LIVE) {
		ban->state = state;
		ban->ended_s = engine_now_s();
		snprintf(ban->how, sizeof(ban->how), "%s", how);
	}
	engine->bans->want_trim = true;
	err = store_ban_update(engine->store, ban);
	if (err)
		snprintf(why, why_bytes, "the state cannot be written: %s", store_error(engine->store));
	return err;
}

void bans_put_back(struct engine *engine, const struct store_ban *ban)
{
	char ignored[ROLE_TEXT_BYTES];
	struct role_ban one = role_ban_of(ban);

	/* the next scan knows it again; else it is lost, and said so */
	(void)send_bans(engine, ROLE_BAN_SET, &one, 1, ignored, sizeof(ignored));
}

struct some {
	struct store_ban *bans;
	unsigned n, max;
};

static int take_some(void *arg, const struct store_ban *ban)
{
	struct some *some = arg;

	some->bans[some->n++] = *ban;
	return some->n == some->max;
}

static int lift_all(struct engine *engine, struct some *some, const char *how, char *why,
		    size_t why_bytes)
{
	struct role_ban *bans = calloc(some->n, sizeof(*bans));
	int err = bans ? 0 : -ENOMEM;
	unsigned i;

	for (i = 0; i < some->n && !err; i++) {
		bans_refresh(engine, &some->bans[i]);
		bans[i] = role_ban_of(&some->bans[i]);
	}
	if (!err)
		err = send_bans(engine, ROLE_BAN_DEL, bans, some->n, why, why_bytes);
	free(bans);
	if (!err)
		err = store_begin(engine->store);
	for (i = 0; i < some->n && !err; i++) {
		some->bans[i].state = STORE_BAN_LIFTED;
		some->bans[i].ended_s = engine_now_s();
		snprintf(some->bans[i].how, sizeof(some->bans[i].how), "%s", how);
		err = store_ban_update(engine->store, &some->bans[i]);
	}
	if (!err)
		err = store_commit(engine->store);
	if (err)
		store_rollback(engine->store);
	for (i = 0; i < some->n && !err; i++)
		forget(engine, &some->bans[i]);
	engine->bans->want_trim = true;
	return err;
}

int bans_lift_some(struct engine *engine, const char *name, unsigned max, const char *how,
		   char *why, size_t why_bytes)
{
	struct some some = { .bans = calloc(max, sizeof(*some.bans)), .max = max };
	int err = some.bans ? store_ban_live(engine->store, 0, 0, name, take_some, &some) : -ENOMEM;

	if (err >= 0 && some.n)
		err = lift_all(engine, &some, how, why, why_bytes);
	free(some.bans);
	if (err < 0 && !why[0])
		snprintf(why, why_bytes, "the state cannot be written: %s", store_error(engine->store));
	return err < 0 ? err : (int)some.n;
}

struct restore {
	struct engine *engine;
	struct role_ban *bans;
	size_t n, room;
	bool is_new_life; /* of the kernel's maps */
	struct bans_clock clock;
};

static uint64_t boot_ns_of(const struct bans_clock *clock, int64_t unix_s)
{
	int64_t ns = unix_s * 1000000000 - clock->offset_ns;

	/* before this boot: its first moment */
	return unix_s >= INT64_MAX / 2000000000 ? SEK_FOREVER : ns > 0 ? ns : 1;
}

/* The record as the kernel is to have it in this life: its times on this boot's clock. */
static int plan_one(struct restore *restore, const struct store_ban *ban, struct bans_row *row)
{
	struct role_ban *to;

	if (restore->n == restore->room) {
		size_t room = restore->room * 2 + 256;

		to = reallocarray(restore->bans, room, sizeof(*to));
		if (!to)
			return -ENOMEM;
		restore->bans = to;
		restore->room = room;
	}
	to = &restore->bans[restore->n++];
	*to = role_ban_of(ban);
	to->value.since_ns = boot_ns_of(&restore->clock, ban->since_s);
	to->value.until_ns = boot_ns_of(&restore->clock, ban->until_s);
	to->value.trial_until_ns = boot_ns_of(&restore->clock, ban->trial_until_s);
	to->value.last_ns = to->value.last_second = 0;
	row->ban = to->value;
	return 0;
}

static int take_known(void *arg, const struct store_ban *ban)
{
	struct restore *restore = arg;
	struct bans *bans = restore->engine->bans;
	struct sek_entry_key key = bans_key(&ban->source);
	struct bans_row *row = bans_index_put(&bans->index, &key);

	if (!row)
		return -ENOMEM;
	/* a later ban of one source replaces the former */
	bans->index.n_live += (ban->state == STORE_BAN_LIVE) - (row->id && !row->is_over);
	row->id = ban->id;
	row->is_over = ban->state != STORE_BAN_LIVE;
	row->ban = ban->ban;
	return restore->is_new_life ? plan_one(restore, ban, row) : 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sek_entry_key));
}

/*
 * Of two bans of one source the later stays. Rows came by id, and qsort() is no stable sort: by the
 * end instead.
 */
static size_t keep_last(struct role_ban *bans, size_t n)
{
	size_t i, kept = 0;

	qsort(bans, n, sizeof(*bans), compare);
	for (i = 1; i < n; i++) {
		if (compare(&bans[kept], &bans[i]))
			bans[++kept] = bans[i];
		else if (bans[i].value.trial_until_ns > bans[kept].value.trial_until_ns)
			bans[kept] = bans[i];
	}
	return n ? kept + 1 : 0;
}

static void put_back_all(struct engine *engine, struct restore *restore)
{
	char why[ROLE_TEXT_BYTES] = "";
	size_t n = keep_last(restore->bans, restore->n);
	int err = n ? send_bans(engine, ROLE_BAN_SET, restore->bans, n, why, sizeof(why)) : 0;

	if (err)
		log_line(LOG_ERR, "bans: not all of the %zu from before the reboot are in force again: %s", n, why);
	else if (n)
		log_line(LOG_NOTICE, "bans: %zu from before the reboot are in force again for the time they have left", n);
	if (!err)
		/* then once more at the next start */
		(void)store_counter_put(engine->store, "bans_epoch", engine->hello.body.hello.epoch >> 1, 0);
}

/* Those that live in the state though their time is over: they ended while nobody looked. */
static int end_old(void *arg, const struct store_ban *ban)
{
	struct restore *restore = arg;
	struct store_ban over = *ban;

	if (ban->until_s > engine_now_s() || ban->trial_until_s > engine_now_s())
		return 0;
	/* what it dropped while nobody looked, if the kernel still holds it */
	bans_refresh(restore->engine, &over);
	over.state = STORE_BAN_ENDED;
	over.ended_s = ban->until_s;
	return store_ban_update(restore->engine->store, &over);
}

int bans_open(struct engine *engine)
{
	struct restore restore = { .engine = engine, .clock = bans_clock() };
	uint64_t epoch = 0, unused;
	int err;

	engine->bans = calloc(1, sizeof(*engine->bans));
	if (!engine->bans)
		return -ENOMEM;
	err = store_counter_get(engine->store, "bans_epoch", &epoch, &unused);
	/* SQLite's integers have a sign */
	restore.is_new_life = epoch != engine->hello.body.hello.epoch >> 1;
	if (!err)
		err = store_ban_live(engine->store, 0, engine_now_s(), NULL, take_known, &restore);
	engine->bans->are_put_back = restore.n > 0;
	if (!err && restore.is_new_life)
		put_back_all(engine, &restore);
	if (!err && !store_begin(engine->store)) {
		err = store_ban_live(engine->store, 0, 0, NULL, end_old, &restore);
		if (!err)
			err = store_commit(engine->store);
		if (err)
			store_rollback(engine->store);
	}
	free(restore.bans);
	if (err)
		log_line(LOG_ERR, "bans: the state cannot be read: %s; bans in force stay", store_error(engine->store));
	return 0;
}
