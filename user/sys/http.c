// SPDX-License-Identifier: GPL-2.0
/*
 * One GET or POST through libcurl. In: a URL and limits. Out: body bytes by callback and what the headers
 * said. It never follows to another scheme, never resolves or connects, never uses a proxy or a password file, and never decodes.
 */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Any host, any port, leads to this address, which none has (RFC 5737): curl then asks no resolver. */
#define PLACEHOLDER "::192.0.2.1:"

enum stop {
	STOP_NONE = 0,
	STOP_STATUS,  /* not a 200: its body is of no interest */
	STOP_SIZE,
	STOP_HEADERS,
	STOP_LENGTHS, /* two that differ: where the body ends is anybody's guess */
	STOP_CALLBACK,
	STOP_REDIRECTS,
};

struct transfer {
	CURL *curl;
	const struct http_request *request;
	struct http_answer *answer;
	size_t header_bytes, other_bytes; /* of all answers; bodies that are no list */
	char length[24]; /* the answer's Content-Length as sent; empty: none yet */
	unsigned hops; /* answers seen: 0 while the feed's own URL is being asked */
	enum stop stop;
	struct connect_ask place;     /* of the URL that is being asked; no host: curl has no connection to ask for */
	struct connect_answer where;  /* the last connection's */
	char scheme[16]; /* of the last Location, empty: relative or none */
	char error[CURL_ERROR_SIZE];
};

/* Copies a header's value if it is printable and fits; half a validator would be a wrong one. */
static void copy_value(char *dst, size_t size, const char *value, size_t len)
{
	size_t i;

	if (len >= size)
		return;
	for (i = 0; i < len; i++)
		if (value[i] < 0x20 || value[i] > 0x7e)
			return;
	memcpy(dst, value, len);
	dst[len] = '\0';
}

static uint32_t parse_retry_after(const char *value)
{
	char *end;
	unsigned long long s = strtoull(value, &end, 10);
	time_t at, now = time(NULL);

	if (value[0] < '0' || value[0] > '9') {
		at = curl_getdate(value, NULL);
		s = at > now ? (unsigned long long)(at - now) : 0;
	}
	return s < HTTP_RETRY_AFTER_MAX_S ? (uint32_t)s : HTTP_RETRY_AFTER_MAX_S;
}

static void note_scheme(struct transfer *t, const char *url)
{
	size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	t->scheme[0] = '\0';
	if (url[n] == ':')
		copy_value(t->scheme, sizeof(t->scheme), url, n);
}

/* A new answer begins: forget what the one before it said. */
static void on_status_line(struct transfer *t)
{
	memset(t->answer, 0, sizeof(*t->answer));
	t->scheme[0] = t->length[0] = '\0';
	t->hops++;
}

/* curl takes the last of several. Source: RFC 9110, 8.6: differing ones are an error. */
static void on_length(struct transfer *t, const char *value)
{
	if (t->length[0] && strcmp(t->length, value))
		t->stop = STOP_LENGTHS;
	t->answer->has_end = true;
	(void)snprintf(t->length, sizeof(t->length), "%.*s", (int)sizeof(t->length) - 1, value); /* what is longer is no length */
}

