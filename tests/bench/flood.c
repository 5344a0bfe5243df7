// SPDX-License-Identifier: GPL-2.0
/*
 * A million spoofed sources a second sweep through while 1,000 offenders send ten times their limit and 10,000 innocents half of
 * it, through sek_xdp and through GCRA in a BPF LRU hash of equal memory; in played time, so that nothing depends on the machine.
 * Said of each: what the offenders got of what they may have, and what the innocents lost.
 * usage: flood [-t PERCENT] [-o FILE] (root); PERCENT of the time, FILE gets the rows, tab-separated
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sekisho/maps.h>
#include <sekisho/top.h>
#include "flood.h"
#include "flood.skel.h"
#include "lib/limit.h"
#include "lib/policy.h"
#include "lib/table_build.h"
#include "lookup_frame.h"
#include "sys/bpf_limiter.h"
#include "sys/bpf_table.h"

#define SPOOFED_PER_S 1e6
#define OFFENDERS 1000
#define INNOCENTS 10000
#define OFFENDER_TIMES 10.0
#define INNOCENT_TIMES 0.5
#define START_NS (1ull << 40)
#define LRU_ENTRY_BYTES 85.4 /* of a full map: 64 an element and 16 a bucket, buckets being a power of two */

struct scene {
	double rate, burst;
	unsigned bits; /* log2 of our lines */
	double played_s;
};

static const struct scene scenes[] = {
	{ 1000, 100, SEK_LIMIT_LINES_BITS, 1 },
	{ 10, 20, SEK_LIMIT_LINES_BITS, 4 },
	{ 10, 20, SEK_LIMIT_LINES_MIN_BITS, 4 },
	{ 1, 10, SEK_LIMIT_LINES_MIN_BITS, 8 },
};

struct result {
	double share, lost; /* of what offenders may have; of what innocents sent */
	double spoofed_s;   /* spoofed sources a second */
	uint64_t evicted;
};

static double percent = 100;

static int put_table(struct flood_bpf *object, struct sek_control *control, const struct scene *scene)
{
	struct limit_settings limit = { .name = "l", .packets_per_s = scene->rate, .burst = scene->burst, .len4 = 32 };
	struct table_image image = { 0 };
	struct policy *policy = NULL;
	int err = policy_flatten(NULL, 0, &policy);

	if (err)
		return err;
	policy->limits = &limit;
	policy->n_limits = 1;
	policy->source_len6 = 64;
	err = table_build(policy, 1, 42, &image);
	if (!err)
		err = bpf_table_put(bpf_map__fd(object->maps.sek_table), &control->table_slot, image.lines, image.n_lines);
	table_image_free(&image);
	policy_free(policy);
	return err;
}

/* The limiter's maps as the keeper makes them, pinned nowhere; *ret_side holds them. */
static int make_limiter(struct flood_bpf *object, unsigned bits, struct bpf_side *side)
{
	for (int i = 0; i < BPF_MAP_ALL; i++)
		side->map_fd[i] = -1;
	side->map_fd[BPF_MAP_LIMITER_LINES] = bpf_map__fd(object->maps.sek_limiter_lines);
	side->map_fd[BPF_MAP_LIMITER_BANS] = bpf_map__fd(object->maps.sek_limiter_bans);
	side->map_fd[BPF_MAP_LIMITER_EVIDENCE] = bpf_map__fd(object->maps.sek_limiter_evidence);
	side->limiter_bits = bits;
	return bpf_limiter_make(side, SEK_BANS_MAX);
}

/* Loads all of it for @scene; *ret_control is mapped. */
static int load(const struct scene *scene, struct flood_bpf *object, struct bpf_side *side, struct sek_control **ret_control)
{
	struct sek_control *control;
	int err, lines_fd;

	bpf_program__set_autoload(object->progs.sek_explain, false);
	bpf_map__set_max_entries(object->maps.sek_counters, libbpf_num_possible_cpus());
	bpf_map__set_max_entries(object->maps.sek_top, libbpf_num_possible_cpus() * SEK_TOP_SETS);
	bpf_map__set_max_entries(object->maps.gcra, (SEK_LINE_BYTES << scene->bits) / LRU_ENTRY_BYTES);
	object->rodata->gcra_cost_ns = (uint64_t)(1e9 / scene->rate);
	object->rodata->gcra_tau_ns = (uint64_t)((scene->burst - 0.5) * 1e9 / scene->rate);
	err = bpf_limiter_size(object->maps.sek_limiter_lines, scene->bits, &lines_fd);
	if (err)
		return err;
	err = flood_bpf__load(object);
	close(lines_fd);
	if (!err)
		err = make_limiter(object, scene->bits, side);
	if (err)
		return err;
	control = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(object->maps.sek_control), 0);
	if (control == MAP_FAILED)
		return -errno;
	control->limit_bits = scene->bits;
	control->limit_keys = (struct sek_limit_keys){ 0x1234567, { 0x9e3779b1, 0x85ebca6b }, 0, 0xfedcba9876543210,
						       { 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9 } };
	*ret_control = control;
	return put_table(object, control, scene);
}

