// SPDX-License-Identifier: GPL-2.0
/*
 * Since when each list has held an address, as far as we know: NAME.since beside NAME.list, made
 * anew on a worker whenever the list in force is another one. Twelve bytes on disk an IPv4 prefix,
 * none of them read before somebody asks.
 */
#pragma once

#include <stdint.h>

#include "lib/prefix.h"

struct engine;
struct engine_feed;

/* Once a second: brings one list's times up to date. */
void since_tick(struct engine *engine);
/* A new config: lets the times of feeds that are no more go, those too that are being made. */
void since_forget_gone(struct engine *engine);
/*
 * Unix time of the first fetch from which on @feed has held @source, at least: before it nothing is
 * known. 0: it never got a list.
 */
int64_t since_find(const struct engine_feed *feed, const struct prefix *source);
