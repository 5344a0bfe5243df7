// SPDX-License-Identifier: GPL-2.0
/* What the files of explain share. */
#pragma once

#include "engine.h"

/*
 * Adds to the answer @data of @address: answer, stopped_by, bans and recent. @kernel is what the
 * kernel said of it, @winner the first row of the matches (borrowed, may be NULL).
 */
void explain_add_bans(struct engine *engine, const struct prefix *address,
		      const struct sek_explain *kernel, const json_t *winner, json_t *data);