static void on_field(struct transfer *t, const char *name, const char *value, size_t len)
{
	struct http_answer *answer = t->answer;

	if (!strcasecmp(name, "content-length"))
		on_length(t, value);
	else if (!strcasecmp(name, "transfer-encoding"))
		answer->has_end |= strcasestr(value, "chunked") != NULL;
	else if (!strcasecmp(name, "etag"))
		copy_value(answer->etag, sizeof(answer->etag), value, len);
	else if (!strcasecmp(name, "last-modified"))
		copy_value(answer->last_modified, sizeof(answer->last_modified), value, len);
	else if (!strcasecmp(name, "retry-after"))
		answer->retry_after_s = parse_retry_after(value);
	else if (!strcasecmp(name, "location"))
		note_scheme(t, value);
	else if (!strcasecmp(name, "content-encoding") && len && strcasecmp(value, "identity"))
		answer->encoding = !strcasecmp(value, "gzip") || !strcasecmp(value, "x-gzip") ?
					   HTTP_GZIP : HTTP_OTHER_ENCODING;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * n, bytes = len;
	char line[1024], *value;

	t->header_bytes += bytes;
	if (t->header_bytes > HTTP_HEADER_BYTES_MAX) {
		t->stop = STOP_HEADERS;
		return 0;
	}
	while (len && strchr(" \t\r\n", data[len - 1]))
		len--;
	if (len >= sizeof(line) || memchr(data, 0, len))
		return bytes; /* none of those we read is that long */
	memcpy(line, data, len);
	line[len] = '\0';
	if (!strncmp(line, "HTTP/", 5)) {
		on_status_line(t);
		t->answer->has_end = line[5] >= '2'; /* HTTP/2 ends a stream by a flag */
		return bytes;
	}
	value = strchr(line, ':');
	if (!value)
		return bytes;
	*value++ = '\0';
	value += strspn(value, " \t");
	on_field(t, line, value, strlen(value));
	return t->stop ? 0 : bytes;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * n;
	long code = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
	t->other_bytes += code == 200 ? 0 : len;
	if (code / 100 == 3 && !t->request->no_redirects && t->other_bytes <= HTTP_HEADER_BYTES_MAX)
		return len; /* read to its end, where curl knows where it leads; as much as headers may be */
	if (code != 200 && !(code == 201 && t->request->post)) {
		t->stop = STOP_STATUS;
		return CURL_WRITEFUNC_ERROR;
	}
	t->answer->wire_bytes += len;
	if (t->answer->wire_bytes > t->request->max_body_bytes) {
		t->stop = STOP_SIZE;
		return CURL_WRITEFUNC_ERROR;
	}
	if (t->request->on_body(t->request->ctx, t->answer->encoding, data, len)) {
		t->stop = STOP_CALLBACK;
		return CURL_WRITEFUNC_ERROR;
	}
	return len;
}

int http_url_place(const char *url, char *host, size_t host_bytes, uint16_t *ret_port)
{
	CURLU *parts = curl_url();
	char *name = NULL, *port = NULL;
	int err = -EINVAL;

	if (parts && !curl_url_set(parts, CURLUPART_URL, url, 0) && !curl_url_get(parts, CURLUPART_HOST, &name, CURLU_PUNYCODE) &&
	    !curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		size_t skip = name[0] == '[', len = strcspn(name + skip, "]");

		if (len && len < host_bytes) {
			memcpy(host, name + skip, len);
			host[len] = '\0';
			*ret_port = (uint16_t)strtoul(port, NULL, 10);
			err = 0;
		}
	}
	curl_free(name);
	curl_free(port);
	curl_url_cleanup(parts);
	return err;
}

/*
 * Of curl's address, the placeholder, nothing is taken: what counts is the URL's host. The socket is connected; curl asks for that
 * once more, and the sandbox answers "soon" (sandbox_fetch.c). Not CURL_SOCKOPT_ALREADY_CONNECTED: 7.88 then asks all the same, and
 * waits 200 ms.
 */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = ctx;
	int fd;

	t->place.is_redirect = t->hops > 0;
	if (!t->place.host[0])
		return CURL_SOCKET_BAD;
	fd = t->request->connect(&t->place, &t->where);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static void set_limits(struct transfer *t)
{
	const struct http_request *request = t->request;
	CURL *curl = t->curl;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* by perform(), which knows whom a secret is for */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L); /* t->where is then whom each hop asked */
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, HTTP_CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, HTTP_LOW_SPEED_BYTES_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, HTTP_LOW_SPEED_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)request->total_timeout_s);
	curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_body_bytes);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (request->ca_file[0])
		curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
}

static void set_callbacks(struct transfer *t)
{
	CURL *curl = t->curl;

	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->error);
}

/* Appends "name: value"; frees the list and returns NULL if memory is out. */
static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
	char line[FETCH_SECRET_BYTES + 64];
	struct curl_slist *longer;

	(void)snprintf(line, sizeof(line), "%s: %s", name, value); /* fits: values are at most FETCH_SECRET_BYTES */
	longer = curl_slist_append(list, line);
	explicit_bzero(line, sizeof(line));
	if (!longer)
		curl_slist_free_all(list);
	return longer;
}

static struct curl_slist *make_headers(const struct http_request *request, bool has_secret)
{
	struct curl_slist *longer;

	/* By hand, not CURLOPT_ACCEPT_ENCODING: that would make curl inflate. */
	struct curl_slist *list = add_header(NULL, "Accept-Encoding", request->no_redirects ? "identity" : "gzip");

