// SPDX-License-Identifier: GPL-2.0
/*
 * The front of a table image: head, classes, limits, the two families' parts by their own builders,
 * checksum last. Memory is one anonymous mapping, so that 60 MB go back to the system at once.
 */
#include "table_build.h"
#include "limit.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_CAPACITY 1024 /* lines: 64 kB, a small list's image */

static int grow(struct table_image *image, uint32_t capacity)
{
	size_t bytes = (size_t)capacity * SEK_LINE_BYTES;
	void *lines;

	if (image->lines)
		lines = mremap(image->lines, (size_t)image->capacity * SEK_LINE_BYTES, bytes,
			       MREMAP_MAYMOVE);
	else
		lines =
		    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (lines == MAP_FAILED)
		return -ENOMEM;
	image->lines = lines;
	image->capacity = capacity;
	return 0;
}

int table_image_add(struct table_image *image, uint32_t n, uint32_t *ret_base)
{
	uint64_t need = (uint64_t)image->n_lines + n,
		 capacity = image->capacity ? image->capacity : FIRST_CAPACITY;

	if (need > SEK_TABLE_LINES_MAX)
		return -E2BIG;
	while (capacity < need)
		capacity *= 2;
	if (capacity != image->capacity && grow(image, capacity) < 0)
		return -ENOMEM;
	*ret_base = image->n_lines;
	image->n_lines = need;
	return 0;
}

void table_image_free(struct table_image *image)
{
	if (image->lines)
		(void)munmap(image->lines,
			     (size_t)image->capacity * SEK_LINE_BYTES); /* cannot fail: our own */
	*image = (struct table_image){ 0 };
}

static struct sek_table_head *head_of(const struct table_image *image)
{
	return image->lines;
}

static int add_front(struct table_image *image, const struct policy *policy, uint64_t generation)
{
	uint32_t base;
	int r;

	r = table_image_add(image, SEK_TABLE_FIXED_LINES + policy->n_classes, &base);
	if (r < 0)
		return r;
	*head_of(image) = (struct sek_table_head){
		.magic = SEK_TABLE_MAGIC,
		.version = SEK_TABLE_VERSION,
		.generation = generation,
		.class_base = SEK_TABLE_FIXED_LINES,
		.n_classes = policy->n_classes,
		.prefixes_v4 = policy->prefixes_v4,
		.prefixes_v6 = policy->prefixes_v6,
	};
	memcpy((char *)image->lines + SEK_TABLE_FIXED_LINES * SEK_LINE_BYTES, policy->classes,
	       (size_t)policy->n_classes * sizeof(*policy->classes));
	return 0;
}

static int add_families(struct table_image *image, const struct policy *policy, uint64_t seed)
{
	int r;

	head_of(image)->v4_base = image->n_lines;
	r = table_v4_build(image, policy, seed);
	if (r < 0)
		return r;
	head_of(image)->v4_lines = image->n_lines - head_of(image)->v4_base;
	head_of(image)->v6_base = image->n_lines;
	r = table_v6_build(image, policy, seed);
	if (r < 0)
		return r;
	head_of(image)->v6_lines = image->n_lines - head_of(image)->v6_base;
	return 0;
}

int table_build(const struct policy *policy, uint64_t generation, uint64_t seed,
		struct table_image *ret_image)
{
	struct table_image image = { 0 };
	int r;

	if (policy->n_classes > SEK_CLASSES_MAX)
		return -E2BIG;
	r = add_front(&image, policy, generation);
	if (r == 0)
		r = limit_build(&image, policy->limits, policy->n_limits, policy->source_len6);
	if (r == 0)
		r = add_families(&image, policy, seed);
	if (r < 0) {
		table_image_free(&image);
		return r;
	}
	head_of(&image)->lines = image.n_lines;
	head_of(&image)->checksum = table_checksum(image.lines, image.n_lines);
	*ret_image = image;
	return 0;
}

/* Each step is a bijection of the state, so a change of one word always shows. */
uint64_t table_checksum(const void *image, uint32_t lines)
{
	const size_t skip = offsetof(struct sek_table_head, checksum) / sizeof(uint64_t);
	const uint64_t *words = image;
	uint64_t sum = lines;

	for (size_t i = 0; i < (size_t)lines * (SEK_LINE_BYTES / sizeof(*words)); i++) {
		sum ^= i == skip ? 0 : words[i];
		sum = (sum << 29 | sum >> 35) * 0x9e3779b97f4a7c15;
	}
	return sum;
}
