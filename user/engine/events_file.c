// SPDX-License-Identifier: GPL-2.0
/* Lines for the file of events: gathered here, written on a worker. See events_file.h. */
#include "events_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.h"
#include "events.h"
#include "sys/log.h"

#define ROOM (1u << 20)	  /* bytes a buffer: some 3500 events; two of them */
#define WRITE_AT (64u << 10) /* bytes: more is not kept for the next tick */
#define CLOSE_WAIT_MS 300 /* the keeper gives all of us two seconds */

static struct file {
	uv_work_t work;
	int fd, next_fd; /* the second: came while a write was under way; -2 none did */
	char *in, *out;	 /* what is gathered; what is being written, from out_at on */
	size_t in_len, out_len, out_at;
	uint64_t lost, lost_untold;
	int err;	 /* of the write */
	bool is_writing, is_failing;
	bool is_done;	 /* set by the worker */
} file = { .fd = -1, .next_fd = -2 };

/*
 * What of a write was cut off goes from the file again, back to whole lines. Returns the bytes that
 * stay.
 */
static size_t cut_back(int fd, const char *data, size_t written, off_t before)
{
	size_t whole = written;

	while (whole && data[whole - 1] != '\n')
		whole--;
	if (whole < written && ftruncate(fd, before + (off_t)whole))
		return written; /* half a line is there: its rest comes next */
	return whole;
}

/* On a worker. Nobody else writes to the file, so its size is where we stand. */
static void write_out(struct file *f)
{
	const char *data = f->out + f->out_at;
	size_t len = f->out_len - f->out_at;
	struct stat st;
	ssize_t n;

	f->err = fstat(f->fd, &st) ? -errno : 0;
	n = f->err ? -1 : write(f->fd, data, len);
	if (n < 0) {
		f->err = f->err ? f->err : -errno;
		return;
	}
	if ((size_t)n < len) {
		/* what a short write to a file means; the next one says it better */
		f->err = -ENOSPC;
		n = cut_back(f->fd, data, n, st.st_size);
	}
	f->out_at += n;
}

static void work(uv_work_t *request)
{
	write_out(&file);
	__atomic_store_n(&file.is_done, true, __ATOMIC_RELEASE);
}

static void say_state(const struct engine *engine)
{
	if (file.err && !file.is_failing)
		log_line(LOG_ERR, "events: %s cannot be written: %s; the last of them wait in memory", engine->config->events_path, strerror(-file.err));
	else if (!file.err && file.is_failing)
		log_line(LOG_NOTICE, "events: %s is written again", engine->config->events_path);
	file.is_failing = file.err != 0;
}

static void gather(const char *text, size_t len)
{
	memcpy(file.in + file.in_len, text, len);
	file.in_len += len;
}

/* What was lost lay behind what is in @out now, and before what comes. */
static void gather_gap(void)
{
	char line[96];

	if (!file.lost_untold)
		return;
	gather(line,
	       (size_t)snprintf(line, sizeof(line),
				"{\"type\":\"lost\",\"time\":%lld,\"count\":%llu}\n",
				(long long)engine_now_s(), (unsigned long long)file.lost_untold));
	file.lost_untold = 0;
}

static void take_next_fd(void)
{
	if (file.next_fd == -2)
		return;
	if (file.fd >= 0)
		close(file.fd);
	file.fd = file.next_fd;
	file.next_fd = -2;
}

/* Is there something in @out to be written? */
static bool fill_out(void)
{
	char *empty = file.out;

	if (file.out_at < file.out_len)
		return true;
	file.out = file.in;
	file.out_len = file.in_len;
	file.out_at = 0;
	file.in = empty;
	file.in_len = 0;
	gather_gap();
	return file.out_len > 0;
}

static void after_work(uv_work_t *request, int status)
{
	struct engine *engine = request->data;

	file.is_writing = false;
	say_state(engine);
	take_next_fd();
}

/* At the first event or file: most configs name none. */
static bool has_room(void)
{
	if (!file.in)
		file.in = malloc(ROOM);
	if (!file.out)
		file.out = malloc(ROOM);
	return file.in && file.out;
}

static void start_write(struct engine *engine)
{
	if (file.is_writing || file.fd < 0 || !has_room() || !fill_out())
		return;
	file.work.data = engine;
	file.is_done = false;
	file.is_writing = !uv_queue_work(&engine->loop, &file.work, work, after_work);
}

void events_file_use(struct engine *engine, int fd)
{
	if (file.next_fd >= 0)
		close(file.next_fd);
	file.next_fd = fd;
	if (!file.is_writing)
		take_next_fd();
}

void events_file_add(struct engine *engine, const struct events_row *row)
{
	json_t *json;
	char *text;
	size_t len;

	if (!engine->config->events_path[0])
		return;
	json = events_json(engine, row);
	text = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	len = text ? strlen(text) : 0;
	if (has_room() && text && file.in_len + len + 1 <= ROOM) {
		gather(text, len);
		gather("\n", 1);
	} else {
		file.lost++;
		file.lost_untold++;
	}
	free(text);
	json_decref(json);
	if (file.in_len >= WRITE_AT && !file.is_failing)
		start_write(engine);
}

void events_file_tick(struct engine *engine)
{
	start_write(engine);
}

void events_file_close(struct engine *engine)
{
	unsigned waited_ms;

	for (waited_ms = 0; file.is_writing && !__atomic_load_n(&file.is_done, __ATOMIC_ACQUIRE) &&
			    waited_ms < CLOSE_WAIT_MS;
	     waited_ms++)
		usleep(1000);
	if (file.is_writing && !file.is_done)
		return; /* the disk hangs: what waits is lost with us */
	file.is_writing = false;
	take_next_fd();
	while (file.fd >= 0 && has_room() && fill_out()) {
		write_out(&file);
		if (file.err)
			break;
	}
}

uint64_t events_file_lost(void)
{
	return file.lost;
}
