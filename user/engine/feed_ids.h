// SPDX-License-Identifier: GPL-2.0
/*
 * Ids of lists, which the table's classes and the counters know feeds by. There are 255, for feeds
 * that are and that were: one that comes back gets its id again, as long as nobody needs it, and
 * begins anew with it.
 */
#pragma once

#include <stdbool.h>

struct engine;

/*
 * A new config: forgets all that is known of feeds that are not in it, but for their ids: lists,
 * state, totals, quality. Whoever takes one of their names later has nothing to do with them.
 */
void feed_ids_forget_gone(struct engine *engine);
/*
 * Gives feeds without an id (all were taken when their config came) those of feeds that are in no
 * config any more, tried longest ago first, and with it forgets these: their row, totals and lists.
 * An id in the generation in force or on its way stays its owner's, since packets are still counted
 * under it. True: another compile would take more feeds in.
 */
bool feed_ids_claim(struct engine *engine);
