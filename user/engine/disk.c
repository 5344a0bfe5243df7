// SPDX-License-Identifier: GPL-2.0
/*
 * The state's log is put on disk, and written back to the state's file, by worker threads: on the
 * loop everybody would wait for the disk. One of each at a time.
 */
#include "engine.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sys/log.h"

#define WRITE_BACK_PAGES 4000 /* of 4 kB: SQLite's own measure is 1000, on the loop */
/* 128 MB: the log starts again only once all of it is written back and nobody adds to it */
#define FULL_PAGES 32768

static struct {
	uv_work_t work;
	char path[PATH_MAX];
	int err;
	/* pages of the log: when it was begun; that are in the file as well */
	unsigned asked, written;
	bool is_under_way, was_told;
} disk;

static void work(uv_work_t *work)
{
	disk.err = store_checkpoint(disk.path);
}

static void done(uv_work_t *work, int status)
{
	struct engine *engine = work->data;

	disk.is_under_way = false;
	if (!disk.err)
		disk.written = disk.asked;
	if (disk.err && !disk.was_told)
		log_line(LOG_ERR, "state: its log cannot be written back and grows: %s", strerror(-disk.err));
	disk.was_told = disk.err;
	entries_jobs_go_on(engine);
}

static struct {
	uv_work_t work;
	char path[PATH_MAX];
	uint64_t wanted, begun, done; /* numbers of disk_flush() */
	int err;		      /* of the last one done */
} flush;

static void flush_work(uv_work_t *work)
{
	flush.err = store_flush(flush.path);
}

static void flush_begin(struct engine *engine);

static void flush_done(uv_work_t *work, int status)
{
	flush.done = flush.begun;
	if (flush.err)
		log_line(LOG_ERR, "state: what was just answered may not be on disk: %s", strerror(-flush.err));
	flush_begin(work->data);
	control_poll_waiting(work->data);
}

static void flush_begin(struct engine *engine)
{
	if (flush.begun != flush.done || flush.wanted == flush.done)
		return;
	snprintf(flush.path, sizeof(flush.path), "%s", store_path(engine->store));
	flush.work.data = engine;
	flush.begun = flush.wanted;
	if (!uv_queue_work(&engine->loop, &flush.work, flush_work, flush_done))
		return;
	flush_work(&flush.work); /* no thread: then everybody waits */
	flush.done = flush.begun;
}

uint64_t disk_flush(struct engine *engine)
{
	flush.wanted++;
	flush_begin(engine);
	return flush.wanted;
}

bool disk_has_flushed(uint64_t number, int *ret_err)
{
	if (flush.done < number)
		return false;
	*ret_err = flush.err;
	return true;
}

void disk_tick(struct engine *engine)
{
	unsigned pages = store_log_pages(engine->store);

	if (disk.is_under_way)
		return;
	if (pages < disk.written)
		disk.written = 0; /* the log has started again */
	if (pages - disk.written < WRITE_BACK_PAGES)
		return;
	disk.asked = pages;
	snprintf(disk.path, sizeof(disk.path), "%s", store_path(engine->store));
	disk.work.data = engine;
	disk.is_under_way = !uv_queue_work(&engine->loop, &disk.work, work, done);
}

bool disk_is_behind(struct engine *engine)
{
	disk_tick(engine);
	return disk.is_under_way && store_log_pages(engine->store) >= FULL_PAGES;
}
