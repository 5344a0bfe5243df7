// SPDX-License-Identifier: GPL-2.0
/*
 * The limiter's large maps: the sources' lines, the bans, the evidence. They take 8 to 70 MiB of kernel memory, so they are made
 * when the first limit or ban needs them, and put into the outer maps that the programs hold. Keeper only; not the programs' part.
 */
#pragma once

#include "sys/bpf_load.h"

struct bpf_map;

/*
 * Before the load that makes @outer: it is to hold 2^@limiter_bits lines. libbpf 1.1 cannot set the size of an inner map that it
 * makes itself, so one is made to show it: *ret_fd, to be closed after the load. Errors: negative errno.
 */
int bpf_limiter_size(struct bpf_map *outer, unsigned limiter_bits, int *ret_fd);

/*
 * Takes over those that are pinned; of the outer maps, all are open. Lines that are not 2^side->limiter_bits are let go of, with
 * their outer map, which is then to be made anew: side->limiter_is_new.
 */
void bpf_limiter_adopt(struct bpf_side *side);

/*
 * Makes and, where side->pin_dir is set, pins those that are not there, with room for @bans_max bans (SEK_BANS_MAX), and shows all to the programs. Waits for RCU
 * where it makes any. Only from the thread that opened the side. Errors: negative errno; those that were there stay.
 */
int bpf_limiter_make(struct bpf_side *side, unsigned bans_max);

/* True once they are there: their descriptors are in side->map_fd. */
bool bpf_limiter_is_there(const struct bpf_side *side);

/* Takes them out of the programs' reach, unpins and closes them: the kernel frees them when nobody is in them. */
void bpf_limiter_drop(struct bpf_side *side);
