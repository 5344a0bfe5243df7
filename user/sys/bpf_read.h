// SPDX-License-Identifier: GPL-2.0
/* The kernel's counters and control record, copied through the keeper's read-only descriptors. */
#pragma once

#include <sekisho/maps.h>

struct bpf_read {
	struct sek_cpu *cpus; /* n_cpus records, as of the last refresh */
	struct sek_control *control;
	int counters_fd, control_fd;
	unsigned n_cpus;
};

/* Takes both descriptors over and reads once. Errors: negative errno of bpf(2). */
int bpf_read_open(struct bpf_read *read, int counters_fd, int control_fd, unsigned n_cpus);

/* Reads both anew: 139 kB a CPU. Errors: negative errno; the copies may be partly new. */
int bpf_read_refresh(struct bpf_read *read);

/* Sums of one counter over all CPUs. @slot, @verdict, @reason and @counter must be in range. */
struct sek_counter bpf_read_verdict(const struct bpf_read *read, unsigned slot, unsigned verdict, unsigned reason);
struct sek_counter bpf_read_drops(const struct bpf_read *read, unsigned counter);
struct sek_counter bpf_read_woulds(const struct bpf_read *read, unsigned counter);
