// SPDX-License-Identifier: GPL-2.0
/* The lookup benchmark's way from a list to a table in force: build, then the keeper's own swap. */
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

#include <sekisho/maps.h>
#include <sekisho/table.h>
#include "lib/table_build.h"
#include "sys/bpf_table.h"
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

static inline int policy_fill4(struct policy *policy, const struct bench_list *list,
			       enum variant variant)
{
	struct policy_range4 *before = NULL;
	size_t i;

	policy->v4 = malloc(list->n * sizeof(*policy->v4));
	if (!policy->v4)
		return -ENOMEM;
	for (i = 0; i < list->n; i++) {
		struct policy_range4 range = { list->entries[i].first, list->entries[i].last,
					       variant_class(variant, i) };

		if (before && before->last + 1 == range.first &&
		    before->class_id == range.class_id) {
			before->last = range.last;
		} else {
			before = &policy->v4[policy->n4++];
			*before = range;
		}
	}
	return 0;
}

static inline int policy_fill6(struct policy *policy, const struct bench_list *list,
			       enum variant variant)
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
static inline int image_make(const struct bench_list *list, enum variant variant,
			     struct table_image *ret_image, double *ret_build_s)
{
	struct sek_class classes[3];
	struct policy policy = { .classes = classes, .n_classes = 3 };
	double start;
	int err;

	variant_classes(variant, classes);
	err = list->bits == 32 ? policy_fill4(&policy, list, variant)
			       : policy_fill6(&policy, list, variant);
	start = now_s();
	if (!err)
		err = table_build(&policy, 1, 0x5eed, ret_image);
	*ret_build_s = now_s() - start;
	free(policy.v4);
	free(policy.v6);
	return err;
}

/* What the kernel charges for the table: every slot's map once. */
static inline double table_mib(int outer_fd)
{
	__u32 seen[2 * SEK_SEGMENTS_MAX], slot, id, n = 0, i;
	double mib = map_mib(outer_fd);
	int fd;

	for (slot = 0; slot < 2 * SEK_SEGMENTS_MAX; slot++) {
		if (bpf_map_lookup_elem(outer_fd, &slot, &id))
			continue;
		for (i = 0; i < n && seen[i] != id; i++)
			;
		fd = i < n ? -1 : bpf_map_get_fd_by_id(id);
		if (fd < 0)
			continue;
		seen[n++] = id;
		mib += map_mib(fd);
		close(fd);
	}
	return mib;
}

/* The keeper's swap; the control record is the program's own, which nobody else writes here. */
static inline int image_swap(const struct table_image *image, int outer_fd, int control_fd,
			     double *ret_mib)
{
	size_t bytes = getpagesize();
	struct sek_control *control =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, control_fd, 0);
	int err;

	if (control == MAP_FAILED)
		return -errno;
	err = bpf_table_put(outer_fd, &control->table_slot, image->lines, image->n_lines);
	munmap(control, bytes);
	*ret_mib = table_mib(outer_fd);
	return err;
}
