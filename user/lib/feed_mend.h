// SPDX-License-Identifier: GPL-2.0
/* What a person can do about a list that did not come or is none, by what was said of it. Pure. */
#pragma once

#include <stdbool.h>

/*
 * A short hint for @why, an error of a fetch or of the list that came; @is_url: not a file. Static
 * text; NULL where the error says itself what to do, or nobody who asks can do anything.
 */
const char *feed_mend(const char *why, bool is_url);
