// SPDX-License-Identifier: GPL-2.0
/*
 * Rows from the engine, each job's own code checks them: this file sees that they arrive whole, and
 * where the work is done.
 */
#include "keeper/job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/channel.h"

static int do_many(struct job *job)
{
	size_t bytes, want = job->count * job->kind->row_bytes;
	void *rows = NULL;
	int err;

	snprintf(job->text, sizeof(job->text), "%s", job->kind->cut);
	if (job->fd < 0 || job->count < job->kind->least || job->count > job->kind->most ||
	    channel_check_sealed(job->fd, &bytes) || bytes < want)
		return -EBADMSG;
	if (want)
		rows = mmap(NULL, bytes, PROT_READ, MAP_SHARED, job->fd, 0);
	if (rows == MAP_FAILED)
		return -EBADMSG;
	err = job->kind->run(job, rows);
	if (rows)
		munmap(rows, bytes);
	return err;
}

static void work(uv_work_t *work)
{
	struct job *job = work->data;

	job->err = do_many(job);
}

static void finish(struct job *job)
{
	struct keeper *keeper = job->keeper;

	if (job->kind->after)
		job->kind->after(keeper);
	if (job->life == keeper->engine_life)
		requests_reply(keeper, job->msg.seq, job->err, job->text);
	if (job->fd >= 0)
		close(job->fd);
	free(job);
}

static void done(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct keeper *keeper = job->keeper;

	keeper->is_putting = false;
	finish(job);
	engine_listen(keeper);
}

void job_start(struct keeper *keeper, const struct job_kind *kind, const struct role_msg *msg,
	       const void *one, uint32_t count, int fd)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		requests_reply(keeper, msg->seq, -ENOMEM, NULL);
		if (fd >= 0)
			close(fd);
		return;
	}
	job->keeper = keeper;
	job->kind = kind;
	job->msg = *msg;
	job->count = one ? 1 : count;
	job->life = keeper->engine_life;
	job->fd = fd;
	memcpy(job->rails, keeper->rails, sizeof(job->rails));
	job->n_rails = keeper->n_rails;
	job->work.data = job;
	if (one) {
		job->err = kind->run(job, one);
		finish(job);
		return;
	}
	keeper->is_putting = true;
	engine_listen(keeper);
	uv_queue_work(&keeper->loop, &job->work, work, done);
}
