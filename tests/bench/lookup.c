// SPDX-License-Identifier: GPL-2.0
/*
 * What a packet's lookup costs: sek_xdp as shipped beside a trie, a hash and parse-and-drop, on
 * the same lists and sources. Every round times an empty program through the same driver first;
 * figures are medians of a round's time less that floor. Compare inside one table only.
 * usage: lookup SIZE... (root)
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lookup.h"
#include "lookup.skel.h"
#include "lookup_frame.h"
#include "lookup_image.h"
#include "lookup_list.h"
#include "sekisho.skel.h"

#define ROUNDS 5
#define CHECKS 2000 /* sources whose verdict is checked before the clock runs */
#define TARGETS_MAX 4

enum source_kind { LISTED, RANDOM, KINDS };

static const char *const kind_names[KINDS] = { "listed", "random" };

/* One program under test. */
struct target {
	const char *name;
	int fd;
	bool drops_all;
	bool is_reference; /* ratios are to it */
	double load_s;	   /* 0: nothing to load */
	double mem_mib;
	double net_ns[KINDS][ROUNDS];
};

/* One list with every program that can hold it. */
struct bench {
	struct bench_list list;
	bool is_hosts;
	struct lookup_bpf *lookup;
	struct sekisho_bpf *sekisho;
	void *sources[KINDS]; /* struct host4_key or host6_key, BENCH_SOURCES of them */
	size_t source_bytes;  /* of one */
	struct target targets[TARGETS_MAX];
	int n_targets;
	double floor_ns[KINDS][ROUNDS];
};

