// SPDX-License-Identifier: GPL-2.0
/*
 * What a fetch's processes may still do before the first byte of a stranger is read: no capability,
 * almost no file, no new program or process, no local socket, bounded memory and time. Only the
 * connector makes connections, and it reads none of them.
 */
#pragma once

#include <stdint.h>

enum sandbox_fetch_role {
	SANDBOX_FETCH_FILE = 0, /* reads what it has open: no socket, no file */
	SANDBOX_FETCH_HTTP, /* the same over sockets that it is given: it makes, connects and binds
			       none; reads trust anchors */
	SANDBOX_FETCH_CONNECT, /* resolves and connects; reads what names are resolved with */
};

struct sandbox_fetch {
	enum sandbox_fetch_role role;
	const char *ca_file;  /* of SANDBOX_FETCH_HTTP: readable as well; empty: none */
	uint32_t max_entries; /* memory follows from it; 0 for the connector */
};

/*
 * Locks this process in for good. A kernel without Landlock is told on stderr and gone on with;
 * seccomp still holds.
 *
 * Errors: negative errno if limits, capabilities or seccomp could not be set: the caller must
 * not go on.
 */
int sandbox_fetch_apply(const struct sandbox_fetch *want);
