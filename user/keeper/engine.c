// SPDX-License-Identifier: GPL-2.0
/* The engine's life as the keeper sees it: started with its descriptors, heard, and started again
 * when it dies. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/backoff.h"
#include "sys/bpf_limiter.h"
#include "sys/channel.h"
#include "sys/log.h"
#include "sys/spawn.h"

#define HEAR_ROUNDS 64 /* requests a turn of the loop: timers and signals come in between */

static void on_event(uv_poll_t *poll, int status, int events);

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

/* A handle a life: libuv wants it closed, and later, before its memory is used again. */
static void forget_engine(struct keeper *keeper)
{
	if (keeper->engine_poll)
		uv_close((uv_handle_t *)keeper->engine_poll, free_handle);
	if (keeper->engine_fd >= 0)
		close(keeper->engine_fd);
	outbox_clear(&keeper->outbox);
	keeper->engine_poll = NULL;
	keeper->engine_fd = -1;
}

/* SIGCHLD starts it again. */
static void give_up_engine(struct keeper *keeper, const char *why, int err)
{
	log_line(LOG_ERR, "engine: %s (%s): it is killed and started again", why, strerror(-err));
	if (keeper->engine_pid > 0)
		kill(keeper->engine_pid, SIGKILL);
	forget_engine(keeper);
}

static bool may_ask(const struct keeper *keeper)
{
	return !keeper->outbox.n && !keeper->is_putting;
}

/* While answers wait to be read, no further requests are: an engine that does not read stalls
 * itself alone. */
void engine_listen(struct keeper *keeper)
{
	int events = UV_DISCONNECT;

	if (keeper->outbox.n)
		events |= UV_WRITABLE;
	if (may_ask(keeper))
		events |= UV_READABLE;
	if (keeper->engine_poll)
		uv_poll_start(keeper->engine_poll, events, on_event);
}

void engine_send(struct keeper *keeper, struct role_msg *msg, const int *fds, unsigned n_fds)
{
	unsigned waited = keeper->outbox.n;
	int err;

	if (keeper->engine_fd < 0)
		return;
	msg->magic = ROLE_MAGIC;
	msg->n_fds = n_fds;
	err = outbox_send(&keeper->outbox, keeper->engine_fd, msg, fds, n_fds);
	if (err && err != -EPIPE && err != -ECONNRESET) /* those two: it is dying, SIGCHLD comes */
		give_up_engine(keeper, "does not take its messages", err);
	else if (!waited && keeper->outbox.n)
		engine_listen(keeper);
}

void engine_tell_ifaces(struct keeper *keeper)
{
	struct role_msg msg = {.type = ROLE_IFACES};

	interfaces_describe(keeper, &msg);
	engine_send(keeper, &msg, NULL, 0);
}

void engine_tell_rails(struct keeper *keeper)
{
	struct role_msg msg = {.type = ROLE_RAILS, .body.count = keeper->n_rails};
	int fd = channel_memfd("rails", keeper->rails,
			       keeper->n_rails ? keeper->n_rails * sizeof(keeper->rails[0]) : 1);

	if (fd < 0)
		return;
	engine_send(keeper, &msg, &fd, 1);
	close(fd);
}

