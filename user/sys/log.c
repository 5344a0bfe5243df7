// SPDX-License-Identifier: GPL-2.0
/* Log lines to stderr: whole lines, one write each, so that two processes' lines never mix. */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOG_LINE_BYTES 1024 /* longer lines are cut: nobody reads them */

static const char *log_program = "sekisho";
static bool log_to_journal, log_is_verbose;
static struct log_budget *log_budget; /* NULL: no end */

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
