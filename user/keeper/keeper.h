// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper's state. It loads, attaches, pins, checks and swaps, starts the others again when they
 * die, and believes nothing that they say. One thread; only table swaps run beside it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include <sekisho/maps.h>
#include "lib/config.h"
#include "lib/fetch_msg.h"
#include "lib/role_msg.h"
#include "keeper/outbox.h"
#include "sys/bpf_attach.h"
#include "sys/bpf_ban_map.h"
#include "sys/bpf_entries.h"
#include "sys/bpf_load.h"
#include "sys/bpf_slots.h"
#include "sys/log.h"

#define KEEPER_PATH_BYTES 200
#define KEEPER_FETCHERS_MAX 8 /* at once; the engine asks for at most four */
#define KEEPER_TRIES_MAX 2    /* of these, for lists that are only looked at */
/* and those that were killed and hang in the kernel: one a source */
#define KEEPER_FETCHERS_ROOM (KEEPER_FETCHERS_MAX + SEK_LISTS_MAX)

struct keeper_options {
	const char *config_path, *state_dir, *run_dir, *pin_dir;
	char interfaces[SEK_IFACES_MAX][16]; /* from -i: over the config's */
	unsigned n_interfaces;
	bool detach_on_exit; /* make run: where the config does not say */
	bool is_verbose;
};

/* A config with the bytes it came from. */
struct keeper_config {
	struct config *config;
	void *bundle; /* config_bundle_pack() */
	size_t bundle_len;
	uint32_t epoch;
};

/* A folder that is ours while we run, and what a failed start has to undo. */
struct keeper_dir {
	const char *path;
	int fd; /* holds the lock */
	bool was_made;
	bool was_given; /* to the engine's user */
};

struct keeper {
	struct keeper_options options;
	struct keeper_config current;
	uv_loop_t loop;
	uid_t engine_uid, fetch_uid;
	gid_t engine_gid, fetch_gid, view_gid;
	char helpers[KEEPER_PATH_BYTES]; /* folder of sekisho-engine and sekisho-fetch */
	struct keeper_dir run_dir, state_dir, pin_dir;
	int control_fd, view_fd, metrics_fd; /* listeners, the engine's by inheritance; -1 none */
	int events_fd;	      /* the file of events; -1 none */
	int events_were_told; /* errno of it that was said; 0 none */

	struct bpf_side side;
	struct sek_control control_before; /* as an earlier agent left it */
	struct bpf_entries entries;
	struct bpf_ban_map bans;
	/* on the loop's clock: bans were swept, the rates' window began, its rows were counted */
	uint64_t swept_ms, window_ms, rows_ms;
	struct bpf_attachment attachment[SEK_IFACES_MAX];
	bool is_attached[SEK_IFACES_MAX];
	bool is_wanted[SEK_IFACES_MAX]; /* in the config or -i when last read, or auto found it */
	bool was_told[SEK_IFACES_MAX]; /* the reason it is not attached was logged */
	/* not attached yet: the program of another layout goes on until is_ready */
	bool waits[SEK_IFACES_MAX];
	unsigned n_attachments;
	bool no_slot_was_told;
	bool is_detached; /* by `sekisho detach`: not attached again until a reload */

	struct role_rail rails[SEK_RAILS_MAX];
	unsigned n_rails, rails_ticks;
	uint64_t resolv_stamp;          /* of the resolvers' files when last read */
	bool rails_are_known;           /* rails[] is what the kernel holds */
	bool rails_are_stale;           /* read them again at the next tick */
	bool rails_were_unread;         /* that was said */
	struct sek_rail_key ssh_client; /* family 0: none */

	uv_signal_t on_term, on_int, on_hup, on_child;
	uv_timer_t tick, confirm;
	uv_poll_t netlink_poll;
	uint64_t looked_ms; /* on the loop's clock: the last look around */
	int netlink_fd;
	bool has_confirm;
	uint32_t mode_before; /* what `mode --confirm` goes back to */

	pid_t engine_pid;
	int engine_fd;
	struct log_budget engine_lines; /* what its requests may make us say */
	uint32_t engine_life;   /* counts the starts: an answer goes to the life that asked */
	uv_poll_t *engine_poll; /* of this life; NULL: none */
	struct outbox outbox;
	unsigned engine_deaths; /* in a row: backoff_restart_ms() */
	uint64_t engine_started_ms; /* on the loop's clock */
	uv_timer_t engine_again;
	struct keeper_fetcher {
		pid_t pid; /* 0: a free place */
		uint64_t started_ms, killed_ms; /* on the loop's clock */
		uint32_t total_s;     /* then it is killed */
		uint32_t life, epoch; /* of the engine that waits for it, of the config it is for */
		bool is_try;	      /* of no config: a reload does not end it */
		bool is_file, has_key;
		bool is_killed; /* and not gone yet: it has no place among those at work */
		int fd;		/* of one at work: its own end of its channel, to speak for it */
		uint64_t source; /* hash of the file or URL it reads; a try: 0 */
	} fetcher[KEEPER_FETCHERS_ROOM];
	bool is_stopping, is_ready, is_swapping;
	bool is_putting; /* a worker thread has the entries: no request is read */
	/* requests.c: a new engine's, while its dead predecessor's is under way; NULL none */
	struct swap *swap_next;
	int exit_code;
};

