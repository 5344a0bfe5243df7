// SPDX-License-Identifier: GPL-2.0
/*
 * What a fetcher may still do before it reads a stranger's first byte: no capability, almost no
 * file, no new program, no local socket, bounded memory and time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sandbox_fetch {
	bool has_network;     /* false: neither sockets nor any file */
	const char *ca_file;  /* readable as well; empty: none */
	uint32_t max_entries; /* memory follows from it */
};

/*
 * Locks this process in for good. A kernel without Landlock is told on stderr and gone on with;
 * seccomp still holds.
 *
 * Errors: negative errno if limits, capabilities or seccomp could not be set: the caller must
 * not go on.
 */
int sandbox_fetch_apply(const struct sandbox_fetch *want);
