// SPDX-License-Identifier: GPL-2.0
/*
 * The limiter in played time: what passes is rate x time + burst, from one CPU and from two, whatever the
 * overload; a source within its limit loses nothing, alone or beside a million spoofed sources a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "lib/limit.h"
#include "limit_probe.h"
#include "limit_probe.skel.h"
#include "slow.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NS_PER_S 1000000000ull
#define START_NS (1ull << 40)  /* anywhere but a wrap */
#define WRAP_NS (1ull << 44)   /* the arrival time's */
#define PASSED 20000	       /* packets a run lets through beyond its burst: 0.1 % is 20 */
#define TOLERANCE 0.001
#define CPUS_MAX 2
#define TICK_NS 4000000ull
#define LINES (1u << SEK_LIMIT_LINES_MIN_BITS)

static struct limit_probe_bpf *skel;
static uint64_t *slots; /* the lines themselves */

static struct limit_scene *scene(void)
{
	return (struct limit_scene *)&skel->bss->scene;
}

/*
 * CPUs of a flood. One that its host stops between reading the clock and judging the packet sees the table as it was,
 * and takes a live slot for it: seen once in an emulated guest of a busy host, where two CPUs are threads of the host.
 */
static int flood_cpus(void)
{
	return slow_share(10) == 10 ? CPUS_MAX : 1;
}

/* An empty table, counters at 0, one source of IPv4 at @start_ns. */
static void set_scene(double packets_per_s, double bits_per_s, double burst, uint64_t start_ns)
{
	struct limit_settings settings = { .packets_per_s = packets_per_s, .bits_per_s = bits_per_s, .burst = burst,
					   .len4 = 32, .number = 5 };
	struct limit_scene *s = scene();

	memset(slots, 0, (size_t)LINES * SEK_LINE_BYTES);
	memset(skel->bss->counts, 0, sizeof(skel->bss->counts));
	memset(s, 0, sizeof(*s));
	assert_int_equal(limit_words(&settings, 64, &s->limit), 0);
	s->ahead = s->limit.maxd + (NS_PER_S / SEK_LIMIT_UNIT_NS << SEK_LIMIT_TAT_SHIFT);
	s->keys = (struct sek_limit_keys){ 0x9d2c5680, { 0x85ebca6b, 0xc2b2ae35 }, 0, 0x123456789abcdefull,
					   { 0x9e3779b97f4a7c15ull, 0xbf58476d1ce4e5b9ull, 0x94d049bb133111ebull } };
	s->bits = SEK_LIMIT_LINES_MIN_BITS;
	s->family = 4;
	s->bytes = 100;
	s->clock_ns = start_ns;
}

struct job {
	pthread_t thread;
	int cpu, prog_fd, err;
	uint64_t steps;
};

/* One run a step, on its own CPU. */
static void *play_on(void *arg)
{
	struct job *job = arg;
	uint8_t frame[64] = { 0 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(job->cpu, &set);
	job->err = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	while (!job->err && job->steps) {
		uint32_t repeat = job->steps > 1000000 ? 1000000 : job->steps;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = repeat);

		job->err = bpf_prog_test_run_opts(job->prog_fd, &opts);
		job->steps -= repeat;
	}
	return NULL;
}

/* Plays @steps steps on each of @cpus CPUs at once. */
static void play(uint64_t steps, int cpus)
{
	struct job jobs[CPUS_MAX];

	for (int i = 0; i < cpus; i++) {
		jobs[i] = (struct job){ .cpu = i, .prog_fd = bpf_program__fd(skel->progs.limit_probe), .steps = steps };
		assert_int_equal(pthread_create(&jobs[i].thread, NULL, play_on, &jobs[i]), 0);
	}
	for (int i = 0; i < cpus; i++) {
		assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
		assert_int_equal(jobs[i].err, 0);
	}
}

static void add(struct limit_count *sum, const struct limit_count *one)
{
	sum->passed += one->passed;
	sum->over += one->over;
	sum->evicted += one->evicted;
	sum->gave_up += one->gave_up;
	sum->ban_due += one->ban_due;
}