void engine_close_limiter(int *fds)
{
	int i;

	for (i = 0; i < ROLE_LIMITER_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

int engine_open_limiter(struct keeper *keeper, int *fds)
{
	int i, err = 0;

	for (i = 0; i < ROLE_LIMITER_FDS; i++) {
		fds[i] = bpf_map_open_readonly(&keeper->side, BPF_MAP_LIMIT_LINES + i);
		err = fds[i] < 0 ? fds[i] : err;
	}
	if (err)
		engine_close_limiter(fds);
	return err;
}

/* In the hello another map stands where there is no limiter: a message has no holes. */
static int open_no_limiter(struct keeper *keeper, int *fds)
{
	int i, err = 0;

	for (i = 0; i < ROLE_LIMITER_FDS; i++) {
		fds[i] = bpf_map_open_readonly(&keeper->side, BPF_MAP_CONTROL);
		err = fds[i] < 0 ? fds[i] : err;
	}
	return err;
}

/*
 * Descriptors that are made for the hello, and closed behind it: all but the listeners. -1 where
 * one failed.
 */
static int open_maps(struct keeper *keeper, int *fds)
{
	static const struct {
		enum role_hello_fd place;
		enum bpf_map_name map;
	} maps[] = {
	    {ROLE_FD_COUNTERS, BPF_MAP_COUNTERS}, {ROLE_FD_CONTROL, BPF_MAP_CONTROL},
	    {ROLE_FD_EVENTS, BPF_MAP_EVENTS},	  {ROLE_FD_TOP, BPF_MAP_TOP},
	    {ROLE_FD_RATES, BPF_MAP_RATES},
	};
	unsigned i;
	int err = 0;

	for (i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		bool is_ring = maps[i].map == BPF_MAP_EVENTS;
		int fd = is_ring ? bpf_map_open(&keeper->side, maps[i].map)
				 : bpf_map_open_readonly(&keeper->side, maps[i].map);

		fds[maps[i].place] = fd;
		err = fd < 0 ? fd : err;
	}
	return err;
}

static int say_hello(struct keeper *keeper)
{
	struct role_msg msg = {.type = ROLE_HELLO};
	int fds[ROLE_FDS_MAX], n, err;

	fds[ROLE_FD_CONFIG] =
	    channel_memfd("config", keeper->current.bundle, keeper->current.bundle_len);
	err = open_maps(keeper, fds);
	msg.body.hello.has_limiter = bpf_limiter_is_there(&keeper->side);
	if (msg.body.hello.has_limiter)
		err = engine_open_limiter(keeper, fds + ROLE_FD_SLOTS) ?: err;
	else
		err = open_no_limiter(keeper, fds + ROLE_FD_SLOTS) ?: err;
	if (fds[ROLE_FD_CONFIG] < 0)
		err = fds[ROLE_FD_CONFIG];
	fds[ROLE_FD_LISTENER] = keeper->control_fd;
	fds[ROLE_FD_VIEW] = keeper->view_fd;
	fds[ROLE_FD_METRICS] = keeper->metrics_fd;
	msg.body.hello.epoch = keeper->side.control->epoch;
	msg.body.hello.adopted = keeper->side.adopted;
	msg.body.hello.has_metrics = keeper->metrics_fd >= 0;
	msg.body.hello.mode = keeper->side.control->mode;
	msg.body.hello.n_cpus = keeper->side.n_cpus;
	msg.body.hello.config_epoch = keeper->current.epoch;
	msg.body.hello.generation = bpf_table_generation(&keeper->side);
	if (!err)
		engine_send(keeper, &msg, fds,
			    keeper->metrics_fd >= 0 ? ROLE_FD_METRICS + 1 : ROLE_FD_FIXED);
	for (n = 0; n < ROLE_FD_FIXED; n++) {
		if (n != ROLE_FD_LISTENER && n != ROLE_FD_VIEW && fds[n] >= 0)
			close(fds[n]);
	}
	return err;
}

static void close_all(const int *fds, unsigned n_fds)
{
	while (n_fds > 0)
		close(fds[--n_fds]);
}

/* One request. Returns whether there may be more. */
static bool hear_one(struct keeper *keeper)
{
	const struct role_msg *checked;
	struct role_msg msg;
	int fds[ROLE_FDS_MAX], err;
	unsigned n_fds = 0;
	size_t len;

	err = channel_recv(keeper->engine_fd, &msg, sizeof(msg), &len, fds, ROLE_FDS_MAX, &n_fds);
	if (err == -EAGAIN)
		return false;
	if (!err) {
		err = role_msg_check(&msg, len, &checked);
		if (!err && checked->n_fds != n_fds)
			err = -EBADMSG;
		if (err)
			close_all(fds, n_fds);
	}
	if (err == -ECONNRESET) {
		forget_engine(keeper); /* it has ended: SIGCHLD comes */
		return false;
	}
	if (err) {
		give_up_engine(keeper, "sent what is no message", err);
		return false;
	}
	requests_handle(keeper, checked, fds, n_fds);
	return true;
}

static void hear(struct keeper *keeper)
{
	unsigned rounds;

	for (rounds = 0; rounds < HEAR_ROUNDS && keeper->engine_fd >= 0 && may_ask(keeper);
	     rounds++) {
		if (!hear_one(keeper))
			return;
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct keeper *keeper = poll->data;
	int err = 0;

	if (keeper->outbox.n) {
		err = outbox_flush(&keeper->outbox, keeper->engine_fd);
		if (err && err != -EAGAIN) {
			forget_engine(keeper); /* it has ended: SIGCHLD comes */
			return;
		}
		engine_listen(keeper);
	}
	hear(keeper);
}

int engine_start(struct keeper *keeper)
{
	char path[KEEPER_PATH_BYTES + 32];
	char *argv[] = {path, "--state-dir", (char *)keeper->options.state_dir, NULL};
	uv_poll_t *poll = calloc(1, sizeof(*poll));
	int pair[2], err;

	if (!poll)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/sekisho-engine", keeper->helpers);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		free(poll);
		return -errno;
	}
	err = spawn_child(argv, keeper->engine_uid, keeper->engine_gid, &pair[1], 1, NULL,
			  &keeper->engine_pid);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		free(poll);
		return err;
	}
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK); /* a valid descriptor */
	keeper->engine_fd = pair[0];
	keeper->engine_life++;
	uv_update_time(&keeper->loop);
	keeper->engine_started_ms = uv_now(&keeper->loop);
	keeper->engine_poll = poll;
	uv_poll_init(&keeper->loop, poll, pair[0]);
	poll->data = keeper;
	engine_listen(keeper);
	err = say_hello(keeper);
	if (err)
		give_up_engine(keeper, "cannot be given its descriptors", err);
	engine_tell_ifaces(keeper);
	engine_tell_rails(keeper);
	events_file_tell(keeper);
	return 0;
}

static void start_again(uv_timer_t *timer)
{
	struct keeper *keeper = timer->data;

	if (keeper->is_stopping || keeper->engine_pid > 0)
		return;
	if (engine_start(keeper))
		uv_timer_start(timer, start_again, BACKOFF_RESTART_MAX_MS, 0);
}

static void engine_died(struct keeper *keeper, int status)
{
	unsigned wait_ms;

	keeper->engine_pid = 0;
	forget_engine(keeper);
	fetchers_end(keeper); /* nobody waits for their lists any more */
	if (keeper->is_stopping) {
		uv_stop(&keeper->loop);
		return;
	}
	uv_update_time(&keeper->loop);
	wait_ms = backoff_restart_ms(&keeper->engine_deaths,
				     uv_now(&keeper->loop) - keeper->engine_started_ms);
	log_line(LOG_ERR, "engine: ended (%s %d), started again in %u ms; the table in force stays",
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), wait_ms);
	keeper->engine_again.data = keeper;
	uv_timer_start(&keeper->engine_again, start_again, wait_ms, 0);
}

void engine_reap(struct keeper *keeper)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == keeper->engine_pid)
			engine_died(keeper, status);
		fetchers_forget(keeper, pid);
	}
}

void engine_stop(struct keeper *keeper)
{
	struct role_msg msg = {.type = ROLE_STOP};

	engine_send(keeper, &msg, NULL, 0);
}
