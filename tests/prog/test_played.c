// SPDX-License-Identifier: GPL-2.0
/*
 * Limits through the whole kernel program, attached to an interface, in played time: what passes is rate x time + burst, from
 * one CPU and from two at once; a source within its limit loses nothing, alone or beside a million spoofed sources a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <sekisho/maps.h>
#include <sekisho/top.h>
#include "frame.h"
#include "gave_up.skel.h"
#include "lib/limit.h"
#include "lib/policy.h"
#include "lib/table_build.h"
#include "played.h"
#include "played.skel.h"
#include "slow.h"
#include "sys/bpf_limiter.h"
#include "sys/bpf_table.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NS_PER_S 1000000000ull
#define START_NS (1ull << 40) /* anywhere but a wrap */
#define PASSED 5000	      /* packets a run lets through beyond its burst: 0.1 % is 5 */
#define TOLERANCE 0.001
#define CPUS_MAX 2
#define TICK_NS 4000000ull
#define SPOOFED_STEP_NS 900 /* with the packets of the others in between, still over a million spoofed ones a second */
#define NUMBER 5
#define BANS_MAX 16

/* One loaded object with its maps in this process. */
struct kernel {
	struct bpf_object *object;
	struct sek_control *control;
	const struct sek_cpu *cpus;
	uint64_t *slots;
	struct bpf_side side; /* of the limiter's maps only */
	int n_cpus;
};

static struct kernel kernel;
static struct played_bpf *skel;
static struct bpf_link *attached;

static int fd_of(const struct kernel *k, const char *map)
{
	return bpf_object__find_map_fd_by_name(k->object, map);
}

static void *map_whole(int fd, size_t bytes, int protection)
{
	void *values = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(values, MAP_FAILED);
	return values;
}

/* Sized as the keeper does it, with the smallest limiter. */
static void load(struct kernel *k, struct bpf_object_skeleton *skeleton)
{
	struct bpf_object *object = *skeleton->obj;
	int lines_fd;

	k->object = object;
	k->n_cpus = libbpf_num_possible_cpus();
	assert_true(k->n_cpus > 0);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "sek_counters"), k->n_cpus);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "sek_top"), k->n_cpus * SEK_TOP_SETS);
	assert_int_equal(bpf_limiter_size(bpf_object__find_map_by_name(object, "sek_limiter_lines"), SEK_LIMIT_LINES_MIN_BITS, &lines_fd), 0);
	assert_int_equal(bpf_object__load_skeleton(skeleton), 0);
	close(lines_fd);
	for (int i = 0; i < BPF_MAP_ALL; i++)
		k->side.map_fd[i] = -1;
	k->side.map_fd[BPF_MAP_LIMITER_LINES] = fd_of(k, "sek_limiter_lines");
	k->side.map_fd[BPF_MAP_LIMITER_BANS] = fd_of(k, "sek_limiter_bans");
	k->side.map_fd[BPF_MAP_LIMITER_EVIDENCE] = fd_of(k, "sek_limiter_evidence");
	k->side.limiter_bits = SEK_LIMIT_LINES_MIN_BITS;
	assert_int_equal(bpf_limiter_make(&k->side, BANS_MAX), 0);
	k->control = map_whole(fd_of(k, "sek_control"), getpagesize(), PROT_READ | PROT_WRITE);
	k->cpus = map_whole(fd_of(k, "sek_counters"), k->n_cpus * sizeof(*k->cpus), PROT_READ);
	k->slots = map_whole(k->side.map_fd[BPF_MAP_LIMIT_LINES], SEK_LINE_BYTES << SEK_LIMIT_LINES_MIN_BITS, PROT_READ | PROT_WRITE);
	k->control->limit_bits = SEK_LIMIT_LINES_MIN_BITS;
	k->control->limit_keys = (struct sek_limit_keys){ 0x1234567, { 0x9e3779b1, 0x85ebca6b }, 0, 0xfedcba9876543210,
							  { 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9 } };
}

static void unload(struct kernel *k)
{
	munmap(k->control, getpagesize());
	munmap((void *)k->cpus, k->n_cpus * sizeof(*k->cpus));
	munmap(k->slots, SEK_LINE_BYTES << SEK_LIMIT_LINES_MIN_BITS);
}

