// SPDX-License-Identifier: GPL-2.0
/*
 * What speaks for and against a ban, from its evidence: named signals with their figures. Pure. The
 * agent computes them and shows them; it never lifts a ban because of one: that is a person's
 * decision.
 */
#pragma once

#include <sekisho/ban.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum judge_signal {
	JUDGE_CONVERSATIONS, /* wrong?: packets of connections that this host has open */
	JUDGE_KNOWN_GOOD,    /* wrong?: an allow or known-good list holds the address */
	JUDGE_STOPPED,	     /* wrong?: it stopped by itself within a second of the ban */
	JUDGE_SHARED,	     /* wrong?: many people behind one address */
	JUDGE_SYN_ONLY,	     /* right: first SYNs and nothing else */
	JUDGE_LISTED,	     /* right: a block or monitor list holds the address too */
	JUDGE_REPEAT,	     /* right: it did this before, within its probation */
	JUDGE_WENT_ON,	     /* right: it kept sending through the ban */
	JUDGE_MAX,
};

struct judge_facts {
	const struct sek_evidence *evidence; /* NULL: no record was free */
	const struct sek_ban *ban;	     /* as the kernel holds it now, or held it last */
	uint64_t now_ns;		     /* CLOCK_BOOTTIME */
	unsigned n_known_good; /* lists that are allow or known-good and hold the address */
	unsigned n_block_lists;		     /* lists with block or monitor that hold it */
	/* for a time its packets were not the ban's to count: silence says nothing */
	bool is_hidden;
};

struct judge_row {
	enum judge_signal signal;
	bool says_wrong; /* else it speaks for the ban */
	char text[160];	 /* one line with the figures */
};

/* The signals that are there, those against the ban first. Returns how many, at most JUDGE_MAX. */
size_t judge_ban(const struct judge_facts *facts, struct judge_row ret_rows[JUDGE_MAX]);

/* A word for JSON and the state: "conversations", "known-good", ... Never NULL. */
const char *judge_name(enum judge_signal signal);

/*
 * Distinct destination ports in the record, by linear counting: within 15 % up to about 150, more
 * reads as 266. Source: Whang et al. 1990.
 */
unsigned judge_ports(const struct sek_evidence *evidence);
