// SPDX-License-Identifier: GPL-2.0
/* Outside bytes made safe for terminals, logs and one-line messages. */
#pragma once

#include <stddef.h>

/*
 * Writes @len bytes of @in to @out as printable ASCII: every other byte and the backslash become
 * \xNN. Cut at whole escapes where @out_bytes (at least 1) is short; always ends in NUL. Returns
 * @out.
 */
char *escape_text(const char *in, size_t len, char *out, size_t out_bytes);

/* Ends @text before a character of UTF-8 that was cut off at its end. Returns @text. */
char *escape_end_utf8(char *text);
