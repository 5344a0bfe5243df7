// SPDX-License-Identifier: GPL-2.0
/*
 * How many sources each limit holds at this moment, from the limiter's own slots: those with a live
 * "over since", which ends a second after the last packet over the limit, or a packet's time at
 * lower rates. Up to 64 MiB, read by system calls: some a turn of the loop, so that nobody waits
 * for the second that takes; who asks meanwhile shares the answer.
 */
#include "limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"

#define CHUNK 2048 /* lines a turn: 1-3 ms */
#define KIND_OVER (1u << SEK_LIMIT_KIND_SHIFT)
#define SLACK_QUANTA 60 /* a second: the slots go on while they are read */
#define QUANTUM_SHIFT (SEK_LIMIT_TAT_SHIFT + SEK_LIMIT_QUANTUM_SHIFT)

struct over {
	struct sek_limit words[SEK_LIMITS_MAX]; /* by number; all 0: no such limit */
	uint64_t now;	   /* slot word */
	uint64_t count[SEK_LIMITS_MAX];
};

/* One scan at a time. */
static struct {
	uv_idle_t turn;
	struct sek_limit_line *lines; /* NULL: none is under way */
	struct over over;
	uint32_t at, n;
	uint64_t number, done; /* the last that began; the last that ended */
	int err;
} scan;

static uint64_t now_word(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000000000ull + now.tv_nsec) / SEK_LIMIT_UNIT_NS
	       << SEK_LIMIT_TAT_SHIFT;
}

/*
 * An over-since slot, read as an arrival time, is its own expiry. One further ahead than a gap is
 * left from before a wrap.
 */
static void count_slot(struct over *over, uint64_t slot)
{
	unsigned number = slot >> SEK_LIMIT_NUMBER_SHIFT & 15;
	int64_t ahead = slot - over->now;

	if (over->words[number].tau && slot & KIND_OVER && ahead > 0 &&
	    (uint64_t)ahead >> QUANTUM_SHIFT <= over->words[number].gap_quanta + SLACK_QUANTA)
		over->count[number]++;
}

static void end_scan(struct engine *engine, int err)
{
	uv_idle_stop(&scan.turn);
	free(scan.lines);
	scan.lines = NULL;
	scan.err = err;
	scan.done = scan.number;
	control_poll_waiting(engine);
}

static void take_turn(uv_idle_t *turn)
{
	struct engine *engine = turn->data;
	uint32_t n = scan.n - scan.at < CHUNK ? scan.n - scan.at : CHUNK, i, k;
	int err = n ? bpf_read_array(engine->map_fds[ROLE_FD_SLOTS], scan.at, n,
				     sizeof(*scan.lines), scan.lines)
		    : 0;

	scan.over.now = now_word();
	for (i = 0; i < n && !err; i++) {
		for (k = 0; k < SEK_LIMIT_SLOTS; k++)
			count_slot(&scan.over, scan.lines[i].slot[k]);
	}
	scan.at += n;
	if (err || scan.at == scan.n)
		end_scan(engine, err);
}

int limits_over_start(struct engine *engine, uint64_t *ret_number)
{
	size_t i;

	if (!scan.lines) {
		scan.lines = calloc(CHUNK, sizeof(*scan.lines));
		if (!scan.lines)
			return -ENOMEM;
		if (!scan.turn.data) {
			uv_idle_init(&engine->loop, &scan.turn);
			scan.turn.data = engine;
		}
		memset(&scan.over, 0, sizeof(scan.over));
		for (i = 0; i < engine->config->n_limits; i++)
			/* checked */
			(void)limit_words(&engine->config->limits[i], engine->config->source_len6,
					  &scan.over.words[engine->config->limits[i].number]);
		scan.n = engine->map_fds[ROLE_FD_SLOTS] >= 0 && engine->read.control->limit_bits
				 ? 1u << engine->read.control->limit_bits
				 : 0;
		scan.at = 0;
		scan.number++;
		uv_idle_start(&scan.turn, take_turn);
	}
	*ret_number = scan.number;
	return 0;
}

bool limits_over_done(uint64_t number, int *ret_err, uint64_t ret_over[SEK_LIMITS_MAX])
{
	if (scan.done < number)
		return false;
	*ret_err = scan.err;
	memcpy(ret_over, scan.over.count, sizeof(scan.over.count));
	return true;
}
