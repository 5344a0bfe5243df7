// SPDX-License-Identifier: GPL-2.0
/*
 * What a packet's lookup costs: sek_xdp as shipped beside a trie, a hash and parse-and-drop, on
 * the same lists and sources. Every round times an empty program through the same driver first;
 * figures are medians of a round's time less that floor. Compare inside one table only.
 * A last table a list of prefixes says what more lists, entries and monitor mode add.
 * usage: lookup [-r ROUNDS] [-n PACKETS] [-o FILE] SIZE... (root); FILE gets the rows, tab-separated
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
#include "lookup_variant.h"
#include "sekisho.skel.h"

#define ROUNDS_MAX 9
#define NOISY 1.15 /* times the fastest floor: something else had the CPU */
#define CHECKS_MAX 2000 /* sources whose verdict is checked before the clock runs */
#define TARGETS_MAX VARIANTS

enum source_kind { LISTED, RANDOM, KINDS };

enum bench_kind { PREFIXES, HOSTS, FEATURES };

static int rounds = 5;
static unsigned packets = BENCH_SOURCES; /* a run, each from a source of its own */
static FILE *rows_file; /* NULL: none */

static const char *const kind_names[KINDS] = { "listed", "random" };

/* One program under test. */
struct target {
	const char *name;
	int fd;
	bool drops_all;
	enum variant variant;
	bool is_reference; /* ratios are to it */
	double load_s;	   /* 0: nothing to load */
	double mem_mib;
	double net_ns[KINDS][ROUNDS_MAX];
};

/* One list with every program that can hold it. */
struct bench {
	struct bench_list list;
	size_t asked; /* entries; the list may hold a few less */
	enum bench_kind kind;
	struct lookup_bpf *lookup;
	struct sekisho_bpf *sekisho[VARIANTS];
	void *sources[KINDS]; /* struct host4_key or host6_key, one a packet */
	size_t source_bytes;  /* of one */
	struct target targets[TARGETS_MAX];
	int n_targets;
	double floor_ns[KINDS][ROUNDS_MAX];
};

