// SPDX-License-Identifier: GPL-2.0
/*
 * CrowdSec's local API from a bouncer's side. In: a job with the key, which is sent and never told.
 * Out: records of decisions. Nothing but a whole, sound answer becomes any.
 */
#include "fetch/lapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fetch/connector.h"
#include "lib/decision.h"
#include "sys/channel.h"
#include "sys/http.h"

static void say(struct fetch_result *result, const char *why)
{
	(void)snprintf(result->why, sizeof(result->why), "%s", why);
}

static int take_body(void *ctx, enum http_encoding encoding, const void *data, size_t len)
{
	if (encoding != HTTP_IDENTITY)
		return -EBADMSG; /* ask() says so: it was not asked for */
	return ctx ? decision_parser_push(ctx, data, len) : 0;
}

/* Sends the request; its body goes to @parser, if there is one. */
static int ask(const struct fetch_job *job, struct http_request *request,
	       struct decision_parser *parser, struct fetch_result *result)
{
	struct http_answer answer;
	int err;

	request->url = job->url;
	request->etag = request->last_modified = "";
	request->user_agent = job->user_agent;
	request->ca_file = job->ca_file;
	request->secret = job->secret;
	request->total_timeout_s = job->total_timeout_s;
	request->max_body_bytes = job->max_body_bytes;
	request->connect = connector_ask;
	request->no_redirects = true;
	request->on_body = take_body;
	request->ctx = parser;
	err = http_get(request, &answer, result->why, sizeof(result->why));
	result->http_code = answer.code;
	result->retry_after_s = answer.retry_after_s;
	result->wire_bytes = result->body_bytes = answer.wire_bytes;
	memcpy(result->server, answer.server, sizeof(result->server));
	if (err == -ECANCELED)
		say(result, answer.encoding != HTTP_IDENTITY
				    ? "encoded in a way that was not asked for"
			    : parser ? decision_parser_why(parser)
				     : "");
	else if (err && answer.code == 403)
		say(result, "HTTP 403: the key is not known there; `cscli bouncers add NAME` makes one");
	return err;
}

static int pull(const struct fetch_job *job, struct fetch_result *result)
{
	struct decision_parser *parser =
		decision_parser_new(job->max_entries, job->what == FETCH_DECISIONS_ALL);
	struct http_request request = {0};
	void *data = NULL;
	size_t len = 0;
	int memfd = -1;

	if (!parser) {
		say(result, "out of memory");
		return -1;
	}
	if (!ask(job, &request, parser, result)) {
		if (decision_parser_end(parser, &data, &len))
			say(result, decision_parser_why(parser));
		else
			memfd = channel_memfd("sekisho-decisions", data, len);
		if (data && memfd < 0)
			say(result, "the decisions cannot be handed over");
	}
	free(data);
	decision_parser_free(parser);
	if (memfd >= 0)
		result->status = FETCH_DONE;
	return memfd;
}

static void push(const struct fetch_job *job, struct fetch_result *result)
{
	static char body[FETCH_PUSH_BYTES];
	struct http_request request = {.post = body};
	ssize_t n = 1;

	while (n > 0 && request.post_bytes < sizeof(body)) {
		n = pread(FETCH_FILE_FD, body + request.post_bytes,
			  sizeof(body) - request.post_bytes, (off_t)request.post_bytes);
		if (n > 0)
			request.post_bytes += (size_t)n;
	}
	if (n || !request.post_bytes)
		say(result, "nothing to send, or too much");
	else if (!ask(job, &request, NULL, result))
		result->status = FETCH_DONE;
}

int lapi_work(const struct fetch_job *job, struct fetch_result *result)
{
	if (job->what != FETCH_PUSH)
		return pull(job, result);
	push(job, result);
	return -1;
}
