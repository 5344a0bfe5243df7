// SPDX-License-Identifier: GPL-2.0
/*
 * What the limiter is compared with: GCRA in a BPF LRU hash, a source a key, charged as exactly as ours: a fetch-and-add, and a
 * packet over the limit writes nothing. With the precise clock, as such programs have it, and with ours, the coarse one first.
 */
#pragma once

#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

/* Source, network order -> theoretical arrival time, CLOCK_MONOTONIC ns. Sized before load. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} gcra SEC(".maps");

const volatile __u64 gcra_cost_ns = 1000000, gcra_tau_ns = 99500000; /* 1000/s, burst 100 */

#ifndef GCRA_COARSE_NS
#define GCRA_COARSE_NS() bpf_ktime_get_coarse_ns()
#define GCRA_PRECISE_NS() bpf_ktime_get_ns()
#endif

/* Is the source's packet within its limit? Then it is charged. */
static __always_inline bool gcra_passes(__u32 saddr_be, bool is_coarse)
{
	__u64 now_ns = is_coarse ? GCRA_COARSE_NS() : GCRA_PRECISE_NS();
	__u64 *tat_ns = bpf_map_lookup_elem(&gcra, &saddr_be), old_ns, new_ns;

	if (!tat_ns) {
		new_ns = now_ns + gcra_cost_ns;
		bpf_map_update_elem(&gcra, &saddr_be, &new_ns, BPF_ANY);
		return true;
	}
	old_ns = *(volatile __u64 *)tat_ns;
	if (is_coarse && (__s64)(old_ns - now_ns) > (__s64)gcra_tau_ns)
		now_ns = GCRA_PRECISE_NS();
	if ((__s64)(old_ns - now_ns) > (__s64)gcra_tau_ns)
		return false;
	if ((__s64)(old_ns - now_ns) >= 0)
		__sync_fetch_and_add(tat_ns, gcra_cost_ns);
	else
		__sync_val_compare_and_swap(tat_ns, old_ns, now_ns + gcra_cost_ns);
	return true;
}
