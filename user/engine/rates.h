// SPDX-License-Identifier: GPL-2.0
/*
 * Rates that sources reach, for `limit suggest` and `limit try`: the kernel counts a sample of the
 * sources in windows of ten minutes; a window that is over becomes part of its day's distribution
 * in the state. One source counts once a window, with its busiest second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/rate_hist.h"

#define RATES_DAYS 14	      /* kept: two weeks, so that a weekly peak is in it */
#define RATES_ALL ""	      /* the name of all packets, whatever limits they match */

struct engine;
struct rates;

/* Ends the process where there is no memory. */
void rates_open(struct engine *engine);
/*
 * Every ten seconds: looks at the kernel's rows, folds a window that is over. engine->read must be
 * fresh.
 */
void rates_tick(struct engine *engine);

/*
 * All that is known of limit @name, this window included; @is_bits: bits a second, else packets.
 * *ret_days: of so many days.
 * Errors: of the store.
 */
int rates_sum(struct engine *engine, const char *name, bool is_bits, struct rate_hist *ret_hist,
	      unsigned *ret_days);
