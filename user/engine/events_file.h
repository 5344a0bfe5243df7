// SPDX-License-Identifier: GPL-2.0
/*
 * Events as lines of JSON in a file that the keeper opens, for programs that read logs. A worker
 * writes, so a slow disk stalls nobody; what a full disk does not take waits in bounded memory,
 * then is counted, and the gap is said in the file itself.
 */
#pragma once

#include <sekisho/event.h>
#include <stdint.h>

struct engine;
struct events_row;

/* The file is @fd from now on, which it takes over; -1: there is none now. */
void events_file_use(struct engine *engine, int fd);
/* One more line, written within a second. */
void events_file_add(struct engine *engine, const struct events_row *row);
/* Once a second. */
void events_file_tick(struct engine *engine);
/* Writes what waits, if the disk takes it. */
void events_file_close(struct engine *engine);
/* Events that never came into the file though it is configured, in this life of the engine. */
uint64_t events_file_lost(void);
