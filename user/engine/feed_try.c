// SPDX-License-Identifier: GPL-2.0
/*
 * The verb feed.try: a URL is fetched by the keeper's sandboxed fetcher; a file comes in pieces
 * from the client, who could read it: the agent opens no path that somebody asked for.
 */
#include "feed_try.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/feed_file.h"
#include "lib/feed_mend.h"
#include "lib/feed_url.h"
#include "sys/channel.h"
#include "sys/file.h"

#define PLACE_BYTES 140 /* of a URL or path before an error, which has room for 512 with it */

struct feed_upload {
	int fd;
	size_t bytes;
};

static unsigned tries;	       /* jobs that live */
static size_t uploading_bytes; /* of all uploads */

void feed_upload_free(struct feed_upload *upload)
{
	if (!upload)
		return;
	uploading_bytes -= upload->bytes;
	close(upload->fd);
	free(upload);
}

json_t *verbs_feed_pairs(struct verbs_request *request, char *room, size_t *ret_len)
{
	const char *key, *text;
	json_t *value;
	size_t len = 0;

	json_object_foreach(json_object_get(request->json, "set"), key, value) {
		text = json_string_value(value);
		if (!text || strchr(key, '\n') || strchr(text, '\n'))
			return verbs_error(1, "every value of \"set\" is one line of text");
		if (len + strlen(key) + strlen(text) + 2 > FEED_FILE_BYTES)
			return verbs_error(1, "the values are longer than %d bytes together", FEED_FILE_BYTES);
		len += sprintf(room + len, "%s=%s\n", key, text);
	}
	room[len] = '\0';
	*ret_len = len;
	return NULL;
}

