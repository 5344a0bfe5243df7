// SPDX-License-Identifier: GPL-2.0
/* Rules in a row: each that holds adds its reason, and the strictest says what is advised. */
#include "feed_advice.h"

#include <stdarg.h>
#include <stdio.h>

#define NOTHING_NEW 0.99	/* share: what is left is no reason for another list */
#define WIDE                                                                                       \
	0.01 /* share of a family's routable space: no threat list measured covers more than 0.72  \
		% */
/*
 * Sources that must have been seen before none lost speaks for a list: of so many, none says that
 * less than a tenth of all are lost, at 95 % confidence. Source: the rule of three, 3 / n.
 */
#define SEEN_ENOUGH 30
#define ERRORS_SHARE 0.01	/* of lines not understood: real lists have one or two */

struct verdict {
	enum feed_advice advice;
	struct feed_reason *reasons;
	size_t n;
};

static void add(struct verdict *verdict, enum feed_advice advice, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void add(struct verdict *verdict, enum feed_advice advice, const char *format, ...)
{
	va_list args;

	if (advice > verdict->advice)
		verdict->advice = advice;
	if (verdict->n == FEED_REASONS_MAX)
		return;
	va_start(args, format);
	vsnprintf(verdict->reasons[verdict->n++].text, sizeof(verdict->reasons[0].text), format,
		  args);
	va_end(args);
}

static void judge_no(const struct feed_facts *f, struct verdict *verdict)
{
	if (f->held_why)
		add(verdict, FEED_ADVICE_NO,
		    f->is_whole ? "it would be held, and `sekisho feed accept` refused: %s"
				: "it would be held until `sekisho feed accept`: %s",
		    f->held_why);
	if (f->errors > f->entries)
		add(verdict, FEED_ADVICE_NO, "%llu lines not understood, for %llu prefixes: no list, or in another format",
		    (unsigned long long)f->errors, (unsigned long long)f->entries);
	if (f->held_share >= NOTHING_NEW)
		add(verdict, FEED_ADVICE_NO, "%s, in force, holds %.1f %% of it: next to nothing new", f->held_by, f->held_share * 100);
}

static void judge_seen(const struct feed_facts *f, struct verdict *verdict)
{
	if (f->n_open)
		add(verdict, FEED_ADVICE_MONITOR, "would have dropped %u source%s seen lately that had connections open", f->n_open, f->n_open == 1 ? "" : "s");
	if (f->n_would_drop)
		add(verdict, FEED_ADVICE_MONITOR, "would have dropped %u of %u sources seen lately, which nothing drops now", f->n_would_drop, f->n_seen);
}

enum feed_advice feed_advise(const struct feed_facts *f, struct feed_reason *ret_reasons,
			     size_t *ret_n)
{
	struct verdict verdict = { .reasons = ret_reasons };

	judge_no(f, &verdict);
	judge_seen(f, &verdict);
	if (f->n_protected)
		add(&verdict, FEED_ADVICE_MONITOR,
		    "names %u protected address%s of this host (passed all the same): the right list?",
		    f->n_protected, f->n_protected == 1 ? "" : "es");
	if (f->known_good_entries)
		add(&verdict, FEED_ADVICE_MONITOR,
		    "%llu of its entries share addresses with the known-good list %s",
		    (unsigned long long)f->known_good_entries, f->known_good);
	if (f->private_entries)
		add(&verdict, FEED_ADVICE_MONITOR, "%llu of its entries are private or reserved ranges (left out unless private: block)", (unsigned long long)f->private_entries);
	if (f->errors > f->entries * ERRORS_SHARE && f->errors <= f->entries)
		add(&verdict, FEED_ADVICE_MONITOR, "%llu line%s not understood",
		    (unsigned long long)f->errors, f->errors == 1 ? "" : "s");
	if (f->coverage4 > WIDE || f->coverage6 > WIDE)
		add(&verdict, FEED_ADVICE_MONITOR, "it is wide: %.2f %% of routable IPv4, %.2f %% of IPv6", f->coverage4 * 100, f->coverage6 * 100);
	if (!verdict.n && f->n_seen >= SEEN_ENOUGH)
		add(&verdict, FEED_ADVICE_BLOCK, "nothing speaks against it: none of the %u sources seen lately would be lost", f->n_seen);
	else if (!verdict.n && f->n_seen)
		add(&verdict, FEED_ADVICE_MONITOR, "nothing speaks against it, but only %u source%s that it could drop %s seen lately: too few to judge by, %d are enough", f->n_seen,
		    f->n_seen == 1 ? "" : "s", f->n_seen == 1 ? "was" : "were", SEEN_ENOUGH);
	else if (!verdict.n)
		add(&verdict, FEED_ADVICE_MONITOR, "nothing speaks against it, but no source that it could drop was seen lately to try it on");
	*ret_n = verdict.n;
	return verdict.advice;
}

const char *feed_advice_name(enum feed_advice advice)
{
	static const char *const names[] = { "block", "monitor", "no" };

	return names[advice];
}
