// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv6 part of the table image. Answers are exact; sizes follow the list.
 *
 *   filter   2^f lines keyed by the top 32 bits: is there anything of /48 or longer (words 0..3),
 *            anything shorter (words 4..7)? It ends the lookup for most sources.
 *   buckets  n_buckets lines of 8 entries keyed by the /48: two-choice cuckoo. The key is permuted, not
 *            hashed, so bucket and tag together are the key: no false hit.
 *   records  16 bytes a prefix, 1 to 4 of one /48, longest first, never across two lines
 *   leaves   6 runs of answers: 5 keys, 6 values
 *   nodes    8-way nodes of the trees above the leaves: 7 keys, index of the first child
 *
 * A tree maps all of hi (or lo) to a value: run i starts at key[i - 1] + 1, unused keys are ~0. One
 * tree holds what the prefixes shorter than /48 make; a /48 of more than 4 prefixes has its own,
 * which knows the answer around it. A leaf of a tree over hi may refer to a tree over lo.
 * Every record, entry and leaf holds checked classes and an index outside its area answers
 * nothing, so that no index needs a check.
 */
#pragma once

#include <linux/types.h>

struct sek_table_v6 {
	__u32 filter_base;
	__u32 filter_mask; /* lines - 1 */
	__u32 bucket_base;
	__u32 n_buckets; /* lines: any number, so that they are always full to nine tenths */
	__u64 s, t; /* odd multipliers below 2^48, new for each image */
	__u32 record_base;
	__u32 record_lines;
	__u32 leaf_base;
	__u32 leaf_lines;
	__u32 node_base;
	__u32 node_lines;
	__u32 short_ref; /* value: what prefixes shorter than /48 answer */
	__u16 flags;     /* SEK_V6_ALL_SHORT */
	__u16 k;         /* log2 of n_buckets, rounded down */
};
_Static_assert(sizeof(struct sek_table_v6) == 64, "one line");
#define SEK_V6_ALL_SHORT                                                                           \
	1u /* a prefix too wide for filter bits: every source may have something shorter */

#define SEK_V6_K_MIN 5
#define SEK_V6_K_MAX 22
#define SEK_V6_HEIGHT_MAX 7 /* node levels: 6 * 8^7 = 12.6 M runs */

/* A value: a class, or with SEK_V6_TREE set a tree: height above the leaves, index in nodes (height
 * 0: leaves). */
#define SEK_V6_TREE (1u << 31)
#define SEK_V6_HEIGHT_SHIFT 26
#define SEK_V6_INDEX ((1u << SEK_V6_HEIGHT_SHIFT) - 1)

/*
 * Bucket entry: choice << 63 | tag << (15 + k) | kind << (13 + k) | payload; 0 is empty. Slots fill
 * from 0, and a full bucket stays full: the second choice is looked at only if slot 7 is in use.
 */
#define SEK_V6_WHOLE 1  /* the whole /48: class */
#define SEK_V6_SUBNET 2 /* one /64: its 16 bits << (k - 3) | class; the rest is as if not found */
#define SEK_V6_RECORDS                                                                             \
	3 /* index of the first record << 2 | records - 1; none matches: as if not found */

/*
 * Record: word 0 as below, word 1 the low half of the address (of a tree: the value).
 * bits 0..15 class | 16..20 shift of bits 48..63 | 24..29 and 30 the low half's two shifts (their
 * sum is 0..64) | 31 it is a tree | 32..47 bits 48..63 of the address
 */
#define SEK_V6_REC_HI_SHIFT 16
#define SEK_V6_REC_LO_SHIFT 24
#define SEK_V6_REC_LO_MORE 30
#define SEK_V6_REC_TREE (1ull << 31)
#define SEK_V6_REC_SUBNET 32

#define SEK_V6_MASK48 ((1ull << 48) - 1)

/* Filter hash of the top 32 bits: bits 8.. line, 6..7 word, 0..5 bit. */
#define sek_v6_filter(top) ((__u32)(((__u64)(top)*0x9E3779B97F4A7C15ull) >> 32))

/* Permutes the 48 bits of @x; each step can be undone. The second choice swaps @s and @t. */
static inline __attribute__((always_inline)) __u64 sek_v6_perm(__u64 x, __u64 s, __u64 t)
{
	x ^= x >> 24;
	x = (x * s) & SEK_V6_MASK48;
	x ^= x >> 25;
	x = (x * t) & SEK_V6_MASK48;
	return x ^ x >> 24;
}

/*
 * Bucket and tag of the permuted key @p: its upper 32 bits times n_buckets are bucket.fraction. Two
 * keys of one bucket differ in the fraction by n_buckets or more, so its upper 32 - k bits and @p's
 * low 16 are the key: exact.
 */
static inline __attribute__((always_inline)) __u32 sek_v6_place(__u64 p, __u32 n_buckets, __u32 k,
								__u64 *ret_tag)
{
	__u64 place = (p >> 16) * n_buckets;

	*ret_tag = (__u64)((__u32)place >> k) << 16 | (p & 0xffff);
	return place >> 32;
}
