// SPDX-License-Identifier: GPL-2.0
/*
 * How often a test repeats: in full, or less where SEKISHO_SLOW is set, as `make vmtest` does in
 * its guests, which are emulated. Only repetitions and sizes go through here, never what is
 * asserted of each.
 */
#pragma once

#include <stdlib.h>

/* @n, or a tenth of it (never 0) on a slow machine. */
static inline unsigned slow_share(unsigned n)
{
	return getenv("SEKISHO_SLOW") ? (n + 9) / 10 : n;
}
