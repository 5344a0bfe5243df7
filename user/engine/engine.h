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
#include "lib/policy.h"
#include "lib/role_msg.h"
#include "credit.h"
#include "limits.h"
#include "rates.h"
#include "top.h"
#include "lists.h"
#include "sys/bpf_read.h"
#include "sys/store.h"

#define ENGINE_FETCHES_MAX 4 /* at once */
#define ENGINE_PATH_BYTES 512

struct engine_feed {
	const struct config_feed *config;
	struct store_feed state;
	struct engine_list list, held; /* the last good list; an update that waits for `feed accept` */
	uint64_t left_out4, left_out6;
	uint64_t next_ms;    /* on the loop's clock */
	uint32_t retry_after_s; /* the server's wish with the last failure */
	bool is_fetching;    /* until the update is judged and stored */
	bool was_fetching;   /* when a reload came between */
	bool is_damaged;     /* its stored list is, and it was not asked since */
	int fetch_fd;
	uv_poll_t *fetch_poll; /* NULL: no fetcher runs */
	struct fetch_result result; /* of the update being judged */
};

struct engine_table {
	uint32_t prefixes_v4, prefixes_v6;
	uint64_t bytes;
	double build_s;
};

struct engine {
	uv_loop_t loop;
	const char *state_dir;
	struct store *store;
	struct bpf_read read;
	int role_fd;
	uint32_t seq;
	uv_poll_t role_poll;
	struct role_msg hello, ifaces; /* last of each */
	struct role_rail rails[SEK_RAILS_MAX];
	unsigned n_rails;
	int map_fds[ROLE_FD_FIXED]; /* by enum role_hello_fd, of the maps from ROLE_FD_SLOTS on; ours while we live; -1 of a limiter that is not there */
	int listener[3]; /* control, view, metrics; -1 none */

	struct config *config;
	uint32_t config_epoch;
	uint64_t config_hash; /* of its files */
	struct engine_feed *feeds;
	size_t n_feeds;
	uint64_t list_serial;
	bool state_is_lost; /* the state file was set aside: the kernel knows more than we do */
	struct prefix4 *allow4;
	struct prefix6 *allow6;
	size_t n_allow4, n_allow6;

	struct credit *credit;
	struct limits *limits;
	struct rates *rates;
	struct top *top;
	struct bans *bans;
	struct crowdsec *crowdsec;

	uint64_t generation, swapped_generation;
	struct engine_table built, table; /* on its way; in force */
	bool compile_wanted, is_compiling, is_ready;
	char table_error[ROLE_TEXT_BYTES]; /* of the last compile; empty: it went well */
	uint32_t swap_seq;
	uv_timer_t tick;
};

/* role.c: the channel to the keeper. */
int role_open(struct engine *engine);
/*
 * Sends @msg and waits for its answer, at most five seconds (err -ETIMEDOUT then); for what the keeper answers at once. Other
 * messages are taken later, on the loop. Ends the process if the keeper is gone.
 */
void role_call(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds, struct role_msg *ret_reply, int *ret_fd);
/* Sends @msg; its answer comes to compile_swapped(). Returns its seq. */
uint32_t role_send(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds);
/* Sends @msg for what may take longer: *ret_number is asked for by role_answered() until it is, or given up. -EBUSY: too many. */
int role_ask(struct engine *engine, struct role_msg *msg, uint64_t *ret_number);
/* Has the answer come? Then it is told once: @ret_text takes ROLE_TEXT_BYTES. */
bool role_answered(uint64_t number, int *ret_err, char *ret_text);
void role_forget(uint64_t number);

/* feeds.c */
int feeds_configure(struct engine *engine, struct config *config, uint32_t epoch);
void feeds_tick(struct engine *engine);
int feeds_update(struct engine *engine, const char *name); /* NULL: all; -ENOENT */
/* Is it being fetched, or about to be? */
bool feeds_is_busy(const struct engine *engine, const struct engine_feed *feed);
/* Takes the held update; in force when the next compile is. Errors: -ENOENT nothing is held; errno. */
int feeds_accept(struct engine *engine, struct engine_feed *feed);
struct engine_feed *feeds_find(struct engine *engine, const char *name);

/* compile.c */
void compile_want(struct engine *engine);
void compile_tick(struct engine *engine);
void compile_swapped(struct engine *engine, const struct role_msg *reply);

/* entries.c, entries_job.c; the rest of it is in entries.h */
/* Puts the state's entries in force, and nothing else. */
int entries_restore(struct engine *engine);
void entries_expire(struct engine *engine);

/* control.c, verbs.c (verbs.h), explain.c, metrics.c */
int control_open(struct engine *engine);
/* Something came to its end: asks every waiting request whether it can be answered now. */
void control_poll_waiting(struct engine *engine);
json_t *explain_answer(struct engine *engine, const char *address);
/* protected.c: the protected addresses, or with @feed those that its list names and that are passed all the same. */
json_t *protected_rows(const struct engine *engine, const struct engine_feed *feed);
/* http.c: serves metrics on @listener, which it takes over, from now on and nowhere else; -1: nowhere. */
void http_listen(struct engine *engine, int listener);
int metrics_text(void *context, const char *path, const char *accept, unsigned *ret_code, const char **ret_type, char **ret_text, size_t *ret_len);

int64_t engine_now_s(void);
