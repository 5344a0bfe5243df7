// SPDX-License-Identifier: GPL-2.0
/*
 * From bytes as sent to a list file. In: chunks of any size. Out: what the parser made of them.
 * Both sides of a compressed body are counted against the job's limit, so a bomb costs no more than
 * an honest body.
 */
#include "fetch/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/unpack.h"
#include "fetch/unzip.h"
#include "lib/feed_parse.h"

struct body {
	const struct fetch_job *job;
	struct feed_parser *parse;
	struct unpack *unpack; /* NULL: the body is plain */
	bool has_started, says_gzip, doubts_end;
	bool has_first; /* the first byte that is no white space was seen */
	uint8_t head[UNPACK_HEAD_BYTES]; /* of the wire, kept until all are there */
	size_t head_len;
	uint64_t wire_bytes;
	uint64_t plain_bytes;
	char why[FETCH_WHY_BYTES];
};

struct body *body_new(const struct fetch_job *job)
{
	struct body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->job = job;
	body->parse = feed_parse_new(job->format, job->max_entries, &job->options);
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
	unpack_free(body->unpack);
	feed_parse_free(body->parse);
	free(body);
}

const char *body_why(const struct body *body)
{
	return body->why;
}

uint32_t body_format(const struct body *body)
{
	return feed_parse_format(body->parse);
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
	const char *why;
	void *file;
	size_t file_len;
	int err;

	body->plain_bytes += len;
	if (body->plain_bytes > body->job->max_body_bytes)
		return refuse_size(body, body->unpack ? " after inflation" : "");
	if (is_markup(body, data, len))
		return refuse(body, -EBADMSG, "the answer is an HTML page");
	err = feed_parse_push(body->parse, data, len);
	if (err) {
		err = feed_parse_end(body->parse, &file, &file_len, &why); /* only says why */
		return refuse(body, err, why);
	}
	return 0;
}

static int take_unpacked(void *ctx, const void *data, size_t len)
{
	return len ? push_plain(ctx, data, len) : 0;
}

static int push_packed(struct body *body, const void *data, size_t len)
{
	const char *why = NULL;
	int err = unpack_push(body->unpack, data, len, &why);

	return err && why ? refuse(body, err, why) : err;
}

/* Decides by the first bytes what the body is. */
static int start(struct body *body, bool says_gzip)
{
	enum unpack_kind kind = unpack_kind_of(body->head, body->head_len);
	const char *why_not = unpack_why_not(body->head, body->head_len);

	if (says_gzip && kind != UNPACK_GZIP)
		return refuse(body, -EBADMSG, "said to be gzip, but is not");
	if (why_not)
		return refuse(body, -EBADMSG, why_not);
	body->has_started = true;
	if (kind == UNPACK_NONE)
		return push_plain(body, body->head, body->head_len);
	body->unpack =
		unpack_new(kind, body->job->format == FETCH_MAXMIND ? unzip_pick_maxmind : NULL,
			   take_unpacked, body);
	if (!body->unpack)
		return refuse(body, -ENOMEM, "out of memory");
	return push_packed(body, body->head, body->head_len);
}

int body_push(struct body *body, bool says_gzip, const void *data, size_t len)
{
	const uint8_t *at = data;
	int err;

	body->wire_bytes += len;
	if (body->wire_bytes > body->job->max_body_bytes)
		return refuse_size(body, "");
	body->says_gzip |= says_gzip;
	while (len && body->head_len < sizeof(body->head)) {
		body->head[body->head_len++] = *at++;
		len--;
	}
	if (body->head_len < sizeof(body->head))
		return 0;
	if (!body->has_started) {
		err = start(body, body->says_gzip);
		if (err)
			return err;
	}
	if (!len)
		return 0;
	return body->unpack ? push_packed(body, at, len) : push_plain(body, at, len);
}

void body_doubt_end(struct body *body)
{
	body->doubts_end = true;
}

int body_end(struct body *body, void **ret_file, size_t *ret_len)
{
	const char *why = NULL;
	int err = 0;

	if (!body->has_started)
		err = start(body, body->says_gzip);
	if (err)
		return err;
	err = body->unpack ? unpack_end(body->unpack, &why) : 0;
	if (err)
		return refuse(body, err, why);
	if (body->doubts_end && !body->unpack) /* a packed one has its own end */
		feed_parse_doubt_end(body->parse);
	err = feed_parse_end(body->parse, ret_file, ret_len, &why);
	return err ? refuse(body, err, why ? why : "refused by the parser") : 0;
}
