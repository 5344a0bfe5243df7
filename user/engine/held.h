// SPDX-License-Identifier: GPL-2.0
/*
 * What the table in force drops, list by list, and what a new one drops no more: explain does not
 * say of a source that nobody stopped it where a list may have, that no longer holds it.
 */
#pragma once

#include "engine.h"

struct held; /* of one table: its block lists and its limits */

/*
 * What the table that is built now will hold. *ret_held is the caller's until held_send(). Errors:
 * errno.
 */
int held_take(const struct engine *engine, struct held **ret_held);
/* On the worker: finds what the table in force has and @held has not. */
void held_compare(struct held *held);
/* @held, which is taken over, belongs to the table that was sent to the keeper. */
void held_send(struct held *held);
/* The keeper's answer: the table that was sent is in force, or (@is_in_force false) refused. */
void held_swapped(const struct engine *engine, bool is_in_force);
/* May the table that was sent, and is not known to be in force, drop @address no more? */
bool held_may_lift(const struct engine *engine, const struct prefix *address);
void held_free(struct held *held); /* NULL: nothing */
