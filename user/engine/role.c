// SPDX-License-Identifier: GPL-2.0
/* The engine's end of the pair: hello, calls, and what the keeper says unasked. The keeper gone is our end too. */
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/log.h"

static void take_rails(struct engine *engine, const struct role_msg *msg, int fd)
{
	size_t want = msg->body.count * sizeof(struct role_rail);

	engine->n_rails = msg->body.count <= SEK_RAILS_MAX && pread(fd, engine->rails, want, 0) == (ssize_t)want ? msg->body.count : 0;
}

static void take_config(struct engine *engine, int fd, uint32_t epoch)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	struct config_source *sources = NULL;
	struct config *config = NULL;
	size_t bytes, n;
	void *data = MAP_FAILED;

	if (errors && !channel_check_sealed(fd, &bytes))
		data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (data != MAP_FAILED && !config_bundle_unpack(data, bytes, &sources, &n) && !config_parse(sources, n, &config, errors))
		(void)feeds_configure(engine, config, epoch); /* it has said why not */
	else
		log_line(LOG_ERR, "config: the keeper's bundle cannot be read; the old one stays");
	if (errors)
		config_errors_clear(errors);
	free(errors);
	free(sources);
	if (data != MAP_FAILED)
		munmap(data, bytes);
}

static void take_hello(struct engine *engine, const struct role_msg *msg, const int *fds, unsigned n_fds)
{
	if (n_fds < 5)
		return;
	engine->hello = *msg;
	engine->generation = msg->body.hello.generation;
	engine->listener[0] = fds[3];
	engine->listener[1] = fds[4];
	engine->listener[2] = n_fds > 5 ? fds[5] : -1;
	if (bpf_read_open(&engine->read, fds[1], fds[2], msg->body.hello.n_cpus))
		log_line(LOG_ERR, "counters: cannot be mapped: %s", strerror(errno));
	compile_load_classes(engine);
	take_config(engine, fds[0], msg->body.hello.config_epoch);
	close(fds[0]);
}

static void close_all(const int *fds, unsigned n_fds)
{
	unsigned i;

	for (i = 0; i < n_fds; i++)
		close(fds[i]);
}

static void take(struct engine *engine, const struct role_msg *msg, const int *fds, unsigned n_fds)
{
	switch (msg->type) {
	case ROLE_HELLO:
		take_hello(engine, msg, fds, n_fds);
		return;
	case ROLE_CONFIG:
		if (n_fds == 1)
			take_config(engine, fds[0], msg->body.config.config_epoch);
		break;
	case ROLE_RAILS:
		if (n_fds == 1)
			take_rails(engine, msg, fds[0]);
		break;
	case ROLE_IFACES:
		engine->ifaces = *msg;
		break;
	case ROLE_STOP:
		uv_stop(&engine->loop);
		break;
	case ROLE_REPLY:
		if (msg->seq == engine->swap_seq)
			compile_swapped(engine, msg);
		break;
	default:
		break;
	}
	close_all(fds, n_fds);
}

/* A message that came while a call waited for another. */
struct role_late {
	struct role_late *next;
	struct role_msg msg;
	int fds[ROLE_FDS_MAX];
	unsigned n_fds;
};

static void take_late(struct engine *engine)
{
	struct role_late *late;

	while ((late = engine->role_late)) {
		engine->role_late = late->next;
		if (!late->next)
			engine->role_late_end = &engine->role_late;
		take(engine, &late->msg, late->fds, late->n_fds);
		free(late);
	}
}

static void on_idle(uv_idle_t *idle)
{
	take_late(idle->data);
	uv_idle_stop(idle);
}

static void keep_late(struct engine *engine, const struct role_msg *msg, const int *fds, unsigned n_fds)
{
	struct role_late *late = calloc(1, sizeof(*late));

	if (!late) {
		log_line(LOG_ERR, "out of memory, ended; the table in force stays");
		exit(1); /* the keeper starts us again */
	}
	late->msg = *msg;
	memcpy(late->fds, fds, n_fds * sizeof(*fds));
	late->n_fds = n_fds;
	*engine->role_late_end = late;
	engine->role_late_end = &late->next;
	uv_idle_start(&engine->role_idle, on_idle);
}

/* One message; -EAGAIN where none is there. */
static int receive(struct engine *engine, struct role_msg *msg, int *fds, unsigned *ret_n)
{
	const struct role_msg *checked;
	size_t len;
	int err = channel_recv(engine->role_fd, msg, sizeof(*msg), &len, fds, ROLE_FDS_MAX, ret_n);

	if (err == -EAGAIN)
		return err;
	if (err || role_msg_check(msg, len, &checked)) {
		log_line(LOG_NOTICE, "the keeper is gone, so are we");
		exit(0);
	}
	return 0;
}

static void wait_readable(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };

	(void)poll(&one, 1, 1000); /* the caller looks again whatever it says */
}

uint32_t role_send(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds)
{
	int err;

	msg->magic = ROLE_MAGIC;
	msg->n_fds = n_fds;
	msg->seq = ++engine->seq;
	while ((err = channel_send(engine->role_fd, msg, sizeof(*msg), fds, n_fds)) == -EAGAIN)
		usleep(1000);
	if (err)
		exit(0);
	return msg->seq;
}

void role_call(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds, struct role_msg *ret_reply, int *ret_fd)
{
	uint32_t seq = role_send(engine, msg, fds, n_fds);
	struct role_msg answer;
	int got[ROLE_FDS_MAX];
	unsigned n = 0;

	for (;;) {
		if (receive(engine, &answer, got, &n)) {
			wait_readable(engine->role_fd);
			continue;
		}
		if (answer.type == ROLE_REPLY && answer.seq == seq)
			break;
		keep_late(engine, &answer, got, n);
	}
	if (ret_fd && n == 1) {
		*ret_fd = got[0];
		n = 0;
	}
	close_all(got, n);
	*ret_reply = answer;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	int fds[ROLE_FDS_MAX], rounds;
	struct role_msg msg;
	unsigned n;

	take_late(engine); /* first what came first */
	for (rounds = 0; rounds < 64 && !receive(engine, &msg, fds, &n); rounds++)
		take(engine, &msg, fds, n);
}

int role_open(struct engine *engine)
{
	struct role_msg msg;
	int fds[ROLE_FDS_MAX];
	unsigned n;

	engine->role_fd = ROLE_ENGINE_FD;
	engine->role_late_end = &engine->role_late;
	uv_idle_init(&engine->loop, &engine->role_idle);
	engine->role_idle.data = engine;
	uv_poll_init(&engine->loop, &engine->role_poll, engine->role_fd); /* makes it non-blocking */
	engine->role_poll.data = engine;
	uv_poll_start(&engine->role_poll, UV_READABLE, on_readable);
	while (!engine->hello.magic) {
		if (receive(engine, &msg, fds, &n))
			wait_readable(engine->role_fd);
		else
			take(engine, &msg, fds, n);
	}
	return engine->read.cpus && engine->config ? 0 : -EINVAL;
}
