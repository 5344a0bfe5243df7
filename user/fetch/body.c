// SPDX-License-Identifier: GPL-2.0
/*
 * From bytes as sent to a list file. In: chunks of any size. Out: what the parser made of them.
 * A gzip stream must end, and nothing may follow its end; both sides are counted against the
 * job's limit, so a bomb costs no more than an honest body.
 */
#include "fetch/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/feed_parse.h"

#define INFLATE_BYTES (64u << 10) /* bytes inflated at a time */
#define GZIP_WINDOW (15 + 16)	  /* zlib's way to say: gzip only, largest window */

enum state {
	BODY_START = 0, /* fewer than two bytes seen */
	BODY_PLAIN,
	BODY_GZIP,
	BODY_GZIP_ENDED,
};

struct body {
	const struct fetch_job *job;
	struct feed_parser *parse;
	enum state state;
	z_stream zip;
	bool has_zip;
	bool has_first; /* the first byte that is no white space was seen */
	uint8_t head[2]; /* of the wire, kept until both are there */
	size_t head_len;
	uint64_t wire_bytes;
	uint64_t plain_bytes;
	char why[FETCH_WHY_BYTES];
	uint8_t room[INFLATE_BYTES];
};

struct body *body_new(const struct fetch_job *job)
{
	struct body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->job = job;
	body->parse = feed_parse_new(job->format, job->max_entries);
	if (!body->parse) {
		free(body);
		return NULL;
	}
	return body;
}

void body_free(struct body *body)
{
	if (!body)
		return;
	if (body->has_zip)
		inflateEnd(&body->zip);
	feed_parse_free(body->parse);
	free(body);
}

const char *body_why(const struct body *body)
{
	return body->why;
}

uint64_t body_plain_bytes(const struct body *body)
{
	return body->plain_bytes;
}

uint64_t body_wire_bytes(const struct body *body)
{
	return body->wire_bytes;
}

static int refuse(struct body *body, int err, const char *why)
{
	(void)snprintf(body->why, sizeof(body->why), "%s", why);
	return err;
}

static int refuse_size(struct body *body, const char *what)
{
	unsigned long long max = body->job->max_body_bytes;
	bool is_mib = max >= (1u << 20) && !(max % (1u << 20));

	(void)snprintf(body->why, sizeof(body->why), "more than %llu %s%s", is_mib ? max >> 20 : max,
		       is_mib ? "MiB" : "bytes", what);
	return -EFBIG;
}

/* No list begins with '<', every error page does. */
static bool is_markup(struct body *body, const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len && !body->has_first; i++) {
		if (strchr(" \t\r\n\xef\xbb\xbf", data[i]) && data[i])
			continue;
		body->has_first = true;
		return data[i] == '<';
	}
	return false;
}

static int push_plain(struct body *body, const void *data, size_t len)
{
	int err;

	body->plain_bytes += len;
	if (body->plain_bytes > body->job->max_body_bytes)
		return refuse_size(body, body->state == BODY_PLAIN ? "" : " after inflation");
	if (is_markup(body, data, len))
		return refuse(body, -EBADMSG, "the answer is an HTML page");
	err = feed_parse_push(body->parse, data, len);
	if (err) /* the parser's own words come at its end; here only that it stopped */
		return refuse(body, err, err == -ENOMEM ? "out of memory" : "refused by the parser");
	return 0;
}

static int push_gzip(struct body *body, const void *data, size_t len)
{
	z_stream *zip = &body->zip;

	zip->next_in = (void *)data;
	zip->avail_in = (uInt)len;
	do {
		int got, err;

		if (body->state == BODY_GZIP_ENDED)
			return zip->avail_in ? refuse(body, -EBADMSG, "bytes after the end of the gzip stream") : 0;
		zip->next_out = body->room;
		zip->avail_out = sizeof(body->room);
		got = inflate(zip, Z_NO_FLUSH);
		if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
			return refuse(body, -EBADMSG, "gzip stream damaged");
		if (got == Z_STREAM_END)
			body->state = BODY_GZIP_ENDED;
		err = push_plain(body, body->room, sizeof(body->room) - zip->avail_out);
		if (err)
			return err;
	} while (zip->avail_in || !zip->avail_out);
	return 0;
}

/* Decides by the first two bytes what the body is. */
static int start(struct body *body, bool says_gzip)
{
	bool is_gzip = body->head_len == 2 && body->head[0] == 0x1f && body->head[1] == 0x8b;

	if (says_gzip && !is_gzip)
		return refuse(body, -EBADMSG, "said to be gzip, but is not");
	body->state = is_gzip ? BODY_GZIP : BODY_PLAIN;
	if (!is_gzip)
		return push_plain(body, body->head, body->head_len);
	if (inflateInit2(&body->zip, GZIP_WINDOW) != Z_OK)
		return refuse(body, -ENOMEM, "out of memory");
	body->has_zip = true;
	return push_gzip(body, body->head, body->head_len);
}

int body_push(struct body *body, bool says_gzip, const void *data, size_t len)
{
	const uint8_t *at = data;
	int err;

	body->wire_bytes += len;
	if (body->wire_bytes > body->job->max_body_bytes)
		return refuse_size(body, "");
	while (len && body->head_len < sizeof(body->head)) {
		body->head[body->head_len++] = *at++;
		len--;
	}
	if (body->head_len < sizeof(body->head))
		return 0;
	if (body->state == BODY_START) {
		err = start(body, says_gzip);
		if (err)
			return err;
	}
	if (!len)
		return 0;
	return body->state == BODY_PLAIN ? push_plain(body, at, len) : push_gzip(body, at, len);
}

int body_end(struct body *body, void **ret_file, size_t *ret_len)
{
	const char *why = NULL;
	int err = 0;

	if (body->state == BODY_START)
		err = start(body, false);
	if (err)
		return err;
	if (body->state == BODY_GZIP)
		return refuse(body, -EBADMSG, "gzip stream cut short");
	err = feed_parse_end(body->parse, ret_file, ret_len, &why);
	return err ? refuse(body, err, why ? why : "refused by the parser") : 0;
}
