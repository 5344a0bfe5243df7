// SPDX-License-Identifier: GPL-2.0
/*
 * block import - and allow import -: a pipe that may never end. What is there is one batch: a line
 * that comes alone is in force at once, many go in large batches. What is in force is said batch by
 * batch; a bad line is named and the others go on; an agent that is started again gets the batch
 * that it did not answer once more.
 */
#include "import.h"

#include "print.h"

#include "sys/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_ENTRIES 2000 /* the agent reads so many in 10 ms */
#define BATCH_BYTES                                                                                \
	400000 /* of the request, which may have 1 MiB: bounded from above while it is filled */
#define LINE_BYTES 4096
#define BUFFER_BYTES 65536 /* what a pipe holds */
#define RETRY_S 30         /* seconds: an agent's restart and its state's reading */
#define RETRY_PAUSE_US 200000

struct batch {
	json_t *entries;
	size_t bytes;                  /* at the most, as JSON */
	unsigned first, last;          /* lines looked at since the batch before */
	unsigned lines[BATCH_ENTRIES]; /* of the entries */
	json_int_t rejected;           /* of the lines before the batch was sent */
};

struct stream {
	struct import *import;
	int fd;
	bool is_over;     /* the input */
	bool is_synced;   /* the last request was sent: it asks whether all is on disk */
	bool is_skipping; /* the rest of a line that is too long */
	char buffer[BUFFER_BYTES + 1];
	size_t used;
	unsigned line;            /* number of the last one read */
	struct batch batch, sent; /* being filled; waiting for its answer */
	char *text;               /* of the one sent; NULL: none is */
	size_t text_len;
	json_int_t counted; /* rejected lines that were said with a batch */
	time_t gone_s; /* monotonic, when the agent went before it had answered; 0: it is there */
};

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static bool is_full(const struct batch *batch)
{
	return json_array_size(batch->entries) == BATCH_ENTRIES || batch->bytes > BATCH_BYTES;
}

/* The most that @line takes in a request: what is escaped takes six bytes. */
static size_t json_bytes(const char *line, size_t len)
{
	size_t i, bytes = len + 64;

	for (i = 0; i < len; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == '"' || line[i] == '\\')
			bytes += 5;
	}
	return bytes;
}

/* @is_cut: no newline stands behind it. A JSON object tells its own end, words do not: 192.0.2.1
 * may be the half of 192.0.2.155. */
static int take_line(struct stream *stream, char *line, size_t len, bool is_cut)
{
	struct batch *batch = &stream->batch;
	json_t *entry;

	stream->line++;
	if (!batch->first)
		batch->first = stream->line;
	batch->last = stream->line;
	if (len > LINE_BYTES) {
		import_reject(stream->import, stream->line, "over 4096 bytes long");
		return CLI_DONE;
	}
	if (is_cut && line[strspn(line, IMPORT_BLANKS)] != '{' &&
	    line[strspn(line, IMPORT_BLANKS)]) {
		import_reject(
			stream->import, stream->line,
			"the last line has no end, so it may be cut; write a newline behind it");
		return CLI_DONE;
	}
	batch->bytes += json_bytes(line, len);
	entry = import_entry(stream->import, line, len, stream->line);
	if (!entry)
		return CLI_DONE;
	batch->lines[json_array_size(batch->entries)] = stream->line;
	return json_array_append_new(batch->entries, entry) ? cli_fail(CLI_FAILED, "out of memory")
							    : CLI_DONE;
}

/* Whole lines of the buffer, and what stands behind the last one at the input's end, until the
 * batch is full. */
static int take_lines(struct stream *stream)
{
	char *start = stream->buffer, *end = stream->buffer + stream->used, *newline;
	int status = CLI_DONE;
	bool is_cut;

	while (!status && start < end && !is_full(&stream->batch)) {
		newline = memchr(start, '\n', (size_t)(end - start));
		if (!newline && !stream->is_over)
			break;
		is_cut = !newline;
		newline = newline ? newline : end;
		*newline = '\0';
		if (!stream->is_skipping)
			status = take_line(stream, start, (size_t)(newline - start), is_cut);
		stream->is_skipping = false;
		start = newline < end ? newline + 1 : end;
	}
	stream->used = (size_t)(end - start);
	memmove(stream->buffer, start, stream->used);
	if (stream->used == BUFFER_BYTES &&
	    !is_full(&stream->batch)) { /* one line, and still no end */
		if (!stream->is_skipping)
			status = take_line(stream, stream->buffer, stream->used, false);
		stream->is_skipping = true;
		stream->used = 0;
	}
	return status;
}

