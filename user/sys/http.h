// SPDX-License-Identifier: GPL-2.0
/*
 * One HTTP(S) GET or POST with every limit set (the only file that knows libcurl). The body goes to
 * a callback as it was sent: nothing is decoded here, because curl takes a gzip stream that was cut
 * in half for a whole one. Names are resolved and connections made elsewhere: it runs where neither
 * can be done.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "lib/connect_msg.h"
#include "lib/fetch_msg.h"

#define HTTP_REDIRECTS_MAX 5
/* bytes, of all answers of one fetch; real ones have under 4 kB */
#define HTTP_HEADER_BYTES_MAX (64u << 10)
#define HTTP_RETRY_AFTER_MAX_S 86400u	     /* a server cannot silence a feed for longer */
#define HTTP_CONNECT_TIMEOUT_S 20L /* after the connection is there: for TLS */
#define HTTP_LOW_SPEED_BYTES_S 100L	     /* below this for HTTP_LOW_SPEED_S it is given up */
#define HTTP_LOW_SPEED_S 20L

enum http_encoding {
	HTTP_IDENTITY = 0,
	HTTP_GZIP,
	HTTP_OTHER_ENCODING,
};

struct http_request {
	const char *url;
	const char *etag;	   /* validators of the last good fetch; empty: none */
	const char *last_modified;
	const char *user_agent;
	const char *ca_file;	   /* empty: the system's trust anchors */
	/*
	 * a header line for the url's own server, not for where it redirects to; or ?NAME=KEY, for
	 * the url's query; empty: none
	 */
	const char *secret;
	uint32_t total_timeout_s;
	/* Gives a connected socket, which is then curl's; or -1 with ret_answer->why. */
	int (*connect)(const struct connect_ask *ask, struct connect_answer *ret_answer);
	uint64_t max_body_bytes;   /* on the wire */
	/*
	 * Bytes of a 200's body, with its encoding; a negative errno ends the fetch with
	 * -ECANCELED.
	 */
	int (*on_body)(void *ctx, enum http_encoding encoding, const void *data, size_t len);
	void *ctx;
	const char *post;	   /* JSON to send; NULL: a GET */
	size_t post_bytes;
	bool no_redirects;	   /* one is an error: it would carry the key elsewhere */
};

struct http_answer {
	uint32_t code; /* of the last answer, 0 none */
	uint32_t retry_after_s;
	enum http_encoding encoding;
	uint64_t wire_bytes; /* of the body */
	/*
	 * a length, chunks or frames tell where the body ends; else the connection's end is all
	 * there is
	 */
	bool has_end;
	char etag[FETCH_ETAG_BYTES];
	char last_modified[FETCH_TIME_BYTES];
	char server[FETCH_SERVER_BYTES]; /* address that answered; empty: none did */
};

/*
 * Fetches @request->url. @answer is filled as far as it came, also on failure, and @why (of
 * @why_bytes) gets one line on failure.
 *
 * Returns 0 for a complete 200, for a 304 to a validator that was sent, and for a 201 to a POST
 * (see answer->code).
 * Errors: -ECANCELED the callback said stop (@why is its own business); -EIO all else.
 * Source: behaviour of libcurl 7.88.1 as measured on broken servers.
 */
int http_get(const struct http_request *request, struct http_answer *answer, char *why,
	     size_t why_bytes);

/*
 * The host that @url leads to, as curl reads it: a name, or an address without brackets; and its
 * port. Errors: -EINVAL none that fits in @host of @host_bytes.
 */
int http_url_place(const char *url, char *host, size_t host_bytes, uint16_t *ret_port);
