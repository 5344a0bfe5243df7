// SPDX-License-Identifier: GPL-2.0
/*
 * How many sources each limit holds at this moment, from the limiter's own slots: those with a live "over since", which ends
 * a second after the last packet over the limit, or a packet's time at lower rates.
 */
#include "limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"

#define CHUNK 4096 /* lines a read */
#define KIND_OVER (1u << 23)
#define SLACK_QUANTA 60 /* a second: the slots go on while they are read */
#define QUANTUM_SHIFT (SEK_LIMIT_TAT_SHIFT + SEK_LIMIT_QUANTUM_SHIFT)

struct over {
	struct sek_limit words[SEK_LIMITS_MAX]; /* by number; all 0: no such limit */
	uint64_t now;	   /* slot word */
	uint64_t *count;
};

static uint64_t now_word(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000000000ull + now.tv_nsec) / SEK_LIMIT_UNIT_NS << SEK_LIMIT_TAT_SHIFT;
}

/* An over-since slot, read as an arrival time, is its own expiry. One further ahead than a gap is left from before a wrap. */
static void count_slot(struct over *over, uint64_t slot)
{
	unsigned number = slot >> SEK_LIMIT_NUMBER_SHIFT & 15;
	int64_t ahead = slot - over->now;

	if (over->words[number].tau && slot & KIND_OVER && ahead > 0 && (uint64_t)ahead >> QUANTUM_SHIFT <= over->words[number].gap_quanta + SLACK_QUANTA)
		over->count[number]++;
}

int limits_over(struct engine *engine, uint64_t ret_over[SEK_LIMITS_MAX])
{
	struct sek_limit_line *lines = calloc(CHUNK, sizeof(*lines));
	struct over over = { .now = now_word(), .count = ret_over };
	uint32_t n = engine->map_fds[ROLE_FD_SLOTS] >= 0 && engine->read.control->limit_bits ? 1u << engine->read.control->limit_bits : 0, at, i, k;
	int err = lines ? 0 : -ENOMEM;

	memset(ret_over, 0, SEK_LIMITS_MAX * sizeof(ret_over[0]));
	for (i = 0; i < engine->config->n_limits; i++)
		(void)limit_words(&engine->config->limits[i], engine->config->source_len6, &over.words[engine->config->limits[i].number]); /* checked */
	for (at = 0; at < n && !err; at += CHUNK) {
		err = bpf_read_array(engine->map_fds[ROLE_FD_SLOTS], at, CHUNK, sizeof(*lines), lines);
		for (i = 0; i < CHUNK && !err; i++) {
			for (k = 0; k < SEK_LIMIT_SLOTS; k++)
				count_slot(&over, lines[i].slot[k]);
		}
	}
	free(lines);
	return err;
}
