// SPDX-License-Identifier: GPL-2.0
/*
 * Never-block rails as user space thinks of them: does a prefix hold a protected address, and how
 * is that said? The keeper and the engine ask the same question here; the kernel program's own
 * answer is in rail.bpf.h.
 */
#pragma once

#include <stdbool.h>

#include "role_msg.h"

/* Reads an address, and nothing else; false: it is none. */
bool rail_key_parse(const char *text, struct sek_rail_key *ret_key);

/* Is @key protected by the kernel program itself: loopback, link-local, unspecified? */
bool rail_is_local(const struct sek_rail_key *key);

/* Lies all of @prefix in loopback or link-local? Such an entry would never drop anything. */
bool rail_is_all_local(const struct sek_entry_key *prefix);

/*
 * A protected address inside @prefix: one of @rails, or the first of a loopback or link-local range
 * (kind SEK_RAIL_LOCAL). False where there is none.
 */
bool rail_inside(const struct role_rail *rails, unsigned n_rails,
		 const struct sek_entry_key *prefix, struct role_rail *ret_rail);

/*
 * Is @prefix wider than a block entry may be: than a /8 or a v6 /16 (a slip of the pen), and with
 * --force than a /3 or a v6 /7?
 * Source: the widest prefixes that real lists hold are 224.0.0.0/3 and fc00::/7; two /1 would be a
 * /0, which is never blocked.
 */
bool rail_is_too_wide(const struct sek_entry_key *prefix, bool is_forced);

/* "this host's default gateway" and so on; never NULL. */
const char *rail_text(uint32_t kind);
