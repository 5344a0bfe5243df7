// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper's check of a table image: head and class records here, the two structures in
 * their own files. The image is the engine's, so every field is taken for an attack.
 */
#include "table_check.h"
#include "limit.h"
#include "table_build.h"

#include <errno.h>

static int bad(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EBADMSG;
}

static int check_head(const struct sek_table_head *head, size_t bytes, const char **ret_why)
{
	if (head->magic != SEK_TABLE_MAGIC)
		return bad("magic", ret_why);
	if (head->version != SEK_TABLE_VERSION)
		return bad("version", ret_why);
	if (head->lines > SEK_TABLE_LINES_MAX || (size_t)head->lines * SEK_LINE_BYTES != bytes)
		return bad("lines", ret_why);
	if (head->class_base != SEK_TABLE_FIXED_LINES)
		return bad("class_base", ret_why);
	if (head->n_classes < 1 || head->n_classes > SEK_CLASSES_MAX)
		return bad("n_classes", ret_why);
	if (head->class_base + head->n_classes > head->lines)
		return bad("n_classes", ret_why);
	return 0;
}

/* Where the two families' parts lie: behind the limits, which end at line @base. */
static int check_bases(const struct sek_table_head *head, uint32_t base, const char **ret_why)
{
	if (head->v4_base != base)
		return bad("v4_base", ret_why);
	if ((uint64_t)head->v4_base + head->v4_lines > head->lines)
		return bad("v4_lines", ret_why);
	if (head->v6_base != head->v4_base + head->v4_lines)
		return bad("v6_base", ret_why);
	if ((uint64_t)head->v6_base + head->v6_lines != head->lines)
		return bad("v6_lines", ret_why);
	return 0;
}

static int check_class(const struct sek_class *class, bool is_none, const char **ret_why)
{
	if (class->action >= SEK_A_MAX || (class->action == SEK_A_NONE) != is_none)
		return bad("class action", ret_why);
	if (class->flags & ~SEK_C_MONITORED)
		return bad("class flags", ret_why);
	if (class->counter >= SEK_CLASSES_MAX)
		return bad("class counter", ret_why);
	if (class->winner >= SEK_LISTS_MAX)
		return bad("class winner", ret_why);
	return 0;
}

int table_check(const void *image, size_t bytes, const char **ret_why)
{
	const struct sek_table_head *head = image;
	const struct sek_class *classes;
	uint32_t end = 0;
	int r;

	if (bytes < SEK_TABLE_FIXED_LINES * SEK_LINE_BYTES || (uintptr_t)image % sizeof(uint64_t))
		return bad("size", ret_why);
	r = check_head(head, bytes, ret_why);
	if (r < 0)
		return r;
	if (head->checksum != table_checksum(image, head->lines))
		return bad("checksum", ret_why);
	r = limit_check(image, head->lines, head->class_base + head->n_classes, &end, ret_why);
	if (r == 0)
		r = check_bases(head, end, ret_why);
	if (r < 0)
		return r;
	classes = (const struct sek_class *)image + head->class_base;
	for (uint32_t i = 0; i < head->n_classes; i++) {
		r = check_class(&classes[i], i == 0, ret_why);
		if (r < 0)
			return r;
	}
	r = table_v4_check(image, head, ret_why);
	return r < 0 ? r : table_v6_check(image, head, ret_why);
}