/* main.c's steps, each in a file of its name. Each returns 0 or has said why in one line. */
int keeper_config_load(const struct keeper_options *options, struct keeper_config *ret_config);
/*
 * The config as it is on disk now, with @more (may be NULL) behind its files; nothing is printed,
 * the first error is one line in
 * @why. *ret_config is config_free()'s.
 */
int keeper_config_look(const struct keeper_options *options, const struct config_source *more,
		       struct config **ret_config, char *why, size_t why_bytes);
/* The folder feeds.d beside the config, to @dir of KEEPER_CONFIG_PATH_BYTES. */
#define KEEPER_CONFIG_PATH_BYTES 4096
void keeper_config_feeds_d(const struct keeper_options *options, char *dir);
void keeper_config_free(struct keeper_config *config);

/* Checks and takes everything that can be refused before the kernel is touched; on failure nothing
 * is left. */
int keeper_prepare(struct keeper *keeper);
/* Removes the sockets and folders that keeper_prepare() made: a later step of the start failed. */
void keeper_unprepare(struct keeper *keeper);

/* Opens the control sockets and the metrics port. */
int sockets_open(struct keeper *keeper);
void sockets_remove(const struct keeper *keeper);
/*
 * Reload: *ret_fd is a listener where @next says; the one that is there if it says the same, -1 if
 * it says none.
 * Errors: negative errno, and one line for people in @why; -EACCES: that right was given up at the
 * start.
 */
int sockets_reopen_metrics(const struct keeper *keeper, const struct config *next, int *ret_fd,
			   char *why, size_t why_bytes);
/* Hands that listener to the engine and closes the one before. */
void sockets_use_metrics(struct keeper *keeper, int fd);

/* Is there an interface to protect, and is each wanted one there? Touches nothing. */
int interfaces_check(const struct keeper *keeper);
/* Attaches to every interface wanted. @is_start: a missing or occupied one is an error. */
int interfaces_attach(struct keeper *keeper, bool is_start);
/* Once a second and on every netlink message: attaches again what went and came. */
void interfaces_watch(struct keeper *keeper);
/*
 * is_ready has come: takes the place of programs of another layout, and what is left of that one
 * away.
 */
void interfaces_take_over(struct keeper *keeper);
/* Reload: attaches to what is new in the config, leaves what is gone from it. */
void interfaces_reload(struct keeper *keeper);
/*
 * Once the start cannot fail any more: off interfaces that an earlier agent protected and the
 * config does not name.
 */
void interfaces_drop_others(struct keeper *keeper);
void interfaces_detach(struct keeper *keeper);
/* Fills body.ifaces for the engine. */
void interfaces_describe(const struct keeper *keeper, struct role_msg *msg);

/* Reads the host's addresses, gateways and resolvers anew and puts them in force. True where they
 * changed. */
bool rails_refresh(struct keeper *keeper);
/* Once a second: rails_refresh() where something may have changed. */
bool rails_tick(struct keeper *keeper);
/* Finds the source of the SSH session that started us, from the environment of our parents. */
void rails_find_ssh(struct keeper *keeper);

/*
 * Once a second: opens the file of events where it is not there, renames it where it is full
 * (events_file.c).
 */
void events_file_tick(struct keeper *keeper);
/* Reload: opens it anew, perhaps another one. */
void events_file_reload(struct keeper *keeper);
/* A new engine has been started. */
void events_file_tell(struct keeper *keeper);

int engine_start(struct keeper *keeper);
/* Chooses anew what is waited for on the engine's channel: outbox or is_putting has changed. */
void engine_listen(struct keeper *keeper);
void engine_send(struct keeper *keeper, struct role_msg *msg, const int *fds, unsigned n_fds);
/*
 * Read-only descriptors of the limiter's maps, which must be there; @fds has room for
 * ROLE_LIMITER_FDS. Errors: negative errno.
 */