static int read_more(struct stream *stream)
{
	ssize_t n = read(stream->fd, stream->buffer + stream->used, BUFFER_BYTES - stream->used);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return CLI_DONE;
	if (n < 0)
		return cli_fail(CLI_FAILED, "cannot read line %u: %s", stream->line + 1,
				strerror(errno));
	stream->is_over = n == 0;
	stream->used += (size_t)n;
	return CLI_DONE;
}

/* Gives the batch to an agent that is started again, until one takes it. */
static int send_again(struct stream *stream)
{
	struct cli *cli = stream->import->cli;

	if (!stream->gone_s) {
		stream->gone_s = now_s();
		(void)cli_fail(CLI_NO_AGENT, "the agent at %s is gone; trying again for %d s",
			       cli->socket, RETRY_S);
	}
	while (now_s() - stream->gone_s < RETRY_S) {
		usleep(RETRY_PAUSE_US);
		if (cli->fd >= 0)
			close(cli->fd);
		cli->fd = -1;
		if (!client_connect(cli->socket, &cli->fd) &&
		    !client_send(cli->fd, stream->text, stream->text_len))
			return CLI_DONE;
	}
	return cli_fail(CLI_NO_AGENT,
			"no agent came back; line %u and what follows may not be in force",
			stream->sent.first);
}

static int send_batch(struct stream *stream)
{
	json_t *request = import_request(stream->import, json_incref(stream->batch.entries));
	int status;

	if (!request)
		return CLI_FAILED;
	(void)json_object_set_new(
		request, "stream",
		json_true()); /* without it the agent answers nothing was added: it is seen */
	if (stream->is_synced)
		(void)json_object_set_new(
			request, "sync",
			json_true()); /* without it the agent answers at once, which is no harm */
	stream->text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!stream->text)
		return cli_fail(CLI_FAILED, "out of memory");
	stream->text_len = strlen(stream->text) + 1;
	stream->text[stream->text_len - 1] = '\n'; /* over the NUL: the length is known */
	json_decref(stream->sent.entries);
	stream->sent = stream->batch;
	memset(&stream->batch, 0, sizeof(stream->batch));
	stream->batch.entries = json_array();
	if (!stream->batch.entries)
		return cli_fail(CLI_FAILED, "out of memory");
	status = cli_connect(stream->import->cli);
	if (!status && client_send(stream->import->cli->fd, stream->text, stream->text_len))
		status = send_again(stream);
	return status;
}

/* One line, which is an acknowledgement for who reads along: all up to its last line is done with.
 */
static int say(const struct stream *stream, json_int_t added, json_int_t rejected,
	       json_int_t host_bits)
{
	const struct batch *sent = &stream->sent;

	if (stream->import->cli->json) {
		printf("{\"first\": %u, \"last\": %u, \"added\": %" JSON_INTEGER_FORMAT
		       ", \"rejected\": %" JSON_INTEGER_FORMAT ", ",
		       sent->first, sent->last, added, rejected);
		printf("\"host_bits\": %" JSON_INTEGER_FORMAT "}\n", host_bits);
	} else {
		printf("lines %u to %u: %" JSON_INTEGER_FORMAT " in force, %" JSON_INTEGER_FORMAT
		       " refused\n",
		       sent->first, sent->last, added, rejected);
	}
	return fflush(stdout) ? cli_fail(CLI_FAILED, "cannot write the output") : CLI_DONE;
}

/* Takes @reply, the answer to the last request. */
static int take_end(char *reply, size_t len)
{
	char *why = NULL;
	json_t *data;
	int status = cli_answer(reply, len, &data, &why);

	if (status)
		status = cli_fail(status, "all is in force, but: %s", why ? why : "out of memory");
	else
		json_decref(data);
	free(why);
	free(reply);
	return status;
}

