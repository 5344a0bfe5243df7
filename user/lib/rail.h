// SPDX-License-Identifier: GPL-2.0
/*
 * Never-block rails as user space thinks of them: does a prefix hold a protected address, and how is that said?
 * The keeper and the engine ask the same question here; the kernel program's own answer is in rail.bpf.h.
 */
#pragma once

#include <stdbool.h>

#include "role_msg.h"

/* Is @key protected by the kernel program itself: loopback, link-local, unspecified? */
bool rail_is_local(const struct sek_rail_key *key);

/* Lies all of @prefix in loopback or link-local? Such an entry would never drop anything. */
bool rail_is_all_local(const struct sek_entry_key *prefix);

/*
 * A protected address inside @prefix: one of @rails, or the first of a loopback or link-local range (kind
 * SEK_RAIL_LOCAL). False where there is none.
 */
bool rail_inside(const struct role_rail *rails, unsigned n_rails, const struct sek_entry_key *prefix,
		 struct role_rail *ret_rail);

/* "this host's default gateway" and so on; never NULL. */
const char *rail_text(uint32_t kind);
