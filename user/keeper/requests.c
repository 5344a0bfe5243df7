// SPDX-License-Identifier: GPL-2.0
/* The engine's requests, each checked as if an attacker had sent it, and its answer. */
#include "keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/rail.h"
#include "lib/table_check.h"
#include "sys/channel.h"
#include "sys/log.h"
#include "sys/notify.h"

static void reply(struct keeper *keeper, uint32_t seq, int err, const char *text)
{
	struct role_msg msg = { .type = ROLE_REPLY, .seq = seq, .err = err };

	if (err)
		snprintf(msg.text, sizeof(msg.text), "%s", text ? text : strerror(-err));
	engine_send(keeper, &msg, NULL, 0);
}

/* A swap on its way: checked and copied on a worker thread, because the update waits for RCU. */
struct swap {
	uv_work_t work;
	struct keeper *keeper;
	uint32_t seq;
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
	swap->err = table_check(image, bytes, &swap->why);
	if (!swap->err) {
		head = image;
		swap->generation = head->generation;
		swap->lines = head->lines;
		swap->why = "the kernel refuses the table";
		swap->err = bpf_table_swap(&swap->keeper->side, image, head->lines);
	}
	munmap(image, bytes);
}

static void swap_done(uv_work_t *work, int status)
{
	struct swap *swap = work->data;
	char text[ROLE_TEXT_BYTES];

	swap->keeper->is_swapping = false;
	if (swap->err) {
		snprintf(text, sizeof(text), "table refused: %s (%s)", swap->why, strerror(-swap->err));
		log_line(LOG_ERR, "%s; the table in force stays", text);
	} else {
		log_line(LOG_INFO, "table: generation %llu in force, %u lines", (unsigned long long)swap->generation, swap->lines);
	}
	reply(swap->keeper, swap->seq, swap->err, text);
	close(swap->fd);
	free(swap);
}

static void handle_swap(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds)
{
	struct swap *swap;

	if (n_fds != 1 || keeper->is_swapping) {
		reply(keeper, msg->seq, keeper->is_swapping ? -EBUSY : -EBADMSG, NULL);
		return;
	}
	swap = calloc(1, sizeof(*swap));
	if (!swap) {
		reply(keeper, msg->seq, -ENOMEM, NULL);
		return;
	}
	swap->keeper = keeper;
	swap->seq = msg->seq;
	swap->fd = fds[0];
	fds[0] = -1;
	swap->work.data = swap;
	keeper->is_swapping = true;
	uv_queue_work(&keeper->loop, &swap->work, swap_work, swap_done);
}

static bool is_key_valid(const struct sek_entry_key *key)
{
	unsigned max = key->family == 4 ? 32 : 128, bit;

	if ((key->family != 4 && key->family != 6) || key->len < 1 || key->len > max || key->pad[0] || key->pad[1])
		return false;
	for (bit = key->len; bit < 128; bit++) {
		if (key->addr_be[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	}
	return true;
}

/*
 * Puts one entry in force unless it is malformed or new and would cut off a protected address. What is in force
 * already, or restored from the state, came before its rail: the rail holds in the program then, unless forced.
 */
static int put_entry(struct keeper *keeper, const struct role_entry *entry, bool is_restored, const char **ret_why)
{
	bool is_forced = entry->force && !(entry->value.flags & SEK_E_BAN); /* a limit is no person */
	struct sek_entry value = entry->value;
	struct role_rail rail;
	int err;

	*ret_why = "the entry is malformed";
	if (!is_key_valid(&entry->key) || value.flags & ~SEK_E_BAN || value.pad)
		return -EINVAL;
	if (value.block_until_ns && !is_forced && !is_restored &&
	    rail_inside(keeper->rails, keeper->n_rails, &entry->key, &rail) &&
	    !bpf_entries_has(&keeper->entries, &entry->key)) {
		*ret_why = rail_text(rail.kind);
		return -EPERM;
	}
	if (value.block_until_ns && is_forced)
		value.flags |= SEK_E_FORCED;
	err = bpf_entries_put(&keeper->entries, &entry->key, &value);
	*ret_why = err == -ENOSPC ? "the entry map is full" : err == -E2BIG ? "too many different prefix lengths in use" : strerror(-err);
	return err;
}

static void handle_entry(struct keeper *keeper, const struct role_msg *msg)
{
	const char *why = NULL;
	int err = put_entry(keeper, &msg->body.entry, false, &why);
	char text[ROLE_TEXT_BYTES];

	engine_tell_ifaces(keeper); /* how full the entry map is */
	snprintf(text, sizeof(text), "%s%s%s", err == -EPERM ? "it holds " : "", why, err == -EPERM ? "; --force overrides" : "");
	reply(keeper, msg->seq, err, text);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sek_entry_key));
}

