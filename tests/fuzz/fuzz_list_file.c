// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: a list file from a hostile fetcher or a rotten disk. What the check lets through has
 * every part inside the file and every prefix in order. The input is made into a file whose head is
 * right, so that the checks behind it are reached; into one of another length where the input's is
 * odd.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/list_file.h"
#include "told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static void walk(const struct list_view *view, const char *end)
{
	uint32_t i;

	must((const char *)(view->errors + view->head->n_errors) <= end);
	for (i = 0; i < view->head->n4; i++)
		must(view->v4[i].len >= 1 && view->v4[i].len <= 32 &&
		     (!i || prefix4_compare(&view->v4[i - 1], &view->v4[i]) < 0));
	for (i = 0; i < view->head->n6; i++)
		must(view->v6[i].len >= 1 && view->v6[i].len <= 128 &&
		     (!i || prefix6_compare(&view->v6[i - 1], &view->v6[i]) < 0));
	for (i = 0; i < view->head->n_errors; i++)
		must(view->errors[i].text_len <= sizeof(view->errors[i].text));
}

/* A file whose size and counts agree, with the input as its contents. */
static size_t shape(struct list_head *head, const uint8_t *data, size_t size)
{
	uint8_t counts[3] = {0};
	size_t len, n = size < sizeof(counts) ? size : sizeof(counts);

	memcpy(counts, data, n);
	head->magic = LIST_MAGIC;
	head->version = LIST_VERSION;
	head->n4 = counts[0] % 8;
	head->n6 = counts[1] % 8;
	head->n_errors = counts[2] % 3;
	len = head->n4 * sizeof(struct prefix4) + head->n6 * sizeof(struct prefix6) +
	      head->n_errors * sizeof(struct list_error);
	memcpy(head + 1, data + n, size - n < len ? size - n : len);
	return sizeof(*head) + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct list_head *head = calloc(1, size + 4096);
	const char *why = NULL;
	FILE *told = told_begin(size);
	struct list_view view;
	size_t len;
	void *file;
	int err;

	must(head);
	len = shape(head, data, size);
	if (size % 2) /* cut short or too long, signed all the same */
		len = size;
	if (len >= sizeof(*head))
		head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	file = malloc(len); /* as long as the file, for the sanitizer */
	must(file);
	memcpy(file, head, len);
	err = list_file_check(file, len, &view, &why);
	if (told) {
		told_hex(told, "file", file, len);
		fprintf(told, "taken %d\n", !err);
	}
	if (err)
		must(why);
	else
		walk(&view, (char *)file + len);
	free(file);
	free(head);
	return 0;
}
