// SPDX-License-Identifier: GPL-2.0
/*
 * The compiler's back end: a flattened policy in, a table image out. table_build.c does the
 * front, classes and checksum and calls one builder a family; each has its lookup in bpf/.
 */
#pragma once

#include "policy.h"

/* An image being built: lines in one anonymous mapping that grows. */
struct table_image {
	void *lines;	   /* mmap'd, 64-byte lines */
	uint32_t n_lines;  /* used */
	uint32_t capacity; /* lines mapped */
};

/*
 * Appends @n zeroed lines; *ret_base is the first one's index. Pointers into image->lines are void
 * after it.
 * Errors: -ENOMEM; -E2BIG over SEK_TABLE_LINES_MAX; the image is unchanged.
 */
int table_image_add(struct table_image *image, uint32_t n, uint32_t *ret_base);
void table_image_free(struct table_image *image);

/*
 * Builds the image of @policy. @seed is uniform and secret (the caller's, so a test can fix it):
 * hash multipliers come from it.
 * Errors: -ENOMEM, -E2BIG, -EINVAL of limit_build(). On failure *ret_image is untouched. Owned by
 * the caller: table_image_free().
 */
int table_build(const struct policy *policy, uint64_t generation, uint64_t seed,
		struct table_image *ret_image);

/*
 * The two families' parts, in table_v4_build.c and table_v6_build.c: append lines, fill the
 * parameter lines.
 */
int table_v4_build(struct table_image *image, const struct policy *policy, uint64_t seed);
int table_v6_build(struct table_image *image, const struct policy *policy, uint64_t seed);

/* Checksum of a whole image of @lines lines with head.checksum taken as 0; 8 bytes a step. */
uint64_t table_checksum(const void *image, uint32_t lines);