	if (list && request->etag[0])
		list = add_header(list, "If-None-Match", request->etag);
	if (list && request->last_modified[0])
		list = add_header(list, "If-Modified-Since", request->last_modified);
	if (list && request->post)
		list = add_header(list, "Content-Type", "application/json");
	if (!list || !has_secret || !request->secret[0] || request->secret[0] == '?')
		return list;
	longer = curl_slist_append(list, request->secret);
	if (!longer)
		curl_slist_free_all(list);
	return longer;
}

static bool is_tls_error(CURLcode code)
{
	switch (code) {
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return true;
	default:
		return false;
	}
}

static void say_size(uint64_t bytes, char *why, size_t why_bytes)
{
	if (bytes >= (1u << 20) && !(bytes % (1u << 20)))
		(void)snprintf(why, why_bytes, "more than %llu MiB", (unsigned long long)bytes >> 20);
	else
		(void)snprintf(why, why_bytes, "more than %llu bytes", (unsigned long long)bytes);
}

static void say_cut(struct transfer *t, char *why, size_t why_bytes)
{
	unsigned long long got = t->answer->wire_bytes;
	curl_off_t announced = -1;

	curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	if (announced >= 0)
		(void)snprintf(why, why_bytes, "body cut short: %llu of %lld bytes", got, (long long)announced);
	else
		(void)snprintf(why, why_bytes, "body cut short after %llu bytes", got);
}

/* One line for a transfer that curl gave up, or that we did. */
static void say_failure(struct transfer *t, CURLcode code, char *why, size_t why_bytes)
{
	const char *detail = t->error[0] ? t->error : curl_easy_strerror(code);

	if (t->stop == STOP_HEADERS)
		(void)snprintf(why, why_bytes, "headers of more than %u bytes", HTTP_HEADER_BYTES_MAX);
	else if (t->stop == STOP_LENGTHS)
		(void)snprintf(why, why_bytes, "two Content-Length headers that differ");
	else if (t->stop == STOP_SIZE || code == CURLE_FILESIZE_EXCEEDED)
		say_size(t->request->max_body_bytes, why, why_bytes);
	else if (t->stop == STOP_STATUS)
		(void)snprintf(why, why_bytes, "HTTP %u%s", t->answer->code, t->request->no_redirects && t->answer->code / 100 == 3 ? ": redirect refused" : "");
	else if (code == CURLE_OUT_OF_MEMORY && !t->answer->wire_bytes)
		(void)snprintf(why, why_bytes, "a header line of over 100 kB, or out of memory"); /* curl does not tell them apart */
	else if (code == CURLE_PARTIAL_FILE)
		say_cut(t, why, why_bytes);
	else if (t->stop == STOP_REDIRECTS)
		(void)snprintf(why, why_bytes, "more than %d redirects", HTTP_REDIRECTS_MAX);
	else if (code == CURLE_UNSUPPORTED_PROTOCOL && t->hops && !strcasecmp(t->scheme, "http"))
		(void)snprintf(why, why_bytes, "redirect from https:// to http:// refused");
	else if ((code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) && t->scheme[0] && strncasecmp(t->scheme, "http", 4))
		(void)snprintf(why, why_bytes, "redirect to %s:// refused", t->scheme);
	else if (code == CURLE_URL_MALFORMAT && t->hops)
		(void)snprintf(why, why_bytes, "redirect to what is no URL");
	else if (code == CURLE_COULDNT_CONNECT && t->where.why[0])
		(void)snprintf(why, why_bytes, "%s", t->where.why);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		(void)snprintf(why, why_bytes, "timed out: %s", detail);
	else
		(void)snprintf(why, why_bytes, "%s%s", is_tls_error(code) ? "TLS: " : "", detail);
}

static int judge(struct transfer *t, CURLcode code, char *why, size_t why_bytes)
{
	const struct http_request *request = t->request;
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	memcpy(t->answer->server, t->where.server, sizeof(t->answer->server));
	t->answer->code = (uint32_t)status;
	if (t->stop == STOP_CALLBACK)
		return -ECANCELED;
	if (code != CURLE_OK) {
		say_failure(t, code, why, why_bytes);
		return -EIO;
	}
	if (status == 200 || (status == 201 && request->post) || (status == 304 && (request->etag[0] || request->last_modified[0])))
		return 0;
	(void)snprintf(why, why_bytes, "HTTP %ld%s", status, status == 304 ? " without being asked" : request->no_redirects && status / 100 == 3 ? ": redirect refused" : "");
	return -EIO;
}

