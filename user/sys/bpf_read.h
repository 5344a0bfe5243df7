// SPDX-License-Identifier: GPL-2.0
/* The kernel's counters and control record, mapped read-only from the keeper's descriptors. No system call per reading. */
#pragma once

#include <sekisho/maps.h>

struct bpf_read {
	const struct sek_cpu *cpus; /* n_cpus records */
	const struct sek_control *control;
	unsigned n_cpus;
};

/* Maps both; the descriptors may be closed after. Errors: negative errno of mmap(2). */
int bpf_read_open(struct bpf_read *read, int counters_fd, int control_fd, unsigned n_cpus);

/* Sums of one counter over all CPUs. @slot, @verdict, @reason and @counter must be in range. */
struct sek_counter bpf_read_verdict(const struct bpf_read *read, unsigned slot, unsigned verdict, unsigned reason);
struct sek_counter bpf_read_drops(const struct bpf_read *read, unsigned counter);
struct sek_counter bpf_read_woulds(const struct bpf_read *read, unsigned counter);
