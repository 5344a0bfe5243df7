// SPDX-License-Identifier: GPL-2.0
/* What the files of explain share. */
#pragma once

#include "engine.h"

/*
 * Adds to the answer @data of @address: answer, stopped_by, bans and recent. @kernel is what the
 * kernel said of it, @winner the first row of the matches (borrowed, may be NULL).
 */
void explain_add_bans(struct engine *engine, const struct prefix *address,
		      const struct sek_explain *kernel, const json_t *winner, json_t *data);

/*
 * CLOCK_BOOTTIME of what the kernel said: its clock is that of the last jiffy, and the answer is
 * some time old; a ban that it still found is not over.
 */
uint64_t explain_now_ns(const struct sek_explain *kernel);

/* Is the program on any interface? Where not, it drops nothing, whatever it would say. */
bool explain_is_attached(const struct engine *engine);

/* explain_past.c: what tells of a source's drops where no sampled event does. */

/* A source's records of being near or over limits, together. */
struct explain_over {
	uint32_t packets;  /* over a limit */
	uint32_t limits;   /* set of the numbers of those that it was near or over */
	uint64_t first_ns; /* CLOCK_BOOTTIME: counted from then on */
};

/* Records of @address, or of a prefix around it, that were written after @since_ns. */
struct explain_over explain_over_of(struct engine *engine, const struct prefix *address,
				    uint64_t since_ns);
#define LATELY_S 900 /* seconds: a drop that is older is no answer to "why can't I connect" */

/*
 * Were @address dropped after @since_ns by a limit, a list or an entry, would events, records or
 * what is in force tell of it? False: what is missing may have told.
 */
bool explain_is_known(struct engine *engine, const struct prefix *address, uint64_t since_ns);
/* The kernel's counters were read just now. */
void explain_watch(struct engine *engine);
/* An entry or a list holds sources of @prefix no more that it may have held until now. */
void explain_lifted(const struct prefix *prefix);
/* The same of any source. */
void explain_lifted_all(void);
