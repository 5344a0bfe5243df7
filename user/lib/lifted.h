// SPDX-License-Identifier: GPL-2.0
/*
 * Prefixes that lists or entries held until lately: the newest LIFTED_MAX of them, and a time up to
 * which others may have been. Pure; times are CLOCK_BOOTTIME, the caller's.
 */
#pragma once

#include "prefix.h"

/* prefixes: 448 KiB at the most; a look at all of them takes some 0.1 ms (test_lifted.c) */
#define LIFTED_MAX 16384

/* All zero: nothing was lifted. */
struct lifted {
	struct prefix prefix[LIFTED_MAX];
	uint64_t time_ns[LIFTED_MAX];
	uint64_t n;	 /* remembered ever; the next takes the place of the oldest */
	uint64_t all_ns; /* until then any prefix may have been lifted; 0: none */
};

/* @prefix is held no more. @now_ns is not before that of the call before. */
void lifted_add(struct lifted *lifted, const struct prefix *prefix, uint64_t now_ns);
/* Any prefix may be held no more. */
void lifted_add_all(struct lifted *lifted, uint64_t now_ns);
/* May @address have been held at @since_ns or later, by what is gone now? */
bool lifted_may_hold(const struct lifted *lifted, const struct prefix *address, uint64_t since_ns);
