// SPDX-License-Identifier: GPL-2.0
/*
 * Limits looked at twice: by the config, for what is wrong with them, and by the keeper, for what
 * an engine that means harm may have put into an image.
 */
#include "limit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rate.h"
#include <sekisho/table.h>

#define MATCH_WARN 4	       /* limits at one packet that the program charges without a call */
#define MATCH_NS 20	       /* what each of these above the first costs a packet, and ... */
#define MATCH_CALL_NS 40       /* ... each above them: of 50,000 sources, measured */
#define FLOOD_PER_S                                                                                \
	100000.0 /* new sources a second that a table must hold without forgetting offenders */
#define LOAD_MAX 0.4	       /* live slots to all slots: full fidelity below it, measured */
#define BURST_ONE_BELOW_PER_S                                                                      \
	10.0 /* below it a spoofed source's one packet weighs as much as an offender */
#define PORT_LINES (65536 / SEK_LINE_BYTES)

struct problems {
	struct limit_problem *problem;
	size_t n, max;
};

static void __attribute__((format(printf, 4, 5)))
add(struct problems *problems, bool is_error, size_t index, const char *format, ...)
{
	struct limit_problem *problem = &problems->problem[problems->n];
	va_list args;

	if (problems->n == problems->max)
		return;
	problem->is_error = is_error;
	problem->index = index;
	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	problems->n++;
}

static void check_one(const struct limit_settings *limit, size_t index, unsigned table_bits,
		      struct problems *problems)
{
	double rate = limit->packets_per_s > 0 ? limit->packets_per_s : limit->bits_per_s / 8;
	double held = LOAD_MAX * SEK_LIMIT_SLOTS * (double)(1u << table_bits);
	/*
	 * A source's first packet keeps its slot for this long: 700 bytes stand for a packet of a
	 * bits limit.
	 */
	double live_s = (limit->packets_per_s > 0 ? 1 : 700) / rate;
	char text[32];

	if (limit->burst / rate > SEK_LIMIT_BURST_MAX_S)
		add(problems, true, index,
		    "a burst of %.0f lasts over an hour at %s: take a smaller burst", limit->burst,
		    rate_format(limit->packets_per_s > 0 ? rate : limit->bits_per_s, text));
	else if (limit->packets_per_s > 0 && limit->burst < 2 && rate < BURST_ONE_BELOW_PER_S)
		add(problems, false, index,
		    "a burst of 1 below 10/s: under a flood of spoofed sources it forgets real offenders; a burst of 5 does not");
	else if (FLOOD_PER_S * live_s > held)
		add(problems, false, index,
		    "the limiter's table of %u MiB holds %.0f new sources a second at this rate; a larger flood makes it forgetful: limiter-memory makes it larger",
		    (1u << table_bits) * SEK_LINE_BYTES >> 20, held / live_s);
}

size_t limit_problems(const struct limit_settings *limits, size_t n, unsigned table_bits,
		      struct limit_problem *ret_problems, size_t max)
{
	struct problems problems = { .problem = ret_problems, .max = max };
	unsigned most;

	if (n > SEK_LIMITS_MAX) {
		add(&problems, true, n, "%zu limits: at most %d at once", n, SEK_LIMITS_MAX);
		return problems.n;
	}
	most = limit_match_max(limits, n);
	if (most > SEK_LIMIT_MATCH_MAX)
		add(&problems, true, n,
		    "%u limits can match one packet: at most %d; give some of them ports or a protocol",
		    most, SEK_LIMIT_MATCH_MAX);
	else if (most > MATCH_WARN)
		add(&problems, false, n,
		    "%u limits can match one packet: each above the first costs it %d ns, above the fourth %d, about %u ns together",
		    most, MATCH_NS, MATCH_CALL_NS,
		    (MATCH_WARN - 1) * MATCH_NS + (most - MATCH_WARN) * MATCH_CALL_NS);
	for (size_t i = 0; i < n; i++)
		check_one(&limits[i], i, table_bits, &problems);
	return problems.n;
}

bool limit_fold_is_sound(const struct limit_fold *fold)
{
	return fold->number < SEK_LIMITS_MAX && fold->parity < 2 && !(fold->former_maxd >> 63) &&
	       !(fold->former_mant >> 24) && fold->former_shift < 64 && !(fold->most >> 39);
}

static int bad(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EBADMSG;
}

static const void *line_at(const void *image, uint32_t line)
{
	return (const char *)image + (size_t)line * SEK_LINE_BYTES;
}

