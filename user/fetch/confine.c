// SPDX-License-Identifier: GPL-2.0
/*
 * The order of a fetch's two sandboxes. In: a job. Out: a process that can only read what it was
 * given.
 */
#include "fetch/confine.h"

#include "fetch/connector.h"
#include "sys/sandbox_fetch.h"

int confine(struct fetch_job *job)
{
	const struct sandbox_fetch want = {
		.role = job->is_file ? SANDBOX_FETCH_FILE : SANDBOX_FETCH_HTTP,
		.ca_file = job->ca_file,
		.max_entries = job->max_entries,
	};
	int err = job->is_file ? 0 : connector_start(job);

	return err ? err : sandbox_fetch_apply(&want);
}
