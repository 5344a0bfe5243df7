// SPDX-License-Identifier: GPL-2.0
/*
 * What the limiter needs of the keeper beside the table: its maps, once there is a limit or a ban;
 * its knobs in the control record, a sweep of bans that are over, and windows for the sample of
 * sources' rates. It goes on by itself without us; only bans and rates then pile up.
 */
#include "keeper.h"

#include <endian.h>
#include <string.h>
#include <time.h>

#include <sekisho/top.h>
#include "sys/bpf_limiter.h"
#include "sys/log.h"

#define SWEEP_MS 60000	 /* ms: 256 k bans are looked through in 20 ms */
#define WINDOW_MS 600000 /* ms: long enough for a peak, short enough that new sources find rows */
#define ROWS_MANY (SEK_RATES_MAX / 2)  /* rows in use: collisions cost too many sources above it */
/* the window ends now: what finds no row costs each packet, and says nothing */
#define ROWS_FULL (SEK_RATES_MAX / 4 * 3)
#define FULL_MS 10000 /* ms between looks at that */
#define ROWS_FEW (SEK_RATES_MAX / 16)  /* below it a larger sample says more */
#define SAMPLE_ALL 0xffffffffu

int limiter_need(struct keeper *keeper)
{
	struct role_msg msg = {.type = ROLE_LIMITER};
	int fds[ROLE_LIMITER_FDS], err;

	if (bpf_limiter_is_there(&keeper->side))
		return 0;
	err = bpf_limiter_make(&keeper->side, SEK_BANS_MAX);
	if (!err)
		err = engine_open_limiter(keeper, fds);
	if (!err)
		engine_send(keeper, &msg, fds, ROLE_LIMITER_FDS);
	if (!err)
		engine_close_limiter(fds);
	if (err)
		log_line(LOG_ERR, "limits: the kernel does not give their maps: %s; limiter-memory says how large they are", strerror(-err));
	return err;
}

int limiter_open(struct keeper *keeper)
{
	if (keeper->current.config->n_limits || keeper->side.control->n_bans)
		return limiter_need(keeper);
	bpf_limiter_drop(&keeper->side); /* of limits that the config had once */
	return 0;
}

/* All bits of an IPv6 address behind the first @len6. */
static void top_ignore(unsigned len6, __u64 ret_ignore_be[2])
{
	ret_ignore_be[0] = len6 < 64 ? htobe64(~0ull >> len6) : 0;
	ret_ignore_be[1] = len6 <= 64 ? ~0ull : len6 < 128 ? htobe64(~0ull >> (len6 - 64)) : 0;
}

void limiter_apply(struct keeper *keeper)
{
	struct sek_control *control = keeper->side.control;
	double per_cpu = keeper->current.config->events_per_s / keeper->side.n_cpus;

	control->events_per_s = per_cpu > 0 && per_cpu < 1 ? 1 : (uint32_t)per_cpu;
	control->top_gap = SEK_TOP_GAP;
	top_ignore(keeper->current.config->source_len6, control->top_ignore_be);
	if (!control->rates_window) {
		control->rates_threshold = SAMPLE_ALL;
		control->rates_window = 1;
	}
}

uint64_t keeper_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* The next window; its sample is smaller or larger, as the rows were too many or too few. */
static void next_window(struct keeper *keeper)
{
	struct sek_control *control = keeper->side.control;
	unsigned used = bpf_rates_used(&keeper->side, control->rates_window);
	uint32_t threshold = control->rates_threshold;

	if (used > ROWS_MANY && threshold >> 8)
		threshold /= 8;
	else if (used < ROWS_FEW)
		threshold = threshold < SAMPLE_ALL / 8 ? threshold * 8 : SAMPLE_ALL;
	control->rates_threshold = threshold;
	control->rates_window++;
}

void limiter_tick(struct keeper *keeper, uint64_t now_ms)
{
	unsigned gone;
	bool is_full;

	if (!keeper->swept_ms)
		keeper->swept_ms = now_ms; /* first the engine sees what ended while nobody ran */
	if (now_ms - keeper->swept_ms >= SWEEP_MS) {
		gone = bpf_ban_map_sweep(&keeper->bans, keeper_boot_ns());
		if (gone)
			log_line(LOG_DEBUG, "bans: %u are over and forgotten", gone);
		keeper->swept_ms = now_ms;
	}
	if (!keeper->window_ms)
		keeper->window_ms = now_ms;
	is_full = now_ms - keeper->rows_ms >= FULL_MS &&
		  bpf_rates_used(&keeper->side, keeper->side.control->rates_window) > ROWS_FULL;
	if (now_ms - keeper->rows_ms >= FULL_MS)
		keeper->rows_ms = now_ms;
	if (is_full || now_ms - keeper->window_ms >= WINDOW_MS) {
		next_window(keeper);
		keeper->window_ms = now_ms;
	}
}
