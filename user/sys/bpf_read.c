// SPDX-License-Identifier: GPL-2.0
/*
 * Copies of two array maps by system call, and sums over CPUs. Not mmap: the kernel refuses a
 * shared mapping of a read-only map descriptor with EINVAL (seen on 6.18: do_mmap() clears
 * VM_SHARED, bpf_map_mmap() wants it).
 */
#include "bpf_read.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#define ARRAY_BATCH 4096 /* values a system call */

int bpf_read_open(struct bpf_read *read, int counters_fd, int control_fd, unsigned n_cpus)
{
	read->cpus = calloc(n_cpus, sizeof(*read->cpus));
	read->control = calloc(1, sizeof(*read->control));
	if (!read->cpus || !read->control)
		return -ENOMEM;
	read->counters_fd = counters_fd;
	read->control_fd = control_fd;
	read->n_cpus = n_cpus;
	return bpf_read_refresh(read);
}

int bpf_read_refresh(struct bpf_read *read)
{
	__u32 key;

	for (key = 0; key < read->n_cpus; key++) {
		if (bpf_map_lookup_elem(read->counters_fd, &key, &read->cpus[key]))
			return -errno;
	}
	return bpf_read_control(read);
}

int bpf_read_control(struct bpf_read *read)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(read->control_fd, &key, read->control) ? -errno : 0;
}

static void add(struct sek_counter *sum, const struct sek_counter *one)
{
	sum->packets += __atomic_load_n(&one->packets, __ATOMIC_RELAXED);
	sum->bytes += __atomic_load_n(&one->bytes, __ATOMIC_RELAXED);
}

struct sek_counter bpf_read_verdict(const struct bpf_read *read, unsigned slot, unsigned verdict,
				    unsigned reason)
{
	struct sek_counter sum = { 0 };
	unsigned cpu;

	for (cpu = 0; cpu < read->n_cpus; cpu++)
		add(&sum, &read->cpus[cpu].verdicts[slot][verdict][reason]);
	return sum;
}

struct sek_counter bpf_read_drops(const struct bpf_read *read, unsigned counter)
{
	struct sek_counter sum = { 0 };
	unsigned cpu;

	for (cpu = 0; cpu < read->n_cpus; cpu++)
		add(&sum, &read->cpus[cpu].class_drops[counter]);
	return sum;
}

struct sek_counter bpf_read_woulds(const struct bpf_read *read, unsigned counter)
{
	struct sek_counter sum = { 0 };
	unsigned cpu;

	for (cpu = 0; cpu < read->n_cpus; cpu++)
		add(&sum, &read->cpus[cpu].class_woulds[counter]);
	return sum;
}

struct bpf_limit_counts bpf_read_limit(const struct bpf_read *read, unsigned number)
{
	struct bpf_limit_counts sum = { 0 };
	unsigned cpu;

	for (cpu = 0; cpu < read->n_cpus; cpu++) {
		add(&sum.drops, &read->cpus[cpu].limit_drops[number]);
		add(&sum.woulds, &read->cpus[cpu].limit_woulds[number]);
		sum.bans += read->cpus[cpu].limit_bans[number];
		sum.refused += read->cpus[cpu].bans_refused[number];
	}
	return sum;
}

struct bpf_limiter_counts bpf_read_limiter(const struct bpf_read *read)
{
	struct bpf_limiter_counts sum = { 0 };
	unsigned cpu;

	for (cpu = 0; cpu < read->n_cpus; cpu++) {
		sum.evictions += read->cpus[cpu].limit_evictions;
		sum.gave_up += read->cpus[cpu].limit_gave_up;
		sum.evidence_missed += read->cpus[cpu].evidence_missed;
	}
	return sum;
}

int bpf_read_array(int fd, uint32_t first, uint32_t n, size_t size, void *ret_values)
{
	uint32_t keys[ARRAY_BATCH], next, from = first, at = 0, many;
	char *values = ret_values;

	while (at < n) {
		many = n - at < ARRAY_BATCH ? n - at : ARRAY_BATCH;
		from = first + at - 1; /* a batch begins behind this one */
		if (bpf_map_lookup_batch(fd, first + at ? &from : NULL, &next, keys,
					 values + (size_t)at * size, &many, NULL) &&
		    errno != ENOENT)
			return -errno;
		if (!many)
			return -ENOENT;
		at += many;
	}
	return 0;
}

void bpf_read_events(const struct bpf_read *read, uint64_t *ret_given, uint64_t *ret_lost)
{
	unsigned cpu;

	*ret_given = *ret_lost = 0;
	for (cpu = 0; cpu < read->n_cpus; cpu++) {
		*ret_given += read->cpus[cpu].events;
		*ret_lost += read->cpus[cpu].events_lost;
	}
}
