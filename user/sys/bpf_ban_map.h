// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's map of bans: the program begins them; here they are restored, deleted and, once they say nothing any more,
 * swept away. Also the prefix lengths the program looks for. Keeper only; from any thread.
 */
#pragma once

#include <pthread.h>
#include <sekisho/maps.h>

#include "sys/bpf_load.h"

#define BPF_BAN_GRACE_NS 60000000000ull /* ns after its trial: time for the engine to read how it ended */

/* By prefix length. */
struct bpf_ban_lens {
	bool limits[129];      /* a limit in force bans so */
	unsigned records[129]; /* bans there are: those of the last count, and those put since */
	unsigned used[129];    /* the sum of both */
	__u32 n;	       /* places taken in the control's list */
};

struct bpf_ban_map {
	const struct bpf_side *side;
	pthread_mutex_t lock;
	struct bpf_ban_lens v4, v6;
};

/* Takes the map over with the lengths that the control has. Errors: negative errno. */
int bpf_ban_map_open(struct bpf_ban_map *bans, const struct bpf_side *side);

/*
 * Before the checked image @lines is in force: what its limits ban is looked for. bpf_ban_map_settle(), once it is and no packet
 * runs with the one before: lengths of earlier limits that no ban has are forgotten; where those differ, all bans are counted (20 ms
 * for 256 k). Errors: -E2BIG, over SEK_BAN_LENS_MAX lengths of a family.
 */
int bpf_ban_map_prepare(struct bpf_ban_map *bans, const void *lines);
void bpf_ban_map_settle(struct bpf_ban_map *bans, const void *lines);

/* The limiter's maps must be there (bpf_limiter.h). Errors: -ENOSPC, the map is full; -E2BIG as above; else errno. */
int bpf_ban_map_put(struct bpf_ban_map *bans, const struct sek_entry_key *key, const struct sek_ban *ban);
/* One that is not there is no error. */
int bpf_ban_map_delete(struct bpf_ban_map *bans, const struct sek_entry_key *key);
bool bpf_ban_map_has(struct bpf_ban_map *bans, const struct sek_entry_key *key);

/* Deletes what has said nothing for BPF_BAN_GRACE_NS at @now_ns (CLOCK_BOOTTIME). Returns how many. */
unsigned bpf_ban_map_sweep(struct bpf_ban_map *bans, __u64 now_ns);
