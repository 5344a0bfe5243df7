// SPDX-License-Identifier: GPL-2.0
/* One line a fact on stderr, with the journal's priority in front when the journal reads it. */
#pragma once

#include <stdbool.h>
#include <syslog.h>

/* Remembers the program's name for every line. Call once, before any other thread runs. */
void log_init(const char *program);

/* Are LOG_DEBUG lines written, too? Not by default. */
void log_set_verbose(bool is_verbose);

/* Writes one line; @priority is one of syslog(3)'s. The text must have passed escape.c where outsiders chose it. */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
