// SPDX-License-Identifier: GPL-2.0
/*
 * A list as records: what the fetcher hands over in a sealed memfd, what the engine keeps on
 * disk as the last good list, and maps when it compiles. Never trusted without list_file_check().
 *
 *   struct list_head | struct prefix4[n4] | struct prefix6[n6] | struct list_error[n_errors] |
 * struct list_origin
 *
 * Version 1 had no list_origin; what is on disk of it is still read.
 *
 * Prefixes are sorted and unique, host bits 0.
 */
#pragma once

#include "prefix.h"

#define LIST_MAGIC 0x3154534c4b455353ull
#define LIST_VERSION 2
#define LIST_ERRORS_MAX 100   /* rows kept of lines not understood; all are counted */
#define LIST_ERROR_TEXT_BYTES 52 /* start of the offending line, escaped by the printer */

struct list_error {
	uint32_t line;	 /* from 1 */
	uint32_t reason; /* enum prefix_error, or FEED_E_* of feed_parse.h */
	uint8_t text_len;
	char text[LIST_ERROR_TEXT_BYTES - 1];
	uint32_t pad;
};
_Static_assert(sizeof(struct list_error) == 64, "list file format");

/* What the text was read as, and why: recognised or told. */
struct list_origin {
	uint64_t skipped; /* entries left out on purpose: under the threshold, of another country,
			     not blocked */
	uint32_t format;  /* enum fetch_format of fetch_msg.h */
	char why[116];	  /* printable ASCII with a NUL */
};
_Static_assert(sizeof(struct list_origin) == 128, "list file format");

struct list_head {
	uint64_t magic;
	uint32_t version;
	uint32_t n4, n6;     /* prefixes that follow */
	uint32_t n_errors;   /* error rows that follow, at most LIST_ERRORS_MAX */
	uint64_t lines;	     /* lines read */
	uint64_t entries4;   /* entries understood, an a-b range counting once, before merging
				duplicates */
	uint64_t entries6;
	uint64_t duplicates; /* entries that were there already */
	uint64_t host_bits;  /* entries whose host bits were masked off */
	uint64_t errors;     /* lines not understood, all of them */
	uint64_t checksum;   /* list_file_checksum() of all that follows the head */
};
_Static_assert(sizeof(struct list_head) == 80, "list file format");

/* The parts of a checked list file; pointers into the caller's mapping. */
struct list_view {
	const struct list_head *head;
	const struct prefix4 *v4;
	const struct prefix6 *v6;
	const struct list_error *errors;
	const struct list_origin *origin; /* NULL: a list of version 1 */
};

/* 64-bit checksum of @len bytes (not cryptographic: it finds torn and rotten files). */
uint64_t list_file_checksum(const void *data, size_t len);

/*
 * Checks @len bytes at @data: sizes add up exactly, magic, version, counts within the limits of
 * limits.h, checksum, every prefix valid, sorted, unique, host bits 0, error rows' lengths.
 * Errors: -EBADMSG with *ret_why (static text) saying what; *ret_view is written only on success.
 */
int list_file_check(const void *data, size_t len, struct list_view *ret_view, const char **ret_why);
