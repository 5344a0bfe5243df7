// SPDX-License-Identifier: GPL-2.0
/*
 * libmicrohttpd in the caller's event loop: its epoll descriptor is polled, no thread of its own.
 */
#include "metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 32 /* scrapers and people: a few */
#define IDLE_S 10
#define ROUNDS_MAX 64 /* in one go; what is left comes with the next tick */

struct metrics_http {
	struct MHD_Daemon *daemon;
	metrics_http_fn answer;
	void *context;
};

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned code, const char *type,
				 char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, text, mode);
	enum MHD_Result result;

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_bytes, void **state)
{
	struct metrics_http *server = cls;
	const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT),
		   *type;
	unsigned code = MHD_HTTP_OK;
	char *text = NULL;
	size_t len;

	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "use GET\n",
				 8, MHD_RESPMEM_PERSISTENT);
	if (server->answer(server->context, url, accept, &code, &type, &text, &len))
		return send_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "text/plain",
				 "out of memory\n", 14, MHD_RESPMEM_PERSISTENT);
	return send_text(connection, code, type, text, len, MHD_RESPMEM_MUST_FREE);
}

int metrics_http_open(int listener, metrics_http_fn answer, void *context,
		      struct metrics_http **ret_server)
{
	struct metrics_http *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->answer = answer;
	server->context = context;
	server->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, server, MHD_OPTION_LISTEN_SOCKET,
			     listener, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
			     MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_END);
	if (!server->daemon) {
		free(server);
		return -EIO;
	}
	*ret_server = server;
	return 0;
}

int metrics_http_fd(const struct metrics_http *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void metrics_http_run(struct metrics_http *server)
{
	MHD_UNSIGNED_LONG_LONG left_ms;
	int rounds;

	/*
	 * Its epoll is edge-triggered: data that one round left unread makes nothing readable
	 * again.
	 */
	for (rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		MHD_run(server->daemon);
		if (MHD_get_timeout(server->daemon, &left_ms) != MHD_YES || left_ms)
			return;
	}
}

void metrics_http_close(struct metrics_http *server)
{
	if (!server)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}
