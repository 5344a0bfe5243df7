// SPDX-License-Identifier: GPL-2.0
/*
 * JSON (RFC 8259) as a stream: bytes in any chunks in, each scalar with its path out. Memory and
 * depth are bounded, and nothing but JSON passes: no comments, no bare words, no trailing commas,
 * no bytes that are not UTF-8.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_JSON_DEPTH 32        /* levels: published lists have up to 4 */
#define FEED_JSON_PATH_BYTES 512  /* path with the NUL; a longer one matches nothing */
#define FEED_JSON_TEXT_BYTES 4096 /* kept of a string or number; the rest is checked and left out  \
				   */

enum feed_json_event {
	FEED_JSON_STRING,
	FEED_JSON_NUMBER,
	FEED_JSON_WORD,   /* true, false, null: the text is the word */
	FEED_JSON_OBJECT, /* an object has ended: its members came before */
	FEED_JSON_ROOT,   /* a whole value has ended */
	/* an array has ended: its path is without the []; see feed_json_tell_arrays() */
	FEED_JSON_ARRAY,
};

struct feed_json_item {
	enum feed_json_event event;
	const char *path; /* prefixes[].ip_prefix; of a member of the root just its name */
	const char *text; /* unescaped, not ended by NUL */
	size_t len;
	bool is_cut;   /* longer than FEED_JSON_TEXT_BYTES */
	uint64_t line; /* from 1 */
};

/* Takes one item; not 0 stops the reading. */
typedef int (*feed_json_fn)(void *ctx, const struct feed_json_item *item);

struct feed_json;

/* A reader of one value, or where @is_lines of values with a line end between. NULL: out of memory.
 */
struct feed_json *feed_json_new(bool is_lines, feed_json_fn fn, void *ctx);
void feed_json_free(struct feed_json *json);

/* From now on FEED_JSON_ARRAY is told too, so that an empty array is seen. */
void feed_json_tell_arrays(struct feed_json *json);

/*
 * Reads @len more bytes.
 * Errors: -EBADMSG for what is no JSON, feed_json_why() says what; what the callback returned.
 */
int feed_json_push(struct feed_json *json, const char *bytes, size_t len);

/* The text has ended. Errors: as feed_json_push(). */
int feed_json_end(struct feed_json *json);

/* Static text of the last -EBADMSG, and the line it was found in. */
const char *feed_json_why(const struct feed_json *json, uint64_t *ret_line);
