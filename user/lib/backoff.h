// SPDX-License-Identifier: GPL-2.0
/* When a feed is asked again: jitter so that hosts do not come together, longer waits while it fails. */
#pragma once

#include <stdint.h>

#define BACKOFF_FIRST_S 60	/* seconds: first wait after a failure; doubled up to the feed's interval */
#define BACKOFF_WISH_MAX_S 86400 /* seconds: a server's Retry-After counts up to a day */

/*
 * Milliseconds until the next try of a feed that failed @failures times in a row: @interval_s where it went well,
 * else the doubled wait, never over the interval; not sooner than the server's wish @retry_after_s. 90 to 110 % of it, by
 * @rand32 (uniform; the caller's, so that a test can fix it); the wish is never cut short.
 *
 * Errors: none.
 * Source: jitter, so that hosts rebooted together do not fetch together; RFC 9110 10.2.3 (Retry-After).
 */
uint64_t backoff_wait_ms(uint32_t interval_s, uint32_t failures, uint32_t retry_after_s, uint32_t rand32);
