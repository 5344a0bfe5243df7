// SPDX-License-Identifier: GPL-2.0
/* The busiest sources, from the kernel's bounded summary: every packet of a quiet CPU, one in 64 of a busy one; 2048 sources a CPU. */
#pragma once

#include <jansson.h>

struct engine;

/* Ends the process where there is no memory. */
void top_open(struct engine *engine);
/* Every ten seconds: keeps what the rates of the next answer are measured against. */
void top_tick(struct engine *engine);
/* Rows for `top`, busiest first by @by ("packets", "bytes" or "drops"), at most @max; NULL: out of memory, or the kernel does not answer. */
json_t *top_rows(struct engine *engine, const char *by, unsigned max);
