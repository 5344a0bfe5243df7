// SPDX-License-Identifier: GPL-2.0
/*
 * What a list that was tried is good for: block, monitor first, or not at all, each with its
 * reasons and their figures. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum feed_advice {
	FEED_ADVICE_BLOCK,   /* nothing speaks against it */
	FEED_ADVICE_MONITOR, /* watch what it would drop first */
	FEED_ADVICE_NO,	     /* it would be held, adds nothing, or is no list */
};

struct feed_facts {
	uint64_t entries, errors;      /* prefixes; lines not understood */
	double coverage4, coverage6;   /* of routable space, 0..1 */
	/* the bounds of the feed that it is over, see feed_guard.h; NULL: none */
	const char *held_why;
	bool is_whole; /* nor would a person's word take it: feed_guard_is_whole() */
	uint64_t private_entries;      /* wholly private or reserved */
	/* that share addresses with a known-good list; the most of any */
	uint64_t known_good_entries;
	const char *known_good;	       /* that list's name */
	/* of its addresses, by the one block list in force that holds most of it, 0..1 */
	double held_share;
	const char *held_by;
	unsigned n_protected;	       /* of this host's own addresses, gateways, resolvers */
	/* sources seen lately; not those that no list drops: protected, or private and left out */
	unsigned n_seen;
	/* of them it names, and nothing drops or allows them today */
	unsigned n_would_drop;
	unsigned n_open;	       /* of those, with connections that this host had open */
};

#define FEED_REASONS_MAX 12
struct feed_reason {
	char text[400];
};

/*
 * The advice, with up to FEED_REASONS_MAX reasons, the weightiest first; *ret_n of them, at least
 * one.
 */
enum feed_advice feed_advise(const struct feed_facts *facts, struct feed_reason *ret_reasons,
			     size_t *ret_n);
/* "block", "monitor" or "no". */
const char *feed_advice_name(enum feed_advice advice);
