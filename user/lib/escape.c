// SPDX-License-Identifier: GPL-2.0
/*
 * Outside bytes in, printable ASCII out: no byte of a feed or a client reaches a terminal as it
 * came.
 */
#include "escape.h"

#include <string.h>

char *escape_text(const char *in, size_t len, char *out, size_t out_bytes)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c >= 0x20 && c <= 0x7e && c != '\\') {
			if (at + 1 >= out_bytes)
				break;
			out[at++] = (char)c;
			continue;
		}
		if (at + 4 >= out_bytes)
			break;
		out[at++] = '\\';
		out[at++] = 'x';
		out[at++] = hex[c >> 4];
		out[at++] = hex[c & 15];
	}
	out[at] = '\0';
	return out;
}

char *escape_end_utf8(char *text)
{
	size_t len = strlen(text), back = 1, want;

	while (back < 4 && back < len && ((unsigned char)text[len - back] & 0xc0) == 0x80)
		back++;
	if (!len || (unsigned char)text[len - back] < 0xc0)
		return text;
	want = (unsigned char)text[len - back] < 0xe0   ? 2
	       : (unsigned char)text[len - back] < 0xf0 ? 3
							: 4;
	if (back < want)
		text[len - back] = '\0';
	return text;
}
