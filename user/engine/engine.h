// SPDX-License-Identifier: GPL-2.0
/*
 * The engine's state. One thread and its event loop; compiling runs beside it on copies. It holds
 * no right but its descriptors: everything in the kernel goes through the keeper.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "lib/config.h"
#include "lib/fetch_msg.h"
#include "lib/policy.h"
#include "lib/role_msg.h"
#include "allow.h"
#include "credit.h"
#include "limits.h"
#include "rates.h"
#include "top.h"
#include "lists.h"
#include "sys/bpf_read.h"
#include "sys/store.h"

#define ENGINE_FETCHES_MAX 4 /* at once */
/* of these, of files or with a key-file: dead mounts keep no other URL from being fetched */
#define ENGINE_FILES_MAX 3
#define ENGINE_PATH_BYTES 512
#define FEEDS_ALARM_BYTES 128

struct engine_feed {
	const struct config_feed *config;
	struct store_feed state;
	/* the last good list; an update that waits for `feed accept` */
	struct engine_list list, held;
	/* counts other held lists; the one that `feed show` told of last, 0 none */
	uint32_t held_number, held_shown;
	struct prefix server; /* that the last list came from; family 0: not known, or a file */
	int64_t since_s;      /* Unix time we know of it: without a list it is stale from then on */
	bool is_stale;	      /* and that was said */
	uint64_t decisions; /* of CrowdSec, which has no list */
	uint64_t left_out4, left_out6;
	uint64_t next_ms;    /* on the loop's clock */
	uint32_t retry_after_s; /* the server's wish with the last failure */
	bool was_answered;   /* by the server, at the last try, or nobody knows */
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
	uint64_t lists[SEK_LISTS_MAX / 64]; /* ids of its lists */
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
	/*
	 * by enum role_hello_fd, of the maps from ROLE_FD_SLOTS on; ours while we live; -1 of a
	 * limiter that is not there
	 */
	int map_fds[ROLE_FD_FIXED];
	int listener[3]; /* control, view, metrics; -1 none */

	struct config *config;
	uint32_t config_epoch;
	uint64_t config_hash; /* of its files */
	json_t *config_warnings; /* lines for status; NULL before the first config */
	struct engine_feed *feeds;
	size_t n_feeds;
	uint64_t list_serial;
	bool state_is_lost; /* the state file was set aside: the kernel knows more than we do */
	struct allow allow; /* the config's own */

	struct credit *credit;
	struct limits *limits;
	struct rates *rates;
	struct top *top;
	struct bans *bans;
	struct quality *quality;
	struct crowdsec *crowdsec;

	uint64_t generation, swapped_generation;
	uint64_t former_maps_s; /* UNIX time that maps before these were last known; 0: never */
	struct engine_table built, table; /* on its way; in force */
	bool compile_wanted, is_compiling, is_ready;
	char table_error[ROLE_TEXT_BYTES]; /* of the last compile; empty: it went well */
	uint32_t swap_seq;
	uv_timer_t tick;
};

/* role.c: the channel to the keeper. */
int role_open(struct engine *engine);
/*
 * Sends @msg and waits for its answer, at most five seconds (err -ETIMEDOUT then); for what the
 * keeper answers at once. Other messages are taken later, on the loop. Ends the process if the
 * keeper is gone.
 */
void role_call(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds,
	       struct role_msg *ret_reply, int *ret_fd);
/* Sends @msg; its answer comes to compile_swapped(). Returns its seq. */
uint32_t role_send(struct engine *engine, struct role_msg *msg, const int *fds, unsigned n_fds);
/*
 * Sends @msg, with @fd unless it is -1, for what may take longer: *ret_number is asked for by
 * role_answered() until it is, or given up. -EBUSY: too many.
 */
int role_ask(struct engine *engine, struct role_msg *msg, int fd, uint64_t *ret_number);
/* Has the answer come? Then it is told once: @ret_text takes ROLE_TEXT_BYTES. */
bool role_answered(uint64_t number, int *ret_err, char *ret_text);
void role_forget(uint64_t number);

/* feeds.c, feeds_ask.c */
int feeds_configure(struct engine *engine, struct config *config, uint32_t epoch);
void feeds_tick(struct engine *engine);
/*
 * Asks for feed @name now, NULL: for all whose servers do not want to be left alone (Retry-After).
 * Errors: -ENOENT; -EBUSY
 * @name's server does.
 */
int feeds_update(struct engine *engine, const char *name);
/* Unix time before which the feed's server wants no request; 0: any time will do. */
int64_t feeds_wish_s(const struct engine_feed *feed);
/*
 * The same by its publisher's terms, after a request that it answered and that failed all the same:
 * a person may ask before.
 */