static struct limit_counts sums(void)
{
	struct limit_counts sum = { 0 };

	for (int cpu = 0; cpu < LIMIT_PROBE_CPUS; cpu++) {
		add(&sum.source, &skel->bss->counts[cpu].source);
		add(&sum.innocent, &skel->bss->counts[cpu].innocent);
		add(&sum.offender, &skel->bss->counts[cpu].offender);
	}
	return sum;
}

/*
 * What passed against what a perfect limiter would have passed, with one packet of grace for the last token. A
 * clock that is behind gives its lag's worth, @lag_packets, once.
 */
static void check_passed(const char *row, uint64_t passed, double want, double lag_packets)
{
	double error = (double)passed - want, grace = fmax(want * TOLERANCE, 1);

	print_message("%-28s passed %8llu, exactly %10.1f, %+.4f %%\n", row, (unsigned long long)passed, want,
		      100 * error / want);
	if (error < -grace || error > grace + lag_packets)
		fail_msg("%s: off by more than 0.1 %%", row);
}

/* A source that sends @times its limit, from @cpus CPUs, from @start_ns on. */
static void overload(double rate, unsigned times, int cpus, uint64_t start_ns, uint64_t tick_ns)
{
	double burst = rate / 10, elapsed_s;
	struct limit_counts c;
	uint64_t steps;
	char row[64];

	set_scene(rate, 0, burst, start_ns);
	scene()->step_ns = (uint64_t)(NS_PER_S / rate / times);
	scene()->tick_ns = tick_ns;
	/* 2 x: as much again as the burst takes to be used up. */
	steps = (uint64_t)(PASSED * times + burst * times / (times - 1)) / cpus;
	play(steps, cpus);
	c = sums();
	assert_int_equal(c.source.passed + c.source.over, steps * cpus);
	assert_int_equal(c.source.gave_up, 0);
	assert_int_equal(c.source.evicted, 0);
	elapsed_s = (double)(scene()->clock_ns - start_ns - scene()->step_ns) / NS_PER_S;
	snprintf(row, sizeof(row), "%.0f/s x %u, %d CPU%s", rate, times, cpus, cpus > 1 ? "s" : "");
	check_passed(row, c.source.passed, rate * elapsed_s + burst, rate * tick_ns / NS_PER_S);
}

static void accuracy(void **state)
{
	static const double rates[] = { 100, 10000, 1000000 };
	static const unsigned times[] = { 2, 10, 100 };

	for (size_t r = 0; r < COUNT(rates); r++)
		for (size_t t = 0; t < COUNT(times); t++)
			for (int cpus = 1; cpus <= CPUS_MAX; cpus++)
				overload(rates[r], times[t], cpus, START_NS, 0);
}

/* The arrival time wraps every 4 h 53 min, and is signed half way: neither is seen. */
static void across_a_wrap(void **state)
{
	static const uint64_t ends_ns[] = { WRAP_NS, WRAP_NS / 2, 3 * WRAP_NS };

	for (size_t i = 0; i < COUNT(ends_ns); i++) {
		overload(10000, 10, 1, ends_ns[i] - NS_PER_S / 2, 0);
		overload(100, 10, 2, ends_ns[i] - 10 * NS_PER_S, 0);
	}
}

/* An arrival time from half a wrap ago looks far ahead: no source is held to it. */
static void left_from_before_a_wrap(void **state)
{
	static const uint64_t later_ns[] = { NS_PER_S, WRAP_NS / 2 - NS_PER_S, WRAP_NS / 2 + NS_PER_S, WRAP_NS - NS_PER_S };

	for (size_t i = 0; i < COUNT(later_ns); i++) {
		set_scene(100, 0, 10, START_NS);
		play(11, 1);
		assert_int_equal(sums().source.over, 1);
		scene()->clock_ns += later_ns[i];
		play(10, 1);
		assert_int_equal(sums().source.passed, 20);
		play(1, 1);
		assert_int_equal(sums().source.over, 2);
	}
}

