// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel program loaded with its own maps, frames run through it, and what moved. Functions
 * fail the running cmocka test themselves. One program a test binary.
 */
#pragma once

#include <sekisho/maps.h>
#include "frame.h"
#include "lib/limit.h"
#include "lib/policy.h"
#include "sys/bpf_load.h"

#define HARNESS_NO_WOULD (-1)

extern struct sekisho_bpf *harness_skel;
extern struct sek_control harness_control; /* in force after harness_apply() */

/* cmocka group fixtures. */
int harness_setup(void **state);
/* The same on the first CPU alone: its rows of sek_top and its budget of events are then the test's own. */
int harness_setup_one_cpu(void **state);
int harness_teardown(void **state);

/* No entry, no rail, no table, enforce. */
void harness_reset(void);

/* Both test sources blocked for ever by their full length, nothing else. */
void harness_block_both(void);
/* Every source of both families blocked for ever, by two halves; nothing else. */
void harness_block_all(void);
void harness_apply(void);

/* Sets the entry of the test source's first @len bits; ends are CLOCK_BOOTTIME nanoseconds. */
void harness_entry(int family, unsigned len, struct sek_entry entry);
/* The same for any address; the prefix's length must be in harness_control's to be looked for. */
void harness_entry_of(int family, const void *addr_be, unsigned len, struct sek_entry entry);

/* Compiles @lists and puts the image in force; class i's counter is i. Source of truth: policy.h. */
void harness_table(struct policy_list *lists, size_t n_lists);

/*
 * The same with limits, forgotten sources and no ban. IPv6 sources are /64s. The control record gets what the keeper would give
 * it: keys, size of the table, ban lengths.
 */
void harness_limits(const struct limit_settings *limits, size_t n_limits, struct policy_list *lists, size_t n_lists);

/* Another image with other limits, as a reload makes one; sources are not forgotten. */
void harness_relimit(const struct limit_settings *limits, size_t n_limits);

/* The limiter's map @name, one of BPF_MAP_LIMIT_LINES, BPF_MAP_BANS, BPF_MAP_EVIDENCE. */
int harness_fd(enum bpf_map_name name);

/* Sum over CPUs of the __u64 at @offset in struct sek_cpu. */
uint64_t harness_counter(size_t offset);
#define HARNESS_COUNTER(member) harness_counter(offsetof(struct sek_cpu, member))
#define HARNESS_BANS_MAX 4 /* entries of sek_bans in the tests */

/* The action of one run; -EINVAL for a frame with .linear where the kernel's BPF_PROG_TEST_RUN knows no such thing. */
int harness_run(const struct frame *f);

/*
 * Runs @f: its verdict's counter of @reason moves by this one frame and its bytes, that of
 * SEK_V_WOULD and @would too (unless HARNESS_NO_WOULD), nothing else of any interface.
 */
void harness_expect(const char *row, const struct frame *f, int action, int reason, int would);

/* The frame drops while its source is blocked and passes while it is not. */
void harness_judged(const char *row, const struct frame *f);

/* The frame passes for @reason, blocked source or not. */
void harness_unjudged(const char *row, const struct frame *f, int reason);

/* Sums over CPUs of one class counter id. */
struct sek_counter harness_class_drops(unsigned counter);
struct sek_counter harness_class_woulds(unsigned counter);

struct sek_explain harness_explain(int family, const void *addr_be);
/* The same for packets of @kind (enum sek_limit_kind) to @dport; -1: for all. */
struct sek_explain harness_explain_l4(int family, const void *addr_be, int kind, unsigned dport);
uint64_t harness_now_ns(void); /* CLOCK_BOOTTIME */
