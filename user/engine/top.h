// SPDX-License-Identifier: GPL-2.0
/*
 * The busiest sources, from the kernel's bounded summary: every packet of a quiet CPU, one in 64 of
 * a busy one; 2048 sources a CPU.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct engine;

/* Ends the process where there is no memory. */
void top_open(struct engine *engine);
/* Every ten seconds: keeps what the rates of the next answer are measured against. */
void top_tick(struct engine *engine);
/* A source that was seen within the last hour: counts of all packets, from samples. */
struct top_seen {
	uint8_t addr_be[16]; /* network order, IPv4 in the first four bytes */
	uint32_t family;     /* 4 or 6 */
	double packets, drops;
};
/* Up to @max of them, by address. Returns how many; 0 where the kernel does not answer. */
size_t top_sources(struct engine *engine, struct top_seen *ret_seen, size_t max);
/* So many there may be. */
size_t top_sources_max(const struct engine *engine);
/*
 * Rows for `top`, busiest first by @by ("packets", "bytes" or "drops"), at most @max; NULL: out of
 * memory, or the kernel does not answer.
 */
json_t *top_rows(struct engine *engine, const char *by, unsigned max);