/* A coarse clock that is behind by up to a tick costs no more than a tick's worth, once. */
static void coarse_clock(void **state)
{
	overload(10000, 10, 1, START_NS, TICK_NS);
	overload(100, 2, 1, START_NS, TICK_NS);
	overload(1000000, 10, 2, START_NS, TICK_NS);
}

/* A byte limit: 8 Mbit/s of 100-byte frames is 10,000 of them a second. */
static void bytes(void **state)
{
	struct limit_counts c;

	for (unsigned times = 2; times <= 100; times += 49) {
		set_scene(0, 8e6, 100000, START_NS);
		scene()->step_ns = 100000 / times;
		play((uint64_t)PASSED * times + 2000, 1);
		c = sums();
		check_passed("8 Mbit/s", c.source.passed,
			     10000.0 * (scene()->clock_ns - START_NS - scene()->step_ns) / NS_PER_S + 1000, 0);
	}
}

/* First, last and one more than a burst at one instant; then one more for each packet's time. */
static void burst_edges(void **state)
{
	static const unsigned bursts[] = { 1, 2, 100, 5000 };
	struct limit_counts c;

	for (size_t i = 0; i < COUNT(bursts); i++) {
		set_scene(1000, 0, bursts[i], START_NS);
		play(bursts[i], 1);
		c = sums();
		assert_int_equal(c.source.passed, bursts[i]);
		assert_int_equal(c.source.over, 0);
		play(1, 1);
		c = sums();
		assert_int_equal(c.source.passed, bursts[i]);
		assert_int_equal(c.source.over, 1);
		scene()->clock_ns += 1000000;
		play(2, 1);
		c = sums();
		assert_int_equal(c.source.passed, bursts[i] + 1);
		assert_int_equal(c.source.over, 2);
	}
}

struct flood_row {
	const char *row;
	double rate, burst;
	unsigned every, innocent_burst, first, offender_every;
	int family;
	uint64_t tick_ns;
};

/* One step a microsecond. The innocent source sends just what its limit allows, as evenly or as unevenly as it may. */
static const struct flood_row floods[] = {
	{ "1000/s, evenly", 1000, 100, 1000, 1, 0, 100, 4, 0 },
	{ "1000/s, whole bursts", 1000, 50, 50000, 50, 0, 100, 4, 0 },
	{ "1000/s, a burst, then evenly", 1000, 50, 1000, 1, 49, 100, 4, 0 },
	{ "1000/s, evenly, IPv6", 1000, 50, 1000, 1, 49, 100, 6, 0 },
	{ "1000/s, coarse clock", 1000, 50, 1000, 1, 0, 100, 4, TICK_NS },
	{ "1000/s, a burst, then evenly, coarse clock", 1000, 50, 1000, 1, 49, 100, 4, TICK_NS },
	{ "1000/s, a burst of 100 ms, coarse clock", 1000, 100, 1000, 1, 99, 100, 4, TICK_NS },
	{ "5/s, full lines", 5, 20, 200000, 1, 0, 20000, 4, 0 },
	{ "5/s, full lines, bursts", 5, 20, 1000000, 5, 0, 20000, 4, 0 },
};

