// SPDX-License-Identifier: GPL-2.0
/* The metrics server on the loop: it moves to another listener when a reload brings one. */
#include "engine.h"

#include <stdlib.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/metrics_http.h"

#define IDLE_MS 1000

/*
 * A listener's life: libuv wants its handles closed, and later, before their memory is used again.
 */
struct server {
	uv_poll_t poll;
	uv_timer_t idle;
	struct metrics_http *http;
	unsigned n_open; /* handles that libuv has not closed yet */
};

static struct server *current; /* NULL: no port */

static void on_http(uv_poll_t *poll, int status, int events)
{
	metrics_http_run(((struct server *)poll->data)->http);
}

static void on_idle(uv_timer_t *timer)
{
	metrics_http_run(((struct server *)timer->data)->http); /* closes idle connections */
}

static struct server *open_server(struct engine *engine, int listener)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server || metrics_http_open(listener, metrics_text, engine, &server->http)) {
		log_line(LOG_ERR, "metrics: the server cannot be started");
		close(listener);
		free(server);
		return NULL;
	}
	uv_poll_init(&engine->loop, &server->poll, metrics_http_fd(server->http));
	server->poll.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_http);
	uv_timer_init(&engine->loop, &server->idle);
	server->idle.data = server;
	uv_timer_start(&server->idle, on_idle, IDLE_MS, IDLE_MS);
	server->n_open = 2;
	return server;
}

static void on_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (!--server->n_open)
		free(server);
}

static void close_server(struct server *server)
{
	if (!server)
		return;
	uv_close((uv_handle_t *)&server->poll, on_closed);
	uv_close((uv_handle_t *)&server->idle, on_closed);
	metrics_http_close(server->http);
}

void http_listen(struct engine *engine, int listener)
{
	struct server *before = current;

	current = listener >= 0 ? open_server(engine, listener) : NULL;
	close_server(before);
}
