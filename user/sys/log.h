// SPDX-License-Identifier: GPL-2.0
/* One line a fact on stderr, with the journal's priority in front when the journal reads it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/* Remembers the program's name for every line. Call once, before any other thread runs. */
void log_init(const char *program);

/* Are LOG_DEBUG lines written, too? Not by default. */
void log_set_verbose(bool is_verbose);

/* How many more lines somebody who is not trusted may cause. All 0 at first. */
struct log_budget {
	uint64_t refilled_ms;
	unsigned spent, left_out;
};

/*
 * From now on log_line() writes at most LOG_BUDGET_LINES and then one a second, and says how many
 * it left out; NULL: all again. @now_ms is any steady clock. For the thread that owns the event
 * loop.
 */
#define LOG_BUDGET_LINES 200 /* what a busy minute of a sound engine says */
void log_set_budget(struct log_budget *budget, uint64_t now_ms);

/* Writes one line; @priority is one of syslog(3)'s. The text must have passed escape.c where
 * outsiders chose it. */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * From now on log_line() keeps what is no error, at most 32 KiB, until log_let_go() writes it,
 * or forgets it where it is not @is_wanted: a start that fails has one line to say.
 */
void log_hold(void);
void log_let_go(bool is_wanted);
