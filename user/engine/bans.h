// SPDX-License-Identifier: GPL-2.0
/*
 * Bans that limits made: recorded when the kernel tells of one, or when a scan of its map finds one
 * that nobody told of; ended in the state when they end in the kernel; put back after a reboot. The
 * kernel is what blocks, this is what knows.
 */
#pragma once

#include <jansson.h>

#include "bans_index.h"
#include "engine.h"
#include "limits.h"
#include "sys/store_bans.h"

/*
 * ns: a ban may still drop for so long after its end, as the program's clock is up to two ticks
 * behind, and more where a virtual machine's tick comes late: its end is not written down before.
 * Source: bpf/clock.bpf.h; a tick is 10 ms where HZ is 100.
 */
#define BANS_CLOCK_BEHIND_NS 200000000ull

/* The clocks of the kernel's records and of the state, taken together. */
struct bans_clock {
	uint64_t boot_ns;  /* CLOCK_BOOTTIME now */
	int64_t offset_ns; /* real time less that */
};

struct bans {
	struct bans_index index;
	uint32_t scan; /* number of the last scan that was begun */
	bool is_writing; /* a transaction is open */
	bool is_failing; /* the state could not be written, and that was said */
	bool is_full; /* the kernel's map, and that was said */
	struct sek_entry_key
	    touched[1024]; /* rows of the open transaction: forgotten where it fails */
	unsigned n_touched;
	unsigned n_updates; /* of drops, in this scan */
	bool want_trim;
	uint32_t n_trial; /* records on probation, as of the last scan */
	/* bans_hidden.c: what hid the sources of all bans that had begun by then */
	uint64_t hid_ns; /* CLOCK_BOOTTIME; 0: nothing did */
	enum store_hidden hid_why;
	uint64_t monitor_ns; /* CLOCK_BOOTTIME: mode monitor was last seen; 0: never */
	bool are_put_back, was_watched, was_monitor;
	unsigned was_attached;
	unsigned n_looks; /* rows looked at for entries since the last tick */
};

struct bans_clock bans_clock(void);
int64_t bans_unix_s(const struct bans_clock *clock, uint64_t boot_ns);
struct prefix bans_prefix(const struct sek_entry_key *key);
struct sek_entry_key bans_key(const struct prefix *prefix);

/*
 * Reads what the state knows, and puts bans back that a reboot took from the kernel. Call after
 * role_open().
 */
int bans_open(struct engine *engine);
/* Once a second. */
void bans_tick(struct engine *engine);
/* Does the kernel's map refuse new bans? As of the last look at the control record. */
bool bans_is_full(const struct engine *engine);
/* Writes the drops of those that live, as many as the time allows. */
void bans_close(struct engine *engine);

/*
 * Writes of one turn of the loop go to disk together. Errors of both are said, and the next scan
 * finds what was lost.
 */
void bans_write(struct engine *engine);
void bans_written(struct engine *engine);

/*
 * A record of the kernel's, by an event (@event, perhaps @evidence) or by a scan (@event NULL): a
 * new ban is recorded, a known one brought up to date, one that is over ended.
 */
void bans_saw(struct engine *engine, const struct sek_entry_key *key, const struct sek_ban *ban,
	      const struct sek_evidence *evidence, const struct sek_event *event);
/* It is in the kernel no more. */
void bans_gone(struct engine *engine, struct bans_row *row);

/* Brings @ban's record up to date with the kernel's, where it is still the same ban. */
void bans_refresh(struct engine *engine, struct store_ban *ban);
/*
 * The same, and one whose time is over at @now_ns (CLOCK_BOOTTIME) is so in @ban, before the state
 * knows.
 */
void bans_settle(struct engine *engine, struct store_ban *ban, uint64_t now_ns);
/*
 * Takes @ban away: in the kernel, then in the state, inside the caller's transaction. Errors: the
 * keeper's or the state's, with words in
 * @why. bans_put_back() undoes the first where the caller cannot commit.
 */
int bans_lift(struct engine *engine, struct store_ban *ban, enum store_ban_state state,
	      const char *how, char *why, size_t why_bytes);