static int fail(const char *what, int err)
{
	fprintf(stderr, "lookup: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return err < 0 ? err : -err;
}

static int add_sekisho(struct bench *bench)
{
	struct target *target = &bench->targets[bench->n_targets++];
	struct table_image image = { 0 };
	double build_s, start;
	int err;

	bench->sekisho = sekisho_bpf__open();
	if (!bench->sekisho)
		return fail("sekisho object", errno);
	bpf_program__set_autoload(bench->sekisho->progs.sek_explain, false);
	bpf_map__set_max_entries(bench->sekisho->maps.sek_counters, libbpf_num_possible_cpus());
	err = sekisho_bpf__load(bench->sekisho);
	if (err)
		return fail("loading sek_xdp", err);
	err = image_make(&bench->list, &image, &build_s);
	if (err)
		return fail("building the table", err);
	start = now_s();
	err = image_swap(&image, bpf_map__fd(bench->sekisho->maps.sek_table), &target->mem_mib);
	target->load_s = build_s + now_s() - start;
	table_image_free(&image);
	if (err)
		return fail("swapping the table", err);
	target->name = "sek_xdp";
	target->fd = bpf_program__fd(bench->sekisho->progs.sek_xdp);
	return 0;
}

/* Puts the list into @map: keys as its programs build them, value 1. */
static int map_fill(const struct bench_list *list, int map_fd, bool is_trie, double *ret_s)
{
	size_t key_bytes = list->bits / 8 + (is_trie ? 4 : 0), i;
	__u8 *keys = malloc(list->n * key_bytes), *values = malloc(list->n), *key;
	__u32 count = list->n, len;
	double start;
	int err = keys && values ? 0 : -ENOMEM;

	for (i = 0; !err && i < list->n; i++) {
		key = keys + i * key_bytes;
		len = list->entries[i].len;
		if (is_trie)
			memcpy(key, &len, sizeof(len));
		put_be(list->entries[i].first, list->bits, key + (is_trie ? 4 : 0));
		values[i] = 1;
	}
	start = now_s();
	if (!err && bpf_map_update_batch(map_fd, keys, values, &count, NULL))
		err = -errno;
	*ret_s = now_s() - start;
	free(keys);
	free(values);
	return err;
}

static int add_map_program(struct bench *bench, const char *name, struct bpf_map *map, struct bpf_program *program,
			   bool is_trie)
{
	struct target *target = &bench->targets[bench->n_targets++];
	int err = map_fill(&bench->list, bpf_map__fd(map), is_trie, &target->load_s);

	if (err)
		return fail(name, err);
	target->name = name;
	target->fd = bpf_program__fd(program);
	target->mem_mib = map_mib(bpf_map__fd(map));
	target->is_reference = true;
	return 0;
}

static int add_others(struct bench *bench)
{
	struct target *target = &bench->targets[bench->n_targets++];
	struct lookup_bpf *lookup = lookup_bpf__open();
	bool is_v4 = bench->list.bits == 32;
	struct bpf_map *map;
	int err;

	bench->lookup = lookup;
	if (!lookup)
		return fail("benchmark object", errno);
	if (bench->is_hosts)
		map = is_v4 ? lookup->maps.hash4 : lookup->maps.hash6;
	else
		map = is_v4 ? lookup->maps.trie4 : lookup->maps.trie6;
	bpf_map__set_max_entries(map, bench->list.n);
	err = lookup_bpf__load(lookup);
	if (err)
		return fail("loading the benchmark's programs", err);
	*target = (struct target){ .name = "parse and drop", .drops_all = true };
	target->fd = bpf_program__fd(lookup->progs.parse_drop);
	if (bench->is_hosts)
		return add_map_program(bench, "hash, exact", map,
				       is_v4 ? lookup->progs.hash4_drop : lookup->progs.hash6_drop, false);
	return add_map_program(bench, "LPM trie", map, is_v4 ? lookup->progs.trie4_drop : lookup->progs.trie6_drop,
			       true);
}

static int sources_make(struct bench *bench)
{
	int bits = bench->list.bits, kind;
	size_t i;

	bench->source_bytes = bits / 8;
	for (kind = 0; kind < KINDS; kind++) {
		bench->sources[kind] = malloc(BENCH_SOURCES * bench->source_bytes);
		if (!bench->sources[kind])
			return -ENOMEM;
		for (i = 0; i < BENCH_SOURCES; i++)
			put_be(kind == LISTED ? list_hit(&bench->list) : list_miss(&bench->list), bits,
			       (char *)bench->sources[kind] + i * bench->source_bytes);
	}
	return 0;
}

/* Puts CHECKS sources to the program itself, one by one. Returns how many verdicts were wrong, or negative errno. */
static int check_verdicts(const struct bench *bench, const struct target *target, int kind)
{
	__u32 want = target->drops_all || kind == LISTED ? XDP_DROP : XDP_PASS;
	uint8_t frame[FRAME_BYTES];
	int i, wrong = 0;

	frame_make(bench->list.bits, frame);
	for (i = 0; i < CHECKS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

		memcpy(frame + source_offset(bench->list.bits),
		       (char *)bench->sources[kind] + i * bench->source_bytes, bench->source_bytes);
		if (bpf_prog_test_run_opts(target->fd, &opts))
			return -errno;
		wrong += opts.retval != want;
	}
	return wrong;
}

static int check_all(const struct bench *bench)
{
	int i, kind, wrong;

	for (i = 0; i < bench->n_targets; i++) {
		for (kind = 0; kind < KINDS; kind++) {
			wrong = check_verdicts(bench, &bench->targets[i], kind);
			if (wrong < 0)
				return fail("verdict check", wrong);
			if (!wrong)
				continue;
			fprintf(stderr, "lookup: %s: %d of %d %s sources got the wrong verdict\n",
				bench->targets[i].name, wrong, CHECKS, kind_names[kind]);
			return -EBADMSG;
		}
	}
	return 0;
}

/* Time a packet of program @fd behind the driver; the sources are in place. */
static int drive(struct bench *bench, int fd, double *ret_ns)
{
	struct lookup_bpf__bss *bss = bench->lookup->bss;
	bool is_v4 = bench->list.bits == 32;
	uint8_t frame[FRAME_BYTES];
	__u32 slot = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = BENCH_SOURCES + 1);

	frame_make(bench->list.bits, frame);
	if (bpf_map_update_elem(bpf_map__fd(bench->lookup->maps.targets), &slot, &fd, BPF_ANY))
		return fail("tail call target", errno);
	bss->next_packet = 0;
	if (bpf_prog_test_run_opts(
		    bpf_program__fd(is_v4 ? bench->lookup->progs.drive4 : bench->lookup->progs.drive6), &opts))
		return fail("driver", errno);
	if (opts.retval == XDP_ABORTED || bss->next_packet != BENCH_SOURCES + 1)
		return fail("driver did not reach its target", EIO);
	*ret_ns = (double)(bss->end_ns - bss->start_ns) / BENCH_SOURCES;
	return 0;
}

