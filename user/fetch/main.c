// SPDX-License-Identifier: GPL-2.0
/*
 * sekisho-fetch: one job from descriptor 3, one list fetched and parsed (or CrowdSec asked or
 * told), one result back, exit. In: struct fetch_job. Out: struct fetch_result and a sealed memfd.
 * Everything a stranger sends is read in here, after the sandbox has closed, over connections that
 * another process makes; a file is opened before, by whom it is read: what this user may not see,
 * no feed shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fetch/body.h"
#include "fetch/confine.h"
#include "fetch/connector.h"
#include "fetch/file_source.h"
#include "fetch/lapi.h"
#include "lib/fetch_msg.h"
#include "sys/channel.h"
#include "sys/http.h"
#include "sys/secret.h"

#define TIMEOUT_MAX_S 86400u

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

/* A header made of @text must stay one header. */
static bool is_one_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static int receive_job(struct fetch_job *job)
{
	size_t len;
	int err = channel_recv(FETCH_CHANNEL_FD, job, sizeof(*job), &len, NULL, 0, NULL);

	if (err)
		return err;
	if (len != sizeof(*job) || job->magic != FETCH_MAGIC || job->format >= FETCH_FORMAT_MAX ||
	    job->is_file > FETCH_LISTED || job->may_be_private > 1 || !job->max_entries ||
	    !job->max_body_bytes || !job->total_timeout_s || job->total_timeout_s > TIMEOUT_MAX_S ||
	    job->what >= FETCH_WHAT_MAX || (job->is_file && job->what != FETCH_FEED))
		return -EBADMSG;
	if (!is_text(job->name, sizeof(job->name)) || !is_text(job->url, sizeof(job->url)) ||
	    !is_text(job->etag, sizeof(job->etag)) ||
	    !is_text(job->last_modified, sizeof(job->last_modified)) ||
	    !is_text(job->user_agent, sizeof(job->user_agent)) ||
	    !is_text(job->secret, sizeof(job->secret)) ||
	    !is_text(job->ca_file, sizeof(job->ca_file)) || job->has_key > 1 ||
	    !is_text(job->key_file, sizeof(job->key_file)) ||
	    !is_text(job->options.column_name, sizeof(job->options.column_name)) ||
	    !is_text(job->options.select, sizeof(job->options.select)) ||
	    job->options.column > FEED_COLUMN_MAX)
		return -EBADMSG;
	if (!is_one_line(job->url) || !is_one_line(job->etag) || !is_one_line(job->last_modified) ||
	    !is_one_line(job->user_agent) || !is_one_line(job->secret))
		return -EBADMSG;
	return 0;
}

/* Puts the key behind what stands before it; @why gets a line where there is none. */
static int add_key(struct fetch_job *job, char *why, size_t why_bytes)
{
	char key[SECRET_BYTES], reason[128];
	size_t len = strlen(job->secret);
	int err;

	if (!job->has_key)
		return 0;
	err = secret_take(job->what == FETCH_PUSH ? FETCH_FILE_FD + 1 : FETCH_FILE_FD, key, reason,
			  sizeof(reason));
	if (err)
		(void)snprintf(why, why_bytes, "key-file %s: %s", job->key_file, reason);
	else if (len + strlen(key) >= sizeof(job->secret))
		err = -EMSGSIZE;
	else
		memcpy(job->secret + len, key, strlen(key) + 1);
	explicit_bzero(key, sizeof(key));
	return err;
}

/* Leaves the channel, stderr and, where the job has one, the file. */
static int close_inherited(bool has_file)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	if (dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return -errno;
	return syscall(SYS_close_range, has_file ? FETCH_FILE_FD + 1 : FETCH_CHANNEL_FD + 1, ~0u, 0)
		       ? -errno
		       : 0;
}

static int on_body(void *ctx, enum http_encoding encoding, const void *data, size_t len)
{
	if (encoding == HTTP_OTHER_ENCODING)
		return -EBADMSG; /* fetch_url() says so: the body never saw it */
	return body_push(ctx, encoding == HTTP_GZIP, data, len);
}

