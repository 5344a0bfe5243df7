// SPDX-License-Identifier: GPL-2.0
/* Rates of sources, from the kernel's rows to a distribution a day. See rates.h. */
#include "rates.h"

#include <stdlib.h>
#include <string.h>

#include <sekisho/top.h>
#include "engine.h"
#include "sys/log.h"

#define DAY_S 86400

struct rates {
	struct sek_rate_row *rows; /* of the window, as of the last look */
	uint64_t window;
	uint32_t threshold;	   /* of that window: which share of the sources is counted */
	int64_t day_forgotten;
	bool is_resumed;	   /* an earlier engine's window was looked for */
};

#define STORED "rates_window" /* counter of the state: the window that is not folded yet, and its threshold */

void rates_open(struct engine *engine)
{
	engine->rates = calloc(1, sizeof(*engine->rates));
	if (engine->rates)
		engine->rates->rows = calloc(SEK_RATES_MAX, sizeof(*engine->rates->rows));
	if (!engine->rates || !engine->rates->rows)
		exit(1); /* 600 kB at the start: there is nothing to keep yet */
}

static void read_rows(struct engine *engine)
{
	struct rates *rates = engine->rates;

	if (bpf_read_array(engine->map_fds[ROLE_FD_RATES], 0, SEK_RATES_MAX, sizeof(*rates->rows),
			   rates->rows))
		/* the next look sees them again */
		memset(rates->rows, 0, SEK_RATES_MAX * sizeof(*rates->rows));
}

/*
 * Reads the rows of the window in force. An engine that comes after us has to know which it was and
 * how large its sample.
 */
static void look(struct engine *engine)
{
	struct rates *rates = engine->rates;
	uint64_t window = engine->read.control->rates_window;

	rates->threshold = engine->read.control->rates_threshold;
	if (window != rates->window)
		/* then a restart may lose this window */
		(void)store_counter_put(engine->store, STORED, window, rates->threshold);
	rates->window = window;
	read_rows(engine);
}

/*
 * The window that an earlier engine saw begin may have ended without one: its rows are there until
 * others need their places.
 */
static void resume(struct engine *engine)
{
	struct rates *rates = engine->rates;
	uint64_t window = 0, threshold = 0, epoch = 0, unused;

	rates->is_resumed = true;
	if (store_counter_get(engine->store, "epoch", &epoch, &unused) ||
	    epoch != engine->hello.body.hello.epoch)
		return; /* other maps: its rows are gone */
	if (store_counter_get(engine->store, STORED, &window, &threshold) || !window)
		return;
	rates->window = window;
	rates->threshold = threshold;
	read_rows(engine);
}

static const char *name_of(const struct engine *engine, uint32_t limit)
{
	return limit < SEK_LIMITS_MAX ? engine->limits->row[limit].name : RATES_ALL;
}

/* Adds the window's rows of @limit. */
static void add_rows(const struct engine *engine, uint32_t limit, bool is_bits,
		     struct rate_hist *hist)
{
	const struct rates *rates = engine->rates;
	double weight = rates->threshold ? 4294967296.0 / ((double)rates->threshold + 1) : 0;
	unsigned i;

	if (limit < SEK_LIMITS_MAX && engine->limits->given_window[limit] &&
	    engine->limits->given_window[limit] == rates->window)
		return; /* half of them are of the limit that had the number before */
	for (i = 0; i < SEK_RATES_MAX; i++) {
		const struct sek_rate_row *row = &rates->rows[i];
		double peak = is_bits ? 8.0 * row->peak_bytes : row->peak_packets;

		if (row->tag && row->window == rates->window && row->limit == limit)
			rate_hist_add(hist, peak, weight);
	}
}

static int fold_one(struct engine *engine, uint32_t limit, bool is_bits, int64_t day)
{
	struct rate_hist now = { 0 };
	unsigned days;
	int err;

	add_rows(engine, limit, is_bits, &now);
	if (now.total <= 0)
		return 0;
	/* today's alone: none is later */
	err = store_rates_sum(engine->store, name_of(engine, limit), is_bits, day, &now, &days);
	return err ? err
		   : store_rates_put(engine->store, name_of(engine, limit), is_bits, day, &now);
}

/* A window is over: into its day. */
static void fold(struct engine *engine, int64_t day)
{
	uint32_t limit;
	int err = store_begin(engine->store);

	for (limit = 0; limit <= SEK_LIMITS_MAX && !err; limit++) {
		if (limit < SEK_LIMITS_MAX && !name_of(engine, limit)[0])
			continue;
		err = fold_one(engine, limit, false, day);
		if (!err)
			err = fold_one(engine, limit, true, day);
	}
	if (!err)
		err = store_counter_put(engine->store, STORED, 0, 0); /* not twice */
	if (!err && engine->rates->day_forgotten != day)
		err = store_rates_forget(engine->store, day - RATES_DAYS + 1);
	if (!err)
		err = store_commit(engine->store);
	if (err) {
		log_line(LOG_ERR, "state: the rates of ten minutes cannot be kept: %s", store_error(engine->store));
		store_rollback(engine->store);
		return;
	}
	engine->rates->day_forgotten = day;
}

void rates_tick(struct engine *engine)
{
	if (!engine->rates->is_resumed)
		resume(engine);
	if (engine->rates->window && engine->rates->window != engine->read.control->rates_window)
		fold(engine, engine_now_s() / DAY_S);
	look(engine);
}

static uint32_t number_of(const struct engine *engine, const char *name)
{
	const struct limit_settings *limit = name[0] ? limits_find_name(engine, name) : NULL;

	return limit ? limit->number : SEK_LIMITS_MAX;
}

int rates_sum(struct engine *engine, const char *name, bool is_bits, struct rate_hist *ret_hist,
	      unsigned *ret_days)
{
	int64_t first_day = engine_now_s() / DAY_S - RATES_DAYS + 1;
	struct rate_hist hist = { 0 };
	unsigned days = 0;
	int err;

	if (!bpf_read_refresh(&engine->read))
		rates_tick(engine);
	err = store_rates_sum(engine->store, name, is_bits, first_day, &hist, &days);
	if (err)
		return err;
	add_rows(engine, number_of(engine, name), is_bits, &hist);
	*ret_hist = hist;
	*ret_days = days;
	return 0;
}