/* What is in the kernel and not in the whole set goes, after the new ones are in. */
static int retain(struct keeper *keeper, const struct role_entry *entries, uint32_t count)
{
	struct sek_entry_key *keys = calloc(count + 1, sizeof(*keys));
	uint32_t i;
	int err;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		keys[i] = entries[i].key;
	qsort(keys, count, sizeof(*keys), compare_keys);
	err = bpf_entries_retain(&keeper->entries, keys, count);
	free(keys);
	return err;
}

/* The text names the first refused entry; the others are in force. */
static int put_entries(struct keeper *keeper, const struct role_msg *msg, const struct role_entry *entries, char *text, size_t text_bytes)
{
	uint32_t i, refused = 0, count = msg->body.entries.count;
	const char *why = NULL, *first = NULL;
	int err, last = 0;

	err = bpf_entries_reserve(&keeper->entries, msg->body.entries.replace ? count : keeper->entries.used + count);
	if (err) {
		snprintf(text, text_bytes, "the entry map is full at %u entries", SEK_ENTRIES_MAX);
		return err;
	}
	for (i = 0; i < count; i++) {
		err = put_entry(keeper, &entries[i], msg->body.entries.replace, &why);
		if (err && !refused++)
			first = why;
		if (err)
			last = err;
	}
	if (msg->body.entries.replace)
		err = retain(keeper, entries, count);
	if (refused)
		snprintf(text, text_bytes, "%u of %u entries refused: %s", refused, count, first);
	return refused ? last : 0;
}

static void handle_entries(struct keeper *keeper, const struct role_msg *msg, int fd)
{
	char text[ROLE_TEXT_BYTES] = "the entries do not arrive whole";
	size_t bytes, want = (size_t)msg->body.entries.count * sizeof(struct role_entry);
	void *entries = MAP_FAILED;
	int err = -EBADMSG;

	if (fd >= 0 && msg->body.entries.count <= SEK_ENTRIES_MAX && !channel_check_sealed(fd, &bytes) && bytes >= want) {
		entries = want ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0) : NULL;
		if (entries != MAP_FAILED)
			err = put_entries(keeper, msg, entries, text, sizeof(text));
		if (entries && entries != MAP_FAILED)
			munmap(entries, bytes);
	}
	engine_tell_ifaces(keeper); /* how full the entry map is */
	reply(keeper, msg->seq, err, text);
}

static void confirm_over(uv_timer_t *timer)
{
	struct keeper *keeper = timer->data;

	keeper->has_confirm = false;
	keeper->side.control->mode = keeper->mode_before;
	log_line(LOG_NOTICE, "mode: not confirmed in time, back to %s", keeper->mode_before == SEK_MODE_MONITOR ? "monitor" : "enforce");
	engine_tell_ifaces(keeper);
}