static int fail(const char *what, int err)
{
	fprintf(stderr, "lookup: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return err < 0 ? err : -err;
}

static int add_sekisho(struct bench *bench, enum variant variant)
{
	struct target *target = &bench->targets[bench->n_targets++];
	struct sekisho_bpf *object = sekisho_bpf__open();
	struct table_image image = { 0 };
	double build_s, start;
	int err;

	bench->sekisho[variant] = object;
	if (!object)
		return fail("sekisho object", errno);
	bpf_program__set_autoload(object->progs.sek_explain, false);
	bpf_map__set_max_entries(object->maps.sek_counters, libbpf_num_possible_cpus());
	bpf_map__set_max_entries(object->maps.sek_top, libbpf_num_possible_cpus() * SEK_TOP_SETS);
	err = sekisho_bpf__load(object);
	if (!err)
		err = variant_set(variant, bench->list.bits, bpf_map__fd(object->maps.sek_control),
				  bpf_map__fd(object->maps.sek_entries));
	if (err)
		return fail("loading sek_xdp", err);
	err = image_make(&bench->list, variant, &image, &build_s);
	if (err)
		return fail("building the table", err);
	start = now_s();
	err = image_swap(&image, bpf_map__fd(object->maps.sek_table), bpf_map__fd(object->maps.sek_control),
			 &target->mem_mib);
	target->load_s = build_s + now_s() - start;
	table_image_free(&image);
	if (err)
		return fail("swapping the table", err);
	target->name = bench->kind == FEATURES ? variant_names[variant] : "sek_xdp";
	target->variant = variant;
	target->fd = bpf_program__fd(object->progs.sek_xdp);
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

static int add_reference(struct bench *bench)
{
	struct lookup_bpf *lookup = bench->lookup;
	bool is_v4 = bench->list.bits == 32;

	bench->targets[bench->n_targets++] = (struct target){
		.name = "parse and drop", .drops_all = true, .fd = bpf_program__fd(lookup->progs.parse_drop) };
	if (bench->kind == HOSTS)
		return add_map_program(bench, "hash, exact", is_v4 ? lookup->maps.hash4 : lookup->maps.hash6,
				       is_v4 ? lookup->progs.hash4_drop : lookup->progs.hash6_drop, false);
	return add_map_program(bench, "LPM trie", is_v4 ? lookup->maps.trie4 : lookup->maps.trie6,
			       is_v4 ? lookup->progs.trie4_drop : lookup->progs.trie6_drop, true);
}

static int add_targets(struct bench *bench)
{
	struct lookup_bpf *lookup = lookup_bpf__open();
	bool is_v4 = bench->list.bits == 32;
	int err = 0, variant;

	bench->lookup = lookup;
	if (!lookup)
		return fail("benchmark object", errno);
	if (bench->kind == HOSTS)
		bpf_map__set_max_entries(is_v4 ? lookup->maps.hash4 : lookup->maps.hash6, bench->list.n);
	else if (bench->kind == PREFIXES)
		bpf_map__set_max_entries(is_v4 ? lookup->maps.trie4 : lookup->maps.trie6, bench->list.n);
	lookup->rodata->n_sources = packets;
	err = lookup_bpf__load(lookup);
	if (err)
		return fail("loading the benchmark's programs", err);
	for (variant = 0; !err && variant < (bench->kind == FEATURES ? VARIANTS : 1); variant++)
		err = add_sekisho(bench, variant);
	return err || bench->kind == FEATURES ? err : add_reference(bench);
}

static int sources_make(struct bench *bench)
{
	int bits = bench->list.bits, kind;
	size_t i;

	bench->source_bytes = bits / 8;
	for (kind = 0; kind < KINDS; kind++) {
		bench->sources[kind] = malloc(packets * bench->source_bytes);
		if (!bench->sources[kind])
			return -ENOMEM;
		for (i = 0; i < packets; i++)
			put_be(kind == LISTED ? list_hit(&bench->list) : list_miss(&bench->list), bits,
			       (char *)bench->sources[kind] + i * bench->source_bytes);
	}
	return 0;
}

static __u32 verdict_wanted(const struct bench *bench, const struct target *target, const uint8_t *source_be)
{
	addr_t addr = 0;
	size_t i;

	if (target->drops_all)
		return XDP_DROP;
	for (i = 0; i < bench->source_bytes; i++)
		addr = addr << 8 | source_be[i];
	return variant_verdict(target->variant, list_find(&bench->list, addr));
}

/* Puts the first sources to the program itself, one by one. Returns how many verdicts were wrong, or negative errno. */
static int check_verdicts(const struct bench *bench, const struct target *target, int kind)
{
	uint8_t frame[FRAME_BYTES], *source;
	int i, wrong = 0, n = packets < CHECKS_MAX ? packets : CHECKS_MAX;

	frame_make(bench->list.bits, frame);
	for (i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

		source = (uint8_t *)bench->sources[kind] + i * bench->source_bytes;
		memcpy(frame + source_offset(bench->list.bits), source, bench->source_bytes);
		if (bpf_prog_test_run_opts(target->fd, &opts))
			return -errno;
		wrong += opts.retval != verdict_wanted(bench, target, source);
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
			fprintf(stderr, "lookup: %s: %d of the first %s sources got the wrong verdict\n",
				bench->targets[i].name, wrong, kind_names[kind]);
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
		    .repeat = packets + 1);

	frame_make(bench->list.bits, frame);
	if (bpf_map_update_elem(bpf_map__fd(bench->lookup->maps.targets), &slot, &fd, BPF_ANY))
		return fail("tail call target", errno);
	bss->next_packet = 0;
	if (bpf_prog_test_run_opts(
		    bpf_program__fd(is_v4 ? bench->lookup->progs.drive4 : bench->lookup->progs.drive6), &opts))
		return fail("driver", errno);
	if (opts.retval == XDP_ABORTED || bss->next_packet != packets + 1)
		return fail("driver did not reach its target", EIO);
	*ret_ns = (double)(bss->end_ns - bss->start_ns) / packets;
	return 0;
}

static int run_round(struct bench *bench, int kind, int round)
{
	struct lookup_bpf__bss *bss = bench->lookup->bss;
	void *sources = bench->list.bits == 32 ? (void *)bss->sources4 : (void *)bss->sources6;
	double ns;
	int i, err;

	memcpy(sources, bench->sources[kind], packets * bench->source_bytes);
	err = drive(bench, bpf_program__fd(bench->lookup->progs.floor_drop), &bench->floor_ns[kind][round]);
	for (i = 0; !err && i < bench->n_targets; i++) {
		err = drive(bench, bench->targets[i].fd, &ns);
		bench->targets[i].net_ns[kind][round] = ns - bench->floor_ns[kind][round];
	}
	return err;
}

static bool is_slow(const struct bench *bench, int kind, int round)
{
	double low = bench->floor_ns[kind][0];
	int i;

	for (i = 1; i < rounds; i++)
		low = bench->floor_ns[kind][i] < low ? bench->floor_ns[kind][i] : low;
	return bench->floor_ns[kind][round] > low * NOISY;
}

static bool is_noisy(const struct bench *bench, int kind)
{
	int i;

	for (i = 0; i < rounds; i++)
		if (is_slow(bench, kind, i))
			return true;
	return false;
}

/* All rounds, then again those whose floor was slow (a busy neighbour), as many times as there are rounds at most. */
static int run_rounds(struct bench *bench)
{
	int round, kind, again, err = 0;

	for (round = 0; !err && round < rounds; round++)
		for (kind = 0; !err && kind < KINDS; kind++)
			err = run_round(bench, kind, round);
	for (again = 0; !err && again < rounds; again++)
		for (kind = 0; !err && kind < KINDS; kind++)
			if (is_slow(bench, kind, again))
				err = run_round(bench, kind, again);
	return err;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double values[ROUNDS_MAX])
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, rounds, sizeof(sorted[0]), compare_double);
	return sorted[rounds / 2];
}

