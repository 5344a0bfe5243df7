// SPDX-License-Identifier: GPL-2.0
/* One request to CrowdSec's local API: decisions pulled, or usage metrics pushed. */
#pragma once

#include "lib/fetch_msg.h"

/*
 * Does @job (FETCH_DECISIONS, FETCH_DECISIONS_ALL or FETCH_PUSH). Returns the sealed memfd of
 * decisions (decision.h), or -1: result->status says whether that is well (FETCH_DONE after a push)
 * or not.
 */
int lapi_work(const struct fetch_job *job, struct fetch_result *result);