/* A table with this one limit and no list; nobody has sent anything yet. */
static void set_limit(struct kernel *k, double packets_per_s, double burst)
{
	struct limit_settings limit = { .name = "l", .packets_per_s = packets_per_s, .burst = burst, .len4 = 32,
					.number = NUMBER };
	struct table_image image = { 0 };
	struct policy *policy = NULL;

	memset(k->slots, 0, SEK_LINE_BYTES << SEK_LIMIT_LINES_MIN_BITS);
	assert_int_equal(policy_flatten(NULL, 0, &policy), 0);
	policy->limits = &limit;
	policy->n_limits = 1;
	policy->source_len6 = 64;
	assert_int_equal(table_build(policy, 1, 42, &image), 0);
	assert_int_equal(bpf_table_put(fd_of(k, "sek_table"), &k->control->table_slot, image.lines, image.n_lines), 0);
	table_image_free(&image);
	policy_free(policy);
}

static struct played_scene *scene(void)
{
	return (struct played_scene *)&skel->bss->scene;
}

static void set_scene(double rate, double burst, uint64_t step_ns)
{
	set_limit(&kernel, rate, burst);
	*scene() = (struct played_scene){ .clock_ns = START_NS - START_NS % step_ns, .step_ns = step_ns };
}

struct counts {
	uint64_t passed, dropped, evicted, gave_up, others;
};

/* Of all CPUs. Others: every verdict that no packet here should get. */
static struct counts counts_of(const struct kernel *k)
{
	struct counts sum = { 0 };

	for (int cpu = 0; cpu < k->n_cpus; cpu++) {
		const struct sek_cpu *one = &k->cpus[cpu];

		for (int v = 0; v < SEK_V_MAX; v++)
			for (int r = 0; r < SEK_R_MAX; r++)
				sum.others += one->verdicts[0][v][r].packets;
		sum.passed += one->verdicts[0][SEK_V_PASS][SEK_R_NONE].packets;
		sum.dropped += one->verdicts[0][SEK_V_DROP][SEK_R_LIMIT].packets;
		assert_int_equal(one->verdicts[0][SEK_V_DROP][SEK_R_LIMIT].packets, one->limit_drops[NUMBER].packets);
		sum.evicted += one->limit_evictions;
		sum.gave_up += one->limit_gave_up;
	}
	sum.others -= sum.passed + sum.dropped;
	return sum;
}

static struct counts since(struct counts before)
{
	struct counts now = counts_of(&kernel);

	return (struct counts){ now.passed - before.passed, now.dropped - before.dropped, now.evicted - before.evicted,
				now.gave_up - before.gave_up, now.others - before.others };
}

struct job {
	pthread_t thread;
	int cpu, err;
	uint64_t steps;
};

/* One run of the program a step, on its own CPU. */
static void *play_on(void *arg)
{
	struct job *job = arg;
	struct frame f = { 0 };
	cpu_set_t set;

	frame_l4(&f, 4, IPPROTO_UDP, 4000, 53, 0);
	CPU_ZERO(&set);
	CPU_SET(job->cpu, &set);
	job->err = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	while (!job->err && job->steps) {
		uint32_t repeat = job->steps > 1000000 ? 1000000 : job->steps;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes, .data_size_in = f.len, .repeat = repeat);

		job->err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.played), &opts);
		job->steps -= repeat;
	}
	return NULL;
}

/* Plays @steps steps on each of @cpus CPUs at once, and tells what the program counted. */
static struct counts play(uint64_t steps, int cpus)
{
	struct counts before = counts_of(&kernel), c;
	struct job jobs[CPUS_MAX];

	for (int i = 0; i < cpus; i++) {
		jobs[i] = (struct job){ .cpu = i, .steps = steps };
		assert_int_equal(pthread_create(&jobs[i].thread, NULL, play_on, &jobs[i]), 0);
	}
	for (int i = 0; i < cpus; i++) {
		assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
		assert_int_equal(jobs[i].err, 0);
	}
	c = since(before);
	assert_int_equal(c.passed + c.dropped, steps * cpus); /* each packet counted once */
	assert_int_equal(c.others, 0);
	assert_int_equal(c.gave_up, 0);
	return c;
}

