// SPDX-License-Identifier: GPL-2.0
/*
 * The process that makes a fetch's connections, so that the one which reads what servers send can
 * make none: it resolves names, judges addresses, connects, hands the sockets over, and reads
 * nothing of them.
 */
#pragma once

#include "lib/connect_msg.h"

/*
 * Starts the connector of @job, whose socket becomes FETCH_CONNECTOR_FD, and waits until its
 * sandbox has closed. It ends with this process, or when that descriptor is closed; the kernel
 * reaps it. Call it before anything of a stranger is read.
 *
 * Errors: negative errno; then there is none.
 */
int connector_start(struct fetch_job *job);

/*
 * Asks it for a connection (http_request's connect). Returns the connected socket, the caller's; or
 * -1 with ret_answer->why.
 */
int connector_ask(const struct connect_ask *ask, struct connect_answer *ret_answer);
