// SPDX-License-Identifier: GPL-2.0
/* The one frame of the benchmarks, a UDP packet whose source address the driver writes. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lookup_list.h"

#define FRAME_BYTES 80

static inline void put_be(addr_t addr, int bits, void *ret)
{
	uint8_t *bytes = ret;
	int i;

	for (i = bits / 8 - 1; i >= 0; i--, addr >>= 8)
		bytes[i] = addr;
}

/*
 * A UDP frame of the version with @bits of address, whose lengths are right; MAC addresses are 0,
 * as lo has them.
 */
static inline void frame_make(int bits, uint8_t frame[FRAME_BYTES])
{
	memset(frame, 0, FRAME_BYTES);
	if (bits == 32) {
		frame[12] = 0x08;
		frame[14] = 0x45;
		frame[17] = FRAME_BYTES - 14;
		frame[22] = 64;
		frame[23] = 17;
	} else {
		frame[12] = 0x86;
		frame[13] = 0xdd;
		frame[14] = 0x60;
		frame[19] = FRAME_BYTES - 14 - 40;
		frame[20] = 17;
		frame[21] = 64;
	}
}

static inline size_t source_offset(int bits)
{
	return bits == 32 ? 26 : 22;
}