/* All packets of @scene through the program @fd; the driver stays on one CPU, whose counters it reads. */
static int play(const struct scene *scene, struct flood_bpf *object, int fd, struct result *ret)
{
	double offender_s = OFFENDERS * OFFENDER_TIMES * scene->rate, innocent_s = INNOCENTS * INNOCENT_TIMES * scene->rate;
	double all_s = SPOOFED_PER_S + offender_s + innocent_s, played_s = scene->played_s * percent / 100;
	struct flood *flood = (struct flood *)&object->bss->flood;
	uint64_t left = (uint64_t)(all_s * played_s);
	uint8_t frame[FRAME_BYTES];
	uint32_t slot = 0;

	frame_make(32, frame);
	flood->clock_ns = START_NS;
	flood->step_ns = (uint64_t)(1e9 / all_s); /* cut: no fewer a second than said */
	flood->share[SPOOFED] = (uint32_t)(FLOOD_MILLION * SPOOFED_PER_S / all_s);
	flood->share[OFFENDER] = (uint32_t)(FLOOD_MILLION * offender_s / all_s);
	flood->n[OFFENDER] = OFFENDERS;
	flood->n[INNOCENT] = INNOCENTS;
	flood->last = SENDERS;
	if (bpf_map_update_elem(bpf_map__fd(object->maps.flood_target), &slot, &fd, BPF_ANY))
		return -errno;
	while (left) {
		uint32_t repeat = left > 1000000 ? 1000000 : left;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = repeat);

		if (bpf_prog_test_run_opts(bpf_program__fd(object->progs.flood_drive), &opts))
			return -errno;
		if (opts.retval == XDP_ABORTED)
			return -EIO;
		left -= repeat;
	}
	played_s = (flood->clock_ns - START_NS) / 1e9;
	ret->share = (flood->count[OFFENDER].sent - flood->count[OFFENDER].dropped) / (OFFENDERS * (scene->burst + scene->rate * played_s));
	ret->lost = (double)flood->count[INNOCENT].dropped / flood->count[INNOCENT].sent;
	ret->spoofed_s = flood->count[SPOOFED].sent / played_s;
	return 0;
}

static uint64_t evictions(struct flood_bpf *object)
{
	size_t bytes = libbpf_num_possible_cpus() * sizeof(struct sek_cpu);
	struct sek_cpu *cpus = mmap(NULL, bytes, PROT_READ, MAP_SHARED, bpf_map__fd(object->maps.sek_counters), 0);
	uint64_t sum = 0;

	if (cpus == MAP_FAILED)
		return 0;
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += cpus[i].limit_evictions;
	munmap(cpus, bytes);
	return sum;
}

static int run_one(const struct scene *scene, bool is_lru, struct result *ret)
{
	struct flood_bpf *object = flood_bpf__open();
	struct sek_control *control = NULL;
	struct bpf_side side = { 0 };
	int err = object ? load(scene, object, &side, &control) : -errno;

	if (!err)
		err = play(scene, object, bpf_program__fd(is_lru ? object->progs.flood_gcra : object->progs.sek_xdp), ret);
	if (!err && !is_lru && ret->share > OFFENDER_TIMES / 2)
		err = -EBADMSG; /* not limited at all: then this measures something else */
	if (!err)
		ret->evicted = evictions(object);
	if (control)
		munmap(control, getpagesize());
	flood_bpf__destroy(object);
	return err;
}

static int run(FILE *file)
{
	static const char *const names[] = { "sek_xdp", "GCRA in an LRU hash" };
	struct result result = { 0 };
	int err;

	printf("A flood of %.0f spoofed sources a second, played: %d offenders at %.0f x, %d innocents at %.1f x their limit\n", SPOOFED_PER_S,
	       OFFENDERS, OFFENDER_TIMES, INNOCENTS, INNOCENT_TIMES);
	printf("  %-20s %8s %6s %6s %12s %15s %15s %12s\n", "program", "limit", "burst", "MiB", "spoofed/s", "offenders got", "innocents lost",
	       "live taken");
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		for (int is_lru = 0; is_lru < 2; is_lru++) {
			err = run_one(&scenes[i], is_lru, &result);
			if (err) {
				fprintf(stderr, "flood: %s: %s\n", names[is_lru], strerror(-err));
				return err;
			}
			printf("  %-20s %6.0f/s %6.0f %6u %12.0f %14.4fx %14.4f%% %12s\n", names[is_lru], scenes[i].rate, scenes[i].burst,
			       (SEK_LINE_BYTES << scenes[i].bits) >> 20, result.spoofed_s, result.share, 100 * result.lost,
			       is_lru ? "-" : result.evicted ? "yes" : "none");
			fflush(stdout);
			if (file)
				fprintf(file, "%s\t%.0f\t%u\t%.5f\t%.6f\t%llu\n", names[is_lru], scenes[i].rate,
					(SEK_LINE_BYTES << scenes[i].bits) >> 20, result.share, result.lost, (unsigned long long)result.evicted);
		}
	}
	printf("\n");
	return 0;
}

int main(int argc, char **argv)
{
	FILE *file = NULL;
	cpu_set_t set;
	int option;

	while ((option = getopt(argc, argv, "t:o:")) != -1) {
		if (option == 't')
			percent = atof(optarg);
		else if (option == 'o' && !file)
			file = fopen(optarg, "w");
	}
	if (optind != argc || percent <= 0) {
		fprintf(stderr, "usage: flood [-t PERCENT] [-o FILE]\n");
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "flood: %s\n", strerror(errno));
		return 1;
	}
	return run(file) || (file && fclose(file)) ? 1 : 0;
}
