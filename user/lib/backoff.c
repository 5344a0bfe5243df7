// SPDX-License-Identifier: GPL-2.0
/* Waits between tries: pure arithmetic, see backoff.h. */
#include "backoff.h"

#define BACKOFF_DOUBLINGS_MAX 25 /* 60 s * 2^25 is over any 32-bit interval */
#define BACKOFF_RESTARTS 7 /* doublings of the first wait that are below the longest */

uint64_t backoff_wait_ms(uint32_t interval_s, uint32_t failures, uint32_t retry_after_s,
			 uint32_t rand32)
{
	uint32_t wish_s = retry_after_s < BACKOFF_WISH_MAX_S ? retry_after_s : BACKOFF_WISH_MAX_S;
	uint64_t wait_s = interval_s, wait_ms;

	if (failures) {
		wait_s = (uint64_t)BACKOFF_FIRST_S
			 << (failures - 1 < BACKOFF_DOUBLINGS_MAX ? failures - 1
								  : BACKOFF_DOUBLINGS_MAX);
		if (wait_s > interval_s)
			wait_s = interval_s;
	}
	wait_ms = wait_s * 900 + (wait_s * 200 * (rand32 >> 8) >>
				  24); /* 24 bits of it, or the product would not fit */
	return wait_ms < wish_s * 1000ull ? wish_s * 1000ull + (wish_s * 200ull * rand32 >> 32)
					  : wait_ms;
}

unsigned backoff_restart_ms(unsigned *deaths, uint64_t lived_ms)
{
	unsigned wait_ms;

	if (lived_ms >= BACKOFF_LIFE_MS)
		*deaths = 0;
	wait_ms =
	    *deaths < BACKOFF_RESTARTS ? BACKOFF_RESTART_MS << *deaths : BACKOFF_RESTART_MAX_MS;
	*deaths += *deaths < BACKOFF_RESTARTS;
	return wait_ms;
}
