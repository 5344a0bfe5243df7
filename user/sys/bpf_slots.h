// SPDX-License-Identifier: GPL-2.0
/*
 * The limiter's slots, emptied of one limit's where its number was given to another; of its settings before the last ones where
 * these change once more.
 */
#pragma once

#include <stdint.h>

struct bpf_side;
struct limit_fold;

/*
 * Empties every slot of the limits whose numbers are bits of @whole, and does the @n_folds of @folds, at most SEK_LIMITS_MAX, as
 * the program would with each source's next packet; while packets are charged: one that is charged at the same moment may stay, and
 * is the new owner's then. 64 MiB take some 50 ms. Errors: -EINVAL, a fold that is not sound; negative errno.
 */
int bpf_slots_wipe(const struct bpf_side *side, uint32_t whole, const struct limit_fold *folds, uint32_t n_folds);