int64_t feeds_terms_s(const struct engine_feed *feed);
/* Seconds that those terms want between two requests; 0: none are known. */
uint32_t feeds_terms_between_s(const struct engine_feed *feed);
/*
 * A try is over, at state.last_try_s: keeps the later of both times. Returns the seconds that the
 * server is left alone for.
 */
uint32_t feeds_keep_wish(struct engine_feed *feed, bool is_failure);
/* Is it being fetched, or about to be? */
bool feeds_is_busy(const struct engine *engine, const struct engine_feed *feed);
/*
 * Takes the held update; in force when the next compile is. Errors: -ENOENT nothing is held;
 * -ESTALE another one than was shown; -EPERM it covers so much that the config must say so; errno.
 */
int feeds_accept(struct engine *engine, struct engine_feed *feed);
struct engine_feed *feeds_find(struct engine *engine, const char *name);
/*
 * What is credited with packets, by place: the feeds, then CrowdSec's decisions where the config
 * has them. NULL behind the last.
 */
struct engine_feed *feeds_credited(const struct engine *engine, size_t i);

/* feeds_watch.c: what people are warned of */
/* Once a second: the alarms of feeds without a good update for too long. */
void feeds_watch(struct engine *engine);
/*
 * The alarm of a feed without a good update for longer than stale-after, in @buf; NULL: there is
 * none.
 */
char *feeds_alarm(const struct engine_feed *feed, char *buf, size_t size);
/* Adds all of them to @lines. */
void feeds_warnings(const struct engine *engine, json_t *lines);
/* Says what the list that was just taken names that it had better not. */
void feeds_tell_names(const struct engine *engine, const struct engine_feed *feed);
/*
 * Addresses of feed servers that @feed's update must not name anew: such a list would cut off the
 * updates. Returns how many, at most SEK_LISTS_MAX.
 */
size_t feeds_servers(const struct engine *engine, const struct engine_feed *feed,
		     struct prefix ret_servers[SEK_LISTS_MAX]);
/* Is the server of every feed known that feeds_servers() would name? Not before each was asked. */
bool feeds_servers_are_known(const struct engine *engine, const struct engine_feed *feed);
/* The feed whose server, which would be cut off by a block of @prefix, it holds; NULL: none. */
const char *feeds_server_in(const struct engine *engine, const struct prefix *prefix,
			    struct prefix *ret_server);
/*
 * Servers that are asked, by place: the feeds', then CrowdSec's. Returns whose it is, NULL behind
 * the last; family 0: not known.
 */
const char *feeds_server_at(const struct engine *engine, size_t i,
			    const struct prefix **ret_server);
/* The member "names" of feed.show: feed servers and known-good lists that are met by the list. */
json_t *feeds_names(const struct engine *engine, const struct engine_feed *feed);

/* compile.c */
void compile_want(struct engine *engine);
void compile_tick(struct engine *engine);
void compile_swapped(struct engine *engine, const struct role_msg *reply);

/* entries.c, entries_job.c; the rest of it is in entries.h */
/* Puts the state's entries in force, and nothing else. */
int entries_restore(struct engine *engine);
void entries_expire(struct engine *engine);
void entries_jobs_go_on(struct engine *engine); /* they waited for the disk */

/* disk.c */
/*
 * Has all that was committed so far put on disk by a thread; returns a number for
 * disk_has_flushed(), who waits is polled then.
 */
uint64_t disk_flush(struct engine *engine);
bool disk_has_flushed(uint64_t number, int *ret_err);
/* Once a second: has the state's log written back where it is long. */
void disk_tick(struct engine *engine);
/*
 * Is the log so long that who writes much has to wait? entries_jobs_go_on() is called when not any
 * more.
 */
bool disk_is_behind(struct engine *engine);

/* control.c, verbs.c (verbs.h), explain.c, metrics.c */
int control_open(struct engine *engine);
/* Something came to its end: asks every waiting request whether it can be answered now. */
void control_poll_waiting(struct engine *engine);
json_t *explain_answer(struct engine *engine, const char *address);
/*
 * protected.c: the protected addresses, or with @feed those that its list names and that are passed
 * all the same.
 */
json_t *protected_rows(const struct engine *engine, const struct engine_feed *feed);
/*
 * http.c: serves metrics on @listener, which it takes over, from now on and nowhere else; -1:
 * nowhere.
 */
void http_listen(struct engine *engine, int listener);
int metrics_text(void *context, const char *path, const char *accept, unsigned *ret_code,
		 const char **ret_type, char **ret_text, size_t *ret_len);

int64_t engine_now_s(void);
