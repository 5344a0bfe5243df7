// SPDX-License-Identifier: GPL-2.0
/* The limiter's slots, emptied of one limit's: where its number was given to another, or its settings change once more. */
#pragma once

#include <stdint.h>

struct bpf_side;

/*
 * Empties every slot of the limits whose numbers are bits of @whole, and the arrival times of each parity of those that are bits
 * of @parity, while packets are charged; one that is charged at the same moment may stay, and is the new owner's then.
 * 64 MiB take some 50 ms. Errors: negative errno.
 */
int bpf_slots_wipe(const struct bpf_side *side, uint16_t whole, const uint16_t parity[2]);
