// SPDX-License-Identifier: GPL-2.0
/*
 * Compressed bodies by their first bytes: gzip, zip with one file (of MaxMind several), xz and
 * zstd. A stream must end, its checksum must be right, and nothing may follow but more such
 * streams, whose texts are then one; memory is bounded whatever the stream asks for.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNPACK_HEAD_BYTES 6 /* bytes that tell: xz has the longest magic */

enum unpack_kind { UNPACK_NONE = 0, UNPACK_GZIP, UNPACK_ZIP, UNPACK_XZ, UNPACK_ZSTD };

struct unpack;

/* Takes unpacked bytes; not 0 stops. */
typedef int (*unpack_fn)(void *ctx, const void *data, size_t len);

/* What begins with the @len bytes at @head? */
enum unpack_kind unpack_kind_of(const uint8_t *head, size_t len);

/*
 * Why what begins with the @len bytes at @head is packed in a way that nothing here unpacks; NULL:
 * it is none of those. Static text. Source: bzip2's and 7-Zip's own format descriptions; xz's
 * lzma-file-format.txt.
 */
const char *unpack_why_not(const uint8_t *head, size_t len);

/*
 * An unpacker of @kind that gives what it finds to @fn; @pick is for unzip.h, NULL: one file. NULL:
 * out of memory.
 */
struct unpack *unpack_new(enum unpack_kind kind, bool (*pick)(const char *name, size_t len),
			  unpack_fn fn, void *ctx);
void unpack_free(struct unpack *unpack);

/*
 * Unpacks @len more bytes. Errors: -EBADMSG, -ENOMEM with *ret_why (static text); what @fn
 * returned, *ret_why is then NULL.
 */
int unpack_push(struct unpack *unpack, const void *data, size_t len, const char **ret_why);

/* The body has ended. Errors: -EBADMSG with *ret_why where the stream has not. */
int unpack_end(struct unpack *unpack, const char **ret_why);