static void flood(const struct flood_row *r, unsigned is_flood)
{
	uint64_t steps = r->rate < 100 ? 2000000 : 500000;
	struct limit_counts c;
	double elapsed_s;

	set_scene(r->rate, 0, r->burst, START_NS - START_NS % (r->every * 1000ull));
	scene()->family = r->family;
	scene()->step_ns = is_flood ? 1000 : r->every * 1000ull;
	scene()->tick_ns = r->tick_ns;
	scene()->is_spoofed = is_flood;
	scene()->every = is_flood ? r->every : 1;
	scene()->burst = r->innocent_burst;
	scene()->first = r->first;
	scene()->offender_every = is_flood ? r->offender_every : 0;
	play(is_flood ? steps / flood_cpus() : 1000, is_flood ? flood_cpus() : 1);
	c = sums();
	elapsed_s = steps * 1e-6;
	if (is_flood) {
		print_message("%s: %llu spoofed, %llu live slots taken, innocent %llu passed %llu over\n", r->row,
			      (unsigned long long)c.source.passed, (unsigned long long)c.source.evicted,
			      (unsigned long long)c.innocent.passed, (unsigned long long)c.innocent.over);
		assert_true(c.source.passed > steps - steps / 1000);
		assert_true(r->rate < 100 ? c.source.evicted > steps / 10 : !c.source.evicted);
		check_passed("  offender at 10 x", c.offender.passed,
			     r->rate * (elapsed_s - 1e-6 * r->offender_every) + r->burst, r->rate * r->tick_ns / NS_PER_S);
	}
	assert_true(c.innocent.passed >= (is_flood ? steps / r->every - 1 : 999) * r->innocent_burst);
	if (c.innocent.over)
		fail_msg("%s: the innocent source lost %llu packets", r->row, (unsigned long long)c.innocent.over);
}

static void innocent(void **state)
{
	for (size_t i = 0; i < COUNT(floods); i++) {
		flood(&floods[i], 0);
		flood(&floods[i], 1);
	}
}

/* A refund leaves the slot as it was, but for what a packet's charge rounds. */
static void refund(void **state)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	set_scene(1000, 0, 5, START_NS);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.refund_probe), &opts), 0);
		assert_int_equal(opts.retval, 2);
	}
	play(6, 1);
	assert_int_equal(sums().source.passed, 5);
	assert_int_equal(sums().source.over, 1);
}

/* The limit is another one now, by a new generation, and knows its former settings; or not. */
static void change(double packets_per_s, double bits_per_s, double burst, bool knows_former)
{
	struct limit_settings settings = { .packets_per_s = packets_per_s, .bits_per_s = bits_per_s, .burst = burst,
					   .len4 = 32, .number = 5, .parity = 1 };
	struct limit_scene *s = scene();

	if (knows_former)
		settings.former = (struct limit_scale){ s->limit.cost_packet ?: s->limit.cost_byte, s->limit.tau, !s->limit.cost_packet };
	assert_int_equal(limit_words(&settings, 64, &s->limit), 0);
	s->ahead = (s->limit.maxd > s->limit.former_maxd ? s->limit.maxd : s->limit.former_maxd) +
		   (NS_PER_S / SEK_LIMIT_UNIT_NS << SEK_LIMIT_TAT_SHIFT);
}

static unsigned used_slots(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < (size_t)LINES * SEK_LIMIT_SLOTS; i++)
		n += slots[i] != 0;
	return n;
}

struct change_row {
	const char *row;
	double rate, bits, burst; /* at first; frames are 100 bytes */
	unsigned sent;		  /* at once, */
	uint64_t silent_ns;	  /* and then nothing */
	double new_rate, new_bits, new_burst;
	unsigned pass; /* at once then; no more */
	uint64_t next_ns; /* and one more after this, not before; 0: not looked at */
};

