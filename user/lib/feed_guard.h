// SPDX-License-Identifier: GPL-2.0
/*
 * The guards of a feed: may an update take the place of the last good list without a person's word?
 * In: the feed's bounds and what is known of the update. Out: yes, or every reason why not. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_GUARD_CHANGE_MIN 100 /* prefixes: a smaller list may grow as it likes */
/* prefixes: a smaller list may also shrink as it likes; DShield has 20, and has had 18 */
#define FEED_GUARD_SHRINK_MIN 10
/*
 * lines: so many slips of the pen among more good lines are no broken list, whatever their share is
 */
#define FEED_GUARD_ERRORS_MIN 3
/* share of a family: above it nobody's word is enough, the config must say so */
#define FEED_GUARD_WHOLE 0.5

struct feed_guard {
	uint32_t max_entries;
	uint32_t max_change_percent; /* 0: any change */
	double max_coverage;	     /* share of the routable space of a family */
	double max_errors;	     /* share of the lines or values that may be no address */
};

struct feed_guard_facts {
	uint64_t before, now; /* prefixes of the last good list (0: none) and of the update */
	uint64_t entries, errors;	/* of the update: understood, and not */
	double coverage4, coverage6;	/* share of the routable space of each family */
};

/*
 * Is the update taken? Else @why (@why_bytes of it) names every bound that it is over, with the
 * figures.
 * Source: the defaults hold over 3.6 years of Spamhaus DROP and DShield: worst growth in a day 35
 * %, worst shrinkage 4.2 %, no list over 0.72 % of routable IPv4, no line that is not understood.
 */
bool feed_guard_passes(const struct feed_guard *guard, const struct feed_guard_facts *facts,
		       char *why, size_t why_bytes);

/*
 * Does the update cover so much of a family that it needs a higher max-coverage, not a person's
 * word?
 */
bool feed_guard_is_whole(const struct feed_guard *guard, double coverage4, double coverage6);
