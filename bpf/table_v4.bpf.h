/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IPv4 lookup in the table image: address in, class id out. Layout: sekisho/table_v4.h.
 * A line that is not there, like anything else impossible, answers 0: no class.
 */
#pragma once

#include "image.bpf.h"

#include <sekisho/table.h>
#include <sekisho/table_v4.h>

/* Masks a line's index where C's own mask would be optimised away: Linux 6.1 loses OR's bounds. */
#define V4_BOUND(i) asm volatile("%0 &= 7" : "+r"(i))

/* Set bits of two words, without the instruction that BPF does not have. */
static __always_inline __u32 v4_popcount2(__u64 a, __u64 b)
{
	const __u64 m1 = 0x5555555555555555, m2 = 0x3333333333333333, m4 = 0x0f0f0f0f0f0f0f0f;

	a -= a >> 1 & m1;
	b -= b >> 1 & m1;
	a = (a & m2) + (a >> 2 & m2) + (b & m2) + (b >> 2 & m2);
	a = (a & m4) + (a >> 4 & m4);
	return a * 0x0101010101010101 >> 56;
}

/* Rank of the bit @key in the rank lines, -1 if it is clear. */
static __always_inline __s64 v4_rank(const struct image *image, __u32 base, __u32 key)
{
	__u32 m = key >> 6, q = m * SEK_V4_DIV7 >> 32;
	__u64 word = m - 7 * q, before, flags, bits, above = 0;
	const __u64 *w = image_line(image, base + q);

	if (!w)
		return -1;
	V4_BOUND(word);
	bits = w[word];
	if (!(bits >> (key & 63) & 1))
		return -1;
	flags = w[7] >> SEK_V4_FLAGS_SHIFT;
	bits &= (1ull << (key & 63)) - 1;
	if (flags >> word & 1)
		bits = 0;
	if (word & 1) {
		before = word - 1;
		V4_BOUND(before);
		above = flags >> before & 1 ? 1 : w[before];
	}
	return (w[7] & 0x1ffffff) + ((w[7] >> 25 << 9) >> (9 * (word >> 1)) & 0x1ff) +
	       v4_popcount2(above, bits);
}

/* Descriptor index of @addr's /24 in its /16's node, -1 if it has none. */
static __always_inline __s64 v4_node(const struct image *image, __u32 line, __u32 addr)
{
	__u64 word = addr >> 14 & 3, at = 4 + word, bits;
	const __u64 *w = image_line(image, line);

	if (!w)
		return -1;
	if (w[0] & SEK_V4_NODE_WHOLE)
		return (__u32)w[0];
	V4_BOUND(at);
	bits = w[at];
	if (!(bits >> (addr >> 8 & 63) & 1))
		return -1;
	bits &= (1ull << (addr >> 8 & 63)) - 1;
	if (w[0] >> (32 + word) & 1)
		bits = 0;
	return (__u32)w[0] + (w[1] >> (16 * word) & 0xffff) + v4_popcount2(bits, 0);
}

static __always_inline __u32 v4_leaf(const struct image *image, const struct sek_table_v4 *p, __u32 leaf, __u32 host)
{
	const __u64 *w = image_line(image, p->leaf_base + leaf);
	__u64 at = 4 + (host >> 6), run;

	if (!w)
		return 0;
	V4_BOUND(at);
	run = (w[1] >> (16 * (host >> 6)) & 0xffff) + v4_popcount2(w[at] & ~0ull >> (63 - (host & 63)), 0) - 1;
	if (w[0] >> 32 <= SEK_V4_INLINE_RUNS) {
		at = 2 + (run >> 2 & 1);
		V4_BOUND(at);
		return w[at] >> (16 * (run & 3)) & 0xffff;
	}
	run += (__u32)w[0];
	w = image_line(image, p->value_base + (run >> 5));
	if (!w)
		return 0;
	at = run >> 2;
	V4_BOUND(at);
	return w[at] >> (16 * (run & 3)) & 0xffff;
}

