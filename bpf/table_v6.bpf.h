// SPDX-License-Identifier: GPL-2.0
/*
 * IPv6 lookup in the table image (layout: sekisho/table_v6.h). In: the inner map and an address;
 * out: its class. One line for most sources, bounded loops only, and a line that
 * is not there answers "none". linux/bpf.h and bpf_helpers.h come before it.
 */
#pragma once

#include "image.bpf.h"

#include <sekisho/table.h>
#include <sekisho/table_v6.h>

/* The value of @key in the tree @ref; a @ref that is a class is the answer. */
static __always_inline __u32 sek_v6_tree(const struct image *image, const struct sek_table_v6 *par, __u32 ref,
					 __u64 key)
{
	__u32 height = ref >> SEK_V6_HEIGHT_SHIFT & 7, index = ref & SEK_V6_INDEX;
	const __u64 *w;
	const __u32 *values;
	int level;

	if (!(ref & SEK_V6_TREE))
		return ref;
	for (level = 0; level < SEK_V6_HEIGHT_MAX; level++) {
		if (level >= height)
			break;
		w = image_line(image, par->node_base + index);
		if (!w)
			return 0;
		index = w[7];
		if (w[3] < key)
			index += w[5] < key ? (w[6] < key ? 7 : 6) : (w[4] < key ? 5 : 4);
		else
			index += w[1] < key ? (w[2] < key ? 3 : 2) : (w[0] < key ? 1 : 0);
	}
	if (index >= par->leaf_lines)
		return 0;
	w = image_line(image, par->leaf_base + index);
	if (!w)
		return 0;
	values = (const __u32 *)(w + 5);
	if (w[0] >= key)
		return values[0];
	if (w[1] >= key)
		return values[1];
	if (w[2] >= key)
		return values[2];
	if (w[3] >= key)
		return values[3];
	return w[4] >= key ? values[4] : values[5];
}

/* Entry of the /48 @key in the bucket of one choice, without the tag; 0 none. *ret_full: the other
 * may have it. */
static __always_inline __u64 sek_v6_bucket(const struct image *image, const struct sek_table_v6 *par, __u64 p,
					   __u64 choice, int *ret_full)
{
	__u32 k = par->k & 31, bucket;
	__u64 tag, limit = 1ull << (15 + k), v;
	const __u64 *w;
	int i;

	bucket = sek_v6_place(p, par->n_buckets, k, &tag);
	tag = choice << 63 | tag << (15 + k);
	w = image_line(image, par->bucket_base + bucket);
	*ret_full = 0;
	if (!w)
		return 0;
#pragma unroll
	for (i = 0; i < 8; i++) {
		v = w[i] ^ tag;
		if (v < limit)
			return v;
	}
	*ret_full = w[7] != 0;
	return 0;
}

/* First of the records @payload names that holds the address: 1 and *ret_value, or 0. */
static __always_inline int sek_v6_records(const struct image *image, const struct sek_table_v6 *par,
					  __u64 payload, __u64 hi, __u64 lo, __u32 *ret_value)
{
	__u32 first = payload >> 2 & 3, last = first + (payload & 3), line = payload >> 4;
	const __u64 *w;
	__u64 rec;
	__u32 i;

	if (line >= par->record_lines)
		return 0;
	w = image_line(image, par->record_base + line);
	if (!w)
		return 0;
#pragma unroll
	for (i = 0; i < 4; i++) {
		if (i < first || i > last)
			continue;
		rec = w[2 * i];
		if (rec & SEK_V6_REC_TREE) {
			*ret_value = (__u32)w[2 * i + 1] | SEK_V6_TREE;
			return 1;
		}
		if (((hi ^ rec >> SEK_V6_REC_SUBNET) & 0xffff) >> (rec >> SEK_V6_REC_HI_SHIFT & 31))
			continue;
		if ((lo ^ w[2 * i + 1]) >> (rec >> SEK_V6_REC_LO_SHIFT & 63) >>
		    (rec >> SEK_V6_REC_LO_MORE & 1))
			continue;
		*ret_value = rec & 0xffff;
		return 1;
	}
	return 0;
}

/* What the prefixes of /48 and longer say: 1 and *ret_value, or 0 if none holds the address. */
static __always_inline int sek_v6_long(const struct image *image, const struct sek_table_v6 *par, __u64 hi,
				       __u64 lo, __u32 *ret_value)
{
	__u32 k = par->k & 31;
	__u64 entry, payload;
	int full;

	entry = sek_v6_bucket(image, par, sek_v6_perm(hi >> 16, par->s, par->t), 0, &full);
	if (full)
		entry = sek_v6_bucket(image, par, sek_v6_perm(hi >> 16, par->t, par->s), 1, &full);
	payload = entry & ((1ull << (13 + k)) - 1);
	switch (entry >> (13 + k)) {
	case SEK_V6_WHOLE:
		*ret_value = payload;
		return 1;
	case SEK_V6_SUBNET:
		*ret_value = payload & ((1u << (k - 3)) - 1);
		return (payload >> (k - 3) & 0xffff) == (hi & 0xffff);
	case SEK_V6_RECORDS:
		return sek_v6_records(image, par, payload, hi, lo, ret_value);
	}
	return 0;
}

/*
 * Class of the address @hi, @lo (host order) in @image, whose front must be there; 0
 * none. Only for an image that passed table_check(): class ids are below its n_classes then.
 */
static __always_inline __u32 sek_table_v6(const struct image *image, __u64 hi, __u64 lo)
{
	const struct sek_table_v6 *par = image_front(image, SEK_TABLE_V6_LINE);
	__u32 hash = sek_v6_filter(hi >> 32), word = hash >> 6 & 3, value, is_short;
	const __u64 *w;

	w = image_line(image, par->filter_base + (hash >> 8 & par->filter_mask));
	if (!w)
		return 0;
	asm volatile("%0 &= 3"
		     : "+r"(word)); /* kept for kernel 6.1, which loses the bound otherwise */
	is_short = (w[4 + word] >> (hash & 63) & 1) | (par->flags & SEK_V6_ALL_SHORT);
	if (!(w[word] >> (hash & 63) & 1) || !sek_v6_long(image, par, hi, lo, &value)) {
		if (!is_short)
			return 0;
		value = par->short_ref;
	}
	if (!(value & SEK_V6_TREE))
		return value;
	value = sek_v6_tree(image, par, value, hi);
	if (!(value & SEK_V6_TREE))
		return value;
	value = sek_v6_tree(image, par, value, lo);
	return value & SEK_V6_TREE ? 0 : value;
}