void bans_put_back(struct engine *engine, const struct store_ban *ban);
/*
 * Takes away up to @max live bans of the limit @name (NULL: all). Returns how many, less than @max:
 * no more; or an error with @why.
 */
int bans_lift_some(struct engine *engine, const char *name, unsigned max, const char *how,
		   char *why, size_t why_bytes);

/*
 * bans_hidden.c: a ban counts what it drops, and only that: in mode monitor, without an interface,
 * under an entry or an allow list it sees nothing of its source. Noted for each live ban, so that
 * silence is not taken for an end.
 */
/* Once a second, and when mode or interfaces changed. */
void bans_hidden_watch(struct engine *engine);
/* An entry of @prefix was put in force. */
void bans_hidden_entry(struct engine *engine, const struct prefix *prefix);
/* A scan or an end met @row: notes what hides it. */
void bans_hidden_note(struct engine *engine, struct bans_row *row);
/* What is noted of @ban, in the state or not yet. */
enum store_hidden bans_hidden_of(const struct engine *engine, const struct store_ban *ban);
/* For people; NULL: its drops are all that it sent. */
const char *bans_hidden_text(enum store_hidden hidden);

/* Name of the limit of a record's @number: of the config, else of the state; "unknown". */
const char *bans_limit_name(const struct engine *engine, uint32_t number);

/*
 * bans_scan.c: reads the map on a worker and tells bans.c of it in slices. The ring buffer loses
 * bans where many begin at once, so the kernel may hold some that the state does not know until the
 * next scan is over, at most a few seconds.
 */
void bans_scan(struct engine *engine);
/*
 * A scan that begins now or, where one is under way, behind it. Returns its number, for
 * bans_scan_is_over(), which is to be asked in an entries job: entries_jobs_go_on() is called at
 * its end.
 */
uint32_t bans_scan_want(struct engine *engine);
/*
 * Is it over? Then *ret_err is 0, the negative errno of reading, or -EIO: not all could be
 * recorded.
 */
bool bans_scan_is_over(uint32_t number, int *ret_err);
/*
 * Records what the kernel holds of @prefix and around it, and nobody told of: at once, for who asks
 * of this one.
 */
void bans_look(struct engine *engine, const struct prefix *prefix);
/*
 * The kernel's own word: the ban that @prefix is under, the longest first; its id is 0, and it may
 * be in the state or not.
 * Errors: -ENOENT.
 */
int bans_in_kernel(const struct engine *engine, const struct prefix *prefix,
		   struct store_ban *ret_ban);
/*
 * How many of the kernel's records are not in the state yet; the control record must have been read
 * just now.
 */
uint32_t bans_unrecorded(const struct engine *engine);

/* evidence.c */
#define EVIDENCE_LISTS_MAX 32 /* lists noted with a ban */
struct evidence_lists {
	char names[EVIDENCE_LISTS_MAX][STORE_BAN_LIMIT_BYTES];
	const char *all[EVIDENCE_LISTS_MAX + 1]; /* NULL behind the last */
	unsigned n;
	char text[STORE_BAN_LISTS_BYTES];
};
/* The lists, of any action, that hold @source now. */
void evidence_lists(struct engine *engine, const struct prefix *source,
		    struct evidence_lists *ret_lists);
/* What speaks for and against: [{"signal", "says", "text"}]. */
json_t *evidence_signals(const struct store_ban *ban);
/* The record for people: null where there is none. */
json_t *evidence_json(const struct store_ban *ban);
json_t *evidence_headers(const struct store_ban *ban);

/* review.c; the verbs are in verbs.h */
json_t *review_row(struct engine *engine, struct store_ban *ban);
/* The same as of @now_ns, CLOCK_BOOTTIME. */
json_t *review_row_at(struct engine *engine, struct store_ban *ban, uint64_t now_ns);
/* Of one limit or list: {"bans", "confirmed", "rejected", "precision"}. */
json_t *review_counts(struct engine *engine, enum store_review_kind kind, const char *name);

/* metrics_bans.c */
struct openmetrics;
void metrics_add_bans(struct engine *engine, struct openmetrics *om);
