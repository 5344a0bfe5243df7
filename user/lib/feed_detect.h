// SPDX-License-Identifier: GPL-2.0
/* What a list is, from the start of its text: named with the reason, or refused with one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed_shape;

#define FEED_DETECT_BYTES                                                                          \
	(64u << 10) /* of the start looked at: longer than any banner and header seen */

struct feed_found {
	uint32_t format;                /* enum fetch_format */
	const struct feed_shape *shape; /* for a JSON format */
	char why[256];                  /* what it is known by; for a refusal why it is not known */
};

/*
 * Recognises the text whose first @len bytes are at @text; @is_whole: there are no more.
 * Errors: -EBADMSG where it is none or not surely one: ret_found->why says why, also what to put
 * into the config.
 */
int feed_detect(const char *text, size_t len, bool is_whole, struct feed_found *ret_found);

/* What a text is that is no list at all, such as a web page; NULL where it may be one. Static text.
 */
const char *feed_detect_rubbish(const char *text, size_t len);
