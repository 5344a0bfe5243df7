// SPDX-License-Identifier: GPL-2.0
/*
 * The control sockets: one JSON object a line in, one out. Who may connect is the file's mode; who
 * it was is asked of the kernel. Everything is bounded: clients, a user's share of them, request,
 * time, and one answer at a time.
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
#include "verbs.h"

#define CLIENTS_MAX 64 /* a socket: those who look cannot keep those out who change */
#define CLIENTS_USER_MAX 32 /* a user's, on one socket */
#define BACKLOG 64
#define REQUEST_MAX_BYTES (1u << 20) /* an import's batch of 1000 with long reasons takes a third */
#define VIEW_REQUEST_MAX_BYTES (1u << 14) /* nobody who looks has more to say */
#define ROOM_BYTES 4096 /* first room for a request */
#define DEADLINE_MS 10000 /* for a whole request from its first byte on, and for taking an answer */

enum state { CALM, READING, ANSWERING, WAITING };

struct client {
	uv_pipe_t pipe;
	uv_timer_t deadline;
	struct engine *engine;
	enum state state;
	bool is_viewer;
	char *request;
	size_t len, capacity;
	uint64_t active_ms; /* when it last said something */
	int to_close;
	struct verbs_client who;
	struct verbs_wait wait; /* in WAITING */
};

struct answer {
	uv_write_t write;
	char *text;
};

static uv_pipe_t listeners[2]; /* control, view */
static struct client *clients[2][CLIENTS_MAX];

static void advance(struct client *client);

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
		if (clients[client->is_viewer][i] == client)
			clients[client->is_viewer][i] = NULL;
	}
	verbs_hang_up(client->engine, &client->who,
		      client->state == WAITING ? &client->wait : NULL);
	client->to_close = 2;
	uv_close((uv_handle_t *)&client->pipe, closed);
	uv_close((uv_handle_t *)&client->deadline, closed);
}

static void deadline_over(uv_timer_t *timer)
{
	drop(timer->data);
}

/* The deadline runs from the change on: a byte now and then does not move it. */
static void set_state(struct client *client, enum state state)
{
	if (client->to_close || (client->state == state && state != ANSWERING))
		return;
	client->state = state;
	if (state == READING || state == ANSWERING)
		uv_timer_start(&client->deadline, deadline_over, DEADLINE_MS, 0);
	else
		uv_timer_stop(&client->deadline);
}

static void written(uv_write_t *write, int status)
{
	struct answer *answer = (struct answer *)write;
	struct client *client = write->handle->data;

	free(answer->text);
	free(answer);
	if (status)
		drop(client);
	if (client->to_close)
		return;
	set_state(client, CALM);
	advance(client);
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
	set_state(client, ANSWERING);
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

	memset(&client->wait, 0, sizeof(client->wait));
	if (!json_is_object(request))
		answer = verbs_error(2, "the request is no JSON object");
	else
		answer = verbs_answer(client->engine, request, &client->who, &client->wait);
	json_decref(request);
	if (answer)
		send_answer(client, answer);
	else
		set_state(client, WAITING);
}

/* The next whole line, one at a time: its answer must be taken before another is looked at. */
static void advance(struct client *client)
{
	char *end;
	size_t line;

	if (client->to_close || client->state == ANSWERING || client->state == WAITING)
		return;
	end = client->len ? memchr(client->request, '\n', client->len) : NULL;
	if (!end) {
		set_state(client, client->len ? READING : CALM);
		return;
	}
	line = end - client->request;
	handle_line(client, client->request, line);
	client->len -= line + 1;
	memmove(client->request, end + 1, client->len);
}

