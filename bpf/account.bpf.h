// SPDX-License-Identifier: GPL-2.0
/*
 * Counts one decision on this CPU's own entry: plain additions, nobody else writes it.
 * Every packet counts once as passed or dropped; a would-drop counts once more as such.
 */
#pragma once

#include "maps.bpf.h"
#include "policy.bpf.h"

static __always_inline void account_add(struct sek_counter *counter, __u64 frame_bytes)
{
	counter->packets++;
	counter->bytes += frame_bytes;
}

static __always_inline void account_verdict(struct sek_cpu *cpu, __u32 verdict, __u32 reason,
					    __u64 frame_bytes)
{
	__u32 slot = sek_iface_slot;

	/* Opaque, or the compiler drops the checks the verifier wants to see. */
	asm volatile("" : "+r"(verdict), "+r"(reason));
	if (slot >= SEK_IFACES_MAX || verdict >= SEK_V_MAX || reason >= SEK_R_MAX)
		return;
	account_add(&cpu->verdicts[slot][verdict][reason], frame_bytes);
}

#define ACCOUNT_TOP 1u	 /* this packet is in the sample of sek_top */
#define ACCOUNT_RATE 4u	 /* its source is in the sample of sek_rates */
#define ACCOUNT_EVENT 2u /* it was or would have been dropped, and an event of it may be due */

/* What is left to do for this packet, off the common path: a call and its return cost more than a lookup in a table that is in the cache. */
static __always_inline __u32 account(const struct decision *d, __u64 frame_bytes)
{
	__u32 id = bpf_get_smp_processor_id();
	struct sek_cpu *cpu = bpf_map_lookup_elem(&sek_counters, &id);
	bool is_would = d->verdict == SEK_V_WOULD;
	bool is_feed = d->reason == SEK_R_FEED;
	__u32 counter = d->counter;
	__u32 rest = d->is_rated * ACCOUNT_RATE, passed_as = d->reason == SEK_R_MALFORMED ? SEK_R_MALFORMED : SEK_R_NONE;

	if (!cpu)
		return 0;
	account_verdict(cpu, d->verdict, d->reason, frame_bytes);
	if (is_would)
		account_verdict(cpu, SEK_V_PASS, passed_as, frame_bytes);
	/* As in account_verdict(): else the check is made before a spill, and Linux 6.1 forgets it there. */
	asm volatile("" : "+r"(counter));
	if (is_feed && counter < SEK_CLASSES_MAX)
		account_add(is_would ? &cpu->class_woulds[counter] : &cpu->class_drops[counter], frame_bytes);
	if (d->verdict != SEK_V_PASS) {
		if (cpu->event_skip) {
			cpu->event_skip--;
			cpu->events_unsampled++;
		} else {
			rest |= ACCOUNT_EVENT;
		}
	}
	if (cpu->top_left)
		cpu->top_left--;
	else
		rest |= ACCOUNT_TOP;
	return rest;
}
