// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's state. One thread and its event loop; compiling runs beside it on copies. It holds no right but its
 * descriptors: everything in the kernel goes through the keeper.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/config.h"
#include "lib/fetch_msg.h"
#include "lib/list_file.h"
#include "lib/policy.h"
#include "lib/role_msg.h"
#include "sys/bpf_read.h"
#include "sys/store.h"

#define ENGINE_FETCHES_MAX 4 /* at once */
#define ENGINE_PATH_BYTES 512

/* A last good list as it lies on disk, mapped. */
struct engine_list {
	void *data; /* NULL: none yet */
	size_t bytes;
	struct list_view view;
};

struct engine_feed {
	const struct config_feed *config;
	struct store_feed state;
	struct engine_list list;
	double coverage4, coverage6;
	uint64_t left_out4, left_out6;
	uint64_t next_ms; /* on the loop's clock */
	bool is_fetching;
	int fetch_fd;
	uv_poll_t *fetch_poll;
};

struct engine {
	uv_loop_t loop;
	const char *state_dir;
	struct store *store;
	struct bpf_read read;
	int role_fd;
	uint32_t seq;
	uv_poll_t role_poll;
	uv_idle_t role_idle; /* runs while role_late is not empty */
	struct role_late *role_late, **role_late_end; /* role.c: came during a call, oldest first */
	struct role_msg hello, ifaces; /* last of each */
	struct role_rail rails[SEK_RAILS_MAX];
	unsigned n_rails;
	int listener[3]; /* control, view, metrics; -1 none */

	struct config *config;
	uint32_t config_epoch;
	struct engine_feed *feeds;
	size_t n_feeds;
	struct engine_list allow_list; /* unused data; allow prefixes live in the two arrays */
	struct prefix4 *allow4;
	struct prefix6 *allow6;
	size_t n_allow4, n_allow6;

	struct store_class *classes; /* by counter id, SEK_CLASSES_MAX rows; row 0 is not used */
	unsigned n_classes;
	uint64_t base_drops[SEK_LISTS_MAX], base_drop_bytes[SEK_LISTS_MAX], base_woulds[SEK_LISTS_MAX];

	uint64_t generation, swapped_generation;
	uint32_t prefixes_v4, prefixes_v6;
	uint64_t table_bytes;
	double build_s;
	bool compile_wanted, is_compiling, is_ready;
	uint32_t swap_seq;
	uv_timer_t tick;
};

/* role.c: the channel to the keeper. */
int role_open(struct engine *engine);
/*
 * Sends @msg and waits for its answer. What else comes meanwhile is taken when the loop runs again: never while a caller
 * holds a feed, a transaction or a call of its own. Ends the process if the keeper is gone.
 */
void role_call(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds, struct role_msg *ret_reply, int *ret_fd);
/* Sends @msg; its answer comes to compile_swapped(). Returns its seq. */
uint32_t role_send(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds);

/* feeds.c */
int feeds_configure(struct engine *engine, struct config *config, uint32_t epoch);
void feeds_tick(struct engine *engine);
int feeds_update(struct engine *engine, const char *name); /* NULL: all; -ENOENT */
/* Is feed @name being fetched, or due? NULL: is any? */
bool feeds_are_busy(const struct engine *engine, const char *name);
struct engine_feed *feeds_find(struct engine *engine, const char *name);

/* compile.c */
void compile_want(struct engine *engine);
void compile_swapped(struct engine *engine, const struct role_msg *reply);
void compile_list_totals(const struct engine *engine, uint16_t list, uint64_t *ret_drops, uint64_t *ret_bytes, uint64_t *ret_woulds);
void compile_store_totals(struct engine *engine);
void compile_load_classes(struct engine *engine);

/* entries.c */
int entries_restore(struct engine *engine);
/* Puts what the state says of @prefix in force. */
int entries_apply(struct engine *engine, const struct prefix *prefix, char *why, size_t why_bytes);
/*
 * Does a block of @prefix have to be refused, because it holds a protected address or @ssh_client (family 0: none)?
 * Then @why says what and how it is overridden.
 */
bool entries_is_protected(const struct engine *engine, const struct prefix *prefix, const struct prefix *ssh_client,
			  bool force, char *why, size_t why_bytes);
int entries_apply_all(struct engine *engine, const struct prefix *prefixes, size_t n, bool replace, char *why, size_t why_bytes);
void entries_expire(struct engine *engine);

/* control.c, verbs.c, explain.c, metrics.c */
int control_open(struct engine *engine);
void control_updates_done(struct engine *engine);
/* Answers @request; the answer is the caller's. @user is recorded. NULL: later, by control_updates_done(). */
json_t *verbs_answer(struct engine *engine, json_t *request, bool may_change, uint32_t uid, const char *user);
json_t *verbs_status(struct engine *engine);
json_t *verbs_feed(struct engine *engine, struct engine_feed *feed, bool is_long);
json_t *verbs_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
json_t *verbs_ok(json_t *data);
json_t *explain_answer(struct engine *engine, const char *address);
/* protected.c: the protected addresses, or with @feed those that its list names and that are passed all the same. */
json_t *protected_rows(const struct engine *engine, const struct engine_feed *feed);
int metrics_text(void *context, const char *path, const char *accept, unsigned *ret_code, const char **ret_type, char **ret_text, size_t *ret_len);

int64_t engine_now_s(void);
