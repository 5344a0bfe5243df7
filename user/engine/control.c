// SPDX-License-Identifier: GPL-2.0
/*
 * The control sockets: one JSON object a line in, one out. Who may connect is the file's mode; who it was is asked of
 * the kernel. Everything is bounded: clients, request, idle time.
 */
#include "engine.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/log.h"

#define CLIENTS_MAX 64
#define REQUEST_MAX_BYTES (1u << 20)
#define IDLE_MS 10000 /* a half request, or an answer nobody reads, for longer: closed */

struct client {
	uv_pipe_t pipe;
	uv_timer_t idle;
	struct engine *engine;
	char *request;
	size_t len;
	bool may_change, is_waiting;
	char waits_for[CONFIG_FEED_NAME_BYTES]; /* is_waiting: the feed; empty: every feed */
	int to_close;
	uint32_t uid;
	char user[STORE_USER_BYTES];
};

struct answer {
	uv_write_t write;
	char *text;
};

static uv_pipe_t listeners[2];
static struct client *clients[CLIENTS_MAX];

static void closed(uv_handle_t *handle)
{
	struct client *client = handle->data;

	if (--client->to_close == 0) {
		free(client->request);
		free(client);
	}
}

static void drop(struct client *client)
{
	int i;

	if (client->to_close)
		return;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i] == client)
			clients[i] = NULL;
	}
	client->to_close = 2;
	uv_close((uv_handle_t *)&client->pipe, closed);
	uv_close((uv_handle_t *)&client->idle, closed);
}

static void idle_over(uv_timer_t *timer)
{
	drop(timer->data);
}

static void written(uv_write_t *write, int status)
{
	struct answer *answer = (struct answer *)write;
	struct client *client = write->handle->data;

	free(answer->text);
	free(answer);
	if (!client->to_close)
		uv_timer_stop(&client->idle);
	if (status)
		drop(client);
}

static void send_answer(struct client *client, json_t *json)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	uv_buf_t buffers[2];

	if (answer)
		answer->text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!answer || !answer->text) {
		free(answer);
		drop(client);
		return;
	}
	buffers[0] = uv_buf_init(answer->text, strlen(answer->text));
	buffers[1] = uv_buf_init("\n", 1);
	uv_timer_start(&client->idle, idle_over, IDLE_MS, 0);
	if (uv_write(&answer->write, (uv_stream_t *)&client->pipe, buffers, 2, written)) {
		free(answer->text);
		free(answer);
		drop(client);
	}
}

static void handle_line(struct client *client, const char *line, size_t len)
{
	json_error_t error;
	json_t *request = json_loadb(line, len, 0, &error), *answer;
	const char *name = json_string_value(json_object_get(request, "name"));

	if (!json_is_object(request))
		answer = verbs_error(2, "the request is no JSON object");
	else
		answer = verbs_answer(client->engine, request, client->may_change, client->uid, client->user);
	client->is_waiting = answer == NULL;
	snprintf(client->waits_for, sizeof(client->waits_for), "%s", answer ? "" : name ? name : "");
	json_decref(request);
	if (answer)
		send_answer(client, answer);
	else
		uv_timer_stop(&client->idle);
}

static void handle_lines(struct client *client)
{
	char *end;

	while (!client->to_close && !client->is_waiting && (end = memchr(client->request, '\n', client->len))) {
		size_t line = end - client->request;

		handle_line(client, client->request, line);
		client->len -= line + 1;
		memmove(client->request, end + 1, client->len);
	}
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *client = handle->data;
	char *more = realloc(client->request, client->len + 65536);

	if (!more || client->len >= REQUEST_MAX_BYTES) {
		if (more)
			client->request = more;
		*buffer = uv_buf_init(NULL, 0); /* arrives as UV_ENOBUFS: closed */
		return;
	}
	client->request = more;
	*buffer = uv_buf_init(more + client->len, 65536);
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct client *client = stream->data;

	if (n < 0) {
		drop(client);
		return;
	}
	client->len += n;
	uv_timer_start(&client->idle, idle_over, IDLE_MS, 0);
	handle_lines(client);
	if (!client->len && !client->to_close && !client->is_waiting && !uv_stream_get_write_queue_size(stream))
		uv_timer_stop(&client->idle);
}

static void ask_who(struct client *client)
{
	struct ucred credentials = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(credentials);
	struct passwd *user;
	int fd;

	if (!uv_fileno((uv_handle_t *)&client->pipe, &fd))
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len); /* then nobody: uid -1 */
	client->uid = credentials.uid;
	user = getpwuid(credentials.uid);
	if (user)
		snprintf(client->user, sizeof(client->user), "%s", user->pw_name);
	else
		snprintf(client->user, sizeof(client->user), "uid %u", credentials.uid);
}

static void have_client(uv_stream_t *listener, int status)
{
	struct client *client = status ? NULL : calloc(1, sizeof(*client));
	int i;

	if (!client)
		return;
	client->engine = listener->data;
	client->may_change = listener == (uv_stream_t *)&listeners[0];
	uv_pipe_init(listener->loop, &client->pipe, 0);
	uv_timer_init(listener->loop, &client->idle);
	client->pipe.data = client->idle.data = client;
	for (i = 0; i < CLIENTS_MAX && clients[i]; i++)
		;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) || i == CLIENTS_MAX) {
		drop(client);
		return;
	}
	clients[i] = client;
	ask_who(client);
	uv_read_start((uv_stream_t *)&client->pipe, give_room, have_read);
}

void control_updates_done(struct engine *engine)
{
	int i;

	if (engine->is_compiling)
		return;
	for (i = 0; i < CLIENTS_MAX; i++) {
		if (!clients[i] || !clients[i]->is_waiting || feeds_are_busy(engine, clients[i]->waits_for[0] ? clients[i]->waits_for : NULL))
			continue;
		clients[i]->is_waiting = false;
		send_answer(clients[i], verbs_ok(json_object()));
		handle_lines(clients[i]);
	}
}

int control_open(struct engine *engine)
{
	int i, err;

	for (i = 0; i < 2; i++) {
		uv_pipe_init(&engine->loop, &listeners[i], 0);
		listeners[i].data = engine;
		err = uv_pipe_open(&listeners[i], engine->listener[i]);
		if (!err)
			err = uv_listen((uv_stream_t *)&listeners[i], CLIENTS_MAX, have_client);
		if (err) {
			log_line(LOG_ERR, "control socket: %s", uv_strerror(err));
			return err;
		}
	}
	return 0;
}