static int handle_mode(struct keeper *keeper, const struct role_msg *msg)
{
	uint32_t mode = msg->body.mode.mode;

	if (mode > SEK_MODE_MONITOR || msg->body.mode.confirm_s > 86400)
		return -EINVAL;
	if (!keeper->has_confirm)
		keeper->mode_before = keeper->side.control->mode;
	uv_timer_stop(&keeper->confirm);
	keeper->has_confirm = msg->body.mode.confirm_s != 0;
	keeper->side.control->mode = mode;
	keeper->confirm.data = keeper;
	if (keeper->has_confirm)
		uv_timer_start(&keeper->confirm, confirm_over, 1000ull * msg->body.mode.confirm_s, 0);
	log_line(LOG_NOTICE, "mode: %s%s", mode == SEK_MODE_MONITOR ? "monitor" : "enforce", keeper->has_confirm ? ", until confirmed" : "");
	engine_tell_ifaces(keeper);
	return 0;
}

static void handle_confirm(struct keeper *keeper, const struct role_msg *msg)
{
	if (!keeper->has_confirm) {
		reply(keeper, msg->seq, -ENOENT, "nothing waits for a confirmation");
		return;
	}
	uv_timer_stop(&keeper->confirm);
	keeper->has_confirm = false;
	engine_tell_ifaces(keeper);
	reply(keeper, msg->seq, 0, NULL);
}

static void handle_explain(struct keeper *keeper, const struct role_msg *msg)
{
	struct role_msg answer = { .type = ROLE_REPLY, .seq = msg->seq };

	answer.body.explain = msg->body.explain;
	answer.err = bpf_explain(&keeper->side, &answer.body.explain);
	if (answer.err)
		snprintf(answer.text, sizeof(answer.text), "the kernel does not answer: %s", strerror(-answer.err));
	engine_send(keeper, &answer, NULL, 0);
}

static void handle_fetch(struct keeper *keeper, const struct role_msg *msg)
{
	struct role_msg answer = { .type = ROLE_REPLY, .seq = msg->seq };
	int fd = -1;

	answer.err = fetchers_start(keeper, msg, &fd);
	if (answer.err)
		snprintf(answer.text, sizeof(answer.text), "%s", strerror(-answer.err));
	engine_send(keeper, &answer, &fd, fd >= 0 ? 1 : 0);
	if (fd >= 0)
		close(fd);
}

static void handle_ready(struct keeper *keeper)
{
	keeper->engine_deaths = 0;
	if (!keeper->is_ready)
		log_line(LOG_NOTICE, "ready: every last good list is in force");
	keeper->is_ready = true;
	notify_send("READY=1");
}

static void handle(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds)
{
	char why[ROLE_TEXT_BYTES] = "";
	int err;

	switch (msg->type) {
	case ROLE_SWAP:
		handle_swap(keeper, msg, fds, n_fds);
		break;
	case ROLE_ENTRY:
		handle_entry(keeper, msg);
		break;
	case ROLE_ENTRIES:
		handle_entries(keeper, msg, n_fds == 1 ? fds[0] : -1);
		break;
	case ROLE_FETCH:
		handle_fetch(keeper, msg);
		break;
	case ROLE_MODE:
		reply(keeper, msg->seq, handle_mode(keeper, msg), NULL);
		break;
	case ROLE_CONFIRM:
		handle_confirm(keeper, msg);
		break;
	case ROLE_RELOAD:
		err = keeper_reload(keeper, why, sizeof(why));
		reply(keeper, msg->seq, err, why);
		break;
	case ROLE_DETACH:
		interfaces_detach(keeper);
		reply(keeper, msg->seq, 0, NULL);
		engine_tell_ifaces(keeper);
		break;
	case ROLE_EXPLAIN:
		handle_explain(keeper, msg);
		break;
	case ROLE_READY:
		handle_ready(keeper);
		reply(keeper, msg->seq, 0, NULL);
		break;
	default:
		reply(keeper, msg->seq, -EBADMSG, "no such request");
	}
}

void requests_handle(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds)
{
	unsigned i;

	handle(keeper, msg, fds, n_fds);
	for (i = 0; i < n_fds; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
