// SPDX-License-Identifier: GPL-2.0
/* The engine's requests, each checked as if an attacker had sent it, and its answer. */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/table_check.h"
#include "sys/channel.h"
#include "sys/log.h"
#include "sys/notify.h"

void requests_reply(struct keeper *keeper, uint32_t seq, int err, const char *text)
{
	struct role_msg msg = {.type = ROLE_REPLY, .seq = seq, .err = err};

	if (err)
		snprintf(msg.text, sizeof(msg.text), "%s", text ? text : strerror(-err));
	engine_send(keeper, &msg, NULL, 0);
}

/* A swap on its way: checked and copied on a worker thread, because the update waits for RCU. */
struct swap {
	uv_work_t work;
	struct keeper *keeper;
	/* of the engine that asked: a later one must not take the answer for its own */
	uint32_t seq, life;
	int fd, err;
	const char *why;
	uint64_t generation;
	uint32_t lines;
};

static void swap_work(uv_work_t *work)
{
	struct swap *swap = work->data;
	const struct sek_table_head *head;
	size_t bytes;
	void *image;

	swap->why = "the image is not sealed";
	swap->err = channel_check_sealed(swap->fd, &bytes);
	if (swap->err)
		return;
	swap->why = "the image cannot be mapped";
	image = mmap(NULL, bytes, PROT_READ, MAP_SHARED, swap->fd, 0);
	if (image == MAP_FAILED) {
		swap->err = -errno;
		return;
	}
	head = image;
	swap->err = table_check(image, bytes, &swap->why);
	if (!swap->err) {
		swap->generation = head->generation;
		swap->lines = head->lines;
		swap->why = "its limits ban too many different prefix lengths";
		swap->err = bpf_ban_map_prepare(&swap->keeper->bans, image);
	}
	if (!swap->err) {
		swap->why = "the kernel refuses the table";
		swap->err = bpf_table_swap(&swap->keeper->side, image, head->lines);
	}
	if (!swap->err)
		bpf_ban_map_settle(&swap->keeper->bans, image);
	munmap(image, bytes);
}

static void free_swap(struct swap *swap)
{
	if (!swap)
		return;
	close(swap->fd);
	free(swap);
}

static void swap_done(uv_work_t *work, int status);

static void swap_start(struct swap *swap)
{
	swap->work.data = swap;
	swap->keeper->is_swapping = true;
	uv_queue_work(&swap->keeper->loop, &swap->work, swap_work, swap_done);
}

static void swap_done(uv_work_t *work, int status)
{
	struct swap *swap = work->data, *next = swap->keeper->swap_next;
	char text[ROLE_TEXT_BYTES];

	swap->keeper->is_swapping = false;
	log_set_budget(&swap->keeper->engine_lines, uv_now(&swap->keeper->loop));
	if (swap->err) {
		snprintf(text, sizeof(text), "table refused: %s (%s)", swap->why,
			 strerror(-swap->err));
		log_line(LOG_ERR, "%s; the table in force stays", text);
	} else {
		log_line(LOG_INFO, "table: generation %llu in force, %u lines",
			 (unsigned long long)swap->generation, swap->lines);
	}
	log_set_budget(NULL, 0);
	if (swap->life == swap->keeper->engine_life)
		requests_reply(swap->keeper, swap->seq, swap->err, text);
	swap->keeper->swap_next = NULL;
	free_swap(swap);
	if (next)
		swap_start(next);
}

static void handle_swap(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds)
{
	struct swap *swap;

	if (n_fds != 1) {
		requests_reply(keeper, msg->seq, -EBADMSG, NULL);
		return;
	}
	swap = calloc(1, sizeof(*swap));
	if (!swap) {
		requests_reply(keeper, msg->seq, -ENOMEM, NULL);
		return;
	}
	swap->keeper = keeper;
	swap->seq = msg->seq;
	swap->life = keeper->engine_life;
	swap->fd = fds[0];
	fds[0] = -1;
	if (!keeper->is_swapping) {
		swap_start(swap);
		return;
	}
	/* of an engine that died too, or of one that does not wait for its answers */
	free_swap(keeper->swap_next);
	keeper->swap_next = swap;
}

