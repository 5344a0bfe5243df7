// SPDX-License-Identifier: GPL-2.0
/* Reads the kernel's bans through the keeper's read-only descriptor, many a system call. */
#pragma once

#include <sekisho/ban.h>
#include <sekisho/maps.h>
#include <stddef.h>

struct bpf_ban {
	struct sek_entry_key key;
	struct sek_ban ban;
};

/*
 * All bans: a copy of each that was there all the while; one that came or went meanwhile may be missing, or be there twice.
 * 100,000 take about 30 ms, so it is for a worker thread. *ret_bans is the caller's to free(). Without a map (@fd -1) there are none. Errors: -ENOMEM; of bpf(2).
 */
int bpf_bans_read(int fd, struct bpf_ban **ret_bans, size_t *ret_n);
/* One ban. Errors: -ENOENT; of bpf(2). */
int bpf_bans_get(int fd, const struct sek_entry_key *key, struct sek_ban *ret_ban);
