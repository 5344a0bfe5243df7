// SPDX-License-Identifier: GPL-2.0
/*
 * When a feed is asked again: jitter so that hosts do not come together, longer waits while it
 * fails. And when a child that died is started again.
 */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST_S                                                                            \
	60 /* seconds: first wait after a failure; doubled up to the feed's interval */
#define BACKOFF_WISH_MAX_S 86400 /* seconds: a server's Retry-After counts up to a day */
#define BACKOFF_RESTART_MS                                                                         \
	50u /* ms: first wait before a child is started again; doubled with each death */
#define BACKOFF_RESTART_MAX_MS 5000u /* ms */
#define BACKOFF_LIFE_MS                                                                            \
	10000u /* ms: a child that lived so long works; one that did not dies of its start */

/*
 * Milliseconds until the next try of a feed that failed @failures times in a row: @interval_s where
 * it went well, else the doubled wait, never over the interval; not sooner than the server's wish
 * @retry_after_s. 90 to 110 % of it, by
 * @rand32 (uniform; the caller's, so that a test can fix it); the wish is never cut short.
 *
 * Errors: none.
 * Source: jitter, so that hosts rebooted together do not fetch together; RFC 9110 10.2.3
 * (Retry-After).
 */
uint64_t backoff_wait_ms(uint32_t interval_s, uint32_t failures, uint32_t retry_after_s,
			 uint32_t rand32);

/*
 * Milliseconds until a child that has just ended is started again. *@deaths counts those in a row,
 * 0 at first; one that had lived for BACKOFF_LIFE_MS (@lived_ms) begins a new row. What it says of
 * itself does not count.
 *
 * Errors: none.
 */
unsigned backoff_restart_ms(unsigned *deaths, uint64_t lived_ms);
