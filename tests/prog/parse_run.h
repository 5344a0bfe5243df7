// SPDX-License-Identifier: GPL-2.0
/* The parser alone, in parse_probe.bpf.c, on frames. Functions fail the running cmocka test. */
#pragma once

#include "frame.h"
#include "parse_probe.h"

/* cmocka group fixtures. */
int parse_run_setup(void **state);
int parse_run_teardown(void **state);

/* Returns the action, an enum parse_result; -EINVAL for a frame with .linear as harness_run(). */
int parse_run(const struct frame *f, struct parse_answer *ret_answer);

/* Prints both and @f's bytes, then fails the test. */
void parse_run_differ(const char *row, const struct frame *f, int got,
		      const struct parse_answer *answer, int want,
		      const struct parse_answer *reference);
