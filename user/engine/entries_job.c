// SPDX-License-Identifier: GPL-2.0
/*
 * Many entries at once: an import, a flush, what expired, CrowdSec's decisions. One slice a turn of
 * the loop, each a transaction of its own, in the order they were asked for; requests are answered
 * between slices. A worker thread puts them on disk at the end.
 */
#include "bans.h"
#include "entries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sys/log.h"
#include "verbs.h"

#define SLICE ENTRIES_SLICE_MAX
/* fewer take no less time: the keeper's answer and the disk are what is waited for */
#define SLICE_MIN 100
/* of the processor's time that one may take: what others wait; the next is cut to it */
#define SLICE_NS 8000000

static struct entries_job *first, **end = &first;
static uv_idle_t turn;
static bool is_expiring;
static size_t slice = 100; /* entries in the next one */

void entries_job_free(struct entries_job *job)
{
	if (job->free_memory)
		job->free_memory(job->memory);
	free(job);
}

void entries_job_abandon(struct entries_job *job)
{
	job->is_abandoned = true;
	if (job->is_done)
		entries_job_free(job);
}

/* In force first, then on disk, or neither. */
static int finish_slice(struct engine *engine, struct entries_job *job,
			const struct prefix *prefixes, size_t n, int err)
{
	char ignored[ROLE_TEXT_BYTES];

	if (!err)
		err = entries_apply_many(engine, prefixes, n,
					 job->what == ENTRIES_IMPORT ? job->n_rows - job->at - n
								     : 0,
					 job->why, sizeof(job->why));
	if (err == -EPERM && job->what != ENTRIES_IMPORT)
		/* what is left of a prefix is protected meanwhile: that must not keep the row */
		err = 0;
	if (!err) {
		err = store_commit(engine->store);
		if (!err)
			return 0;
	}
	if (!job->why[0])
		snprintf(job->why, sizeof(job->why), "the state cannot be written: %s", store_error(engine->store));
	store_rollback(engine->store);
	/* back to what the state says */
	(void)entries_apply_many(engine, prefixes, n, 0, ignored, sizeof(ignored));
	return err;
}

static int import_slice(struct engine *engine, struct entries_job *job)
{
	struct store_entry row = {
		.kind = job->kind, .since_s = engine_now_s(), .is_forced = job->is_forced};
	struct prefix prefixes[SLICE];
	size_t n = 0;
	int err = store_begin_lazy(engine->store);

	snprintf(row.by_user, sizeof(row.by_user), "%s", job->by_user);
	for (; !err && n < slice && job->at + n < job->n_rows; n++) {
		const struct entries_row *from = &job->rows[job->at + n];

		row.prefix = prefixes[n] = from->prefix;
		row.expires_s = from->expires_s;
		snprintf(row.origin, sizeof(row.origin), "%s", from->origin);
		snprintf(row.reason, sizeof(row.reason), "%s", from->reason);
		err = store_entry_put(engine->store, &row);
	}
	err = finish_slice(engine, job, prefixes, n, err);
	if (err)
		return err;
	job->at += n;
	job->count += n;
	return job->at < job->n_rows;
}

struct gone {
	struct prefix prefix[SLICE];
	int64_t id[SLICE];
	size_t n;
};

static int note_gone(void *arg, const struct store_entry *row)
{
	struct gone *gone = arg;

	if (gone->n == slice)
		return 1;
	gone->prefix[gone->n] = row->prefix;
	gone->id[gone->n++] = row->id;
	return 0;
}

/*
 * A flush of limit:NAME takes its live bans, too: those of the state, then those that the kernel
 * holds and nobody told of.
 */
static int lift_slice(struct engine *engine, struct entries_job *job)
{
	char how[STORE_REASON_BYTES];
	int n, err = 0;

	if (job->what != ENTRIES_FLUSH || job->kind != SEK_A_BLOCK || !verbs_ban_limit(job->origin))
		return 0;
	snprintf(how, sizeof(how), "flushed by %s", job->by_user);
	n = bans_lift_some(engine, verbs_ban_limit(job->origin), slice, how, job->why,
			   sizeof(job->why));
	if (n > 0)
		job->count += n;
	if (n)
		return n < 0 ? n : 1;
	if (!job->scan) {
		job->scan = bans_scan_want(engine);
		return 1;
	}
	if (bans_scan_is_over(job->scan, &err) && err)
		snprintf(job->why, sizeof(job->why), "not all of the kernel's bans can be read and recorded: %s", strerror(-err));
	return err;
}