int engine_open_limiter(struct keeper *keeper, int *fds);
void engine_close_limiter(int *fds);
void engine_tell_ifaces(struct keeper *keeper);
void engine_tell_rails(struct keeper *keeper);
void engine_stop(struct keeper *keeper);
/* SIGCHLD: the engine is started again, fetchers are forgotten. */
void engine_reap(struct keeper *keeper);

/* Answers one request of the engine; takes @fds over. */
void requests_handle(struct keeper *keeper, const struct role_msg *msg, int *fds, unsigned n_fds);
void requests_reply(struct keeper *keeper, uint32_t seq, int err, const char *text);
/*
 * Puts what a ROLE_ENTRY or ROLE_ENTRIES asks for in force and answers it, the second later; takes
 * @fd over.
 */
void entries_handle(struct keeper *keeper, const struct role_msg *msg, int fd);
/* Is @key a whole, canonical prefix? */
bool entries_key_is_valid(const struct sek_entry_key *key);
/* The same for a ROLE_BAN_SET or ROLE_BAN_DEL (bans.c). */
void bans_handle(struct keeper *keeper, const struct role_msg *msg, int fd);
/*
 * feed_files.c: a ROLE_FEED_ADD (with @fd) or ROLE_FEED_REMOVE. Errors: negative errno and one line
 * in @why; then nothing has changed.
 */
int feed_files_add(struct keeper *keeper, const struct role_msg *msg, int fd, char *why,
		   size_t why_bytes);
int feed_files_remove(struct keeper *keeper, const struct role_msg *msg, char *why,
		      size_t why_bytes);
/*
 * limiter.c. Makes the limiter's maps where they are not there, and hands them to the engine:
 * before a limit or a ban is put in force. limiter_open(), at the start: only if the config has
 * limits or there are bans; else those of before are let go of.
 * Errors: negative errno, which is in the log.
 */
int limiter_need(struct keeper *keeper);
int limiter_open(struct keeper *keeper);
/* limiter.c: what the config says of limits, but their rates, which are in the table. */
void limiter_apply(struct keeper *keeper);
/*
 * Once a second: sweeps bans that are over, and gives the rates their windows. @now_ms is on the
 * loop's clock.
 */
void limiter_tick(struct keeper *keeper, uint64_t now_ms);
uint64_t keeper_boot_ns(void); /* CLOCK_BOOTTIME */
/*
 * Starts a fetcher; *ret_fd is the engine's end of its channel. Errors: negative errno; @why is a
 * line for people, or stays empty.
 */
int fetchers_start(struct keeper *keeper, const struct role_msg *msg, int *ret_fd, char *why,
		   size_t why_bytes);
/* The same for a ROLE_TRY; @fds are its descriptors. Errors: also -EBADMSG with words in @why. */
int fetchers_try(struct keeper *keeper, const int *fds, unsigned n_fds, int *ret_fd, char *why,
		 size_t why_bytes);
/*
 * The lines of a ROLE_TRY or ROLE_FEED_ADD in the sealed memfd @fd, NUL-terminated, to @room of
 * FEED_FILE_BYTES + 1 (feed_file.h).
 * Errors: of channel_check_sealed(); -EBADMSG too long.
 */
int fetchers_read_pairs(int fd, char *room, size_t *ret_len);
/*
 * fetchers_start() for @job, with @file_fd (-1: none) as its file, and where it has a key the one
 * in @key_file (NULL: none). Errors: -EAGAIN too many run, or the last one of this source has been
 * killed just now; -EBUSY that one was killed and hangs, @why names it; negative errno.
 */
int fetchers_spawn(struct keeper *keeper, const struct fetch_job *job, const char *key_file,
		   int file_fd, int *ret_fd, char *why, size_t why_bytes);
/*
 * crowdsec.c: a request to CrowdSec's local API, as the config names it; @push_fd is what to send,
 * or -1. *ret_fd is the engine's end. Errors: negative errno, and one line in @why.
 */
int crowdsec_start(struct keeper *keeper, const struct role_msg *msg, int push_fd, int *ret_fd,
		   char *why, size_t why_bytes);
/*
 * Kills those that are over their time at @now_ms (the loop's clock), whatever they wait for, and
 * tells the engine. Who waits for a mount that does not answer may live on: it is left alone, and
 * its source is not read by another one.
 */
void fetchers_tick(struct keeper *keeper, uint64_t now_ms);
/* Kills all of them. */
void fetchers_end(struct keeper *keeper);
/* A new config: kills those of the one before. */
void fetchers_reload(struct keeper *keeper);
/* @pid has ended. */
void fetchers_forget(struct keeper *keeper, pid_t pid);
/* Loads the config anew; on failure *why says so and nothing changes. */
int keeper_reload(struct keeper *keeper, char *why, size_t why_bytes);
