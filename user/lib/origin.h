// SPDX-License-Identifier: GPL-2.0
/*
 * Who made an entry: one word, so that every way in (option, line of an import, JSON) can write
 * every origin.
 */
#pragma once

#define ORIGIN_NAME_BYTES 64 /* with the NUL; a bouncer's name and what it bans for fit */

/* Why @origin cannot be given to an entry, or NULL: it can. */
const char *origin_error(const char *origin);
