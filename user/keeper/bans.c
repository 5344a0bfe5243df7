// SPDX-License-Identifier: GPL-2.0
/*
 * Bans from the engine into the kernel's map, or out of it: a person's reject, a flush, a restore
 * after a reboot. Each is checked as if an attacker had sent it.
 */
#include "keeper/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/rail.h"

#define BAN_MAX_NS (400ull * 86400 * 1000000000) /* ns: the config's longest ban is 366 days */

static bool is_ban_valid(const struct sek_ban *ban, uint64_t now_ns)
{
	return ban->since_ns && ban->since_ns <= now_ns && ban->until_ns >= ban->since_ns &&
	       ban->trial_until_ns >= ban->until_ns &&
	       ban->trial_until_ns - ban->since_ns <= 2 * BAN_MAX_NS &&
	       ban->limit < SEK_LIMITS_MAX;
}

/*
 * A rail is passed by the program whatever is banned; a ban of one alone would be a lie, and a
 * wider one tells a mistake.
 */
static int put_ban(struct job *job, const struct role_ban *ban, const char **ret_why)
{
	struct role_rail rail;
	int err;

	*ret_why = "the ban is malformed";
	if (!entries_key_is_valid(&ban->key) || ban->pad ||
	    !is_ban_valid(&ban->value, keeper_boot_ns()))
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

static int delete_ban(struct job *job, const struct role_ban *ban, const char **ret_why)
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
static int do_all(struct job *job, const void *rows)
{
	const struct role_ban *bans = rows;
	const char *why = NULL, *first = NULL;
	uint32_t i, refused = 0;
	int err, last = 0;

	for (i = 0; i < job->count; i++) {
		err = job->msg.type == ROLE_BAN_SET ? put_ban(job, &bans[i], &why)
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

void bans_handle(struct keeper *keeper, const struct role_msg *msg, int fd)
{
	static const struct job_kind bans = {
		.run = do_all,
		.row_bytes = sizeof(struct role_ban),
		.least = 1,
		.most = ROLE_BANS_MAX,
		.cut = "the bans do not arrive whole",
	};
	int err = msg->type == ROLE_BAN_SET ? limiter_need(keeper) : 0;

	if (err) {
		requests_reply(keeper, msg->seq, err, "the kernel has no memory for the map of bans");
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd < 0)
		job_start(keeper, &bans, msg, &msg->body.ban, 1, fd);
	else
		job_start(keeper, &bans, msg, NULL, msg->body.count, fd);
}
