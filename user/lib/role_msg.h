// SPDX-License-Identifier: GPL-2.0
/*
 * Messages between the keeper and the engine: one fixed size on a SOCK_SEQPACKET pair (the
 * engine's end is its descriptor 3), so a wrong length is seen before anything is read. Bulk
 * data goes along as sealed memfds. The keeper believes nothing of it.
 */
#pragma once

#include <sekisho/ban.h>
#include <sekisho/maps.h>
#include <stddef.h>
#include <stdint.h>

#include "limit.h"

#define ROLE_MAGIC 0x534b524d
#define ROLE_FDS_MAX 16
#define ROLE_BANS_MAX SEK_BANS_MAX /* in one message */
#define ROLE_TEXT_BYTES 256
/* seconds a mode may wait for its confirmation: nobody watches for longer than a day */
#define ROLE_CONFIRM_MAX_S 86400
#define ROLE_ENGINE_FD 3 /* the engine's end of the pair when it is started */

enum role_type {
	/* keeper to engine, first message. Descriptors in the order of enum role_hello_fd. */
	ROLE_HELLO = 1,
	ROLE_CONFIG = 2,  /* keeper to engine: a new config bundle is in force; one descriptor */
	/* keeper to engine: descriptor of a memfd of struct role_rail[body.count] */
	ROLE_RAILS = 3,
	ROLE_IFACES = 4,  /* keeper to engine: body.ifaces changed */
	ROLE_REPLY = 5,	  /* keeper to engine: answers the request of the same seq; err and text */
	ROLE_STOP = 6,	  /* keeper to engine: finish, store, exit 0 within 2 s */
	/*
	 * keeper to engine: the descriptor is the metrics listener from now on; none: there is no
	 * more
	 */
	ROLE_METRICS = 7,
	/*
	 * keeper to engine: the limiter's maps were made: three descriptors, those of the hello
	 * from ROLE_FD_SLOTS on
	 */
	ROLE_LIMITER = 8,
	/*
	 * keeper to engine: the descriptor is the file of events from now on; none: it cannot be
	 * written now
	 */
	ROLE_EVENTS = 9,
	/* engine to keeper; each is answered by ROLE_REPLY with the same seq */
	ROLE_SWAP = 32,	   /* sealed memfd of a table image; body.swap */
	ROLE_ENTRY = 33,   /* body.entry: set; both untils 0: delete */
	/* sealed memfd of struct role_entry[body.entries.count]; replace: these are all */
	ROLE_ENTRIES = 34,
	/* body.fetch; the reply carries the engine's end of the fetcher's channel */
	ROLE_FETCH = 35,
	ROLE_MODE = 36,	   /* body.mode */
	ROLE_CONFIRM = 37,
	ROLE_RELOAD = 38,
	ROLE_DETACH = 39,
	ROLE_EXPLAIN = 40, /* body.explain, answered in the reply's body */
	/* the first generation with every last good list is in force: tell systemd */
	ROLE_READY = 41,
	/*
	 * A person's reject, a flush, a restore after a reboot. No descriptor: body.ban; one: a
	 * sealed memfd of struct role_ban[body.count], put or deleted on a worker. Times are
	 * CLOCK_BOOTTIME. A ban that covers a rail is refused with -EPERM, a full map with -ENOSPC;
	 * one that is not there is deleted all the same (0).
	 */
	ROLE_BAN_SET = 42,
	ROLE_BAN_DEL = 43, /* the keys alone count */
	/*
	 * body.wipe: limits whose slots are emptied, or folded into those of their other parity
	 */
	ROLE_LIMIT_WIPE = 44,
	/* body.crowdsec; FETCH_PUSH: a sealed memfd of what to send; answered like ROLE_FETCH */
	ROLE_CROWDSEC = 45,
	/*
	 * A list that no config has: fetched with a config's limits, changes nothing. A sealed
	 * memfd of KEY=VALUE lines (feed_file.h), and for a path: a second with the file's content,
	 * so that no path of a request is ever opened. The reply is as to ROLE_FETCH.
	 */
	ROLE_TRY = 48,
	/*
	 * Writes feeds.d/NAME.yaml from a sealed memfd of such lines, or deletes the file that feed
	 * NAME stands in; and reloads.
	 */
	ROLE_FEED_ADD = 49,
	ROLE_FEED_REMOVE = 50,
};

/*
 * Descriptors of ROLE_HELLO; the maps are read-only, but for the ring buffer, which its reader must
 * write to.
 */
