// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes on the control socket, in any pieces: each line gets one answer, in order, and an
 * object alone reaches the verbs. They are a stand-in here: what they take apart (prefixes,
 * numbers, names) has targets and tables of its own.
 */
/* link: engine/control.c sys/log.c -luv */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/verbs.h"
#include "told.h"

#define TURNS_MAX 100000 /* of the loop for one input */
#define PIECES_MAX 64    /* of one input: each is three system calls and more */

static struct engine engine;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static socklen_t address_len = sizeof(address);
static unsigned n_open;

json_t *verbs_answer(struct engine *asked, json_t *json, struct verbs_client *client,
		     struct verbs_wait *ret_wait)
{
	if (!json_is_object(json) || asked != &engine || !client->may_change || ret_wait->poll)
		abort();
	return json_pack("{s:b,s:O}", "ok", 1, "data", json);
}

json_t *verbs_poll(struct engine *asked, const struct verbs_client *client, struct verbs_wait *wait)
{
	abort(); /* nothing waits here */
}

void verbs_hang_up(struct engine *asked, struct verbs_client *client, struct verbs_wait *wait)
{
	n_open--;
}

json_t *verbs_error(int code, const char *format, ...)
{
	return json_pack("{s:b,s:i}", "ok", 0, "code", code);
}

static int listen_somewhere(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)) ||
	    listen(fd, 8))
		abort();
	return fd;
}

static void open_once(void)
{
	if (engine.loop.data)
		return;
	uv_loop_init(&engine.loop);
	engine.loop.data = &engine;
	engine.listener[1] = listen_somewhere();
	engine.listener[0] =
	    listen_somewhere(); /* bound without a name, the kernel gives one each */
	if (getsockname(engine.listener[0], (struct sockaddr *)&address, &address_len) ||
	    control_open(&engine))
		abort();
}

/* Is @answer, a line, what @line asked for? Tells @told whether it was an object. */
static bool is_answer(const char *answer, size_t answer_len, const char *line, size_t len,
		      FILE *told)
{
	json_t *request = json_loadb(line, len, 0, NULL),
	       *got = json_loadb(answer, answer_len, 0, NULL);
	bool is_right = got && (json_is_object(request)
				    ? json_equal(json_object_get(got, "data"), request)
				    : json_integer_value(json_object_get(got, "code")) == 2);

	if (told)
		fprintf(told, "object %d\n", json_object_get(got, "data") != NULL);
	json_decref(request);
	json_decref(got);
	return is_right;
}

/* Writes @data in pieces of @piece bytes and reads answers until as many are there as lines. */
static char *talk(int fd, const char *data, size_t size, size_t piece, unsigned n_lines,
		  size_t *ret_len)
{
	static char *answers; /* kept: a new one each time was much of the time */
	static size_t room;
	size_t len = 0, sent = 0;
	unsigned turns, n = 0;
	ssize_t got;

	if (room < 256 * (size + 1)) { /* an escaped byte takes six, an error's answer 30 */
		room = 256 * (size + 1);
		answers = realloc(answers, room);
		if (!answers)
			abort();
	}
	for (turns = 0; turns < TURNS_MAX && (n < n_lines || sent < size); turns++) {
		got = send(fd, data + sent, piece < size - sent ? piece : size - sent,
			   MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += got > 0 ? got : 0;
		uv_run(&engine.loop, UV_RUN_NOWAIT);
		got = recv(fd, answers + len, room - len, MSG_DONTWAIT);
		for (; got > 0; got--)
			n += answers[len++] == '\n';
	}
	if (n != n_lines || (len && answers[len - 1] != '\n'))
		abort();
	*ret_len = len;
	return answers;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *data = (const char *)bytes + 1, *line, *end, *answer, *stop;
	unsigned n_lines = 0, turns;
	FILE *told = told_begin(size);
	size_t len, i, piece;
	char *answers;
	int fd;

	if (!size)
		return 0;
	piece = bytes[0] + 1u;
	open_once();
	for (i = 0; i + 1 < size; i++)
		n_lines += data[i] == '\n';
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, address_len))
		abort();
	n_open++;
	if (piece < size / PIECES_MAX + 1)
		piece = size / PIECES_MAX + 1;
	answers = talk(fd, data, size - 1, piece, n_lines, &len);
	for (line = data, answer = answers; n_lines; n_lines--, line = end + 1, answer = stop + 1) {
		end = memchr(line, '\n', data + size - 1 - line);
		stop = memchr(answer, '\n', answers + len - answer);
		if (!is_answer(answer, stop - answer, line, end - line, told))
			abort();
	}
	close(fd);
	for (turns = 0; turns < TURNS_MAX && n_open; turns++)
		uv_run(&engine.loop, UV_RUN_NOWAIT);
	if (n_open)
		abort(); /* a client that is gone is still held */
	return 0;
}
