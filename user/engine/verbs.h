// SPDX-License-Identifier: GPL-2.0
/*
 * Between the control sockets and what answers them: one request in, one answer out, now or later.
 * An answer is the caller's to json_decref().
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/role_msg.h"
#include "sys/store.h"
#include <sekisho/table.h>

struct engine;
struct engine_feed;
struct verbs_stage;
struct feed_upload;

/* Who asks. Lives as long as the connection. */
struct verbs_client {
	bool may_change;
	uint32_t uid;
	char user[STORE_USER_BYTES];
	struct verbs_stage *stage; /* entries of an import that is not whole yet; NULL none */
	struct feed_upload *upload; /* the same of a file for feed.try */
};

/* A request whose answer comes later. */
struct verbs_wait {
	/* The answer, or NULL: not yet. Asked whenever something came to its end. */
	json_t *(*poll)(struct engine *engine, struct verbs_wait *wait);
	/* the client is gone; may be NULL */
	void (*abandon)(struct engine *engine, struct verbs_wait *wait);
	void *job;
	uint64_t number;
	char name[64];
	const char *verb; /* for the audit; NULL: nothing is recorded */
	/*
	 * so many ask so that the audit's row is on disk with what is next: the loop waits for no
	 * disk
	 */
	bool is_lazy;
	char detail[160];
	char result[256]; /* for the audit, of an answer that is no error; empty: it was done */
};

struct verbs_request {
	struct engine *engine;
	json_t *json;
	enum sek_action kind; /* of block.* and allow.* */
	struct verbs_client *client;
	struct verbs_wait *wait;
	struct prefix ssh_client; /* where the person who asks sits; family 0: not by SSH */
	bool force;
	char why[ROLE_TEXT_BYTES]; /* of an entry that is refused */
};

/* Answers @json of @client; NULL: later, ask verbs_poll() with *@wait. */
json_t *verbs_answer(struct engine *engine, json_t *json, struct verbs_client *client,
		     struct verbs_wait *ret_wait);
json_t *verbs_poll(struct engine *engine, const struct verbs_client *client,
		   struct verbs_wait *wait);
/* The connection is over; @wait NULL: nothing is waited for. */
void verbs_hang_up(struct engine *engine, struct verbs_client *client, struct verbs_wait *wait);

/*
 * The poll and abandon of a request that waits for what role_ask() numbered: the keeper's answer is
 * its answer.
 */
json_t *verbs_keeper_said(struct engine *engine, struct verbs_wait *wait);
void verbs_keeper_forget(struct engine *engine, struct verbs_wait *wait);

/* The request's text member, or @other. */
const char *verbs_word(const struct verbs_request *request, const char *key, const char *other);
json_t *verbs_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
json_t *verbs_ok(json_t *data);
/* A stranger's @text cut to @size bytes, whole characters, for an error's line. Returns @buf. */
const char *verbs_shown(const char *text, char *buf, size_t size);
json_t *verbs_time(int64_t time_s); /* null where it is 0 */

/* verbs_entries.c */
json_t *verbs_entry_add(struct verbs_request *request);
json_t *verbs_entry_import(struct verbs_request *request);
/*
 * What @prefix was taken from where that had host bits, as a line for people; null where it had
 * none.
 */
json_t *verbs_cleared_text(const struct prefix *prefix, const char *given, bool host_bits);
/* verbs_entries_del.c */
json_t *verbs_entry_del(struct verbs_request *request);
json_t *verbs_entry_flush(struct verbs_request *request);
json_t *verbs_entry_list(struct verbs_request *request);
void verbs_stage_free(struct verbs_stage *stage);

/* verbs_feeds.c */
/* The answer where no feed is called @name. */
json_t *verbs_no_feed(const char *name);
json_t *verbs_feed(struct engine *engine, struct engine_feed *feed, bool is_long);
json_t *verbs_feeds(struct engine *engine);
json_t *verbs_feed_list(struct verbs_request *request);
json_t *verbs_feed_show(struct verbs_request *request);
json_t *verbs_feed_update(struct verbs_request *request);
json_t *verbs_feed_accept(struct verbs_request *request);

/* feed_try.c, verbs_feed_files.c */
json_t *verbs_feed_try(struct verbs_request *request);
void feed_upload_free(struct feed_upload *upload);
json_t *verbs_feed_add(struct verbs_request *request);
json_t *verbs_feed_remove(struct verbs_request *request);
/*
 * The request's member "set", an object of texts, as KEY=VALUE lines (feed_file.h) in @room of
 * FEED_FILE_BYTES + 1; NULL, or the answer that says what is wrong with it.
 */
json_t *verbs_feed_pairs(struct verbs_request *request, char *room, size_t *ret_len);

/* verbs_limits.c */
struct limit_settings;
/* One limit with what it counted, or all of the config's. */
json_t *verbs_limit(struct engine *engine, const struct limit_settings *limit);
json_t *verbs_limits(struct engine *engine);
json_t *verbs_limit_list(struct verbs_request *request);
json_t *verbs_limit_suggest(struct verbs_request *request);
json_t *verbs_limit_try(struct verbs_request *request);
json_t *verbs_top(struct verbs_request *request);
/* Adds to the kernel's word on the lists what its limits make of the source's next packet. */
void verbs_explain_verdict(struct sek_explain *kernel);
/* What the kernel says of one source's limits. */
json_t *verbs_explain_limits(struct engine *engine, const struct sek_explain *kernel);

/* review.c, events.c, verbs_bans.c */
json_t *verbs_review_list(struct verbs_request *request);
json_t *verbs_review_show(struct verbs_request *request);
json_t *verbs_review_confirm(struct verbs_request *request);
json_t *verbs_review_reject(struct verbs_request *request);
json_t *verbs_events(struct verbs_request *request);

/* verbs_bans.c: bans among the block entries */
/* The limit's name of an origin limit:NAME, else NULL. */
const char *verbs_ban_limit(const char *origin);
/*
 * Adds live bans with id > @after of @origin (NULL: any) to @rows until they are @limit. Returns 1
 * where there are more, 0, or the state's error; *ret_last is the last one's id, or @after.
 */
int verbs_ban_rows(struct engine *engine, const char *origin, int64_t after, size_t limit,
		   json_t *rows, int64_t *ret_last);
/*
 * Takes the live ban of limit @name that holds @prefix away. Returns 1 done, 0 there is none, or an
 * error with @why.
 */
int verbs_ban_del(struct verbs_request *request, const struct prefix *prefix, const char *name,
		  char *why, size_t why_bytes);