/* Median of what @target costs more than @base in the same round. */
static double added(const struct target *target, const struct target *base, int kind)
{
	double more[ROUNDS_MAX];
	int i;

	for (i = 0; i < rounds; i++)
		more[i] = target->net_ns[kind][i] - base->net_ns[kind][i];
	return median(more);
}

static void print_row(const struct bench *bench, const struct target *target, const struct target *reference)
{
	double listed = median(target->net_ns[LISTED]), random = median(target->net_ns[RANDOM]);
	double base_listed = median(reference->net_ns[LISTED]), base_random = median(reference->net_ns[RANDOM]);

	printf("  %-15s %10.1f %10.1f", target->name, listed, random);
	if (bench->kind == FEATURES)
		printf(" %+13.1f %+13.1f\n", added(target, reference, LISTED), added(target, reference, RANDOM));
	else if (target->drops_all)
		printf(" %13s %13s %8s %9s\n", "-", "-", "-", "-");
	else
		printf(" %12.1fx %12.1fx %8.3f %9.2f\n", base_listed / listed, base_random / random, target->load_s,
		       target->mem_mib);
}

static void write_row(const struct bench *bench, const struct target *target)
{
	static const char *const names[] = { "prefixes", "hosts", "features" };

	fprintf(rows_file, "%d\t%zu\t%s\t%s\t%.2f\t%.2f\t%.4f\t%.3f\t%d\n", bench->list.bits, bench->asked,
		names[bench->kind], target->name, median(target->net_ns[LISTED]), median(target->net_ns[RANDOM]),
		target->load_s, target->mem_mib, is_noisy(bench, LISTED) || is_noisy(bench, RANDOM));
	fflush(rows_file);
}

static void print_table(const struct bench *bench)
{
	const struct target *reference = bench->targets;
	int i, kind;

	printf("IPv%d, %zu %s: ", bench->list.bits == 32 ? 4 : 6, bench->list.n,
	       bench->kind == HOSTS ? "hosts" : bench->kind == FEATURES ? "prefixes, sek_xdp set up with" : "prefixes");
	for (kind = 0; kind < KINDS; kind++)
		printf("floor %s %.1f ns%s  ", kind_names[kind], median(bench->floor_ns[kind]),
		       is_noisy(bench, kind) ? ", noisy" : "");
	if (bench->kind == FEATURES)
		printf("\n  %-15s %10s %10s %13s %13s\n", "set-up", "listed ns", "random ns", "listed adds", "random adds");
	else
		printf("\n  %-15s %10s %10s %13s %13s %8s %9s\n", "program", "listed ns", "random ns", "listed ratio",
		       "random ratio", "load s", "kernel MiB");
	for (i = 0; i < bench->n_targets; i++)
		reference = bench->targets[i].is_reference ? &bench->targets[i] : reference;
	for (i = 0; i < bench->n_targets; i++) {
		print_row(bench, &bench->targets[i], reference);
		if (rows_file)
			write_row(bench, &bench->targets[i]);
	}
	printf("\n");
	fflush(stdout);
}

static void bench_free(struct bench *bench)
{
	int i;

	for (i = 0; i < VARIANTS; i++)
		sekisho_bpf__destroy(bench->sekisho[i]);
	lookup_bpf__destroy(bench->lookup);
	free(bench->sources[LISTED]);
	free(bench->sources[RANDOM]);
	list_free(&bench->list);
}

static int bench_one(int bits, size_t n, enum bench_kind bench_kind)
{
	struct bench bench = { .kind = bench_kind, .asked = n };
	int err = list_make(&bench.list, bits, n, bench_kind == HOSTS);

	if (!err)
		err = add_targets(&bench);
	if (!err)
		err = sources_make(&bench);
	if (!err)
		err = check_all(&bench);
	if (!err)
		err = run_rounds(&bench);
	if (!err)
		print_table(&bench);
	bench_free(&bench);
	return err;
}

static int usage(void)
{
	fprintf(stderr, "usage: lookup [-r ROUNDS] [-n PACKETS] [-o FILE] SIZE...\n");
	return 2;
}

int main(int argc, char **argv)
{
	const size_t most[2] = { SEK_PREFIXES_V4_MAX, SEK_PREFIXES_V6_MAX };
	int option, family, kind;
	size_t n;

	while ((option = getopt(argc, argv, "r:n:o:")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'n')
			packets = strtoul(optarg, NULL, 10);
		else if (option != 'o' || !(rows_file = fopen(optarg, "w")))
			return usage();
	}
	if (optind == argc || rounds < 1 || rounds > ROUNDS_MAX || !packets || packets > BENCH_SOURCES)
		return usage();
	printf("net ns a packet above the floor; ratio: how many times less than the trie (host lists: the hash)\n\n");
	for (; optind < argc; optind++) {
		n = strtoul(argv[optind], NULL, 10);
		for (family = 0; n && family < 2; family++)
			for (kind = PREFIXES; n <= most[family] && kind <= FEATURES; kind++)
				if (bench_one(family ? 128 : 32, n, kind))
					return 1;
	}
	return 0;
}
