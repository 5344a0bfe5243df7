// SPDX-License-Identifier: GPL-2.0
/* The kernel's counters and control record, copied through the keeper's read-only descriptors. */
#pragma once

#include <sekisho/maps.h>
#include <stddef.h>
#include <stdint.h>

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

/* Reads the control record alone. Errors: as above. */
int bpf_read_control(struct bpf_read *read);

/* Sums of one counter over all CPUs. @slot, @verdict, @reason and @counter must be in range. */
struct sek_counter bpf_read_verdict(const struct bpf_read *read, unsigned slot, unsigned verdict,
				    unsigned reason);
struct sek_counter bpf_read_drops(const struct bpf_read *read, unsigned counter);
struct sek_counter bpf_read_woulds(const struct bpf_read *read, unsigned counter);

/* Sums of a limit's counters, by its number. */
struct bpf_limit_counts {
	struct sek_counter drops, woulds;
	uint64_t bans, refused;
};
struct bpf_limit_counts bpf_read_limit(const struct bpf_read *read, unsigned number);

/* What became of events: given to the ring buffer; lost because it was full. */
void bpf_read_events(const struct bpf_read *read, uint64_t *ret_given, uint64_t *ret_lost);

/* What the limiter did without: see struct sek_cpu. */
struct bpf_limiter_counts {
	uint64_t evictions;	  /* live slots of other sources that newcomers took: its table is too small */
	uint64_t gave_up;	  /* packets passed uncharged */
	uint64_t evidence_missed; /* packets whose source found no record of evidence free */
};
struct bpf_limiter_counts bpf_read_limiter(const struct bpf_read *read);

/*
 * Values @first.. of an array map, @n of @size bytes each, through a read-only descriptor; by
 * batches. Errors: negative errno.
 */
int bpf_read_array(int fd, uint32_t first, uint32_t n, size_t size, void *ret_values);
