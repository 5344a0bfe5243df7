// SPDX-License-Identifier: GPL-2.0
/*
 * Limits in, their part of the table image out: each limit's words for the kernel, the sets of
 * limits by destination port, and for each set the limits of every kind of packet.
 */
#include "limit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "table_build.h"

#define UNITS_PER_S (1e9 / SEK_LIMIT_UNIT_NS)
#define FRACTION_ONE (1 << SEK_LIMIT_FRACTION)
#define FRAME_BYTES_MAX                                                                            \
	65549 /* bytes: the largest IP packet and an Ethernet header, GRO in generic mode */
#define CLOCK_SLACK_UNITS                                                                          \
	(1u << SEK_LIMIT_QUANTUM_SHIFT) /* 16.8 ms: how far a stolen CPU's clock may be behind */
/* cost of 10,000 packets/s: rounding to a unit errs by 0.008 % there and less below */
#define DITHER_BELOW_UNITS 6250.0
#define FORMER_MANT_BITS 24 /* of the factor's mantissa: right to a millisecond in an hour */
#define PORTS 65536
#define PORT_LINES (PORTS / SEK_LINE_BYTES)

/* A number of units as a slot word. */
static uint64_t word(double units)
{
	return (uint64_t)units << SEK_LIMIT_TAT_SHIFT;
}

/* Units that one packet, or one byte, puts on the arrival time. */
static double unit_cost(const struct limit_settings *limit)
{
	return limit->packets_per_s > 0 ? UNITS_PER_S / limit->packets_per_s
					: UNITS_PER_S * 8 / limit->bits_per_s;
}

static bool is_sound(const struct limit_settings *limit)
{
	double rate = limit->packets_per_s > 0 ? limit->packets_per_s : limit->bits_per_s / 8;

	return (limit->packets_per_s > 0) != (limit->bits_per_s > 0) && limit->burst >= 1 &&
	       limit->burst / rate <= SEK_LIMIT_BURST_MAX_S && limit->number < SEK_LIMITS_MAX &&
	       limit->len4 >= 1 && limit->len4 <= 32 && limit->len6 <= 128;
}

static uint8_t flags_of(const struct limit_settings *limit, double cost)
{
	uint8_t flags = limit->is_monitor ? SEK_LIMIT_F_MONITOR : 0;

	if (limit->bits_per_s > 0 || cost < DITHER_BELOW_UNITS)
		flags |= SEK_LIMIT_F_DITHER;
	if (limit->ban.is_set)
		flags |= SEK_LIMIT_F_BAN;
	return flags;
}

static uint32_t quanta(double units)
{
	return (uint32_t)ceil(units / CLOCK_SLACK_UNITS);
}

static void ban_words(const struct limit_ban *ban, struct sek_limit *words)
{
	words->after_quanta = quanta(ban->after_ms / 1e3 * UNITS_PER_S);
	words->ban_for_ns = ban->for_s * 1000000000ull;
	words->ban_most_ns = (ban->most_s > ban->for_s ? ban->most_s : ban->for_s) * 1000000000ull;
	words->trial_ns = ban->trial_s * 1000000000ull;
	words->repeat_x256 = (uint32_t)lround(ban->repeat * 256);
}

int limit_scale(const struct limit_settings *limit, struct limit_scale *ret_scale)
{
	double cost, burst_units;

	if (!is_sound(limit))
		return -EINVAL;
	cost = unit_cost(limit);
	burst_units = limit->burst * cost;
	ret_scale->is_bytes = limit->packets_per_s <= 0;
	ret_scale->cost = (uint64_t)llround(cost * FRACTION_ONE);
	if (!ret_scale->is_bytes)
		burst_units -= cost / 2;
	ret_scale->tau = word(burst_units) | (FRACTION_ONE - 1);
	return 0;
}

/* Slot word: the furthest that a charge by @scale puts an arrival time. */
static uint64_t maxd_of(const struct limit_scale *scale)
{
	double largest = (double)scale->cost / FRACTION_ONE;

	if (scale->is_bytes)
		largest *= FRAME_BYTES_MAX;
	return scale->tau + word(largest + CLOCK_SLACK_UNITS);
}

/* Slot word: a level at which the whole burst is used. */
static double full_of(const struct limit_scale *scale)
{
	return (double)scale->tau + (scale->is_bytes ? 0 : (double)scale->cost / 2);
}

/*
 * What a level of @former's counts times in @own's: by what a packet, or a byte, costs; from
 * packets to bytes and back, by the share of the burst that is used.
 */
static void former_factor(const struct limit_scale *former, const struct limit_scale *own,
			  uint32_t *ret_mant, uint8_t *ret_shift)
{
	double mant = former->is_bytes == own->is_bytes ? (double)own->cost / (double)former->cost
							: full_of(own) / full_of(former);
	int exponent, shift;

	mant = frexp(mant, &exponent);
	shift = FORMER_MANT_BITS - exponent;
	if (shift < 0) { /* 16 million times as strict, or more: taken for that */
		mant = 1;
		shift = 0;
	} else if (shift > 63) { /* any is idle */
		mant = 0;
		shift = 0;
	}
	mant = round(ldexp(mant, FORMER_MANT_BITS));
	*ret_mant = (uint32_t)fmin(mant, (1 << FORMER_MANT_BITS) - 1);
	*ret_shift = shift;
}

