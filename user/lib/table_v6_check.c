// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper's check of the IPv6 part of an image. In: hostile lines; out: whether each area lies
 * in the part and every class stored exists. Indices need no check (see sekisho/table_v6.h). It
 * must never read outside head->lines.
 */
#include "table_check.h"

#include <errno.h>
#include <stdbool.h>
#include <sekisho/table_v6.h>

typedef const __u64 (*line_ptr)[8];

static bool area_ok(const struct sek_table_head *head, __u64 base, __u64 lines)
{
	return base >= head->v6_base && base + lines <= (__u64)head->v6_base + head->v6_lines;
}

static const char *check_params(const struct sek_table_head *head, const struct sek_table_v6 *par)
{
	if (head->v6_base < SEK_TABLE_FIXED_LINES ||
	    (__u64)head->v6_base + head->v6_lines > head->lines)
		return "v6: part outside the image";
	if (!area_ok(head, par->filter_base, (__u64)par->filter_mask + 1) ||
	    par->filter_mask & (par->filter_mask + 1))
		return "v6: filter";
	if (par->k < SEK_V6_K_MIN || par->k > SEK_V6_K_MAX || par->n_buckets >> par->k != 1 ||
	    !area_ok(head, par->bucket_base, par->n_buckets))
		return "v6: buckets";
	if (!(par->s & par->t & 1) || (par->s | par->t) > SEK_V6_MASK48)
		return "v6: multipliers";
	if (!area_ok(head, par->record_base, par->record_lines))
		return "v6: records";
	if (!area_ok(head, par->leaf_base, par->leaf_lines))
		return "v6: leaves";
	if (!area_ok(head, par->node_base, par->node_lines))
		return "v6: nodes";
	if (par->flags & ~SEK_V6_ALL_SHORT)
		return "v6: flags";
	return NULL;
}

static bool value_ok(__u32 value, __u32 n_classes)
{
	return value & SEK_V6_TREE || value < n_classes;
}

static bool entry_ok(__u64 entry, __u32 k, __u32 n_classes)
{
	__u64 payload = entry & ((1ull << (13 + k)) - 1);

	switch (entry >> (13 + k) & 3) {
	case SEK_V6_WHOLE:
		return payload < n_classes;
	case SEK_V6_SUBNET:
		return (payload & ((1ull << (k - 3)) - 1)) < n_classes;
	}
	return true;
}

static bool lines_ok(line_ptr lines, const struct sek_table_v6 *par, __u32 n_classes,
		     const char **ret_why)
{
	const __u32 *values;
	__u64 i;
	int j;

	for (i = 0; i < par->n_buckets; i++) {
		*ret_why = "v6: class in a bucket";
		for (j = 0; j < 8; j++)
			if (!entry_ok(lines[par->bucket_base + i][j], par->k, n_classes))
				return false;
	}
	for (i = 0; i < par->record_lines; i++) {
		*ret_why = "v6: class in a record";
		for (j = 0; j < 8; j += 2)
			if ((lines[par->record_base + i][j] & 0xffff) >= n_classes)
				return false;
	}
	for (i = 0; i < par->leaf_lines; i++) {
		*ret_why = "v6: class in a leaf";
		values = (const __u32 *)(lines[par->leaf_base + i] + 5);
		for (j = 0; j < 6; j++)
			if (!value_ok(values[j], n_classes))
				return false;
	}
	*ret_why = "v6: class of short prefixes";
	return value_ok(par->short_ref, n_classes);
}

int table_v6_check(const void *image, const struct sek_table_head *head, const char **ret_why)
{
	line_ptr lines = image;
	const struct sek_table_v6 *par = (const void *)lines[SEK_TABLE_V6_LINE];
	const char *why = "v6: no parameters";

	if (head->lines >= SEK_TABLE_FIXED_LINES) {
		why = check_params(head, par);
		if (!why && lines_ok(lines, par, head->n_classes, &why))
			return 0;
	}
	*ret_why = why;
	return -EBADMSG;
}
