// SPDX-License-Identifier: GPL-2.0
/*
 * What the parser should make of a frame, by other means: bounds-checked reads from the frame's
 * bytes, written from the RFCs and not from bpf/.
 */
#pragma once

#include "frame.h"
#include "parse_probe.h"

/*
 * Answers @f; returns the action: PROBE_SOURCE, PROBE_LINK, PROBE_MALFORMED or PROBE_PILE. Never
 * PROBE_UNREAD.
 */
int parse_ref(const struct frame *f, struct parse_answer *ret_answer);