/* Half a packet's time after its burst is used a source may send again, as ever (burst_edges). */
static const struct change_row change_rows[] = {
	{ "the same", 100, 0, 10, 11, 0, 100, 0, 10, 0, 5000000 },
	{ "stricter, all used", 100, 0, 10, 11, 0, 10, 0, 10, 0, 50000000 },
	{ "stricter, half used", 100, 0, 10, 5, 0, 10, 0, 10, 5, 50000000 },
	{ "stricter, one used", 100, 0, 10, 1, 0, 10, 0, 10, 9, 50000000 },
	{ "stricter, used long ago in part", 100, 0, 10, 10, 30000000, 10, 0, 10, 3, 50000000 },
	{ "stricter, used long ago", 100, 0, 10, 11, 150000000, 10, 0, 10, 10, 50000000 },
	{ "far stricter", 1000000, 0, 1000, 100, 0, 1, 0, 200, 100, 0 },
	{ "looser, all used", 10, 0, 10, 11, 0, 100, 0, 10, 0, 5000000 },
	{ "looser, half used", 10, 0, 10, 5, 0, 100, 0, 10, 5, 5000000 },
	{ "a smaller burst, all used", 100, 0, 10, 11, 0, 100, 0, 4, 0, 5000000 },
	{ "a smaller burst, more than that used", 100, 0, 10, 7, 0, 100, 0, 4, 0, 5000000 },
	{ "a smaller burst, just that used", 100, 0, 10, 4, 0, 100, 0, 4, 0, 5000000 },
	{ "a smaller burst, less used", 100, 0, 10, 3, 0, 100, 0, 4, 1, 5000000 },
	{ "a burst of 1", 100, 0, 10, 11, 0, 100, 0, 1, 0, 5000000 },
	{ "a larger burst, all used", 100, 0, 10, 11, 0, 100, 0, 25, 15, 5000000 },
	{ "a larger burst, half used", 100, 0, 10, 5, 0, 100, 0, 25, 20, 5000000 },
	{ "stricter, a larger burst", 100, 0, 10, 11, 0, 10, 0, 25, 15, 50000000 },
	{ "bits, stricter, all used", 0, 8e6, 100000, 2000, 0, 0, 8e5, 100000, 0, 0 },
	{ "bits, a smaller burst", 0, 8e6, 100000, 2000, 0, 0, 8e6, 10000, 0, 0 },
	{ "packets to bits, half used", 100, 0, 10, 5, 0, 0, 8e3, 1000, 6, 0 },
	{ "packets to bits, all used", 100, 0, 10, 11, 0, 0, 8e6, 100000, 1, 0 }, /* a byte limit's last frame overdraws */
	{ "bits to packets, all used", 0, 8e6, 100000, 2000, 0, 100, 0, 10, 0, 0 },
};

static void play_change(const struct change_row *r, int family, uint64_t start_ns, bool knows_former)
{
	struct limit_counts c;
	unsigned pass = r->pass;

	set_scene(r->rate, r->bits, r->burst, start_ns);
	scene()->family = family;
	play(r->sent, 1);
	scene()->clock_ns += r->silent_ns;
	change(r->new_rate, r->new_bits, r->new_burst, knows_former);
	if (!knows_former)
		pass = r->new_rate > 0 ? r->new_burst : r->new_burst / 100 + 1;
	memset(skel->bss->counts, 0, sizeof(skel->bss->counts));
	play(pass + 3, 1);
	c = sums();
	if (c.source.passed != pass || c.source.evicted || c.source.gave_up)
		fail_msg("%s, IPv%d: %llu pass, not %u", r->row, family, (unsigned long long)c.source.passed, pass);
	assert_int_equal(used_slots(), knows_former && !r->silent_ns ? 1 : used_slots());
	if (!r->next_ns || !knows_former)
		return;
	scene()->clock_ns += r->next_ns - 1000;
	play(1, 1);
	assert_int_equal(sums().source.passed, pass);
	scene()->clock_ns += 2000;
	play(2, 1);
	assert_int_equal(sums().source.passed, pass + 1);
}

/* A changed limit: what a source has used of its burst it has used still. Control: where nobody says what was, it begins anew. */
static void changed(void **state)
{
	for (size_t i = 0; i < COUNT(change_rows); i++) {
		play_change(&change_rows[i], 4, START_NS, true);
		play_change(&change_rows[i], 6, START_NS, true);
		play_change(&change_rows[i], 4, WRAP_NS - 1000, true);
		play_change(&change_rows[i], 4, WRAP_NS / 2 - 1000, true);
		play_change(&change_rows[i], 4, START_NS, false);
	}
}

