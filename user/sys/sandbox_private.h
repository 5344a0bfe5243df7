// SPDX-License-Identifier: GPL-2.0
/*
 * What the cages of the engine and of the fetcher are made of. Each closes a step further and never
 * opens anything up again; the rest, which files and which calls, is in sandbox_engine.c and
 * sandbox_fetch.c.
 */
#pragma once

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Gives all capabilities and the way to new ones up. Errors: negative errno. */
int sandbox_drop_capabilities(void);

/*
 * A Landlock ruleset that refuses every right this kernel knows; *ret_rights are these.
 * *ret_ruleset is -1 where the kernel has no Landlock: then one line on stderr says that files are
 * guarded by @others only, and the two calls below do nothing.
 * Errors: negative errno.
 */
int sandbox_files_begin(const char *others, int *ret_ruleset, uint64_t *ret_rights);
/*
 * Allows @rights on @path and below, of a file only those that files have; a path that is not there
 * needs no rule.
 */
int sandbox_files_allow(int ruleset, const char *path, uint64_t rights);
/* In force from here on, unless @err, which is returned; takes @ruleset. Errors: negative errno. */
int sandbox_files_end(int ruleset, int err);

/*
 * A filter that answers EPERM to all but what any of our processes takes (memory, its own signals
 * and limits, time, descriptors it has), and ends the process at what none has an honest reason
 * for. Errors: negative errno.
 */
int sandbox_calls_begin(scmp_filter_ctx *ret_filter);
/* @action for the @n @calls, whatever their arguments. Errors: negative errno. */
int sandbox_calls_add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n);
/* Allows threads, but no processes. Errors: negative errno. */
int sandbox_calls_add_threads(scmp_filter_ctx filter);
/* Allows asking a descriptor what is to be read. Errors: negative errno. */
int sandbox_calls_add_asks(scmp_filter_ctx filter);
/* In force from here on, unless @err, which is returned; takes @filter. Errors: negative errno. */
int sandbox_calls_end(scmp_filter_ctx filter, int err);
