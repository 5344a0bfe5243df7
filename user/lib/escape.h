// SPDX-License-Identifier: GPL-2.0
/* Outside bytes made safe for terminals, logs and one-line messages. */
#pragma once

#include <stddef.h>

/*
 * Writes @len bytes of @in to @out as printable ASCII: every other byte and the backslash become
 * \xNN. Cut at whole escapes where @out_bytes (at least 1) is short; always ends in NUL. Returns @out.
 */
char *escape_text(const char *in, size_t len, char *out, size_t out_bytes);
