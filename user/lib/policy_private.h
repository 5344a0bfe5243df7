// SPDX-License-Identifier: GPL-2.0
/* The private and not routable ranges, for the policy files alone. */
#pragma once

#include "prefix.h"

struct policy_hole {
	uint64_t hi, lo; /* IPv4: the address in the upper half of hi */
	uint8_t len;
	bool is_private; /* false: only not routable */
};

/* The ranges of @family (4 or 6), sorted and disjoint. */
const struct policy_hole *policy_holes(int family, unsigned *ret_n);