static int take_answer(struct stream *stream)
{
	json_int_t before = stream->import->rejected, added = 0, host_bits = 0, refused;
	size_t n = json_array_size(stream->sent.entries), len;
	char *reply, *why = NULL;
	json_t *data;
	int err = client_receive(stream->import->cli->fd, &reply, &len);

	if (err == -ECONNRESET || err == -EPIPE)
		return send_again(stream);
	if (err)
		return cli_fail(CLI_FAILED, "no answer from the agent: %s", strerror(-err));
	free(stream->text);
	stream->text = NULL;
	stream->gone_s = 0;
	if (stream->is_synced)
		return take_end(reply, len);
	if (!cli_answer(reply, len, &data, &why)) {
		added = json_integer_value(json_object_get(data, "added"));
		host_bits = json_integer_value(json_object_get(data, "host_bits"));
		import_rejected(stream->import, data, stream->sent.lines, n);
		json_decref(data);
	} else {
		(void)cli_fail(CLI_FAILED, "lines %u to %u: %s", stream->sent.first,
			       stream->sent.last, why); /* the next may be taken */
		stream->import->rejected += (json_int_t)n;
	}
	free(why);
	free(reply);
	stream->import->added += added;
	stream->import->host_bits += host_bits;
	refused = stream->import->rejected - before;
	stream->counted += refused; /* with this batch, not with the next */
	return say(stream, added, stream->sent.rejected + refused, host_bits);
}

static bool is_readable(int fd)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};

	return poll(&in, 1, 0) > 0;
}

/* Sends the batch, or after the last one the question whether all is on disk. */
static int send_next(struct stream *stream)
{
	json_int_t rejected = stream->import->rejected;

	stream->is_synced = !json_array_size(stream->batch.entries);
	stream->batch.rejected = rejected - stream->counted;
	stream->counted = rejected;
	return send_batch(stream);
}

/* For an answer, more lines or both. */
static int wait_on(struct stream *stream, bool is_open)
{
	enum { INPUT, AGENT };
	struct pollfd fds[2] = {
		{.fd = is_open ? stream->fd : -1, .events = POLLIN},
		{.fd = stream->text ? stream->import->cli->fd : -1, .events = POLLIN},
	};
	int status = CLI_DONE, n = poll(fds, 2, stream->text ? CLIENT_TIMEOUT_S * 1000 : -1);

	if (!n)
		return cli_fail(CLI_FAILED, "no answer from the agent: %s", strerror(ETIMEDOUT));
	if (n > 0 && fds[AGENT].revents)
		status = take_answer(stream);
	if (!status && n > 0 && fds[INPUT].revents)
		status = read_more(stream);
	return status;
}

static int run(struct stream *stream)
{
	bool is_open, is_last;
	int status;

	for (;;) {
		status = take_lines(stream);
		if (status)
			return status;
		is_open = !stream->is_over && !is_full(&stream->batch);
		is_last = !is_open && !json_array_size(stream->batch.entries);
		if (!stream->text && is_last && (stream->is_synced || !stream->import->added))
			return CLI_DONE;
		if (!stream->text && (!is_open || (json_array_size(stream->batch.entries) &&
						   !is_readable(stream->fd))))
			status = send_next(stream);
		else
			status = wait_on(stream, is_open);
		if (status)
			return status;
	}
}

int import_stream(struct import *import, int fd)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int status = CLI_FAILED;

	if (stream) {
		stream->import = import;
		stream->fd = fd;
		stream->batch.entries = json_array();
	}
	if (stream && stream->batch.entries)
		status = run(stream);
	else
		status = cli_fail(CLI_FAILED, "out of memory");
	if (stream) {
		json_decref(stream->batch.entries);
		json_decref(stream->sent.entries);
		free(stream->text);
		free(stream);
	}
	if (!status && !import->cli->json)
		import_show_added(import);
	if (status || !import->rejected)
		return status;
	return cli_fail(CLI_FAILED, "%" JSON_INTEGER_FORMAT " line%s left out", import->rejected,
			import->rejected == 1 ? " was" : "s were");
}
