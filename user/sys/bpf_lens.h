// SPDX-License-Identifier: GPL-2.0
/*
 * A list of prefix lengths that the program walks while the keeper changes it: longest first, 0
 * behind the last. A length in use moves only towards the end, so that a packet in the middle of
 * its walk meets each of them at least once. Keeper only.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>

struct bpf_lens {
	__u8 *lens;	      /* in the control map */
	__u32 *n;	      /* places taken */
	const unsigned *used; /* by length: 0 is not in use */
	unsigned max;	      /* places */
};

/* Can @len get a place? One that is in use has it. */
bool bpf_lens_has_room(const struct bpf_lens *list, unsigned len);

/*
 * Tells the program to look for @len, or no longer. One that is not in use stays in the list until
 * it is the last.
 */
void bpf_lens_publish(const struct bpf_lens *list, unsigned len);
