// SPDX-License-Identifier: GPL-2.0
/* The check of an origin's name: see origin.h. */
#include "origin.h"

#include <stddef.h>
#include <string.h>

const char *origin_error(const char *origin)
{
	const char *at;

	if (strlen(origin) >= ORIGIN_NAME_BYTES)
		return "the origin is over 63 bytes long";
	for (at = origin; *at; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return "the origin has a blank or control character in it: it is one word, such as fail2ban:sshd";
	}
	return NULL;
}
