// SPDX-License-Identifier: GPL-2.0
/* Bytes in JSON text: RFC 4648, section 4, with padding and nothing else between. */
#pragma once

#include <stddef.h>

#define BASE64_ROOM(n) (((n) + 2) / 3 * 4 + 1) /* bytes of the text of @n bytes, with its NUL */

/* Writes the text of @len bytes to @out of BASE64_ROOM(@len) bytes. */
void base64_encode(const void *data, size_t len, char *out);
/*
 * Reads @len bytes of text to @out, which has room for @len / 4 * 3. Errors: -EINVAL it is no such
 * text; then @out may be partly written.
 */
int base64_decode(const char *text, size_t len, void *out, size_t *ret_len);
