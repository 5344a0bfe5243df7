// SPDX-License-Identifier: GPL-2.0
/* The lookup benchmark's way from a list to a table in force: build, new inner map, one update. */
#pragma once

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <sekisho/table.h>
#include "lib/table_build.h"
#include "lookup_list.h"
#include "lookup_variant.h"

static inline double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* What the kernel charges for map @fd; of a trie the entries only, its inner nodes come on top. */
static inline double map_mib(int fd)
{
	char path[64], line[128];
	double bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %lf", &bytes) == 1)
			break;
	fclose(file);
	return bytes / (1 << 20);
}

static inline int policy_fill4(struct policy *policy, const struct bench_list *list, enum variant variant)
{
	struct policy_range4 *before = NULL;
	size_t i;

	policy->v4 = malloc(list->n * sizeof(*policy->v4));
	if (!policy->v4)
		return -ENOMEM;
	for (i = 0; i < list->n; i++) {
		struct policy_range4 range = { list->entries[i].first, list->entries[i].last, variant_class(variant, i) };

		if (before && before->last + 1 == range.first && before->class_id == range.class_id) {
			before->last = range.last;
		} else {
			before = &policy->v4[policy->n4++];
			*before = range;
		}
	}
	return 0;
}

static inline int policy_fill6(struct policy *policy, const struct bench_list *list, enum variant variant)
{
	size_t i;

	policy->v6 = malloc(list->n * sizeof(*policy->v6));
	if (!policy->v6)
		return -ENOMEM;
	for (i = 0; i < list->n; i++)
		policy->v6[policy->n6++] = (struct policy_prefix6){
			.hi = list->entries[i].first >> 64,
			.lo = list->entries[i].first,
			.class_id = variant_class(variant, i),
			.len = list->entries[i].len,
		};
	return 0;
}

/* Builds the image of @list with the classes of @variant. Errors: table_build()'s. */
static inline int image_make(const struct bench_list *list, enum variant variant, struct table_image *ret_image,
			     double *ret_build_s)
{
	struct sek_class classes[3];
	struct policy policy = { .classes = classes, .n_classes = 3 };
	double start;
	int err;

	variant_classes(variant, classes);
	err = list->bits == 32 ? policy_fill4(&policy, list, variant) : policy_fill6(&policy, list, variant);
	start = now_s();
	if (!err)
		err = table_build(&policy, 1, 0x5eed, ret_image);
	*ret_build_s = now_s() - start;
	free(policy.v4);
	free(policy.v6);
	return err;
}

/* The keeper's swap: a new inner map filled through mmap, one update of the outer one. */
static inline int image_swap(const struct table_image *image, int outer_fd, double *ret_mib)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sek_image", 4, SEK_LINE_BYTES, image->n_lines, &opts);
	size_t bytes = (size_t)image->n_lines * SEK_LINE_BYTES;
	__u32 slot = 0;
	void *map;
	int err = 0;

	if (fd < 0)
		return -errno;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err = -errno;
	if (!err) {
		memcpy(map, image->lines, bytes);
		munmap(map, bytes);
		if (bpf_map_update_elem(outer_fd, &slot, &fd, BPF_ANY))
			err = -errno;
	}
	*ret_mib = map_mib(fd);
	close(fd);
	return err;
}