static void confirm_over(uv_timer_t *timer)
{
	struct keeper *keeper = timer->data;

	keeper->has_confirm = false;
	keeper->side.control->mode = keeper->mode_before;
	log_line(LOG_NOTICE, "mode: not confirmed in time, back to %s",
		 keeper->mode_before == SEK_MODE_MONITOR ? "monitor" : "enforce");
	engine_tell_ifaces(keeper);
}

static void handle_mode(struct keeper *keeper, const struct role_msg *msg)
{
	uint32_t mode = msg->body.mode.mode;

	if (mode > SEK_MODE_MONITOR || msg->body.mode.confirm_s > ROLE_CONFIRM_MAX_S) {
		requests_reply(keeper, msg->seq, -EINVAL, "--confirm takes at most 24h");
		return;
	}
	if (!keeper->has_confirm)
		keeper->mode_before = keeper->side.control->mode;
	uv_timer_stop(&keeper->confirm);
	keeper->has_confirm = msg->body.mode.confirm_s != 0;
	keeper->side.control->mode = mode;
	keeper->confirm.data = keeper;
	if (keeper->has_confirm)
		uv_timer_start(&keeper->confirm, confirm_over, 1000ull * msg->body.mode.confirm_s,
			       0);
	log_line(LOG_NOTICE, "mode: %s%s", mode == SEK_MODE_MONITOR ? "monitor" : "enforce",
		 keeper->has_confirm ? ", until confirmed" : "");
	engine_tell_ifaces(keeper);
	requests_reply(keeper, msg->seq, 0, NULL);
}

static void handle_confirm(struct keeper *keeper, const struct role_msg *msg)
{
	if (!keeper->has_confirm) {
		requests_reply(keeper, msg->seq, -ENOENT, "nothing waits for a confirmation");
		return;
	}
	uv_timer_stop(&keeper->confirm);
	keeper->has_confirm = false;
	engine_tell_ifaces(keeper);
	requests_reply(keeper, msg->seq, 0, NULL);
}

static void handle_explain(struct keeper *keeper, const struct role_msg *msg)
{
	struct role_msg answer = {.type = ROLE_REPLY, .seq = msg->seq};

	answer.body.explain = msg->body.explain;
	answer.err = bpf_explain(&keeper->side, &answer.body.explain);
	if (answer.err)
		snprintf(answer.text, sizeof(answer.text), "the kernel does not answer: %s",
			 strerror(-answer.err));
	engine_send(keeper, &answer, NULL, 0);
}