/* What tells the slots of these settings from those of the former ones, and converts those. */
static int check_former(const struct sek_limit *limit, const char **ret_why)
{
	uint32_t either = 1u << SEK_LIMIT_PARITY_SHIFT;

	if ((limit->mark | either) != (limit->number << SEK_LIMIT_NUMBER_SHIFT | either))
		return bad("limit mark", ret_why);
	if (limit->former_maxd >> 63 || limit->former_mant >> 24 || limit->former_shift > 63)
		return bad("limit former", ret_why);
	if (!limit->former_maxd && (limit->former_mant || limit->former_shift))
		return bad("limit former", ret_why);
	return 0;
}

static int check_words(const struct sek_limit *limit, uint32_t *numbers, const char **ret_why)
{
	if (limit->number >= SEK_LIMITS_MAX || *numbers >> limit->number & 1)
		return bad("limit number", ret_why);
	*numbers |= 1u << limit->number;
	if (limit->flags & ~(SEK_LIMIT_F_MONITOR | SEK_LIMIT_F_DITHER | SEK_LIMIT_F_BAN))
		return bad("limit flags", ret_why);
	if (limit->len4 < 1 || limit->len4 > 32 || limit->len6 < 1 || limit->len6 > 128)
		return bad("limit prefix length", ret_why);
	if ((limit->cost_packet != 0) == (limit->cost_byte != 0))
		return bad("limit cost", ret_why);
	if (limit->tau >> 63 || limit->maxd >> 63 || limit->maxd < limit->tau)
		return bad("limit burst", ret_why);
	if (check_former(limit, ret_why))
		return -EBADMSG;
	if (limit->flags & SEK_LIMIT_F_BAN &&
	    (!limit->ban_for_ns || limit->ban_most_ns < limit->ban_for_ns ||
	     limit->repeat_x256 < 256))
		return bad("limit ban", ret_why);
	return 0;
}

static int check_set(const struct sek_limit_list *lists, const struct sek_table_limits *head,
		     const char **ret_why)
{
	for (int kind = 0; kind < SEK_LIMIT_KINDS; kind++) {
		if (lists[kind].n > SEK_LIMIT_MATCH_MAX)
			return bad("limits of a packet", ret_why);
		for (unsigned i = 0; i < lists[kind].n; i++) {
			if (lists[kind].index[i] >= head->n_limits)
				return bad("limit index", ret_why);
		}
		if (!head->by_kind && memcmp(&lists[kind], &lists[0], sizeof(*lists)))
			return bad("limit by_kind", ret_why);
	}
	return 0;
}

static int check_ports(const void *image, const struct sek_table_limits *head, const char **ret_why)
{
	const uint8_t *set = line_at(image, head->port_base);

	for (unsigned port = 0; port < 65536; port++) {
		if (set[port] >= head->n_sets)
			return bad("limit set of a port", ret_why);
	}
	return 0;
}

/*
 * The parts lie behind one another, without gaps but the one that makes the first line's number
 * even.
 */
static int check_places(const struct sek_table_limits *head, uint32_t n_lines, uint32_t base,
			uint32_t *ret_end, const char **ret_why)
{
	uint32_t end;

	base += base & 1;
	if (head->n_limits > SEK_LIMITS_MAX || head->limit_base != base)
		return bad("limit_base", ret_why);
	if (head->n_sets < 1 || head->n_sets > SEK_LIMIT_SETS_MAX ||
	    head->set_base != base + 2 * head->n_limits)
		return bad("limit set_base", ret_why);
	end = head->set_base + head->n_sets;
	if (head->port_base && (head->port_base != end || !head->by_kind))
		return bad("limit port_base", ret_why);
	end += head->port_base ? PORT_LINES : 0;
	if (end > n_lines)
		return bad("limits", ret_why);
	if (head->source_len6 < 1 || head->source_len6 > 128)
		return bad("limit source_len6", ret_why);
	*ret_end = end;
	return 0;
}

int limit_check(const void *image, uint32_t n_lines, uint32_t base, uint32_t *ret_end,
		const char **ret_why)
{
	const struct sek_table_limits *head = line_at(image, SEK_TABLE_LIMITS_LINE);
	uint32_t numbers = 0, end = base;
	int err = 0;

	if (!head->n_limits && (head->n_sets || head->port_base || head->has_ban))
		return bad("limits without any", ret_why);
	if (!head->n_limits) {
		*ret_end = base;
		return 0;
	}
	err = check_places(head, n_lines, base, &end, ret_why);
	for (uint32_t i = 0; i < head->n_limits && !err; i++)
		err = check_words((const struct sek_limit *)line_at(image, head->limit_base) + i,
				  &numbers, ret_why);
	for (uint32_t i = 0; i < head->n_sets && !err; i++)
		err = check_set(line_at(image, head->set_base + i), head, ret_why);
	if (!err && head->port_base)
		err = check_ports(image, head, ret_why);
	if (!err)
		*ret_end = end;
	return err;
}
