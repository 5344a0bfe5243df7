// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes, not turnover: real lists replace most of their entries in a day, and hardly change in
 * number. See feed_guard.h.
 */
#include "feed_guard.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void __attribute__((format(printf, 3, 4)))
add(char *why, size_t why_bytes, const char *format, ...)
{
	size_t len = strlen(why);
	va_list args;

	if (len && len + 3 < why_bytes) {
		memcpy(why + len, "; ", 3);
		len += 2;
	}
	va_start(args, format);
	(void)vsnprintf(why + len, why_bytes - len, format, args); /* the last reasons may be cut */
	va_end(args);
}

static bool is_over_change(const struct feed_guard *guard, const struct feed_guard_facts *facts)
{
	uint64_t percent = guard->max_change_percent, before = facts->before, now = facts->now;

	if (before < FEED_GUARD_SHRINK_MIN || !percent)
		return false;
	if (now * 100 < before * (percent < 100 ? 100 - percent : 0))
		return true;
	return before >= FEED_GUARD_CHANGE_MIN && now * 100 > before * (100 + percent);
}

static bool is_over_errors(const struct feed_guard *guard, const struct feed_guard_facts *facts)
{
	return (facts->errors > FEED_GUARD_ERRORS_MIN || facts->errors >= facts->entries) &&
	       (double)facts->errors > guard->max_errors * (double)(facts->entries + facts->errors);
}

bool feed_guard_passes(const struct feed_guard *guard, const struct feed_guard_facts *facts,
		       char *why, size_t why_bytes)
{
	why[0] = '\0';
	if (facts->now > guard->max_entries)
		add(why, why_bytes, "%" PRIu64 " prefixes, more than max-entries %u", facts->now, guard->max_entries);
	if (facts->coverage4 > guard->max_coverage || facts->coverage6 > guard->max_coverage)
		add(why, why_bytes, "it covers %.2f %% of routable IPv4 and %.2f %% of IPv6, more than max-coverage %.2f %%", facts->coverage4 * 100,
		    facts->coverage6 * 100, guard->max_coverage * 100);
	if (is_over_errors(guard, facts))
		add(why, why_bytes, "%" PRIu64 " of %" PRIu64 " lines or values are no addresses, more than max-errors %.3g %%", facts->errors,
		    facts->entries + facts->errors, guard->max_errors * 100);
	if (is_over_change(guard, facts))
		add(why, why_bytes, "from %" PRIu64 " to %" PRIu64 " prefixes, a change over max-change %u %%", facts->before, facts->now,
		    guard->max_change_percent);
	return !why[0];
}

bool feed_guard_is_whole(const struct feed_guard *guard, double coverage4, double coverage6)
{
	double most = coverage4 > coverage6 ? coverage4 : coverage6;

	return most > FEED_GUARD_WHOLE && most > guard->max_coverage;
}