/* With one packet of grace for the last token; a clock that is behind gives its lag's worth, @lag_packets, once. */
static void check_passed(const char *row, uint64_t passed, double want, double lag_packets)
{
	double error = (double)passed - want, grace = fmax(want * TOLERANCE, 1);

	print_message("%-28s passed %8llu, exactly %10.1f, %+.4f %%\n", row, (unsigned long long)passed, want,
		      100 * error / want);
	if (error < -grace || error > grace + lag_packets)
		fail_msg("%s: off by more than 0.1 %%", row);
}

/* A source that sends @times its limit, from @cpus CPUs at once. */
static void overload(double rate, unsigned times, int cpus, uint64_t tick_ns)
{
	double burst = rate / 10, elapsed_s;
	struct counts c;
	uint64_t steps;
	char row[64];

	set_scene(rate, burst, (uint64_t)(NS_PER_S / rate / times));
	scene()->offender_every = 1;
	scene()->tick_ns = tick_ns;
	/* At 2 x: as much again as the burst takes to be used up. */
	steps = (uint64_t)((double)slow_share(PASSED) * times + burst * times / (times - 1)) / cpus;
	c = play(steps, cpus);
	assert_int_equal(c.evicted, 0);
	assert_int_equal(scene()->offered, steps * cpus);
	elapsed_s = (double)(steps * cpus - 1) * scene()->step_ns / NS_PER_S;
	snprintf(row, sizeof(row), "%.0f/s x %u, %d CPU%s", rate, times, cpus, cpus > 1 ? "s" : "");
	check_passed(row, c.passed, rate * elapsed_s + burst, rate * tick_ns / NS_PER_S);
}

static void accuracy(void **state)
{
	static const double rates[] = { 100, 10000, 1000000 };
	static const unsigned times[] = { 2, 10, 100 };

	for (size_t r = 0; r < COUNT(rates); r++)
		for (size_t t = 0; t < COUNT(times); t++)
			for (int cpus = 1; cpus <= CPUS_MAX; cpus++)
				overload(rates[r], times[t], cpus, 0);
}

/* A coarse clock that is behind by up to a tick costs no more than a tick's worth, once. */
static void coarse_clock(void **state)
{
	overload(100, 2, 1, TICK_NS);
	overload(10000, 10, 2, TICK_NS);
	overload(1000000, 10, 2, TICK_NS);
}

/*
 * Just its limit, as evenly as can be; then a whole burst at once, of which nothing is lost either, and then some packet is.
 * The costs of 1 M/s are dithered: 100,000 of them together are right to two packets or so, a standard deviation.
 */
static void innocent_alone(void **state)
{
	static const struct { double rate; unsigned grace; } rows[] = { { 100, 0 }, { 10000, 0 }, { 1000000, 10 } };
	struct counts c;

	for (size_t i = 0; i < COUNT(rows); i++) {
		set_scene(rows[i].rate, rows[i].rate / 10, (uint64_t)(NS_PER_S / rows[i].rate));
		scene()->innocent_every = 1;
		c = play(4 * PASSED, 1);
		assert_int_equal(c.dropped, 0);
		scene()->clock_ns += NS_PER_S;
		scene()->step_ns = 0; /* all at once */
		c = play((uint64_t)rows[i].rate / 10 - rows[i].grace, 1);
		assert_int_equal(c.dropped, 0);
		c = play(2 * rows[i].grace + 1, 1);
		assert_true(c.dropped >= 1);
	}
}

struct flood_row {
	const char *row;
	double rate, burst;
	unsigned innocent_every, offender_every; /* steps */
	uint64_t steps, tick_ns;
	bool is_full; /* the table cannot hold all sources */
};

/* The innocent sends what its limit allows, 900 ns x 1112 being a little over a thousandth of a second. */
static const struct flood_row floods[] = {
	{ "1000/s", 1000, 50, 1112, 0, 600000, 0, false },
	{ "1000/s, coarse clock", 1000, 50, 1112, 0, 600000, TICK_NS, false },
	{ "1000/s, an offender at 10 x", 1000, 50, 1112, 111, 600000, 0, false },
	{ "5/s, full lines", 5, 20, 222223, 0, 1200000, 0, true },
	{ "5/s, full lines, an offender at 20 x", 5, 20, 222223, 11111, 1200000, 0, true },
};