static __always_inline __u32 v4_ranked(const struct image *image, const struct sek_table_v4 *p, __u32 addr)
{
	__u32 host = addr & 0xff, lo, hi;
	const __u64 *w;
	__u64 at, d;
	__s64 index;

	index = v4_rank(image, p->rank_base, p->rank_mode == SEK_V4_RANK_DENSE ? addr >> 8 : addr >> 16);
	if (index >= 0 && p->rank_mode == SEK_V4_RANK_SPARSE)
		index = v4_node(image, p->node_base + index, addr);
	if (index < 0)
		return 0;
	w = image_line(image, p->desc_base + (index >> 3));
	if (!w)
		return 0;
	at = index;
	V4_BOUND(at);
	d = w[at];
	if (d & 1)
		return v4_leaf(image, p, d >> 8, host);
	lo = d >> 8 & 0xff, hi = d >> 16 & 0xff;
	if (host - lo <= hi - lo)
		return d >> 24 & 0xfff;
	lo = d >> 36 & 0xff, hi = d >> 44 & 0xff;
	return host - lo <= hi - lo ? d >> 52 : 0;
}

/*
 * Looks @tag up in one bucket: its class, 0 if it is not there. @ret_full: is slot 15 taken? First in the quarter @home, without
 * a branch: nobody can predict in which of 16 slots it is, and a wrong guess is only seen when the line has come.
 */
static __always_inline __u32 v4_bucket(const struct image *image, __u32 line, __u32 tag, __u64 home, __u32 limit,
				       __u32 *ret_full)
{
	const __u32 *slots = image_line(image, line), *quarter;
	__u64 found = 0;

	*ret_full = 0;
	if (!slots)
		return 0;
	quarter = slots + SEK_V4_QUARTER * home;
#pragma unroll
	for (int i = 0; i < SEK_V4_QUARTER; i++) {
		__u64 class_id = quarter[i] ^ tag;
		__s64 mask = class_id - limit;

		asm volatile("%0 s>>= 63" : "+r"(mask));
		found |= class_id & mask;
	}
	if (found)
		return found;
	/* An empty slot XOR tag 0 is 0: less 1 it is over every limit. */
#pragma unroll
	for (int i = 0; i < SEK_V4_SLOTS; i++) {
		__u32 class_id = slots[i] ^ tag;

		if (class_id - 1 < limit - 1)
			return class_id;
	}
	*ret_full = slots[SEK_V4_SLOTS - 1];
	return 0;
}

static __always_inline __u32 v4_buckets(const struct image *image, const struct sek_table_v4 *p, __u32 key)
{
	__u32 bits = p->bucket_bits & 31, class_bits = (bits - 1) & 31, mask = (1u << bits) - 1;
	__u32 perm = sek_v4_perm(key, p->mul_s, p->mul_t), full, class_id;

	class_id = v4_bucket(image, p->bucket_base + (perm & mask), perm >> bits << class_bits, perm >> 30,
			     1u << class_bits, &full);
	if (class_id || !full)
		return class_id;
	perm = sek_v4_perm(key, p->mul_t, p->mul_s);
	return v4_bucket(image, p->bucket_base + (perm & mask), 1u << 31 | perm >> bits << class_bits, perm >> 30,
			 1u << class_bits, &full);
}

/* Class id of @addr (host order) in @image, whose front must be there; 0: none. The caller bounds it by n_classes. */
static __always_inline __u32 sek_table_v4(const struct image *image, __u32 addr)
{
	const struct sek_table_v4 *p = image_front(image, SEK_TABLE_V4_LINE);
	__u32 net = addr >> 8, class_id = 0, key;
	__u64 word = net >> 6 & 3, has_hosts, has_wide;
	const __u64 *w;

	asm volatile("" : "+r"(addr)); /* a copy that is not made again at each use: 16 bytes of stack less */
	w = image_line(image, p->filter_base + ((net >> 8) * SEK_V4_FOLD & p->filter_mask));
	if (!w)
		return 0;
	V4_BOUND(word);
	has_hosts = w[word] >> (net & 63) & 1;
	word = (net >> 6 & 3) + 4;
	V4_BOUND(word);
	has_wide = w[word] >> (net & 63) & 1;
	if (!(has_hosts | has_wide))
		return 0;
	/* A branch, not arithmetic: the bucket is on its way while the filter's line still is. */
	key = addr;
	if (!has_hosts) {
		key &= ~0xffu;
		asm volatile("" : "+r"(key));
	}
	if (p->bucket_bits)
		class_id = v4_buckets(image, p, key);
	if (!class_id && has_wide && p->rank_mode)
		class_id = v4_ranked(image, p, addr);
	return class_id;
}
