// SPDX-License-Identifier: GPL-2.0
/*
 * A feed as commands give it: a name and lines KEY=VALUE, made into the YAML of one file of
 * feeds.d. Both the engine and the keeper make it from the same lines, so that neither has to
 * believe the other's YAML.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define FEED_FILE_BYTES 8192 /* lines of a request: a URL of 2 kB, some short keys, and room */
#define FEED_FILE_WHY_BYTES 200

/*
 * Is @name one that a command may give, and so a file's? 1 to 63 of a-z A-Z 0-9 _ - : no - first,
 * no dot, no slash.
 */
bool feed_file_name_is_good(const char *name);

/*
 * The file of feed @name from @len bytes of @pairs, lines that end in a newline. Keys are those
 * that are harmless in a stranger's hand (none names a file with a secret), each once; values are
 * printable. *ret_text is the caller's to free().
 *
 * Errors: -EINVAL with one line in @why; -ENOMEM.
 */
int feed_file_make(const char *name, const char *pairs, size_t len, char **ret_text,
		   size_t *ret_len, char *why, size_t why_bytes);

/*
 * The same, read as a config of its own with that one feed: what the values mean, and whether they
 * go together.
 * *ret_config is config_free()'s. Errors: as above.
 */
int feed_file_read(const char *name, const char *pairs, size_t len, struct config **ret_config,
		   char *why, size_t why_bytes);