/* No packet is dropped that is not the offender's: spoofed sources send one each, and what it loses is known exactly. */
static void flood(const struct flood_row *r, int cpus)
{
	double elapsed_s = (double)r->steps * SPOOFED_STEP_NS / NS_PER_S, want;
	struct counts c;
	uint64_t innocent = r->steps / r->innocent_every;

	set_scene(r->rate, r->burst, SPOOFED_STEP_NS);
	scene()->innocent_every = r->innocent_every;
	scene()->offender_every = r->offender_every;
	scene()->tick_ns = r->tick_ns;
	c = play(r->steps / cpus, cpus);
	print_message("%s, %d CPU(s): %.2f M spoofed/s, %llu of the innocent, %llu dropped, %llu live slots taken\n", r->row, cpus,
		      (r->steps - innocent - scene()->offered) / elapsed_s / 1e6, (unsigned long long)innocent,
		      (unsigned long long)c.dropped, (unsigned long long)c.evicted);
	assert_true((r->steps - innocent - scene()->offered) / elapsed_s >= 1e6);
	assert_true(r->is_full ? c.evicted > r->steps / 10 : !c.evicted); /* the table holds 262,144 slots */
	if (!r->offender_every) {
		assert_int_equal(c.dropped, 0);
		return;
	}
	assert_true(c.dropped > scene()->offered / 2);
	want = r->rate * elapsed_s + r->burst;
	check_passed("  offender", scene()->offered - c.dropped, want, r->rate * r->tick_ns / NS_PER_S);
}

/* A CPU of an emulated guest that its host stops in the middle of a packet sees the table as it was: one there. */
static void innocent_beside_a_flood(void **state)
{
	for (size_t i = 0; i < COUNT(floods); i++)
		for (int cpus = 1; cpus <= (slow_share(10) == 10 ? CPUS_MAX : 1); cpus++)
			flood(&floods[i], cpus);
}

/* What cannot be charged passes and is counted, however far over the limit it is. */
static void gave_up_is_counted(void **state)
{
	struct gave_up_bpf *other = gave_up_bpf__open();
	struct kernel k = { 0 };
	struct frame f = { 0 };
	struct counts c;

	assert_non_null(other);
	load(&k, other->skeleton);
	set_limit(&k, 1, 2);
	frame_l4(&f, 4, IPPROTO_UDP, 4000, 53, 0);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f.bytes, .data_size_in = f.len, .repeat = 10);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(other->progs.sek_xdp), &opts), 0);
	assert_int_equal(opts.retval, XDP_PASS);
	c = counts_of(&k);
	assert_int_equal(c.gave_up, 10);
	assert_int_equal(c.passed, 10);
	assert_int_equal(c.dropped + c.others + c.evicted, 0);
	unload(&k);
	gave_up_bpf__destroy(other);
	/* Control: with its tries, the program drops here and gives up nothing. */
	set_scene(1, 2, 1);
	scene()->offender_every = 1;
	c = play(10, 1);
	assert_int_equal(c.passed, 2);
	assert_int_equal(c.dropped, 8);
}

static int setup(void **state)
{
	uint32_t zero = 0;
	int fd;

	skel = played_bpf__open();
	if (!skel)
		return -1;
	load(&kernel, skel->skeleton);
	fd = bpf_program__fd(skel->progs.sek_xdp);
	attached = bpf_program__attach_xdp(skel->progs.sek_xdp, if_nametoindex("lo"));
	return attached ? bpf_map_update_elem(fd_of(&kernel, "played_target"), &zero, &fd, 0) : -1;
}

static int teardown(void **state)
{
	bpf_link__destroy(attached);
	unload(&kernel);
	played_bpf__destroy(skel);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accuracy),		   cmocka_unit_test(coarse_clock),
		cmocka_unit_test(innocent_alone),	   cmocka_unit_test(innocent_beside_a_flood),
		cmocka_unit_test(gave_up_is_counted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
