// SPDX-License-Identifier: GPL-2.0
/* Log lines to stderr: whole lines, one write each, so that two processes' lines never mix. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 1024 /* longer lines are cut: nobody reads them */
#define LOG_HELD_BYTES (32 << 10) /* a start on 16 interfaces says some 40 lines */

static const char *log_program = "sekisho";
static bool log_to_journal, log_is_verbose;
static struct log_budget *log_budget; /* NULL: no end */
static struct {
	bool is_on;
	size_t bytes;
	char lines[LOG_HELD_BYTES];
} held;

void log_init(const char *program)
{
	log_program = program;
	log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_verbose(bool is_verbose)
{
	log_is_verbose = is_verbose;
}

void log_set_budget(struct log_budget *budget, uint64_t now_ms)
{
	uint64_t back;

	log_budget = budget;
	if (!budget)
		return;
	back = (now_ms - budget->refilled_ms) / 1000;
	budget->refilled_ms += back * 1000;
	budget->spent -= back < budget->spent ? back : budget->spent;
}

static void write_line(int priority, const char *format, va_list args)
{
	char line[LOG_LINE_BYTES];
	int head, body;

	if (log_to_journal)
		head = snprintf(line, sizeof(line), "<%d>", priority);
	else
		head = snprintf(line, sizeof(line), "%s: ", log_program);
	body = vsnprintf(line + head, sizeof(line) - head - 1, format, args);
	if (body < 0)
		return;
	if (body > (int)sizeof(line) - head - 2)
		body = sizeof(line) - head - 2;
	line[head + body] = '\n';
	if (held.is_on && priority > LOG_ERR && priority < LOG_DEBUG &&
	    held.bytes + head + body + 1 <= sizeof(held.lines)) {
		memcpy(held.lines + held.bytes, line, head + body + 1);
		held.bytes += head + body + 1;
		return;
	}
	if (write(STDERR_FILENO, line, head + body + 1) < 0)
		return; /* nobody is there to be told */
}

/* Past the budget, and outside it. */
static void say(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(priority, format, args);
	va_end(args);
}

static bool is_affordable(void)
{
	if (!log_budget)
		return true;
	if (log_budget->spent >= LOG_BUDGET_LINES) {
		log_budget->left_out++;
		return false;
	}
	log_budget->spent++;
	if (log_budget->left_out)
		say(LOG_WARNING, "%u lines were left out: too many in a short time",
		    log_budget->left_out);
	log_budget->left_out = 0;
	return true;
}

void log_line(int priority, const char *format, ...)
{
	va_list args;

	if ((priority == LOG_DEBUG && !log_is_verbose) || !is_affordable())
		return;
	va_start(args, format);
	write_line(priority, format, args);
	va_end(args);
}

void log_hold(void)
{
	held.is_on = true;
}

void log_let_go(bool is_wanted)
{
	ssize_t done = is_wanted ? write(STDERR_FILENO, held.lines, held.bytes) : 0;

	(void)done; /* nobody may be there to be told */
	held.is_on = false;
	held.bytes = 0;
}
