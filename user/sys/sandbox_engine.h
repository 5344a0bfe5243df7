// SPDX-License-Identifier: GPL-2.0
/*
 * What the engine may still do once it runs: its state folder, its inherited descriptors, reading
 * maps. It speaks to strangers (lists, local clients, scrapers), so it can neither reach out nor
 * start anything.
 */
#pragma once

/*
 * Locks this process in for good, all its later threads with it: no capability, no new privilege,
 * no file outside
 * @state_dir but /etc/passwd and /etc/nsswitch.conf (user names), no socket of its own, no other
 * program or process, of bpf(2) only reading an element. Call it before the first thread. A kernel
 * without Landlock is told on stderr and gone on with.
 *
 * Errors: negative errno if capabilities, Landlock or seccomp could not be set: the caller must not
 * go on.
 */
int sandbox_engine_apply(const char *state_dir);
