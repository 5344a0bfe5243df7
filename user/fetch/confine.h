// SPDX-License-Identifier: GPL-2.0
/* The last thing a fetch does before it reads a stranger's first byte. */
#pragma once

#include "lib/fetch_msg.h"

/*
 * Locks this process in for @job: from here on it opens, starts and connects to nothing. Where the
 * job has a network, what may connect for it is started first, in a process of its own. Errors:
 * negative errno; then the caller must not go on.
 */
int confine(struct fetch_job *job);
