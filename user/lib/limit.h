// SPDX-License-Identifier: GPL-2.0
/*
 * Limits as the config says them, and their part of the table image. Pure. The formulas and the
 * layout are in include/sekisho/limit.h; here they are filled in and, by the keeper, checked again.
 */
#pragma once

#include <sekisho/limit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_image;

#define LIMIT_NAME_BYTES 64 /* with the NUL; as a feed's name */
#define LIMIT_PORTS_MAX 32  /* port ranges a limit */

enum limit_protocol { LIMIT_ANY, LIMIT_TCP, LIMIT_TCP_SYN, LIMIT_UDP, LIMIT_ICMP };

struct limit_range {
	uint16_t first, last; /* destination ports, inclusive */
};

struct limit_ban {
	bool is_set;
	uint64_t after_ms; /* over the limit for this long */
	uint64_t for_s;
	double repeat;	   /* each repeat is this much longer; 1: always the same */
	uint64_t most_s;   /* at-most */
	uint64_t trial_s;  /* probation; 0: as long as the ban that ended */
};

/* What a slot's level says of the burst that is used: few numbers, for the state to keep. */
struct limit_scale {
	uint64_t cost;	/* sek_limit.cost_packet or cost_byte; 0: not known */
	uint64_t tau;	/* sek_limit.tau */
	bool is_bytes;
};

/* One limit. Rates are a second, on a source. */
struct limit_settings {
	char name[LIMIT_NAME_BYTES];
	enum limit_protocol protocol;
	struct limit_range ports[LIMIT_PORTS_MAX];
	unsigned n_ports;   /* 0: every packet of the protocol */
	double packets_per_s; /* one of the two rates is 0 */
	double bits_per_s;
	double burst; /* packets or bytes; the config's default is one second's worth, at least one
			 packet */
	bool is_monitor;
	uint8_t len4, len6; /* what counts as one source; len6 0: ipv6-source-prefix */
	uint8_t number;	    /* 0..15, given by the state: the name's for good */
	uint8_t parity;	    /* 0 or 1, of its slots; given by the state, another at each change */
	struct limit_scale former; /* what slots of the other parity are by; cost 0: none are */
	struct limit_ban ban;
};

/* What slots are by with these settings. Errors: -EINVAL as limit_words(). */
int limit_scale(const struct limit_settings *limit, struct limit_scale *ret_scale);

/* How far ahead of the clock an arrival time by @scale may lie, ns. */
uint64_t limit_scale_ahead_ns(const struct limit_scale *scale);

/*
 * A limit's slots of one parity, that its next settings are to get: live ones of them become slots
 * of the other parity, whose settings are in force, and none is left.
 */
struct limit_fold {
	uint64_t former_maxd; /* as in sek_limit of the settings in force; 0: none is live */
	uint64_t most;	      /* units: the highest level by these settings */
	uint32_t former_mant;
	uint8_t former_shift, number, parity, pad;
};

/* *ret_fold of slots by @former into those by @own; @former->cost 0: they just go. */
void limit_fold(const struct limit_scale *former, const struct limit_scale *own, uint8_t number,
		uint8_t parity, struct limit_fold *ret_fold);
/* May the keeper believe it? It comes from the engine. */
bool limit_fold_is_sound(const struct limit_fold *fold);

/*
 * Adds the limits' part to an image and points line SEK_TABLE_LIMITS_LINE at it; nothing where @n
 * is 0.
 * @source_len6 is ipv6-source-prefix, 1..128.
 * Errors: -ENOMEM; -E2BIG, the image or over SEK_LIMIT_SETS_MAX sets of ports; -EINVAL where
 * limit_problems() has an error.
 */
int limit_build(struct table_image *image, const struct limit_settings *limits, size_t n,
		uint8_t source_len6);

/*
 * Is the limits' part of a whole image, which starts at line @base, sound? *ret_end is the first
 * line behind it.
 * -EBADMSG and *ret_why (static text) where it is not.
 */
int limit_check(const void *image, uint32_t n_lines, uint32_t base, uint32_t *ret_end,
		const char **ret_why);

#define LIMIT_PROBLEMS_MAX 64 /* more than SEK_LIMITS_MAX limits can have */

struct limit_problem {
	bool is_error; /* else a warning: what it costs or risks */
	size_t index;  /* the limit's; n for all together */
	char text[200]; /* one line, without the limit's name */
};

/*
 * What is wrong with the limits together or with one of them: over SEK_LIMIT_MATCH_MAX at one
 * packet is an error, over 4 a warning that says the cost; a burst that lasts over
 * SEK_LIMIT_BURST_MAX_S; a burst of one packet below 10/s; a rate so low that a table of
 * 2^@table_bits lines forgets its sources under a flood. Returns how many, at most @max.
 * Source: limiter measurements: 17-20 ns a further matching limit; full fidelity while live slots
 * stay below 0.4 of all.
 */
size_t limit_problems(const struct limit_settings *limits, size_t n, unsigned table_bits,
		      struct limit_problem *ret_problems, size_t max);

/* Most limits that one packet can match, 0..n. */
unsigned limit_match_max(const struct limit_settings *limits, size_t n);

/*
 * The kernel's words for one limit, both its lines. Errors: -EINVAL where limit_problems() has an
 * error for it.
 */
int limit_words(const struct limit_settings *limit, uint8_t source_len6,
		struct sek_limit *ret_limit);