static int fetch_url(const struct fetch_job *job, struct body *body, struct fetch_result *result)
{
	const struct http_request request = {
		.url = job->url, .etag = job->etag, .last_modified = job->last_modified,
		.user_agent = job->user_agent, .ca_file = job->ca_file, .secret = job->secret,
		.total_timeout_s = job->total_timeout_s, .connect = connector_ask,
		.max_body_bytes = job->max_body_bytes, .on_body = on_body, .ctx = body,
	};
	struct http_answer answer;
	int err = http_get(&request, &answer, result->why, sizeof(result->why));

	result->http_code = answer.code;
	result->retry_after_s = answer.retry_after_s;
	result->wire_bytes = answer.wire_bytes;
	if (err == -ECANCELED)
		(void)snprintf(result->why, sizeof(result->why), "%s",
			       answer.encoding == HTTP_OTHER_ENCODING
				       ? "encoded in a way that was not asked for"
				       : body_why(body));
	if (err)
		return err;
	if (!answer.has_end)
		body_doubt_end(body);
	memcpy(result->etag, answer.etag, sizeof(result->etag));
	memcpy(result->last_modified, answer.last_modified, sizeof(result->last_modified));
	memcpy(result->server, answer.server, sizeof(result->server));
	return 0;
}

/*
 * Fetches and parses; @return the sealed memfd of the list, or -1 with result->status saying what
 * there is instead.
 */
static int work(const struct fetch_job *job, struct body *body, struct fetch_result *result)
{
	void *file = NULL;
	size_t len = 0;
	int memfd, err;

	err = job->is_file ? file_source_read(FETCH_FILE_FD, body, result->why, sizeof(result->why))
			   : fetch_url(job, body, result);
	if (job->is_file)
		result->wire_bytes = body_wire_bytes(body);
	if (!err && result->http_code == 304) {
		result->status = FETCH_UNCHANGED;
		return -1;
	}
	if (!err) {
		err = body_end(body, &file, &len);
		if (err)
			(void)snprintf(result->why, sizeof(result->why), "%s", body_why(body));
	}
	result->body_bytes = body_plain_bytes(body);
	result->format = body_format(body);
	if (err)
		return -1;
	memfd = channel_memfd("sekisho-list", file, len);
	free(file);
	if (memfd < 0) {
		(void)snprintf(result->why, sizeof(result->why), "cannot hand over the list: %s", strerror(-memfd));
		return -1;
	}
	result->status = FETCH_LIST;
	return memfd;
}

/* What goes to a log is one line of printable ASCII, whatever a server put in. */
static void clean_why(struct fetch_result *result)
{
	char *c;

	if (result->status != FETCH_FAILED)
		result->why[0] = '\0';
	for (c = result->why; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
}

static int run_feed(const struct fetch_job *job, struct fetch_result *result)
{
	struct body *body = body_new(job);
	int memfd = -1;

	if (body)
		memfd = work(job, body, result);
	else
		(void)snprintf(result->why, sizeof(result->why), "out of memory");
	body_free(body);
	return memfd;
}

/* @open_err: of the job's file, 0 where there is none; @no_key: why there is no key, else empty. */
static int run(const struct fetch_job *job, int open_err, const char *no_key)
{
	struct fetch_result result = {
		.magic = FETCH_MAGIC, .status = FETCH_FAILED, .format = job->format};
	uint64_t start_ms = now_ms();
	int memfd = -1, err;

	if (no_key[0])
		(void)snprintf(result.why, sizeof(result.why), "%s", no_key);
	else if (open_err)
		file_source_why(open_err, result.why, sizeof(result.why));
	else
		memfd = job->what == FETCH_FEED ? run_feed(job, &result) : lapi_work(job, &result);
	clean_why(&result);
	result.duration_ms = (uint32_t)(now_ms() - start_ms);
	err = channel_send(FETCH_CHANNEL_FD, &result, sizeof(result), &memfd, memfd < 0 ? 0 : 1);
	if (memfd >= 0)
		(void)close(memfd); /* the message holds it now */
	return err;
}

/* Before anything else is opened: the lowest free descriptor would be FETCH_FILE_FD. */
static bool opens_file(const struct fetch_job *job)
{
	return job->is_file == FETCH_PATH ||
	       (job->is_file == FETCH_LISTED && fcntl(FETCH_FILE_FD, F_GETFD) < 0);
}

int main(int argc, char **argv)
{
	static struct fetch_job job;
	char no_key[FETCH_WHY_BYTES] = "";
	const char *step = "job";
	int err, open_err = 0;

	if (argc > 1) {
		fprintf(stderr, "%s: is started by sekishod, with its job on descriptor 3\n", argv[0]);
		return 2;
	}
	err = receive_job(&job);
	if (!err)
		err = add_key(&job, no_key, sizeof(no_key));
	if (!err || no_key[0]) {
		step = "descriptors";
		open_err = opens_file(&job) ? file_source_open(job.url) : 0;
		err = close_inherited(job.is_file || job.what == FETCH_PUSH);
	}
	if (!err) {
		step = "sandbox";
		err = confine(&job);
	}
	if (!err) {
		step = "result";
		err = run(&job, open_err, no_key);
	}
	if (err)
		fprintf(stderr, "<3>fetch: %s: %s\n", step, strerror(-err));
	return err ? 1 : 0;
}
