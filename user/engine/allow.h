// SPDX-License-Identifier: GPL-2.0
/* The config's own allow list, by family, as the compiler takes it. */
#pragma once

#include <stddef.h>

#include "lib/prefix.h"

struct allow {
	struct prefix4 *v4;
	struct prefix6 *v6;
	size_t n4, n6;
};

/* Copies @n prefixes, in their order. *ret_allow is the caller's: allow_free(). Errors: -ENOMEM. */
int allow_split(const struct prefix *prefixes, size_t n, struct allow *ret_allow);
void allow_free(struct allow *allow);