static struct feed_upload *open_upload(struct verbs_client *client)
{
	if (client->upload)
		return client->upload;
	client->upload = calloc(1, sizeof(*client->upload));
	if (!client->upload)
		return NULL;
	client->upload->fd = memfd_create("feed-try", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (client->upload->fd < 0) {
		free(client->upload);
		client->upload = NULL;
	}
	return client->upload;
}

/* Takes the request's piece of a file. Returns the answer that says why not, or NULL. */
static json_t *take_piece(struct verbs_request *request)
{
	const char *text = verbs_word(request, "data", "");
	size_t len = strlen(text), n = 0;
	struct feed_upload *upload = open_upload(request->client);
	char *piece = malloc(len / 4 * 3 + 1);
	json_t *error = NULL;

	if (!upload || !piece)
		error = verbs_error(1, "out of memory");
	else if (base64_decode(text, len, piece, &n))
		error = verbs_error(1, "a piece of the file is no base64");
	else if (uploading_bytes + n > FEED_TRY_UPLOAD_MAX)
		error = verbs_error(1, "files of more than %u MiB together are not tried: put it behind a URL", FEED_TRY_UPLOAD_MAX >> 20);
	else if (file_write(upload->fd, piece, n))
		error = verbs_error(1, "out of memory");
	free(piece);
	if (error) {
		feed_upload_free(upload);
		request->client->upload = NULL;
		return error;
	}
	upload->bytes += n;
	uploading_bytes += n;
	return NULL;
}

static void free_job(struct feed_try *job)
{
	feed_try_forget(job);
	tries--;
	free(job);
}

static void closed(uv_handle_t *handle)
{
	free_job(handle->data);
}

/* Nobody asks for it any more, or its answer is told. */
static void end(struct feed_try *job)
{
	uv_close((uv_handle_t *)&job->poll, closed);
}

static void be_over(struct feed_try *job, const char *why)
{
	struct engine *engine = job->engine;

	snprintf(job->why, sizeof(job->why), "%s", why);
	job->is_over = true;
	if (job->is_abandoned)
		end(job);
	else
		control_poll_waiting(engine);
}

static void work(uv_work_t *request)
{
	feed_try_measure(request->data);
}

static void worked(uv_work_t *request, int status)
{
	struct feed_try *job = request->data;
	char why[sizeof(job->why)];

	memcpy(why, job->why, sizeof(why));
	be_over(job, why);
}

static void measure(struct feed_try *job)
{
	int err = feed_try_gather(job);

	job->work.data = job;
	if (!err)
		err = uv_queue_work(&job->engine->loop, &job->work, work, worked);
	if (err)
		be_over(job, "out of memory");
}

static void on_result(uv_poll_t *poll, int status, int events)
{
	struct feed_try *job = poll->data;
	struct fetch_result *result = &job->result;
	unsigned n = 0;
	size_t len = 0;
	int err = channel_recv(job->fetch_fd, result, sizeof(*result), &len, &job->list_fd, 1, &n);

	if (err == -EAGAIN)
		return;
	uv_poll_stop(poll);
	result->why[sizeof(result->why) - 1] = '\0';
	if (!n)
		job->list_fd = -1;
	if (err || len != sizeof(*result) || result->magic != FETCH_MAGIC)
		be_over(job, "the fetcher died");
	else if (result->status != FETCH_LIST || job->list_fd < 0)
		be_over(job, result->why[0] ? result->why : "the fetcher gave no reason");
	else if (job->is_abandoned)
		be_over(job, "");
	else
		measure(job);
}

/* Which list, what of it, and what to do. */
static json_t *failed(const struct feed_try *job)
{
	const struct config_feed *feed = &job->config->feeds[0];
	const char *mend = feed_mend(job->why, feed->url);
	char hidden[PLACE_BYTES], place[PLACE_BYTES];

	verbs_shown(feed->url ? feed_url_hide(feed->url, hidden, sizeof(hidden)) : feed->path,
		    place, sizeof(place));
	return verbs_error(1, "%s: %s%s%s", place, job->why, mend ? "; " : "", mend ? mend : "");
}

static json_t *poll_job(struct engine *engine, struct verbs_wait *wait)
{
	struct feed_try *job = wait->job;
	json_t *answer;

	if (!job->is_over)
		return NULL;
	if (!job->why[0])
		feed_try_ask_state(job);
	answer = job->why[0] ? failed(job) : feed_try_answer(job);
	end(job);
	return answer;
}

/*
 * Its fetcher goes on to its end, and so does the job: else its place would be given away while it
 * is taken.
 */
static void abandon_job(struct engine *engine, struct verbs_wait *wait)
{
	struct feed_try *job = wait->job;

	job->is_abandoned = true;
	if (job->is_over)
		end(job);
}

/* Asks the keeper for a fetcher. Errors: the keeper's, with @why. */
static int start_fetch(struct feed_try *job, const char *pairs, size_t len, int file_fd, char *why,
		       size_t why_bytes)
{
	struct role_msg msg = { .type = ROLE_TRY }, reply;
	int fds[2] = { channel_memfd("feed-try", len ? pairs : "\n", len ? len : 1), file_fd };

	if (fds[0] < 0)
		return fds[0];
	role_call(job->engine, &msg, fds, file_fd >= 0 ? 2 : 1, &reply, &job->fetch_fd);
	close(fds[0]);
	if (!reply.err && job->fetch_fd < 0)
		reply.err = -EBADMSG;
	if (reply.err)
		snprintf(why, why_bytes, "%s", reply.err == -EAGAIN ? "other lists are being tried: try again in a minute" : reply.text);
	return reply.err;
}

static json_t *start(struct verbs_request *request, const char *pairs, size_t len, int file_fd)
{
	struct feed_try *job = calloc(1, sizeof(*job));
	char why[ROLE_TEXT_BYTES] = "out of memory";
	int err = job ? 0 : -ENOMEM;

	if (err)
		return verbs_error(1, "%s", why);
	tries++;
	job->engine = request->engine;
	job->fetch_fd = job->list_fd = -1;
	err = feed_file_read("try", pairs, len, &job->config, why, sizeof(why));
	if (!err && (job->config->feeds[0].path != NULL) != (file_fd >= 0)) {
		err = -EINVAL;
		snprintf(why, sizeof(why), "a path goes with the file's content, a url without: `sekisho feed try` sends it");
	}
	if (!err)
		err = start_fetch(job, pairs, len, file_fd, why, sizeof(why));
	if (err) {
		free_job(job);
		return verbs_error(1, "%s", why);
	}
	uv_poll_init(&job->engine->loop, &job->poll, job->fetch_fd);
	job->poll.data = job;
	uv_poll_start(&job->poll, UV_READABLE, on_result);
	request->wait->job = job;
	request->wait->poll = poll_job;
	request->wait->abandon = abandon_job;
	return NULL;
}

/* {"set": {"url": ...}}, or {"set": {"path": ...}, "data": base64} after any number of {"data": base64, "more": true}. */
json_t *verbs_feed_try(struct verbs_request *request)
{
	bool has_data = json_object_get(request->json, "data") != NULL;
	char pairs[FEED_FILE_BYTES + 1];
	json_t *answer = has_data ? take_piece(request) : NULL;
	struct feed_upload *upload = request->client->upload;
	size_t len;

	if (answer || json_is_true(json_object_get(request->json, "more")))
		return answer ? answer : verbs_ok(json_object());
	if (!has_data)
		upload = NULL;
	answer = verbs_feed_pairs(request, pairs, &len);
	if (!answer && tries >= FEED_TRIES_MAX)
		answer = verbs_error(1, "%d lists are being tried already: try again in a minute", FEED_TRIES_MAX);
	if (!answer && upload && (lseek(upload->fd, 0, SEEK_SET) || channel_seal(upload->fd)))
		answer = verbs_error(1, "the file cannot be handed on: %s", strerror(errno));
	if (!answer)
		answer = start(request, pairs, len, upload ? upload->fd : -1);
	feed_upload_free(request->client->upload); /* the fetcher has its own descriptor */
	request->client->upload = NULL;
	return answer;
}
