// SPDX-License-Identifier: GPL-2.0
/* One line at a time; a NUL or a line of any length hides no other line. */
#include "resolv.h"

#include <string.h>

#include "rail.h"

#define ADDRESS_BYTES 64 /* longer than any address, INET6_ADDRSTRLEN is 46 */

static size_t blanks(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (text[n] == ' ' || text[n] == '\t'))
		n++;
	return n;
}

static void take_line(const char *line, size_t len, resolv_fn take, void *context)
{
	static const char word[] = "nameserver";
	char address[ADDRESS_BYTES];
	struct sek_rail_key key;
	size_t at = blanks(line, len), n = 0;

	if (len - at < sizeof(word) - 1 || memcmp(line + at, word, sizeof(word) - 1))
		return;
	at += sizeof(word) - 1;
	n = blanks(line + at, len - at);
	if (!n)
		return;
	at += n;
	for (n = 0; n < ADDRESS_BYTES - 1 && at + n < len && line[at + n] &&
		    strchr("0123456789abcdefABCDEF:.", line[at + n]);
	     n++)
		address[n] = line[at + n];
	address[n] = '\0';
	if (rail_key_parse(address, &key))
		take(context, &key);
}

void resolv_servers(const char *text, size_t len, resolv_fn take, void *context)
{
	const char *end;
	size_t n;

	for (; len; text += n, len -= n) {
		end = memchr(text, '\n', len);
		n = end ? (size_t)(end - text) : len;
		take_line(text, n, take, context);
		n += end != NULL;
	}
}
