// SPDX-License-Identifier: GPL-2.0
/* Hand-made entries: one by one at once, many in slices between which everyone else is served. */
#pragma once

#include "engine.h"

#define ENTRIES_SLICE_MAX 2000 /* entries a turn of a job at most */
#define ENTRIES_STAGE_MAX 1000000 /* rows of imports that wait: 48 MB */
#define ENTRIES_STAGE_TEXT_MAX (32u << 20) /* bytes of their origins and reasons */

/* A row of an import, texts in the stage's own memory. */
struct entries_row {
	struct prefix prefix;
	int64_t expires_s; /* Unix time; 0: no end */
	const char *origin, *reason;
};

enum entries_job_kind { ENTRIES_IMPORT, ENTRIES_FLUSH, ENTRIES_EXPIRE, ENTRIES_STEPS };

/*
 * What is done slice by slice. Filled by who starts it, who reads is_done, err, why and count, and
 * frees it then.
 */
struct entries_job {
	struct entries_job *next;
	uv_work_t work; /* puts it on disk at its end */
	struct engine *engine;
	const char *path; /* of the state */
	enum entries_job_kind what;
	enum sek_action kind;
	struct entries_row *rows; /* import: the caller's, until the job is done */
	size_t n_rows, at;
	char by_user[STORE_USER_BYTES];
	bool is_forced;
	char origin[STORE_ORIGIN_BYTES]; /* flush */
	/* flush of bans: it waits for this scan of the kernel's map; 0: for none yet */
	uint32_t scan;
	/* steps: does at most @slice of it. Returns 1 where there is more, 0, or an error. */
	int (*step)(struct engine *engine, struct entries_job *job, size_t slice);
	/* told once, and then frees it; NULL: it is asked */
	void (*done)(struct engine *engine, struct entries_job *job);
	void *memory;			 /* freed with the job by @free_memory */
	void (*free_memory)(void *memory);
	bool is_lazy; /* done when in force; on disk soon after */
	bool is_done, is_abandoned;
	int err;
	char why[ROLE_TEXT_BYTES];
	uint64_t count; /* rows in force, or gone */
};

void entries_job_start(struct engine *engine, struct entries_job *job);
/* Nobody waits for it any more: it frees itself in the end. */
void entries_job_abandon(struct entries_job *job);
void entries_job_free(struct entries_job *job);

/* Tells the kernel what the state says of @prefix. Errors: the keeper's, with its words in @why. */
int entries_apply(struct engine *engine, const struct prefix *prefix, char *why, size_t why_bytes);
/*
 * The same for many, behind which @to_come more will follow: the kernel's map gets room for all of
 * them.
 */
int entries_apply_many(struct engine *engine, const struct prefix *prefixes, size_t n,
		       size_t to_come, char *why, size_t why_bytes);
/*
 * Does a block of @prefix have to be refused, because it holds a protected address or @ssh_client
 * (family 0: none)? Then @why says what and how it is overridden. The keeper has the last word.
 */
bool entries_is_protected(const struct engine *engine, const struct prefix *prefix,
			  const struct prefix *ssh_client, bool force, char *why, size_t why_bytes);
