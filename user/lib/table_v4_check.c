// SPDX-License-Identifier: GPL-2.0
/*
 * The IPv4 part of a hostile image: after this no lookup leaves its area or answers a class
 * that is not there. Areas first, then every rank, index and class that a lookup could read.
 */
#include "table_check.h"

#include <errno.h>
#include <sekisho/table_v4.h>
#include <stdbool.h>
#include <stdint.h>

struct check {
	const uint64_t *image;
	const struct sek_table_v4 *v4;
	uint32_t n_classes;
	uint32_t rank_lines;
};

static int bad(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EBADMSG;
}

static const uint64_t *line_at(const struct check *check, uint32_t line)
{
	return check->image + (size_t)line * 8;
}

/* The areas follow each other from v4_base and fill v4_lines. */
static bool areas_fit(const struct check *check, const struct sek_table_head *head)
{
	const struct sek_table_v4 *v4 = check->v4;
	uint64_t at = head->v4_base;

	if (v4->filter_base != at)
		return false;
	at += (uint64_t)v4->filter_mask + 1;
	if (v4->bucket_base != at)
		return false;
	at += v4->bucket_bits ? 1ull << v4->bucket_bits : 0;
	if (v4->rank_base != at)
		return false;
	at += check->rank_lines;
	if (v4->node_base != at)
		return false;
	at += v4->n_nodes;
	if (v4->desc_base != at)
		return false;
	at += ((uint64_t)v4->n_descs + 7) / 8;
	if (v4->leaf_base != at)
		return false;
	at += v4->n_leaves;
	if (v4->value_base != at)
		return false;
	at += ((uint64_t)v4->n_values + 31) / 32;
	return at == (uint64_t)head->v4_base + head->v4_lines;
}

static bool buckets_hold(const struct check *check)
{
	const struct sek_table_v4 *v4 = check->v4;
	const uint32_t *slots = (const uint32_t *)line_at(check, v4->bucket_base);

	if (!v4->bucket_bits)
		return true;
	for (size_t i = 0; i < (size_t)SEK_V4_SLOTS << v4->bucket_bits; i++) {
		if ((slots[i] & ((1u << (v4->bucket_bits - 1)) - 1)) >= check->n_classes)
			return false;
	}
	return true;
}

/* Every rank that the lines can give is under @limit. */
static bool ranks_hold(const struct check *check, uint64_t limit)
{
	const uint64_t *line = line_at(check, check->v4->rank_base);
	uint64_t total = 0;

	for (uint32_t i = 0; i < check->rank_lines; i++, line += 8) {
		uint64_t flags = line[7] >> SEK_V4_FLAGS_SHIFT, n = 0;

		if ((line[7] & 0x1ffffff) != total || flags >> 7)
			return false;
		for (int word = 0; word < 7; word++) {
			if (word && !(word & 1) &&
			    (line[7] >> (25 + 9 * (word / 2 - 1)) & 0x1ff) != n)
				return false;
			n += flags >> word & 1 ? 1 : __builtin_popcountll(line[word]);
		}
		total += n;
	}
	return total == limit;
}

/* Counts of a node or leaf are those of its four words at 4; *ret_n is all of them. */
static bool counts_hold(const uint64_t *line, uint64_t flags, uint32_t *ret_n)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++) {
		if ((line[1] >> (16 * i) & 0xffff) != n)
			return false;
		n += flags >> i & 1 ? 1 : __builtin_popcountll(line[4 + i]);
	}
	*ret_n = n;
	return true;
}

static bool nodes_hold(const struct check *check)
{
	const uint64_t *node = line_at(check, check->v4->node_base);
	uint32_t n;

	for (uint32_t i = 0; i < check->v4->n_nodes; i++, node += 8) {
		if (node[0] >> 37 || !counts_hold(node, node[0] >> 32, &n))
			return false;
		if (node[0] & SEK_V4_NODE_WHOLE)
			n = 1;
		if ((node[0] & 0xffffffff) + n > check->v4->n_descs)
			return false;
	}
	return true;
}

static bool descs_hold(const struct check *check)
{
	const uint64_t *descs = line_at(check, check->v4->desc_base);

	for (uint32_t i = 0; i < check->v4->n_descs; i++) {
		uint64_t desc = descs[i];

		if ((desc & 0xff) > 1)
			return false;
		if (desc & 1) {
			if (desc >> 8 >= check->v4->n_leaves)
				return false;
		} else if ((desc >> 24 & 0xfff) >= check->n_classes ||
			   desc >> 52 >= check->n_classes) {
			return false;
		}
	}
	return true;
}

static bool leaves_hold(const struct check *check)
{
	const uint64_t *leaf = line_at(check, check->v4->leaf_base);
	uint32_t n;

	for (uint32_t i = 0; i < check->v4->n_leaves; i++, leaf += 8) {
		const uint16_t *values = (const uint16_t *)(leaf + 2);

		if (!(leaf[4] & 1) || !counts_hold(leaf, 0, &n) || leaf[0] >> 32 != n)
			return false;
		if (n > SEK_V4_INLINE_RUNS) {
			if ((leaf[0] & 0xffffffff) + n > check->v4->n_values)
				return false;
			continue;
		}
		for (uint32_t j = 0; j < n; j++) {
			if (values[j] >= check->n_classes)
				return false;
		}
	}
	return true;
}

static bool values_hold(const struct check *check)
{
	const uint16_t *values = (const uint16_t *)line_at(check, check->v4->value_base);

	for (uint32_t i = 0; i < check->v4->n_values; i++) {
		if (values[i] >= check->n_classes)
			return false;
	}
	return true;
}

int table_v4_check(const void *image, const struct sek_table_head *head, const char **ret_why)
{
	const struct sek_table_v4 *v4 =
	    (const void *)((const uint64_t *)image + SEK_TABLE_V4_LINE * 8);
	struct check check = { .image = image, .v4 = v4, .n_classes = head->n_classes };

	if (v4->filter_mask >> SEK_V4_FILTER_BITS || v4->filter_mask & (v4->filter_mask + 1))
		return bad("v4 filter_mask", ret_why);
	if (v4->bucket_bits > SEK_V4_BUCKET_BITS)
		return bad("v4 bucket_bits", ret_why);
	if (v4->rank_mode > SEK_V4_RANK_SPARSE)
		return bad("v4 rank_mode", ret_why);
	if (v4->rank_mode)
		check.rank_lines =
		    v4->rank_mode == SEK_V4_RANK_DENSE ? SEK_V4_DENSE_LINES : SEK_V4_SPARSE_LINES;
	if (!areas_fit(&check, head))
		return bad("v4 areas", ret_why);
	if (!buckets_hold(&check))
		return bad("v4 buckets", ret_why);
	if (!ranks_hold(&check, v4->rank_mode == SEK_V4_RANK_SPARSE ? v4->n_nodes : v4->n_descs))
		return bad("v4 ranks", ret_why);
	if (!nodes_hold(&check))
		return bad("v4 nodes", ret_why);
	if (!descs_hold(&check))
		return bad("v4 descriptors", ret_why);
	if (!leaves_hold(&check))
		return bad("v4 leaves", ret_why);
	return values_hold(&check) ? 0 : bad("v4 values", ret_why);
}
