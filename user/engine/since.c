// SPDX-License-Identifier: GPL-2.0
/* The times of lists on disk and in memory. See since.h. */
#include "since.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "lib/list_since.h"
#include "lists.h"
#include "sys/file.h"
#include "sys/log.h"

struct times {
	void *data; /* NULL: none */
	size_t bytes;
	struct list_since view;
};

static struct row {
	char name[CONFIG_FEED_NAME_BYTES]; /* empty: free */
	struct times times;
	uint64_t tried; /* checksum of the list that it was last made for, well or not */
} rows[SEK_LISTS_MAX];

/* One at a time: lists change a few times an hour. */
static struct job {
	uv_work_t work;
	bool is_under_way, is_void; /* void: its feed is no more */
	const char *state_dir;
	char name[CONFIG_FEED_NAME_BYTES];
	uint32_t now_s; /* what is new in the list is so old */
	struct times times;
	int err;
} job;

static void let_go(struct times *times)
{
	if (times->data)
		munmap(times->data, times->bytes);
	memset(times, 0, sizeof(*times));
}

static void path_of(const char *suffix, char *path)
{
	snprintf(path, LISTS_PATH_BYTES, "%s/lists/%s.%s", job.state_dir, job.name, suffix);
}

static int map_file(int fd, struct times *ret_times)
{
	struct times times = { 0 };
	struct stat st;
	int err;

	if (fstat(fd, &st) || !st.st_size)
		return -EBADMSG;
	times.bytes = st.st_size;
	times.data = mmap(NULL, times.bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (times.data == MAP_FAILED)
		return -errno;
	err = list_since_check(times.data, times.bytes, &times.view);
	if (err) {
		munmap(times.data, times.bytes);
		return err;
	}
	/* advice: read page by page from here on */
	(void)madvise(times.data, times.bytes, MADV_DONTNEED);
	*ret_times = times;
	return 0;
}

/* A damaged file is as good as none: times then begin anew. */
static void load(struct times *ret_times)
{
	char path[LISTS_PATH_BYTES];
	int fd;

	path_of("since", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	(void)map_file(fd, ret_times); /* as above */
	close(fd);
}

static int make(const struct times *before, const struct engine_list *list, struct times *ret_times)
{
	struct times times = { .bytes = list_since_bytes(&list->view) };

	times.data =
		mmap(NULL, times.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (times.data == MAP_FAILED)
		return -errno;
	list_since_make(before->data ? &before->view : NULL, &list->view, job.now_s, times.data);
	/* we have just made it: for its parts */
	(void)list_since_check(times.data, times.bytes, &times.view);
	*ret_times = times;
	return 0;
}

static int write_file(int fd, const struct times *times)
{
	int err = file_write(fd, times->data, times->bytes);

	return err ? err : fsync(fd) ? -errno : 0;
}

/* On disk, and its memory given back. Where the disk is full the memory stays. */
static int store(struct times *times)
{
	char path[LISTS_PATH_BYTES], new_path[LISTS_PATH_BYTES];
	struct times stored;
	int fd, err;

	path_of("since", path);
	path_of("new-since", new_path);
	fd = open(new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_file(fd, times);
	if (!err)
		err = map_file(fd, &stored);
	close(fd);
	if (!err && rename(new_path, path)) {
		err = -errno;
		let_go(&stored);
	}
	if (err) {
		(void)unlink(new_path); /* the old times are still there */
		return err;
	}
	let_go(times);
	*times = stored;
	return 0;
}

static void work(uv_work_t *request)
{
	struct engine_list list = { 0 };
	struct times before = { 0 };
	const char *why;

	job.err = lists_load(job.state_dir, job.name, LISTS_GOOD, &list, &why);
	if (job.err)
		return; /* the list is in memory alone: its disk is full */
	load(&before);
	if (before.data && before.view.head->list_checksum == list.view.head->checksum) {
		job.times = before;
		memset(&before, 0, sizeof(before));
	} else {
		job.err = make(&before, &list, &job.times);
		if (!job.err)
			job.err = store(&job.times);
	}
	let_go(&before);
	lists_unmap(&list);
}

static struct row *row_of(const char *name)
{
	size_t i;

	for (i = 0; i < SEK_LISTS_MAX; i++) {
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	}
	return NULL;
}

static void after_work(uv_work_t *request, int status)
{
	struct row *row = job.is_void ? NULL : row_of(job.name);
	char path[LISTS_PATH_BYTES];

	job.is_under_way = false;
	path_of("since", path);
	if (job.is_void)
		(void)unlink(path); /* nobody reads it */
	else if (job.err)
		log_line(LOG_ERR, "feed %s: since when it holds its addresses cannot be kept: %s", job.name, strerror(-job.err));
	if (row && job.times.data) {
		let_go(&row->times);
		row->times = job.times;
		memset(&job.times, 0, sizeof(job.times));
	}
	let_go(&job.times);
}

void since_forget_gone(struct engine *engine)
{
	size_t i;

	job.is_void |= job.is_under_way && !feeds_find(engine, job.name);
	for (i = 0; i < SEK_LISTS_MAX; i++) {
		if (!rows[i].name[0] || feeds_find(engine, rows[i].name))
			continue;
		let_go(&rows[i].times);
		memset(&rows[i], 0, sizeof(rows[i]));
	}
}

static bool start(struct engine *engine, const struct engine_feed *feed)
{
	struct row *row = row_of(feed->state.name);

	if (!feed->list.data)
		return false;
	if (!row)
		row = row_of("");
	if (!row || row->tried == feed->list.view.head->checksum)
		return false;
	snprintf(row->name, sizeof(row->name), "%s", feed->state.name);
	row->tried = feed->list.view.head->checksum;
	job.state_dir = engine->state_dir;
	job.now_s = feed->state.last_success_s ? feed->state.last_success_s : engine_now_s();
	memcpy(job.name, row->name, sizeof(job.name));
	job.is_void = false;
	job.is_under_way = !uv_queue_work(&engine->loop, &job.work, work, after_work);
	return true;
}

void since_tick(struct engine *engine)
{
	size_t i;

	if (job.is_under_way)
		return;
	for (i = 0; i < engine->n_feeds; i++) {
		if (start(engine, &engine->feeds[i]))
			return;
	}
}

int64_t since_find(const struct engine_feed *feed, const struct prefix *source)
{
	const struct row *row = row_of(feed->state.name);
	uint32_t since_s = row && row->times.data ? list_since_find(&row->times.view, source) : 0;

	return since_s ? since_s : feed->state.last_success_s;
}
