// SPDX-License-Identifier: GPL-2.0
/*
 * Lists to the fewest disjoint IPv4 prefixes that cover the same addresses: what overlaps or
 * touches becomes one. No process calls it: tables keep ranges with their classes (policy.h). It is
 * what `make bench` times beside iprange, which can do no more than this, and so stands among what
 * is tested.
 */
#pragma once

#include "prefix.h"

/*
 * Merges @n_lists sorted lists (as in a list file) of @n[i] prefixes. *ret_list is the caller's to
 * free(). Errors: -ENOMEM.
 */
int list_reduce4(const struct prefix4 *const *lists, const size_t *n, size_t n_lists,
		 struct prefix4 **ret_list, size_t *ret_n);