int limit_words(const struct limit_settings *limit, uint8_t source_len6,
		struct sek_limit *ret_limit)
{
	struct sek_limit words = { 0 };
	struct limit_scale own;
	double cost, slowest;

	if (limit_scale(limit, &own) || limit->parity > 1)
		return -EINVAL;
	cost = unit_cost(limit);
	*(own.is_bytes ? &words.cost_byte : &words.cost_packet) = own.cost;
	words.tau = own.tau;
	words.maxd = maxd_of(&own);
	words.number = limit->number;
	words.mark = limit->number << SEK_LIMIT_NUMBER_SHIFT |
		     limit->parity << SEK_LIMIT_PARITY_SHIFT;
	if (limit->former.cost) {
		words.former_maxd = maxd_of(&limit->former);
		former_factor(&limit->former, &own, &words.former_mant, &words.former_shift);
	}
	words.flags = flags_of(limit, cost);
	words.len4 = limit->len4;
	words.len6 = limit->len6 ? limit->len6 : source_len6;
	/* a source that was over by the former settings is so still, and since when it was */
	slowest = fmax(cost, (double)limit->former.cost / FRACTION_ONE);
	words.gap_quanta = quanta(fmax(UNITS_PER_S, slowest));
	if (limit->ban.is_set)
		ban_words(&limit->ban, &words);
	*ret_limit = words;
	return 0;
}

void limit_fold(const struct limit_scale *former, const struct limit_scale *own, uint8_t number,
		uint8_t parity, struct limit_fold *ret_fold)
{
	uint64_t over = own->is_bytes ? own->cost * SEK_LIMIT_EDGE_BYTES : own->cost / 2;

	memset(ret_fold, 0, sizeof(*ret_fold));
	ret_fold->number = number;
	ret_fold->parity = parity;
	if (!former->cost)
		return;
	ret_fold->most = (own->tau + over) >> SEK_LIMIT_TAT_SHIFT;
	ret_fold->former_maxd = maxd_of(former);
	former_factor(former, own, &ret_fold->former_mant, &ret_fold->former_shift);
}

uint64_t limit_scale_ahead_ns(const struct limit_scale *scale)
{
	return (maxd_of(scale) >> SEK_LIMIT_TAT_SHIFT) * SEK_LIMIT_UNIT_NS;
}

static bool wants_kind(const struct limit_settings *limit, enum sek_limit_kind kind)
{
	switch (limit->protocol) {
	case LIMIT_ANY:
		return !limit->n_ports || kind <= SEK_LIMIT_UDP;
	case LIMIT_TCP:
		return kind == SEK_LIMIT_TCP || kind == SEK_LIMIT_TCP_SYN;
	case LIMIT_TCP_SYN:
		return kind == SEK_LIMIT_TCP_SYN;
	case LIMIT_UDP:
		return kind == SEK_LIMIT_UDP;
	case LIMIT_ICMP:
		return kind == SEK_LIMIT_ICMP;
	}
	return false;
}

/* Limits with ports that ask for @port, a bit each. */
static uint16_t port_mask(const struct limit_settings *limits, size_t n, unsigned port)
{
	uint16_t mask = 0;

	for (size_t i = 0; i < n; i++) {
		for (unsigned r = 0; r < limits[i].n_ports; r++) {
			if (port >= limits[i].ports[r].first && port <= limits[i].ports[r].last)
				mask |= 1u << i;
		}
	}
	return mask;
}

_Static_assert(SEK_TABLE_FIXED_LINES + SEK_CLASSES_MAX + 2 * SEK_LIMITS_MAX + SEK_LIMIT_SETS_MAX +
		       PORT_LINES <=
		   SEK_SEGMENT_LINES,
	       "limits are read without a lookup of a segment");

struct sets {
	uint16_t mask[SEK_LIMIT_SETS_MAX]; /* of each set; set 0 is no limit with ports */
	unsigned n;
	uint8_t of_port[PORTS];
};

static int find_sets(const struct limit_settings *limits, size_t n, struct sets *sets)
{
	sets->mask[0] = 0;
	sets->n = 1;
	for (unsigned port = 0; port < PORTS; port++) {
		uint16_t mask = port_mask(limits, n, port);
		unsigned i;

		for (i = 0; i < sets->n && sets->mask[i] != mask; i++)
			;
		if (i == SEK_LIMIT_SETS_MAX)
			return -E2BIG;
		if (i == sets->n)
			sets->mask[sets->n++] = mask;
		sets->of_port[port] = i;
	}
	return 0;
}

/*
 * The limits of one kind of packet to a port of @mask, strictest first: @order lists all limits so.
 */
