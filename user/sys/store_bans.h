// SPDX-License-Identifier: GPL-2.0
/*
 * The state's bans: what was known when each began, how it ended, and what people said of it.
 * Bounded: of ended bans that nobody judged the oldest go; a ban that lives and one that a person
 * judged stay.
 */
#pragma once

#include <sekisho/event.h>

#include "store.h"

#define STORE_BANS_MAX 100000	  /* ended and undecided: a hundred megabytes at the most */
#define STORE_BAN_LIMIT_BYTES 64  /* name of a limit, as LIMIT_NAME_BYTES */
#define STORE_BAN_HEADERS_MAX 4	  /* packets kept with a ban */
#define STORE_BAN_LISTS_BYTES 4096 /* JSON text */
#define STORE_BAN_HASH_BYTES 17	  /* 64 bits in hex */

enum store_ban_state {
	STORE_BAN_LIVE = 0,
	STORE_BAN_ENDED = 1,	/* its time was over */
	STORE_BAN_REJECTED = 2, /* a person rejected it while it lived */
	STORE_BAN_LIFTED = 3,	/* a person took it away without a verdict */
	STORE_BAN_LOST = 4,	/* it vanished from the kernel before its time */
};

/*
 * What stood over a ban for a time, first: packets of its source were then not the ban's to count.
 */
enum store_hidden {
	STORE_HIDDEN_NOT = 0,
	STORE_HIDDEN_MODE = 1,	 /* mode monitor */
	STORE_HIDDEN_DETACH = 2, /* an interface was detached */
	STORE_HIDDEN_ENTRY = 3,	 /* a block or allow entry */
	STORE_HIDDEN_LIST = 4,	 /* allow: in the config, or an allow list */
	/* the kernel's maps were made anew: a reboot, or a stop that detached */
	STORE_HIDDEN_AWAY = 5,
	STORE_HIDDEN_OLD = 6,	 /* the ban is from before this was noted */
	STORE_HIDDEN_MAX,
};

enum store_verdict { STORE_UNDECIDED = 0, STORE_CONFIRMED = 1, STORE_REJECTED = 2 };

struct store_ban {
	int64_t id;
	struct prefix source;
	char limit[STORE_BAN_LIMIT_BYTES];
	/* packets, or bits where is_bits; rate 0: not measured */
	double threshold_per_s, rate_per_s;
	uint64_t window_ms;		    /* the rate was measured over */
	bool is_bits;
	int64_t since_s, until_s, trial_until_s, ended_s; /* Unix time; ended_s 0: it lives */
	char config_hash[STORE_BAN_HASH_BYTES];
	struct sek_ban ban; /* as the kernel held it last */
	bool has_evidence;
	struct sek_evidence evidence;
	unsigned n_headers;
	struct sek_event headers[STORE_BAN_HEADERS_MAX];
	char lists[STORE_BAN_LISTS_BYTES]; /* JSON: [{"list", "action", "known_good", "prefix", "since", "as_of"}] */
	enum store_ban_state state;
	char how[STORE_REASON_BYTES]; /* it ended; empty: by time */
	enum store_verdict verdict;
	enum store_hidden hidden;
};

struct store_verdict_row {
	int64_t ban, time_s;
	enum store_verdict verdict;
	uint32_t uid;
	char user[STORE_USER_BYTES], reason[STORE_REASON_BYTES];
};

/* Of one limit or one list, for good, retention or not. */
struct store_review {
	uint64_t bans, confirmed, rejected;
};

enum store_review_kind { STORE_REVIEW_LIMIT = 0, STORE_REVIEW_LIST = 1 };

/* What rows are wanted. */
struct store_ban_query {
	int64_t before; /* id below; 0 any */
	bool is_undecided;
	const char *limit; /* name; NULL any */
	const struct prefix *source; /* exact; NULL any */
	int64_t max; /* rows */
};

typedef int (*store_ban_fn)(void *arg, const struct store_ban *ban); /* not 0 ends the walk */

/*
 * Adds @ban, and counts it for its limit and each of @lists (NULL ends them). @ban's id is not
 * read. Inside a transaction of the caller.
 * Errors: -EEXIST the same ban (source, random, since within a second) is there: *ret_id is its id.
 */
int store_ban_add(struct store *store, const struct store_ban *ban, const char *const *lists,
		  int64_t *ret_id);
/* Writes what changes while it lives and when it ends: the kernel's record, times, state, how. */
int store_ban_update(struct store *store, const struct store_ban *ban);
/* Notes what hides a ban's source from its count; what was noted before stays. */
int store_ban_hide(struct store *store, int64_t id, enum store_hidden hidden);
/* -ENOENT. */
int store_ban_get(struct store *store, int64_t id, struct store_ban *ret_ban);
/* Newest first. Returns the walker's value or an error. */
int store_ban_each(struct store *store, const struct store_ban_query *query, store_ban_fn fn,
		   void *arg);
/*
 * Those that live or are on probation at @now_s with id > @after, by id; no evidence, headers and
 * lists are read. @limit NULL: any.
 */
int store_ban_live(struct store *store, int64_t after, int64_t now_s, const char *limit,
		   store_ban_fn fn, void *arg);
/*
 * Deletes at most @max of the oldest ended and undecided ones over STORE_BANS_MAX; counts them as
 * bans_forgotten.
 */
int store_ban_trim(struct store *store, unsigned keep, unsigned max, unsigned *ret_n);

/*
 * A person's word: a row, the ban's verdict, and the counts of its limit and its lists. A second
 * word replaces the first. -ENOENT.
 */
int store_verdict_add(struct store *store, const struct store_verdict_row *row);
int store_verdict_each(struct store *store, int64_t ban,
		       int (*fn)(void *arg, const struct store_verdict_row *row), void *arg);
/* No such limit or list: all 0. */
int store_review_get(struct store *store, enum store_review_kind kind, const char *name,
		     struct store_review *ret_review);
/* Undecided bans, ended or not; those that live. */
int store_ban_counts(struct store *store, uint64_t *ret_undecided, uint64_t *ret_live);