enum role_hello_fd {
	ROLE_FD_CONFIG = 0, /* memfd, config_bundle_unpack() */
	ROLE_FD_COUNTERS,
	ROLE_FD_CONTROL,
	ROLE_FD_LISTENER, /* control socket */
	ROLE_FD_VIEW,	  /* view socket */
	/* the limiter's lines; this and the next two without body.hello.has_limiter: no such map */
	ROLE_FD_SLOTS,
	ROLE_FD_BANS,
	ROLE_FD_EVIDENCE,
	ROLE_FD_EVENTS, /* ring buffer */
	ROLE_FD_TOP,
	ROLE_FD_RATES,
	ROLE_FD_FIXED,		       /* so many are always there */
	ROLE_FD_METRICS = ROLE_FD_FIXED, /* with body.hello.has_metrics */
};
#define ROLE_LIMITER_FDS (ROLE_FD_EVIDENCE - ROLE_FD_SLOTS + 1)
_Static_assert(ROLE_FD_METRICS < ROLE_FDS_MAX, "room for all");

/* One ban as it is to stand in the kernel's map. */
struct role_ban {
	struct sek_entry_key key;
	uint32_t pad;
	struct sek_ban value;
};
_Static_assert(sizeof(struct role_ban) == 24 + sizeof(struct sek_ban), "between processes");

/* One entry as it is to stand in the kernel's map. */
struct role_entry {
	struct sek_entry_key key;
	uint32_t force; /* 1: a person said --force: a rail inside it is no reason to refuse */
	struct sek_entry value;
};
_Static_assert(sizeof(struct role_entry) == 56, "between processes");

struct role_rail {
	struct sek_rail_key key;
	uint32_t kind; /* enum sek_rail */
};

struct role_iface {
	char name[16];
	uint32_t ifindex;
	uint32_t program_id;
	uint8_t slot;	  /* index into sek_cpu.verdicts */
	uint8_t attached; /* 1 now */
	uint8_t native;	  /* 1 native, 0 generic */
	uint8_t shared;	  /* 1 through libxdp's dispatcher */
	uint8_t wanted;	  /* 0 no longer in the config: its counters are all that is left */
	uint8_t pad[3];
};

struct role_msg {
	uint32_t magic;
	uint16_t type; /* enum role_type */
	uint16_t n_fds;
	uint32_t seq;
	int32_t err; /* replies: 0 or negative errno */
	union {
		struct {
			uint64_t epoch; /* sek_control.epoch: which life the counters have */
			uint32_t adopted; /* 1: maps of an earlier agent, still in force */
			uint32_t has_metrics;
			uint32_t mode;
			uint32_t n_cpus; /* possible CPUs: entries of the counters map */
			uint32_t has_limiter; /* the limiter's maps are there */
			uint32_t config_epoch;
			/* of the table in force, 0 none: number the next one above it */
			uint64_t generation;
		} hello;
		struct {
			uint32_t config_epoch; /* counts the configs; goes into body.fetch */
		} config;
		uint32_t count;
		struct {
			uint32_t count;
			struct role_iface iface[SEK_IFACES_MAX];
			uint32_t mode;		/* enum sek_mode in force */
			/* seconds until the mode goes back; 0: no such thing */
			uint32_t confirm_left_s;
			uint32_t entries_used, entries_size; /* entry map */
		} ifaces;
		struct {
			uint64_t bytes;
			uint64_t generation;
		} swap;
		struct {
			uint32_t whole; /* set of numbers that are another limit's now */
			uint32_t n_folds;
			struct limit_fold fold[SEK_LIMITS_MAX];
		} wipe;
		struct role_entry entry;
		struct role_ban ban;
		struct {
			uint32_t count;
			uint32_t replace;
			/*
			 * entries that follow in later requests: room is made for all at once,
			 * while that is quick
			 */
			uint32_t to_come;
		} entries;
		struct {
			uint32_t config_epoch;
			uint32_t feed; /* index in that config's feeds */
			char etag[192];	/* validator of the last good fetch, or empty */
			char last_modified[64];
		} fetch;
		struct {
			uint32_t config_epoch;
			uint32_t what; /* enum fetch_what, not FETCH_FEED */
		} crowdsec;
		struct {
			uint32_t mode;
			uint32_t confirm_s; /* at most ROLE_CONFIRM_MAX_S; 0: for good */
		} mode;
		struct sek_explain explain;
		struct {
			char name[64];
		} feed;
		uint8_t room[768];
	} body;
	char text[ROLE_TEXT_BYTES]; /* replies: one line for people, NUL-terminated */
};
_Static_assert(sizeof(struct role_msg) == 16 + 768 + 256, "fixed size on the pair");

/*
 * Is @len a whole, well-formed message (magic, type, n_fds, text ends in NUL)? Anything may be
 * given.
 */
int role_msg_check(const void *data, size_t len, const struct role_msg **ret_msg);
