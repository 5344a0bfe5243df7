/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clock in steps of a tick, each CPU's own copy: the first packet of a tick reads it, the others take what that one read.
 * bpf_jiffies64() is a load, inlined by the verifier; a helper that reads a clock costs a call, 18 ns for the coarse one. Always
 * behind the precise clock, by at most two ticks.
 */
#pragma once

#include "maps.bpf.h"

/* The time itself is stored before the tick that it is of: a packet that interrupts another on its CPU leaves no newer tick with an older time. */
static __always_inline void clock_read(struct sek_cpu *cpu)
{
	__u64 tick = bpf_jiffies64();

	if (cpu->clock_tick == tick)
		return;
	cpu->clock_ns = bpf_ktime_get_coarse_ns();
	cpu->clock_boot_ns = bpf_ktime_get_boot_ns();
	*(volatile __u64 *)&cpu->clock_tick = tick;
}

/* CLOCK_MONOTONIC, ns. */
static __always_inline __u64 clock_coarse_ns(struct sek_cpu *cpu)
{
	clock_read(cpu);
	return cpu->clock_ns;
}

/* CLOCK_BOOTTIME, ns. */
static __always_inline __u64 clock_boot_ns(struct sek_cpu *cpu)
{
	clock_read(cpu);
	return cpu->clock_boot_ns;
}