static int delete_slice(struct engine *engine, struct entries_job *job)
{
	struct gone gone = { .n = 0 };
	size_t i;
	int err, more;

	if (job->what == ENTRIES_FLUSH)
		more = store_entry_each(engine->store, job->kind, job->origin, 0, note_gone, &gone);
	else
		more = store_entry_expired(engine->store, engine_now_s(), note_gone, &gone);
	if (more < 0 || !gone.n)
		return more < 0 ? more : lift_slice(engine, job);
	err = store_begin_lazy(engine->store);
	for (i = 0; i < gone.n && !err; i++)
		err = store_entry_delete_id(engine->store, gone.id[i]);
	err = finish_slice(engine, job, gone.prefix, gone.n, err);
	if (err)
		return err;
	job->count += gone.n;
	/* bans are next */
	return more || (job->what == ENTRIES_FLUSH && verbs_ban_limit(job->origin));
}

static void flush(uv_work_t *work)
{
	struct entries_job *job = work->data;
	int err = store_flush(job->path);

	if (!err || job->err)
		return;
	job->err = err;
	snprintf(job->why, sizeof(job->why), "the state cannot be put on disk: %s", strerror(-err));
}

static void end_job(struct engine *engine, struct entries_job *job)
{
	int err = job->err;

	job->is_done = true;
	if (err && !job->why[0])
		snprintf(job->why, sizeof(job->why), "%s", strerror(-err));
	if (job->what == ENTRIES_EXPIRE) {
		is_expiring = false;
		if (err)
			log_line(LOG_ERR, "entries: what expired stays listed: %s", job->why);
	}
	if (job->done)
		job->done(engine, job);
	else if (job->is_abandoned)
		entries_job_free(job);
	else
		control_poll_waiting(engine);
}

static void flushed(uv_work_t *work, int status)
{
	struct entries_job *job = work->data;

	end_job(job->engine, job);
}

static void finish(struct engine *engine, struct entries_job *job, int err)
{
	first = job->next;
	if (!first)
		end = &first;
	job->err = err;
	job->engine = engine;
	job->path = store_path(engine->store);
	job->work.data = job;
	if (job->count && job->is_lazy) {
		disk_flush(engine);
		end_job(engine, job);
		return;
	}
	if (job->count && !uv_queue_work(&engine->loop, &job->work, flush, flushed))
		return;
	if (job->count)
		flush(&job->work); /* no thread: then everybody waits */
	end_job(engine, job);
}

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void take_turn(uv_idle_t *idle)
{
	struct engine *engine = idle->data;
	struct entries_job *job = first;
	uint64_t begin_ns = thread_ns(), took_ns;
	int more, unused;

	if (!job || disk_is_behind(engine) ||
	    (job->scan && !bans_scan_is_over(job->scan, &unused))) {
		uv_idle_stop(idle);
		return;
	}
	if (job->what == ENTRIES_STEPS)
		more = job->step(engine, job, slice);
	else
		more = job->what == ENTRIES_IMPORT ? import_slice(engine, job)
						   : delete_slice(engine, job);
	took_ns = thread_ns() - begin_ns;
	slice = slice * SLICE_NS / (took_ns + 1);
	slice = slice > SLICE ? SLICE : slice < SLICE_MIN ? SLICE_MIN : slice;
	if (more <= 0)
		finish(engine, job, more);
}

void entries_jobs_go_on(struct engine *engine)
{
	if (first)
		uv_idle_start(&turn, take_turn);
}

void entries_job_start(struct engine *engine, struct entries_job *job)
{
	if (!turn.data) {
		uv_idle_init(&engine->loop, &turn);
		turn.data = engine;
	}
	job->next = NULL;
	*end = job;
	end = &job->next;
	uv_idle_start(&turn, take_turn);
}

static int is_any(void *arg, const struct store_entry *row)
{
	return 1;
}

void entries_expire(struct engine *engine)
{
	struct entries_job *job;

	if (is_expiring || store_entry_expired(engine->store, engine_now_s(), is_any, NULL) != 1)
		return;
	job = calloc(1, sizeof(*job));
	if (!job)
		return; /* in a second again; they have ended in the kernel by themselves */
	job->what = ENTRIES_EXPIRE;
	job->is_abandoned = is_expiring = true;
	entries_job_start(engine, job);
}
