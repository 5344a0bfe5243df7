// SPDX-License-Identifier: GPL-2.0
/* mmap of two array maps, and sums over CPUs. Values of an array map lie 8-byte aligned behind each other. */
#include "bpf_read.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static const void *map(int fd, size_t bytes)
{
	size_t page = getpagesize();
	void *at = mmap(NULL, (bytes + page - 1) / page * page, PROT_READ, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

int bpf_read_open(struct bpf_read *read, int counters_fd, int control_fd, unsigned n_cpus)
{
	read->cpus = map(counters_fd, sizeof(struct sek_cpu) * n_cpus);
	if (!read->cpus)
		return -errno;
	read->control = map(control_fd, sizeof(struct sek_control));
	if (!read->control)
		return -errno;
	read->n_cpus = n_cpus;
	return 0;
}

static void add(struct sek_counter *sum, const struct sek_counter *one)
{
	sum->packets += __atomic_load_n(&one->packets, __ATOMIC_RELAXED);
	sum->bytes += __atomic_load_n(&one->bytes, __ATOMIC_RELAXED);
}

struct sek_counter bpf_read_verdict(const struct bpf_read *read, unsigned slot, unsigned verdict, unsigned reason)
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
