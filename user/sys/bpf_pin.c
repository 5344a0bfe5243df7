// SPDX-License-Identifier: GPL-2.0
/* Names of the pinned maps in the side's folder. */
#include <stdio.h>

#include "sys/bpf_load.h"

static const char *const map_names[BPF_MAP_ALL] = {
	"table", "entries", "control", "rails", "counters", "limiter_lines", "limiter_bans", "limiter_evidence", "events", "top", "rates",
	"limit_lines", "bans", "evidence",
};

void bpf_pin_path(const struct bpf_side *side, enum bpf_map_name name, char *path, size_t size)
{
	snprintf(path, size, "%s/%s", side->pin_dir, map_names[name]);
}
