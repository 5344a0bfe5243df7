// SPDX-License-Identifier: GPL-2.0
/*
 * The body of a feed on its way from the wire to the parser: unpacked if it is gzip, zip,
 * xz or zstd, counted on both sides, refused if it is a web page.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/fetch_msg.h"

struct body;

/* A body for @job; NULL: out of memory. @job stays the caller's and must outlive it. */
struct body *body_new(const struct fetch_job *job);
void body_free(struct body *body);

/*
 * Takes the next @len bytes as sent. @says_gzip: a header said so; all compression is also known
 * by its first bytes.
 * Errors: -EBADMSG, -EFBIG, -ENOMEM: body_why() says why, and nothing more may be pushed.
 */
int body_push(struct body *body, bool says_gzip, const void *data, size_t len);

/*
 * Nothing told where the body ends: a plain one must then end with a whole line, or say how much it
 * holds.
 */
void body_doubt_end(struct body *body);

/*
 * The body is whole: hands over the list file in @ret_file (to be freed).
 * Errors: as body_push(), and what the parser refuses.
 */
int body_end(struct body *body, void **ret_file, size_t *ret_len);

/* Why the last call failed: one line, never NULL. */
const char *body_why(const struct body *body);

/* enum fetch_format: what the body was read as, or where that is not known what was asked for. */
uint32_t body_format(const struct body *body);

/* Bytes given to the parser, and bytes pushed. */
uint64_t body_plain_bytes(const struct body *body);
uint64_t body_wire_bytes(const struct body *body);
