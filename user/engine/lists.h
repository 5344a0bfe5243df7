// SPDX-License-Identifier: GPL-2.0
/*
 * Lists on disk: NAME.list is the last good one, NAME.held an update that waits for a person: one a
 * feed, the newest. What takes long with a large one (check, judge, write) is done on a worker
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/config.h"
#include "lib/feed_guard.h"
#include "lib/list_file.h"

#define LISTS_PATH_BYTES 512

struct engine;

/* A list as it lies on disk, mapped and checked. */
struct engine_list {
	void *data; /* NULL: none */
	size_t bytes;
	struct list_view view;
	double coverage4, coverage6; /* share of the routable space */
};

enum lists_kind { LISTS_GOOD, LISTS_HELD };
enum lists_outcome { LISTS_TAKEN, LISTS_PUT_ASIDE, LISTS_REFUSED };

/*
 * One update on its way from a fetcher's memfd to the disk, where it lies beside the lists until
 * lists_job_keep(). The first part is the caller's.
 */
struct lists_job {
	uv_work_t work;
	/* on the loop's thread; frees it by lists_job_free() */
	void (*done)(struct lists_job *job);
	void *context;
	const char *state_dir;
	char name[CONFIG_FEED_NAME_BYTES];
	uint32_t epoch; /* of the config that asked */
	size_t feed;	/* index in it */
	int fd;		/* the memfd; closed by lists_job_free() */
	uint64_t serial; /* makes the temporary file's name its own */
	uint64_t prefixes_before; /* of the last good list; 0: none */
	struct feed_guard guard;
	struct prefix servers[SEK_LISTS_MAX]; /* that the update must not name */
	size_t n_servers;
	/* the answer */
	enum lists_outcome outcome;
	char why[256];
	struct engine_list list; /* mapped; who takes it empties this */
	char new_path[LISTS_PATH_BYTES]; /* of its file; empty: none, or it has its name */
	bool is_kept;
};

/* Starts @job. Errors: of uv_queue_work(3); then done is not called. */
int lists_job_start(uv_loop_t *loop, struct lists_job *job);
/*
 * Puts the list that came in the place of the good or the held one, as the outcome says. On the
 * loop's thread, which knows whether the feed still is. Errors: errno; then that one is as before.
 */
int lists_job_keep(struct lists_job *job);
/* Removes a list that was not kept. */
void lists_job_free(struct lists_job *job);

/*
 * Maps and checks the stored list. Errors: -ENOENT there is none; -EBADMSG damaged, *ret_why says
 * how; errno.
 */
int lists_load(const char *state_dir, const char *name, enum lists_kind kind,
	       struct engine_list *ret_list, const char **ret_why);
void lists_unmap(struct engine_list *list);
/*
 * The longest prefix of @list that holds @address, an address or a prefix. False: none does, or
 * there is no list.
 */
bool lists_find(const struct engine_list *list, const struct prefix *address,
		struct prefix *ret_prefix);
/* The first prefix of @list inside @prefix, or as wide. False: none is, or there is no list. */
bool lists_find_inside(const struct engine_list *list, const struct prefix *prefix,
		       struct prefix *ret_prefix);
/* What @from is where the same bytes are mapped at @data, which *@ret_list owns. */
void lists_at(const struct engine_list *from, void *data, struct engine_list *ret_list);
/*
 * Is @address, an address or a prefix, one that the config allows, or on an allow list? Entries by
 * hand are not looked at.
 */
bool lists_allow(const struct engine *engine, const struct prefix *address);
/*
 * A second mapping of the pages of @from, which has data, for who looks at it longer than the feed
 * may live: lists_unmap(). Errors: errno.
 */
int lists_share(const struct engine_list *from, struct engine_list *ret_list);
/*
 * A list of these prefixes as it would be on disk, in memory that lists_unmap() frees. Errors:
 * -ENOMEM.
 */
int lists_copy(const struct prefix4 *v4, size_t n4, const struct prefix6 *v6, size_t n6,
	       struct engine_list *ret_list);
/* The prefix of @len bits around @address. */
struct prefix lists_shorten(const struct prefix *address, unsigned len);
/*
 * Gives the memory of a list that nobody reads for now back to the page cache: it comes back page
 * by page.
 */
void lists_rest(const struct engine_list *list);
uint64_t lists_prefixes(const struct engine_list *list);

/*
 * Is @list let in without a person's word? Else @why says what it is over, or which of @servers it
 * names. @before: prefixes of the last good list.
 */
bool lists_pass(const struct engine_list *list, const struct feed_guard *guard, uint64_t before,
		const struct prefix *servers, size_t n_servers, char *why, size_t why_bytes);
/*
 * Makes the held list the good one, on disk when it returns. Errors: errno; then both are as
 * before.
 */
int lists_accept(const char *state_dir, const char *name);
/* Removes the held list; that there is none is no error. */
void lists_drop_held(const char *state_dir, const char *name);
/* Removes both lists of a feed that is no more; that there is none is no error. */
void lists_remove(const char *state_dir, const char *name);
/* Removes what an engine that was killed left half-written. */
void lists_clean(const char *state_dir);
/* Removes what is there of feeds that @is_known does not know. */
void lists_drop_strangers(const char *state_dir, bool (*is_known)(void *arg, const char *name),
			  void *arg);