static size_t request_max(const struct client *client)
{
	return client->is_viewer ? VIEW_REQUEST_MAX_BYTES : REQUEST_MAX_BYTES;
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *client = handle->data;
	size_t capacity = client->capacity ? client->capacity : ROOM_BYTES;
	char *more;

	if (client->len == client->capacity)
		capacity = client->capacity ? capacity * 2 : capacity;
	more = capacity <= request_max(client) ? realloc(client->request, capacity) : NULL;
	if (!more) {
		*buffer = uv_buf_init(NULL, 0); /* arrives as UV_ENOBUFS: closed */
		return;
	}
	client->request = more;
	client->capacity = capacity;
	*buffer = uv_buf_init(more + client->len, capacity - client->len);
}

static void have_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
	struct client *client = stream->data;

	if (n < 0) {
		drop(client);
		return;
	}
	client->len += n;
	client->active_ms = uv_now(stream->loop);
	advance(client);
}

static void ask_who(struct client *client)
{
	struct ucred credentials = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(credentials);
	struct passwd *user;
	int fd;

	if (!uv_fileno((uv_handle_t *)&client->pipe, &fd))
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials,
				 &len); /* then nobody: uid -1 */
	client->who.uid = credentials.uid;
	user = getpwuid(credentials.uid);
	if (user)
		snprintf(client->who.user, sizeof(client->who.user), "%s", user->pw_name);
	else
		snprintf(client->who.user, sizeof(client->who.user), "uid %u", credentials.uid);
}

/*
 * Who has to go for a newcomer: the user's own that was silent longest where his share is used up,
 * else anyone's.
 */
static struct client *longest_silent(bool is_viewer, bool is_own, uint32_t uid)
{
	struct client *found = NULL;
	int i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		struct client *one = clients[is_viewer][i];

		if (!one || one->state == WAITING || (is_own && one->who.uid != uid))
			continue;
		if (!found || one->active_ms < found->active_ms)
			found = one;
	}
	return found;
}

/* A free place, made where there is none; -1: all wait for answers. */
static int find_place(const struct client *client)
{
	int i, place = -1, own = 0, used = 0;
	struct client *victim;

	for (i = 0; i < CLIENTS_MAX; i++) {
		used += clients[client->is_viewer][i] != NULL;
		own += clients[client->is_viewer][i] &&
		       clients[client->is_viewer][i]->who.uid == client->who.uid;
	}
	if (used == CLIENTS_MAX || own >= CLIENTS_USER_MAX) {
		victim =
		    longest_silent(client->is_viewer, own >= CLIENTS_USER_MAX, client->who.uid);
		if (!victim)
			return -1;
		drop(victim);
	}
	for (i = 0; i < CLIENTS_MAX && place < 0; i++) {
		if (!clients[client->is_viewer][i])
			place = i;
	}
	return place;
}

static void have_client(uv_stream_t *listener, int status)
{
	struct client *client = status ? NULL : calloc(1, sizeof(*client));
	int place;

	if (!client)
		return;
	client->engine = listener->data;
	client->is_viewer = listener == (uv_stream_t *)&listeners[1];
	client->who.may_change = !client->is_viewer;
	client->active_ms = uv_now(listener->loop);
	uv_pipe_init(listener->loop, &client->pipe, 0);
	uv_timer_init(listener->loop, &client->deadline);
	client->pipe.data = client->deadline.data = client;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe)) {
		drop(client);
		return;
	}
	ask_who(client);
	place = find_place(client);
	if (place < 0) {
		drop(client);
		return;
	}
	clients[client->is_viewer][place] = client;
	uv_read_start((uv_stream_t *)&client->pipe, give_room, have_read);
}

void control_poll_waiting(struct engine *engine)
{
	json_t *answer;
	int i;

	for (i = 0; i < 2 * CLIENTS_MAX; i++) {
		struct client *client = clients[i / CLIENTS_MAX][i % CLIENTS_MAX];

		if (!client || client->state != WAITING)
			continue;
		answer = verbs_poll(engine, &client->who, &client->wait);
		if (answer)
			send_answer(client, answer);
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
			err = uv_listen((uv_stream_t *)&listeners[i], BACKLOG, have_client);
		if (err) {
			log_line(LOG_ERR, "control socket: %s", uv_strerror(err));
			return err;
		}
	}
	return 0;
}
