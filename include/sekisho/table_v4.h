// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv4 part of the table image: source address in, class id out, exact, no overflow case.
 * x is the address in host order. Three steps; most packets end in the first:
 *
 *   filter   what is listed in x's /24? A line has two bits each for 256 of them: word x >> 14 & 3 says "lone addresses",
 *            word 4 + that "something wider", bit x >> 8 & 63. Folded when the list is small: line
 *            (x >> 16) * SEK_V4_FOLD & filter_mask. Both zero: class 0. One: go on (may be a neighbour's bit).
 *   buckets  lone addresses, and lone /24s by their first address, of which no bit for lone addresses
 *            is set. The key is x, or x's first address in its /24 when only the wider bit is set.
 *            2^bucket_bits lines of 16 u32; P = sek_v4_perm(key, s, t) names the
 *            bucket in its low bits and the tag in the rest, so a hit is exact. An entry is
 *            choice << 31 | tag << (bits - 1) | class, if there is room in the quarter P >> 30 of its
 *            line. Choice 1 is the same with s and t swapped; it is read only if slot 15 of
 *            the first bucket is taken, the last that is.
 *   rank     all the rest, asked when the wider bit is set: a bit a /24 (dense) or a bit a /16 and a node (sparse), the rank of
 *            the bit is the index of a descriptor, which may name a leaf.
 *
 * Rank line (448 bits): words 0..6 hold bits, word 7 is base:25, then 9 bits each of the entries
 * before words 2, 4, 6 (at 25, 34, 43), then 7 flags at 52: "word i is one entry".
 * Node (sparse): w0 = first descriptor | flags of 4 words at 32 | whole /16 is one entry at 36;
 * w1 = 4 x 16-bit counts of the entries before each word; w4..7 = a bit for each /24.
 * Descriptor u64, bit 0 clear: two ranges of the last byte, lo, hi, class (8, 8, 12 bits) at
 * bits 8 and 36; class 0 is an empty range. Bit 0 set: leaf index at 8..39.
 * Leaf: w4..7 = bits where runs start (bit 0 always set), w1 = counts as in a node,
 * w0 = first value | runs << 32; values (u16 classes) are in w2..3 if there are at most 8.
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limits.h>

#define SEK_V4_FOLD 0x9E3779B1u /* odd, so that 16 bits of fold lose nothing: 2^32 / golden ratio */
#define SEK_V4_FILTER_BITS 16	 /* 2^16 lines = 4 MiB: two bits for every /24 */
#define SEK_V4_SLOTS 16		 /* u32 slots a bucket line */
#define SEK_V4_QUARTER 4	 /* slots that are asked first */
#define SEK_V4_BUCKET_BITS 24	 /* most: 16 M lines would be over SEK_TABLE_LINES_MAX already */
#define SEK_V4_RANK_BITS 448	 /* bits a rank line */
#define SEK_V4_DENSE_LINES 37450 /* 2^24 / 448, rounded up */
#define SEK_V4_SPARSE_LINES 147	 /* 2^16 / 448, rounded up */
#define SEK_V4_DIV7 613566757ull /* (m * this) >> 32 is m / 7 for every m under 2^18 */
#define SEK_V4_FLAGS_SHIFT 52	 /* of the 7 flags in a rank line's word 7 */
#define SEK_V4_NODE_WHOLE (1ull << 36)
#define SEK_V4_INLINE_RUNS 8	 /* runs whose classes are in the leaf itself */

enum sek_v4_rank {
	SEK_V4_RANK_NONE = 0,
	SEK_V4_RANK_DENSE = 1,
	SEK_V4_RANK_SPARSE = 2,
};

/* Parameters, at line SEK_TABLE_V4_LINE. Areas follow each other in this order, without gaps. */
struct sek_table_v4 {
	__u32 filter_base;
	__u32 filter_mask; /* filter lines - 1 */
	__u32 bucket_base;
	__u32 bucket_bits; /* 0: no buckets */
	__u32 mul_s;	   /* odd and random */
	__u32 mul_t;
	__u32 rank_mode;   /* enum sek_v4_rank */
	__u32 rank_base;
	__u32 node_base;
	__u32 n_nodes;	   /* lines */
	__u32 desc_base;
	__u32 n_descs;	   /* u64s, eight a line */
	__u32 leaf_base;
	__u32 n_leaves;	   /* lines */
	__u32 value_base;
	__u32 n_values;	   /* u16s, 32 a line */
};
_Static_assert(sizeof(struct sek_table_v4) == SEK_LINE_BYTES, "one line");

/* The permutation of the buckets: low bits are the bucket, the rest the tag. */
static __inline__ __u32 sek_v4_perm(__u32 x, __u32 s, __u32 t)
{
	x = (x ^ x >> 16) * s;
	x = (x ^ x >> 15) * t;
	return x ^ x >> 16;
}