static int run_round(struct bench *bench, int kind, int round)
{
	struct lookup_bpf__bss *bss = bench->lookup->bss;
	void *sources = bench->list.bits == 32 ? (void *)bss->sources4 : (void *)bss->sources6;
	double ns;
	int i, err;

	memcpy(sources, bench->sources[kind], BENCH_SOURCES * bench->source_bytes);
	err = drive(bench, bpf_program__fd(bench->lookup->progs.floor_drop), &bench->floor_ns[kind][round]);
	for (i = 0; !err && i < bench->n_targets; i++) {
		err = drive(bench, bench->targets[i].fd, &ns);
		bench->targets[i].net_ns[kind][round] = ns - bench->floor_ns[kind][round];
	}
	return err;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double values[ROUNDS])
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(sorted[0]), compare_double);
	return sorted[ROUNDS / 2];
}

static void print_floor(const struct bench *bench, int kind)
{
	double low = bench->floor_ns[kind][0], high = low;
	int i;

	for (i = 1; i < ROUNDS; i++) {
		low = bench->floor_ns[kind][i] < low ? bench->floor_ns[kind][i] : low;
		high = bench->floor_ns[kind][i] > high ? bench->floor_ns[kind][i] : high;
	}
	printf("floor %s %.1f ns (%.1f-%.1f%s)  ", kind_names[kind], median(bench->floor_ns[kind]), low, high,
	       high > low * 1.15 ? ", noisy" : "");
}

static void print_table(const struct bench *bench)
{
	const struct target *reference = bench->targets, *target;
	double net[KINDS];
	int i, kind;

	printf("IPv%d, %zu %s: ", bench->list.bits == 32 ? 4 : 6, bench->list.n, bench->is_hosts ? "hosts" : "prefixes");
	print_floor(bench, LISTED);
	print_floor(bench, RANDOM);
	printf("\n  %-15s %10s %10s %13s %13s %8s %9s\n", "program", "listed ns", "random ns", "listed ratio",
	       "random ratio", "load s", "kernel MiB");
	for (i = 0; i < bench->n_targets; i++)
		reference = bench->targets[i].is_reference ? &bench->targets[i] : reference;
	for (i = 0; i < bench->n_targets; i++) {
		target = &bench->targets[i];
		for (kind = 0; kind < KINDS; kind++)
			net[kind] = median(target->net_ns[kind]);
		printf("  %-15s %10.1f %10.1f", target->name, net[LISTED], net[RANDOM]);
		if (target->drops_all)
			printf(" %13s %13s %8s %9s\n", "-", "-", "-", "-");
		else
			printf(" %12.1fx %12.1fx %8.3f %9.2f\n", median(reference->net_ns[LISTED]) / net[LISTED],
			       median(reference->net_ns[RANDOM]) / net[RANDOM], target->load_s, target->mem_mib);
	}
	printf("\n");
	fflush(stdout);
}

static void bench_free(struct bench *bench)
{
	sekisho_bpf__destroy(bench->sekisho);
	lookup_bpf__destroy(bench->lookup);
	free(bench->sources[LISTED]);
	free(bench->sources[RANDOM]);
	list_free(&bench->list);
}

static int bench_one(int bits, size_t n, bool is_hosts)
{
	struct bench bench = { .is_hosts = is_hosts };
	int err = list_make(&bench.list, bits, n, is_hosts), round, kind;

	if (!err)
		err = add_sekisho(&bench);
	if (!err)
		err = add_others(&bench);
	if (!err)
		err = sources_make(&bench);
	if (!err)
		err = check_all(&bench);
	for (round = 0; !err && round < ROUNDS; round++)
		for (kind = 0; !err && kind < KINDS; kind++)
			err = run_round(&bench, kind, round);
	if (!err)
		print_table(&bench);
	bench_free(&bench);
	return err;
}

int main(int argc, char **argv)
{
	static const struct {
		int bits;
		bool is_hosts;
		size_t most;
	} cases[] = {
		{ 32, false, SEK_PREFIXES_V4_MAX },
		{ 32, true, SEK_PREFIXES_V4_MAX },
		{ 128, false, SEK_PREFIXES_V6_MAX },
		{ 128, true, SEK_PREFIXES_V6_MAX },
	};
	size_t n, i;
	int arg;

	if (argc < 2) {
		fprintf(stderr, "usage: lookup SIZE...\n");
		return 2;
	}
	printf("net ns a packet above the floor; ratio: how many times less than the trie (host lists: the hash)\n\n");
	for (arg = 1; arg < argc; arg++) {
		n = strtoul(argv[arg], NULL, 10);
		for (i = 0; n && i < sizeof(cases) / sizeof(cases[0]); i++)
			if (n <= cases[i].most && bench_one(cases[i].bits, n, cases[i].is_hosts))
				return 1;
	}
	return 0;
}
