// SPDX-License-Identifier: GPL-2.0
/*
 * What the lookup benchmark's two halves share: keys of the compared maps and the number of
 * sources.
 */
#pragma once

#include <linux/types.h>

#define BENCH_SOURCES (1u << 20) /* packets a run, each from a source of its own */

struct host4_key {
	__u32 addr_be;
};

struct host6_key {
	__u8 addr_be[16];
};

struct trie4_key {
	__u32 len;
	__u32 addr_be;
};

struct trie6_key {
	__u32 len;
	__u8 addr_be[16];
};
