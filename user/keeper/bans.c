// SPDX-License-Identifier: GPL-2.0
/*
 * Bans from the engine into the kernel's map, or out of it: a person's reject, a flush, a restore after a reboot. Each is
 * checked as if an attacker had sent it. One is done at once, many on a worker thread, as entries are.
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

#define BAN_MAX_NS (400ull * 86400 * 1000000000) /* ns: the config's longest ban is 366 days */

/* A request with copies of all that changes on the event loop. */
struct bans_job {
	uv_work_t work;
	struct keeper *keeper;
	uint32_t type, seq, count, life; /* life: of the engine that asked */
	int fd, err;
	struct role_rail rails[SEK_RAILS_MAX];
	unsigned n_rails;
	char text[ROLE_TEXT_BYTES];
};

static bool is_ban_valid(const struct sek_ban *ban, uint64_t now_ns)
{
	return ban->since_ns && ban->since_ns <= now_ns && ban->until_ns >= ban->since_ns &&
	       ban->trial_until_ns >= ban->until_ns &&
	       ban->trial_until_ns - ban->since_ns <= 2 * BAN_MAX_NS &&
	       ban->limit < SEK_LIMITS_MAX;
}

/* A rail is passed by the program whatever is banned; a ban of one alone would be a lie, and a wider one tells a mistake. */
static int put_ban(struct bans_job *job, const struct role_ban *ban, const char **ret_why)
{
	struct role_rail rail;
	int err;

	*ret_why = "the ban is malformed";
	if (!entries_key_is_valid(&ban->key) || ban->pad || !is_ban_valid(&ban->value, keeper_boot_ns()))
		return -EINVAL;
	if (rail_inside(job->rails, job->n_rails, &ban->key, &rail) &&
	    !bpf_ban_map_has(&job->keeper->bans, &ban->key)) {
		*ret_why = rail_text(rail.kind);
		return -EPERM;
	}
	err = bpf_ban_map_put(&job->keeper->bans, &ban->key, &ban->value);
	*ret_why = err == -ENOSPC  ? "the ban map is full"
		   : err == -E2BIG ? "too many different prefix lengths of bans"
				   : strerror(-err);
	return err;
}

static int delete_ban(struct bans_job *job, const struct role_ban *ban, const char **ret_why)
{
	int err = -EINVAL;

	*ret_why = "the ban's key is malformed";
	if (entries_key_is_valid(&ban->key))
		err = bpf_ban_map_delete(&job->keeper->bans, &ban->key);
	if (err && err != -EINVAL)
		*ret_why = strerror(-err);
	return err;
}

/* The text names the first that was refused; the others are done. */
static int do_all(struct bans_job *job, const struct role_ban *bans)
{
	const char *why = NULL, *first = NULL;
	uint32_t i, refused = 0;
	int err, last = 0;

	for (i = 0; i < job->count; i++) {
		err = job->type == ROLE_BAN_SET ? put_ban(job, &bans[i], &why)
						: delete_ban(job, &bans[i], &why);
		if (!err)
			continue;
		if (!refused++)
			first = why;
		last = err;
	}
	if (refused && job->count == 1)
		snprintf(job->text, sizeof(job->text), "%s%s", last == -EPERM ? "it holds " : "", first);
	else if (refused)
		snprintf(job->text, sizeof(job->text), "%u of %u bans refused: %s", refused, job->count,
			 first);
	return last;
}

static int do_many(struct bans_job *job)
{
	size_t bytes, want = (size_t)job->count * sizeof(struct role_ban);
	void *bans;
	int err;

	snprintf(job->text, sizeof(job->text), "the bans do not arrive whole");
	if (!job->count || job->count > ROLE_BANS_MAX || channel_check_sealed(job->fd, &bytes) ||
	    bytes < want)
		return -EBADMSG;
	bans = mmap(NULL, bytes, PROT_READ, MAP_SHARED, job->fd, 0);
	if (bans == MAP_FAILED)
		return -EBADMSG;
	err = do_all(job, bans);
	munmap(bans, bytes);
	return err;
}

static void work(uv_work_t *work)
{
	struct bans_job *job = work->data;

	job->err = do_many(job);
}

static void finish(struct bans_job *job)
{
	struct keeper *keeper = job->keeper;

	if (job->life == keeper->engine_life)
		requests_reply(keeper, job->seq, job->err, job->text);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}

static void done(uv_work_t *work, int status)
{
	struct bans_job *job = work->data;
	struct keeper *keeper = job->keeper;

	keeper->is_putting = false;
	finish(job);
	engine_listen(keeper);
}

void bans_handle(struct keeper *keeper, const struct role_msg *msg, int fd)
{
	struct bans_job *job = calloc(1, sizeof(*job));

	if (!job) {
		requests_reply(keeper, msg->seq, -ENOMEM, NULL);
		if (fd >= 0)
			close(fd);
		return;
	}
	job->keeper = keeper;
	job->type = msg->type;
	job->seq = msg->seq;
	job->life = keeper->engine_life;
	job->fd = fd;
	memcpy(job->rails, keeper->rails, sizeof(job->rails));
	job->n_rails = keeper->n_rails;
	job->work.data = job;
	if (msg->type == ROLE_BAN_SET && (job->err = limiter_need(keeper))) {
		snprintf(job->text, sizeof(job->text), "the kernel has no memory for the map of bans");
		finish(job);
		return;
	}
	if (fd < 0) {
		job->count = 1;
		job->err = do_all(job, &msg->body.ban);
		finish(job);
		return;
	}
	job->count = msg->body.count;
	keeper->is_putting = true;
	engine_listen(keeper);
	uv_queue_work(&keeper->loop, &job->work, work, done);
}
