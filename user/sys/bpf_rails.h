// SPDX-License-Identifier: GPL-2.0
/* The kernel's map of protected addresses and its bloom bits. Keeper only. */
#pragma once

#include "lib/role_msg.h"
#include "sys/bpf_load.h"

/*
 * Makes @rails (at most SEK_RAILS_MAX) all that is protected. New ones go in before old ones go out, so that an
 * address in both sets is protected all the time.
 * Errors: negative errno of the kernel; what could be put is in force.
 */
int bpf_rails_put(const struct bpf_side *side, const struct role_rail *rails, unsigned n_rails);