/* Do both URLs begin with the same scheme, host and port? */
static bool is_same_origin(const char *a, const char *b)
{
	size_t scheme = strcspn(a, ":") + 3, len = strlen(a) > scheme ? scheme + strcspn(a + scheme, "/?#") : 0;

	return len && !strncasecmp(a, b, len) && strchr("/?#", b[len]); /* its NUL as well */
}

/* Where the answer sends us to, the caller's to free(); NULL: it does not. Once there was TLS, no redirect leads out of it again. */
static char *next_url(struct transfer *t, bool *has_secret)
{
	char *from = NULL, *to = NULL;

	if (t->stop != STOP_NONE && t->stop != STOP_STATUS)
		return NULL;
	if (curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &to) || !to)
		return NULL;
	if (curl_easy_getinfo(t->curl, CURLINFO_EFFECTIVE_URL, &from) || !from || !is_same_origin(from, to))
		*has_secret = false; /* and it does not come back */
	if (from && !strncasecmp(from, "https:", 6))
		curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, "https");
	return strdup(to);
}

/* One URL, and to curl where it leads. */
static CURLcode perform_one(struct transfer *t, const char *url, bool has_secret)
{
	struct curl_slist *headers = make_headers(t->request, has_secret), *leads = curl_slist_append(NULL, PLACEHOLDER);
	uint32_t most_ms = t->request->total_timeout_s < CONNECT_TIMEOUT_MS / 1000 ? t->request->total_timeout_s * 1000 : CONNECT_TIMEOUT_MS;
	CURLcode code = CURLE_OUT_OF_MEMORY;

	t->stop = STOP_NONE;
	t->place = (struct connect_ask){.magic = CONNECT_MAGIC, .timeout_ms = most_ms};
	memset(&t->where, 0, sizeof(t->where));
	if (http_url_place(url, t->place.host, sizeof(t->place.host), &t->place.port))
		t->place.host[0] = '\0'; /* curl says what is wrong with it */
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(t->curl, CURLOPT_CONNECT_TO, leads);
	curl_easy_setopt(t->curl, CURLOPT_URL, url);
	if (headers && leads)
		code = curl_easy_perform(t->curl);
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(t->curl, CURLOPT_CONNECT_TO, NULL);
	curl_slist_free_all(headers);
	curl_slist_free_all(leads);
	return code;
}

/* The URL to begin with, the caller's to free(): with the secret in its query, where it belongs there. */
static char *first_url(struct transfer *t)
{
	const char *url = t->request->url, *secret = t->request->secret, *equals = strchr(secret, '=');
	size_t len = strcspn(url, "#");
	char *key, *whole = NULL;

	if (secret[0] != '?' || !equals)
		return strdup(url);
	key = curl_easy_escape(t->curl, equals + 1, 0);
	if (key && asprintf(&whole, "%.*s%c%.*s=%s", (int)len, url, memchr(url, '?', len) ? '&' : '?', (int)(equals - secret - 1), secret + 1, key) < 0)
		whole = NULL;
	if (key)
		explicit_bzero(key, strlen(key));
	curl_free(key);
	return whole;
}

/* Asks the request's URL and where it redirects to. */
static CURLcode perform(struct transfer *t)
{
	char *url = first_url(t);
	CURLcode code = CURLE_OUT_OF_MEMORY;
	bool has_secret = true;
	unsigned hop;

	for (hop = 0; url; hop++) {
		if (hop > HTTP_REDIRECTS_MAX) {
			t->stop = STOP_REDIRECTS;
			code = CURLE_TOO_MANY_REDIRECTS;
			break;
		}
		code = perform_one(t, url, has_secret);
		free(url);
		url = code != CURLE_OUT_OF_MEMORY && !t->request->no_redirects ? next_url(t, &has_secret) : NULL;
	}
	free(url);
	return code;
}

int http_get(const struct http_request *request, struct http_answer *answer, char *why, size_t why_bytes)
{
	struct transfer t = {.request = request, .answer = answer};
	int err;

	(void)snprintf(why, why_bytes, "out of memory");
	memset(answer, 0, sizeof(*answer));
	t.curl = curl_easy_init();
	if (!t.curl)
		return -EIO;
	set_limits(&t);
	set_callbacks(&t);
	curl_easy_setopt(t.curl, CURLOPT_USERAGENT, request->user_agent);
	if (request->post) {
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDSIZE, (long)request->post_bytes);
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDS, request->post);
	}
	err = judge(&t, perform(&t), why, why_bytes);
	curl_easy_cleanup(t.curl);
	return err;
}
