// SPDX-License-Identifier: GPL-2.0
/* Base64, strict: a stranger's text. */
#include "base64.h"

#include <errno.h>
#include <stdint.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *out)
{
	const uint8_t *in = data;
	size_t i;

	for (i = 0; i < len; i += 3) {
		uint32_t three = in[i] << 16 | (i + 1 < len ? in[i + 1] << 8 : 0) |
				 (i + 2 < len ? in[i + 2] : 0);

		*out++ = letters[three >> 18];
		*out++ = letters[three >> 12 & 63];
		*out++ = i + 1 < len ? letters[three >> 6 & 63] : '=';
		*out++ = i + 2 < len ? letters[three & 63] : '=';
	}
	*out = '\0';
}

/* -1: no such letter. */
static int value_of(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t len, void *out, size_t *ret_len)
{
	uint8_t *to = out;
	size_t i, k, pad = 0;

	if (len % 4)
		return -EINVAL;
	if (len)
		pad = text[len - 1] != '=' ? 0 : text[len - 2] == '=' ? 2 : 1;
	for (i = 0; i < len; i += 4) {
		uint32_t four = 0;
		size_t left = i + 4 == len ? pad : 0;

		for (k = 0; k < 4; k++) {
			int value = k < 4 - left ? value_of(text[i + k]) : 0;

			if (value < 0)
				return -EINVAL;
			four = four << 6 | (uint32_t)value;
		}
		if ((left == 2 && four & 0xffff) || (left == 1 && four & 0xff))
			return -EINVAL; /* bits that nobody would read */
		*to++ = (uint8_t)(four >> 16);
		if (left < 2)
			*to++ = (uint8_t)(four >> 8);
		if (left < 1)
			*to++ = (uint8_t)four;
	}
	*ret_len = (size_t)(to - (uint8_t *)out);
	return 0;
}