/* Former slots from before a wrap hold nobody; and a packet that still runs by the former settings changes nothing by these. */
static void changed_late(void **state)
{
	struct sek_limit former, now;

	set_scene(100, 0, 10, START_NS);
	play(11, 1);
	former = scene()->limit;
	change(10, 0, 10, true);
	now = scene()->limit;
	scene()->clock_ns += WRAP_NS / 2 + NS_PER_S;
	play(10, 1);
	assert_int_equal(sums().source.passed, 20);
	play(1, 1);
	assert_int_equal(sums().source.over, 2);
	scene()->limit = former;
	play(1, 1);
	scene()->limit = now;
	play(1, 1);
	assert_int_equal(sums().source.over, 3);
}

/* Since when a source is over is known across a change, by the slower rate's pause at first. */
static void changed_while_over(void **state)
{
	set_scene(0.5, 0, 10, START_NS);
	for (int is_changed = 0; is_changed < 2; is_changed++) {
		if (is_changed)
			change(2, 0, 10, true);
		assert_true(scene()->limit.gap_quanta >= 119); /* 2 s */
		scene()->limit.after_quanta = 240; /* 4 s */
		scene()->limit.flags |= SEK_LIMIT_F_BAN;
		scene()->has_ban = 1;
		play(12, 1); /* over from here on */
		assert_int_equal(sums().source.ban_due, 0);
		for (int i = 0; i < 5; i++) {
			scene()->clock_ns += 3 * NS_PER_S / 10;
			play(20, 1);
		}
		assert_true(is_changed || !sums().source.ban_due);
	}
	scene()->clock_ns += 13 * NS_PER_S / 10;
	play(20, 1);
	assert_true(sums().source.ban_due > 0);
}

/* Over for @after: due then, and not before; a pause of a second, or of half a wrap, starts it anew. */
static void over_from(uint64_t first_ns)
{
	static const uint64_t silent_ns[] = { 1100000000, WRAP_NS / 2 + 3 * NS_PER_S, 0 };
	struct limit_counts c;
	uint64_t before_ns;

	set_scene(1000, 0, 10, first_ns);
	scene()->limit.after_quanta = 60; /* 1.007 s */
	scene()->limit.gap_quanta = 60;
	scene()->limit.flags |= SEK_LIMIT_F_BAN;
	scene()->has_ban = 1;
	scene()->step_ns = 100000;
	for (size_t round = 0; round < COUNT(silent_ns); round++) {
		uint64_t start_ns = scene()->clock_ns, due = sums().source.ban_due;

		play(9700, 1); /* 0.97 s */
		assert_int_equal(sums().source.ban_due, due);
		play(800, 1); /* to 1.05 s */
		c = sums();
		assert_true(c.source.ban_due > due);
		before_ns = scene()->clock_ns - start_ns;
		print_message("over for %.2f s: due at %llu packets\n", before_ns / 1e9,
			      (unsigned long long)(c.source.ban_due - due));
		scene()->clock_ns += silent_ns[round];
	}
}

static void over_since(void **state)
{
	over_from(START_NS);
	over_from(WRAP_NS - NS_PER_S / 2);
}

/* Line and tag of an address, as one number. */
static uint64_t place(const uint8_t *addr_be)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	memcpy(scene()->addr_be, addr_be, 16);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.place_probe), &opts), 0);
	assert_true(scene()->line < LINES);
	return (uint64_t)scene()->line << 32 | scene()->tag;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * A table's worth of sources at half load, by pattern: no two share a slot's mark (IPv4: never; IPv6: at most one in 2^14),
 * and few are in a line of more than eight. Source: 0.84-0.97 % of random sources overflow at this load.
 */