static unsigned list_of(const struct limit_settings *limits, size_t n, const uint8_t *order,
			uint16_t mask, enum sek_limit_kind kind, uint8_t *ret_index)
{
	unsigned found = 0;

	for (size_t i = 0; i < n; i++) {
		const struct limit_settings *limit = &limits[order[i]];

		if (wants_kind(limit, kind) && (!limit->n_ports || mask >> order[i] & 1))
			ret_index[found++] = order[i];
	}
	return found;
}

/*
 * By cost of a usual packet, dearest first: the limit that is over first is then asked first,
 * before any write.
 */
static void sort_by_rate(const struct limit_settings *limits, size_t n, uint8_t *order)
{
	for (size_t i = 0; i < n; i++) {
		double cost = unit_cost(&limits[i]) * (limits[i].packets_per_s > 0 ? 1 : 700);
		size_t at = i;

		for (; at && cost > unit_cost(&limits[order[at - 1]]) *
					(limits[order[at - 1]].packets_per_s > 0 ? 1 : 700);
		     at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

unsigned limit_match_max(const struct limit_settings *limits, size_t n)
{
	struct sets *sets = malloc(sizeof(*sets));
	uint8_t order[SEK_LIMITS_MAX], index[SEK_LIMITS_MAX];
	unsigned most = 0, found;

	for (size_t i = 0; i < n && i < SEK_LIMITS_MAX; i++)
		order[i] = i;
	if (!sets || n > SEK_LIMITS_MAX || find_sets(limits, n, sets)) {
		free(sets);
		return n;
	}
	for (unsigned s = 0; s < sets->n; s++) {
		for (int kind = 0; kind < SEK_LIMIT_KINDS; kind++) {
			found = list_of(limits, n, order, sets->mask[s], kind, index);
			most = found > most ? found : most;
		}
	}
	free(sets);
	return most;
}

static void *line_at(const struct table_image *image, uint32_t line)
{
	return (char *)image->lines + (size_t)line * SEK_LINE_BYTES;
}

static int add_limits(struct table_image *image, const struct limit_settings *limits, size_t n,
		      uint8_t source_len6, struct sek_table_limits *head)
{
	struct sek_limit *words;
	uint32_t unused;
	int err = image->n_lines & 1 ? table_image_add(image, 1, &unused) : 0;

	if (!err)
		err = table_image_add(image, 2 * n, &head->limit_base);
	words = err ? NULL : line_at(image, head->limit_base);
	for (size_t i = 0; i < n && !err; i++) {
		err = limit_words(&limits[i], source_len6, &words[i]);
		if (!err && words[i].maxd + word(UNITS_PER_S) > head->ahead)
			head->ahead = words[i].maxd + word(UNITS_PER_S);
		if (!err && words[i].former_maxd + word(UNITS_PER_S) > head->ahead)
			head->ahead = words[i].former_maxd + word(UNITS_PER_S);
		head->has_ban |= limits[i].ban.is_set;
	}
	head->n_limits = n;
	return err;
}

static int add_sets(struct table_image *image, const struct limit_settings *limits, size_t n,
		    const struct sets *sets, struct sek_table_limits *head)
{
	uint8_t order[SEK_LIMITS_MAX], index[SEK_LIMITS_MAX];
	int err = table_image_add(image, sets->n, &head->set_base);

	if (err)
		return err;
	sort_by_rate(limits, n, order);
	head->n_sets = sets->n;
	for (unsigned s = 0; s < sets->n; s++) {
		struct sek_limit_list *list = line_at(image, head->set_base + s);

		for (int kind = 0; kind < SEK_LIMIT_KINDS; kind++) {
			unsigned found = list_of(limits, n, order, sets->mask[s], kind, index);

			if (found > SEK_LIMIT_MATCH_MAX)
				return -EINVAL;
			list[kind].n = found;
			memcpy(list[kind].index, index, found);
			head->by_kind |= memcmp(&list[kind], &list[0], sizeof(*list)) != 0;
		}
	}
	if (sets->n == 1)
		return 0;
	head->by_kind = 1;
	err = table_image_add(image, PORT_LINES, &head->port_base);
	if (!err)
		memcpy(line_at(image, head->port_base), sets->of_port, PORTS);
	return err;
}

int limit_build(struct table_image *image, const struct limit_settings *limits, size_t n,
		uint8_t source_len6)
{
	struct sek_table_limits head = { .source_len6 = source_len6 };
	struct sets *sets;
	int err;

	if (!n)
		return 0;
	if (n > SEK_LIMITS_MAX)
		return -EINVAL;
	sets = malloc(sizeof(*sets));
	if (!sets)
		return -ENOMEM;
	err = find_sets(limits, n, sets);
	if (!err)
		err = add_limits(image, limits, n, source_len6, &head);
	if (!err)
		err = add_sets(image, limits, n, sets, &head);
	if (!err)
		memcpy(line_at(image, SEK_TABLE_LIMITS_LINE), &head, sizeof(head));
	free(sets);
	return err;
}
