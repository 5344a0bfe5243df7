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

void log_init(const char *program)
{
	log_program = program;
	log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_verbose(bool is_verbose)
{
	log_is_verbose = is_verbose;
}

void log_line(int priority, const char *format, ...)
{
	char line[LOG_LINE_BYTES];
	int head, body;
	va_list args;

	if (priority == LOG_DEBUG && !log_is_verbose)
		return;
	if (log_to_journal)
		head = snprintf(line, sizeof(line), "<%d>", priority);
	else
		head = snprintf(line, sizeof(line), "%s: ", log_program);
	va_start(args, format);
	body = vsnprintf(line + head, sizeof(line) - head - 1, format, args);
	va_end(args);
	if (body < 0)
		return;
	if (body > (int)sizeof(line) - head - 2)
		body = sizeof(line) - head - 2;
	line[head + body] = '\n';
	if (write(STDERR_FILENO, line, head + body + 1) < 0)
		return; /* nobody is there to be told */
}
