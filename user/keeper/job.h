// SPDX-License-Identifier: GPL-2.0
/*
 * What the engine wants in a map, row by row: one row comes in the request and is done at once,
 * many come in a sealed memfd and are done on a worker thread, and no request is read meanwhile, so
 * that the event loop never waits for millions of them.
 */
#pragma once

#include "keeper.h"

struct job;

struct job_kind {
	/* job->count rows; returns what the answer says, its words in job->text */
	int (*run)(struct job *job, const void *rows);
	/* on the loop, before the answer; NULL: nothing */
	void (*after)(struct keeper *keeper);
	size_t row_bytes;
	uint32_t least, most; /* rows in a memfd */
	const char *cut;      /* what is said where they are not all there */
};

/*
 * A request with copies of all that changes on the event loop. The map it is for is the job's while
 * it runs.
 */
struct job {
	uv_work_t work;
	struct keeper *keeper;
	const struct job_kind *kind;
	struct role_msg msg; /* the request */
	uint32_t count;
	uint32_t life; /* of the engine that asked */
	int fd, err;
	struct role_rail rails[SEK_RAILS_MAX];
	unsigned n_rails;
	char text[ROLE_TEXT_BYTES];
};

/*
 * Does what @msg asks for and answers it: @one row at once, or @count rows out of @fd (taken over;
 * -1: none came, which is an error without @one) later.
 */
void job_start(struct keeper *keeper, const struct job_kind *kind, const struct role_msg *msg,
	       const void *one, uint32_t count, int fd);
