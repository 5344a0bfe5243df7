// SPDX-License-Identifier: GPL-2.0
/*
 * feed try: a list fetched and measured beside what is in force, before it is added. One job a
 * request, a few at once: its fetcher is like any other's, the measuring is a worker thread's on
 * mappings of its own, and nothing is kept.
 */
#pragma once

#include "engine.h"
#include "lib/feed_advice.h"
#include "lib/overlap.h"
#include "verbs.h"

#define FEED_TRIES_MAX 2	       /* at once; the keeper starts no more */
#define FEED_TRY_UPLOAD_MAX (32u << 20) /* bytes of files on their way, of all clients together */
#define FEED_TRY_ROWS 50	       /* rows of each kind in an answer */

/* A list in force as it was when the try began. */
struct feed_try_list {
	char name[CONFIG_FEED_NAME_BYTES];
	enum sek_action action;
	bool is_known_good, keep_private;
	struct engine_list list; /* data: a mapping of our own, or our copy; NULL: none */
	struct overlap v4, v6;	 /* the tried list first */
};

/* A source that was seen here lately. */
struct feed_try_seen {
	struct prefix address, entry; /* entry: of the tried list, with is_named */
	double packets, drops;
	/* by lists in force; open: it had connections */
	bool is_named, is_dropped, is_allowed, is_open;
	bool is_beyond; /* the list's reach: protected, or private and left out; proves nothing */
};

struct feed_try {
	uv_work_t work;
	uv_poll_t poll;
	struct engine *engine;
	bool is_abandoned, is_over;
	int fetch_fd, list_fd; /* -1: none */
	struct config *config; /* of the one feed */
	struct fetch_result result;
	char why[FETCH_WHY_BYTES]; /* over, and not empty: it failed */
	struct engine_list list;
	struct feed_try_list *lists; /* [0] is the config's own allow */
	size_t n_lists;
	struct role_rail rails[SEK_RAILS_MAX];
	bool names_rail[SEK_RAILS_MAX];
	unsigned n_rails;
	struct feed_try_seen *seen;
	size_t n_seen;
	struct overlap private4, private6;
	struct prefix servers[SEK_LISTS_MAX]; /* of feeds, that a block list would cut off */
	size_t n_servers;
	char held_why[256]; /* empty: the feed's guards let it pass */
};

/* feed_try_work.c: takes what the worker needs; -ENOMEM. Then, on the worker: measures. Here: which
 * of the named are held by entries or bans already. Last: frees all of it. */
int feed_try_gather(struct feed_try *job);
void feed_try_measure(struct feed_try *job);
void feed_try_ask_state(struct feed_try *job);
void feed_try_forget(struct feed_try *job);

/* feed_try_answer.c: what the job found, as JSON. */
json_t *feed_try_answer(const struct feed_try *job);