static void places_spread(void **state)
{
	static const struct { const char *row; int family, at; unsigned step; } rows[] = {
		{ "IPv4 in sequence", 4, 2, 1 }, { "a host of each /24", 4, 1, 1 }, { "each /16", 4, 0, 1 },
		{ "even hosts", 4, 2, 2 },	 { "/64 in sequence", 6, 6, 1 },  { "/48 in sequence", 6, 4, 1 },
	};
	enum { SOURCES = LINES * SEK_LIMIT_SLOTS / 2 };
	uint64_t *places = calloc(SOURCES, sizeof(*places));

	assert_non_null(places);
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned over = 0, in_line = 0, same = 0;

		set_scene(1000, 0, 10, START_NS);
		scene()->family = rows[i].family;
		for (uint32_t n = 0; n < SOURCES; n++) {
			uint8_t addr[16] = { 0x20, 0x01 };
			uint32_t value = n * rows[i].step;

			addr[rows[i].at] = value >> 8;
			addr[rows[i].at + 1] = value;
			addr[rows[i].at ? rows[i].at - 1 : 2] = value >> 16 & 0xff;
			places[n] = place(addr);
		}
		qsort(places, SOURCES, sizeof(*places), by_number);
		for (uint32_t n = 0; n < SOURCES; n++) {
			same += n && places[n] == places[n - 1];
			in_line = n && places[n] >> 32 == places[n - 1] >> 32 ? in_line + 1 : 1;
			over += in_line > SEK_LIMIT_SLOTS;
		}
		print_message("%-20s %.2f %% of sources find no room\n", rows[i].row, 100.0 * over / SOURCES);
		assert_true(over < SOURCES / 50);
		assert_in_range(same, 0, rows[i].family == 4 ? 0 : SOURCES >> 14);
	}
	free(places);
}

/* What counts as one source: the bits behind the limit's length do not matter, the last one before it does. */
static void places_aggregate(void **state)
{
	static const struct { int family; unsigned len; } rows[] = {
		{ 4, 1 }, { 4, 8 }, { 4, 24 }, { 4, 31 }, { 4, 32 }, { 6, 1 }, { 6, 48 }, { 6, 63 },
		{ 6, 64 }, { 6, 65 }, { 6, 96 }, { 6, 127 }, { 6, 128 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t addr[16] = { 0xcb, 0x00, 0x71, 0x07, [15] = 1 }, other[16];
		unsigned len = rows[i].len, bits = rows[i].family == 4 ? 32 : 128;
		uint64_t at;

		set_scene(1000, 0, 10, START_NS);
		scene()->family = rows[i].family;
		scene()->limit.len4 = scene()->limit.len6 = len;
		at = place(addr);
		assert_int_equal(at >> 18 & 1, rows[i].family == 6); /* never the other family's slot */
		for (unsigned bit = 0; bit < bits; bit++) {
			memcpy(other, addr, sizeof(other));
			other[bit / 8] ^= 0x80 >> bit % 8;
			if ((place(other) == at) != (bit >= len))
				fail_msg("IPv%d /%u: bit %u", rows[i].family, len, bit);
		}
		scene()->limit.mark ^= 8 << SEK_LIMIT_NUMBER_SHIFT;
		assert_int_not_equal(place(addr), at);
	}
}

static int setup(void **state)
{
	void *map;

	skel = limit_probe_bpf__open_and_load();
	if (!skel)
		return -1;
	map = mmap(NULL, (size_t)LINES * SEK_LINE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		   bpf_map__fd(skel->maps.probe_lines), 0);
	if (map == MAP_FAILED)
		return -1;
	slots = map;
	return 0;
}

static int teardown(void **state)
{
	munmap(slots, (size_t)LINES * SEK_LINE_BYTES);
	limit_probe_bpf__destroy(skel);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_edges),	 cmocka_unit_test(accuracy), cmocka_unit_test(across_a_wrap),
		cmocka_unit_test(left_from_before_a_wrap),
		cmocka_unit_test(coarse_clock), cmocka_unit_test(bytes),    cmocka_unit_test(innocent),
		cmocka_unit_test(refund),	 cmocka_unit_test(over_since),
		cmocka_unit_test(changed),	 cmocka_unit_test(changed_late), cmocka_unit_test(changed_while_over),
		cmocka_unit_test(places_spread), cmocka_unit_test(places_aggregate),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