static void handle_fetch(struct keeper *keeper, const struct role_msg *msg)
{
	struct role_msg answer = {.type = ROLE_REPLY, .seq = msg->seq};
	int fd = -1;

	answer.err = fetchers_start(keeper, msg, &fd, answer.text, sizeof(answer.text));
	if (answer.err && !answer.text[0])
		snprintf(answer.text, sizeof(answer.text), "%s", strerror(-answer.err));
	engine_send(keeper, &answer, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
}

static void handle_try(struct keeper *keeper, const struct role_msg *msg, const int *fds,
		       unsigned n_fds)
{
	struct role_msg answer = {.type = ROLE_REPLY, .seq = msg->seq};
	int fd = -1;

	answer.err = fetchers_try(keeper, fds, n_fds, &fd, answer.text, sizeof(answer.text));
	if (answer.err && !answer.text[0])
		snprintf(answer.text, sizeof(answer.text), "%s", strerror(-answer.err));
	engine_send(keeper, &answer, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
}

static void handle_crowdsec(struct keeper *keeper, const struct role_msg *msg, int push_fd)
{
	struct role_msg answer = {.type = ROLE_REPLY, .seq = msg->seq};
	int fd = -1;

	answer.err = crowdsec_start(keeper, msg, push_fd, &fd, answer.text, sizeof(answer.text));
	engine_send(keeper, &answer, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
}

static void handle_ready(struct keeper *keeper)
{
	bool was_ready = keeper->is_ready;

	keeper->is_ready = true;
	if (!was_ready) {
		interfaces_take_over(keeper);
		log_line(LOG_NOTICE, "ready: every last good list is in force");
	}
	notify_send("READY=1");
}

/* @fd stays the caller's. */
static void handle_feed_file(struct keeper *keeper, const struct role_msg *msg, int fd)
{
	char why[ROLE_TEXT_BYTES] = "";
	int err;

	if (msg->type == ROLE_FEED_ADD)
		err = feed_files_add(keeper, msg, fd, why, sizeof(why));
	else
		err = feed_files_remove(keeper, msg, why, sizeof(why));
	requests_reply(keeper, msg->seq, err, why[0] ? why : NULL);
}

/*
 * The one descriptor of a request, which is the caller's from now on; -1: there is none, or
 * several.
 */
static int take_one(int *fds, unsigned n_fds)
{
	int fd = n_fds == 1 ? fds[0] : -1;

	if (n_fds == 1)
		fds[0] = -1;
	return fd;
}

static int wipe_slots(struct keeper *keeper, const struct role_msg *msg)
{
	return bpf_slots_wipe(&keeper->side, msg->body.wipe.whole, msg->body.wipe.fold,
			      msg->body.wipe.n_folds);
}

/* One row a request: over 40 lines for the number of them. */
static void handle(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds)
{
	char why[ROLE_TEXT_BYTES] = "";
	int err;

	switch (msg->type) {
	case ROLE_SWAP:
		handle_swap(keeper, msg, fds, n_fds);
		break;
	case ROLE_ENTRY:
		entries_handle(keeper, msg, -1);
		break;
	case ROLE_ENTRIES:
		entries_handle(keeper, msg, take_one(fds, n_fds));
		break;
	case ROLE_BAN_SET:
	case ROLE_BAN_DEL:
		bans_handle(keeper, msg, take_one(fds, n_fds));
		break;
	case ROLE_LIMIT_WIPE:
		requests_reply(keeper, msg->seq, wipe_slots(keeper, msg), NULL);
		break;
	case ROLE_FETCH:
		handle_fetch(keeper, msg);
		break;
	case ROLE_TRY:
		handle_try(keeper, msg, fds, n_fds);
		break;
	case ROLE_FEED_ADD:
	case ROLE_FEED_REMOVE:
		handle_feed_file(keeper, msg, n_fds == 1 ? fds[0] : -1);
		break;
	case ROLE_CROWDSEC:
		handle_crowdsec(keeper, msg, n_fds == 1 ? fds[0] : -1);
		break;
	case ROLE_MODE:
		handle_mode(keeper, msg);
		break;
	case ROLE_CONFIRM:
		handle_confirm(keeper, msg);
		break;
	case ROLE_RELOAD:
		err = keeper_reload(keeper, why, sizeof(why));
		requests_reply(keeper, msg->seq, err, why);
		break;
	case ROLE_DETACH:
		interfaces_detach(keeper);
		requests_reply(keeper, msg->seq, 0, NULL);
		engine_tell_ifaces(keeper);
		break;
	case ROLE_EXPLAIN:
		handle_explain(keeper, msg);
		break;
	case ROLE_READY:
		handle_ready(keeper);
		requests_reply(keeper, msg->seq, 0, NULL);
		break;
	default:
		requests_reply(keeper, msg->seq, -EBADMSG, "no such request");
	}
}

void requests_handle(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds)
{
	unsigned i;

	log_set_budget(&keeper->engine_lines, uv_now(&keeper->loop));
	handle(keeper, msg, fds, n_fds);
	log_set_budget(NULL, 0);
	for (i = 0; i < n_fds; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
