// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: a list file from a hostile fetcher or a rotten disk. What the check lets through has
 * every part inside the file and every prefix in order. The input is made into a file whose head is
 * right, so that the checks behind it are reached. seeds.py writes inputs.
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
		     !(view->v4[i].addr & ~(~0u << (32 - view->v4[i].len))) &&
		     (!i || prefix4_compare(&view->v4[i - 1], &view->v4[i]) < 0));
	for (i = 0; i < view->head->n6; i++)
		must(view->v6[i].len >= 1 && view->v6[i].len <= 128 &&
		     (!i || prefix6_compare(&view->v6[i - 1], &view->v6[i]) < 0));
	for (i = 0; i < view->head->n_errors; i++)
		must(view->errors[i].text_len <= sizeof(view->errors[i].text));
}

enum { VERSION_1 = 1, OTHER_LENGTH = 2 };

/* A file whose size and counts agree, with the input as its contents. Returns its length. */
static size_t shape(struct list_head *head, const uint8_t *data, size_t size)
{
	uint8_t first[4] = {0}; /* three counts, choices */
	size_t len, n = size < sizeof(first) ? size : sizeof(first);

	memcpy(first, data, n);
	head->magic = LIST_MAGIC;
	head->version = first[3] & VERSION_1 ? 1 : LIST_VERSION;
	head->n4 = first[0] % 8;
	head->n6 = first[1] % 8;
	head->n_errors = first[2] % 3;
	len = head->n4 * sizeof(struct prefix4) + head->n6 * sizeof(struct prefix6) +
	      head->n_errors * sizeof(struct list_error) +
	      (first[3] & VERSION_1 ? 0 : sizeof(struct list_origin));
	memcpy(head + 1, data + n, size - n < len ? size - n : len);
	return first[3] & OTHER_LENGTH ? size : sizeof(*head) + len;
}

/* The check of one input; 0: it is a list. @told as told_begin(). */
static int check(const uint8_t *data, size_t size, FILE *told)
{
	struct list_head *head = calloc(1, size + 4096);
	const char *why = NULL;
	struct list_view view;
	size_t len;
	void *file;
	int err;

	must(head);
	len = shape(head, data, size);
	if (len >= sizeof(*head)) /* cut short or too long is signed all the same */
		head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	file = malloc(len); /* as long as the file, for the sanitizer */
	must(file || !len);
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
	return err;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t nothing[4] = {0}, of_version_1[4] = {0, 0, 0, VERSION_1};

	/* Where the format changes and this file does not, no input would get past the head. */
	must(!check(nothing, sizeof(nothing), NULL) && !check(of_version_1, sizeof(of_version_1), NULL));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)check(data, size, told_begin(size)); /* what it holds to is looked at there */
	return 0;
}
