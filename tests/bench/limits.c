// SPDX-License-Identifier: GPL-2.0
/*
 * What limits add to a packet, with packets of 1, 50 k and 1 M sources in turn: sek_xdp with and without them, beside GCRA in
 * a BPF LRU hash of equal memory. Every row runs through lookup.bpf.c's driver in every round, and so does the row that it is
 * compared with; figures are medians over rounds. Verdicts are checked before the clock runs.
 * usage: limits [-r ROUNDS] [-n PACKETS] [-o FILE] (root); FILE gets the rows, tab-separated
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sekisho/top.h>
#include "lib/limit.h"
#include "lookup.h"
#include "lookup.skel.h"
#include "lookup_frame.h"
#include "lookup_image.h"
#include "lookup_list.h"
#include "limits.skel.h"
#include "sekisho.skel.h"
#include "sys/bpf_limiter.h"

#define ROUNDS_MAX 9
#define NOISY 1.15 /* times the fastest floor: something else had the CPU */
#define RATE 1000 /* packets/s of a source */
#define BURST 100
#define WITHIN 50000000 /* packets/s: more than one CPU can send */
#define LRU_ENTRIES (48 << 10) /* 4 MiB, as our table of slots: 64 bytes each and 16 a bucket */
#define LRU_MANY (1 << 20)     /* room for every source */
#define EVENTS_PER_S 100	/* the config's default */
#define BAN_LEFT_NS 3600000000000ull

enum { ONE, MIDDLE, MANY, CROWDS };
static const unsigned crowds[CROWDS] = { 1, 50000, BENCH_SOURCES };

enum row_id { PARSE, LRU, LRU_COARSE, LRU_LARGE, NONE, LIMIT, ROOMY, MATCH1, MATCH2, MATCH3, MATCH4, MATCH8, BANS, BANNED, ROWS };

/* One program under test, and the row whose cost is taken off: what it adds. */
struct row {
	const char *name;
	enum row_id base;
	unsigned configured, matching; /* limits */
	double rate;
	bool has_ban, is_banned;
	int fd;
	double mib;
	double total_ns[CROWDS][ROUNDS_MAX];
};

static struct row rows[ROWS] = {
	[PARSE] = { "parse and pass", PARSE },
	[LRU] = { "GCRA in an LRU hash", PARSE, .rate = RATE },
	[LRU_COARSE] = { "the same, our clocks", PARSE, .rate = RATE },
	[LRU_LARGE] = { "the same, 1 M entries", PARSE, .rate = RATE },
	[NONE] = { "sek_xdp, no limit", NONE },
	[LIMIT] = { "one limit", NONE, 1, 1, RATE },
	[ROOMY] = { "one limit, none over", NONE, 1, 1, WITHIN },
	[MATCH1] = { "16 limits, 1 matches", NONE, 16, 1, RATE },
	[MATCH2] = { "16 limits, 2 match", NONE, 16, 2, RATE },
	[MATCH3] = { "16 limits, 3 match", NONE, 16, 3, RATE },
	[MATCH4] = { "16 limits, 4 match", NONE, 16, 4, RATE },
	[MATCH8] = { "16 limits, 8 match", NONE, 16, 8, RATE },
	[BANS] = { "one limit with bans", NONE, 1, 1, RATE, .has_ban = true },
	[BANNED] = { "a banned source", NONE, 1, 1, RATE, .has_ban = true, .is_banned = true },
};

static int rounds = 5;
static unsigned packets = BENCH_SOURCES;
static struct lookup_bpf *lookup;
static struct limits_bpf *precise, *coarse, *large;
static struct sekisho_bpf *programs[ROWS];
static struct bpf_side sides[ROWS]; /* of the limiter's maps only */
static struct host4_key *sources; /* one a packet, of the crowd at hand */
static double floor_ns[CROWDS][ROUNDS_MAX];

static int fail(const char *what, int err)
{
	fprintf(stderr, "limits: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return err < 0 ? err : -err;
}

/*
 * One limit is on every packet. Of sixteen the matching ones are on all UDP packets, the others on TCP ports; the list of a port has to be
 * found all the same. All drop at the same rate.
 */
static void make_limits(const struct row *row, struct limit_settings limits[SEK_LIMITS_MAX])
{
	memset(limits, 0, SEK_LIMITS_MAX * sizeof(*limits));
	for (unsigned i = 0; i < row->configured; i++) {
		limits[i] = (struct limit_settings){ .protocol = row->configured > 1 ? LIMIT_UDP : LIMIT_ANY, .packets_per_s = row->rate, .burst = row->rate / 10,
						     .len4 = 32, .number = i };
		if (i >= row->matching) {
			limits[i].protocol = LIMIT_TCP;
			limits[i].n_ports = 1;
			limits[i].ports[0] = (struct limit_range){ 1000 + i, 1000 + i };
		}
		if (row->has_ban)
			limits[i].ban = (struct limit_ban){ .is_set = true, .after_ms = 3600000, .for_s = 3600, .repeat = 1, .most_s = 3600 };
	}
}

static int put_table(const struct row *row, struct sekisho_bpf *object, struct sek_control *control)
{
	struct limit_settings limits[SEK_LIMITS_MAX];
	struct table_image image = { 0 };
	struct policy *policy = NULL;
	int err = policy_flatten(NULL, 0, &policy);

	if (err)
		return err;
	make_limits(row, limits);
	policy->limits = limits;
	policy->n_limits = row->configured;
	policy->source_len6 = 64;
	err = table_build(policy, 1, 0x5eed, &image);
	if (!err)
		err = bpf_table_put(bpf_map__fd(object->maps.sek_table), &control->table_slot, image.lines, image.n_lines);
	table_image_free(&image);
	policy_free(policy);
	return err;
}

/* A ban that lasts, for each source of the middle crowd: the map has no room for the largest. */
static int put_bans(int bans_fd, struct sek_control *control, const struct host4_key *from)
{
	struct timespec now;
	struct sek_ban ban = { 0 };

	clock_gettime(CLOCK_BOOTTIME, &now);
	ban.since_ns = now.tv_sec * 1000000000ull;
	ban.until_ns = ban.trial_until_ns = ban.since_ns + BAN_LEFT_NS;
	for (unsigned i = 0; i < crowds[MIDDLE]; i++) {
		struct sek_entry_key key = { .family = 4, .len = 32 };

		memcpy(key.addr_be, &from[i].addr_be, 4);
		if (bpf_map_update_elem(bans_fd, &key, &ban, BPF_ANY))
			return -errno;
	}
	control->n_bans = crowds[MIDDLE];
	return 0;
}

/* The limiter's maps as the keeper makes them, pinned nowhere; *ret_side holds them. */
static int make_limiter(struct sekisho_bpf *object, unsigned bits, struct bpf_side *side)
{
	for (int i = 0; i < BPF_MAP_ALL; i++)
		side->map_fd[i] = -1;
	side->map_fd[BPF_MAP_LIMITER_LINES] = bpf_map__fd(object->maps.sek_limiter_lines);
	side->map_fd[BPF_MAP_LIMITER_BANS] = bpf_map__fd(object->maps.sek_limiter_bans);
	side->map_fd[BPF_MAP_LIMITER_EVIDENCE] = bpf_map__fd(object->maps.sek_limiter_evidence);
	side->limiter_bits = bits;
	return bpf_limiter_make(side, SEK_BANS_MAX);
}

/* As the keeper sets it; the sample of rates as it is once the crowd has been there for a while. */
static void set_control(struct sek_control *control)
{
	control->limit_bits = SEK_LIMIT_LINES_BITS;
	control->limit_keys = (struct sek_limit_keys){ 0x1234567, { 0x9e3779b1, 0x85ebca6b }, 0, 0xfedcba9876543210,
						       { 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9 } };
	control->ban_lens4[0] = 32;
	control->events_per_s = EVENTS_PER_S;
	control->top_gap = SEK_TOP_GAP;
	control->rates_window = 1;
	control->rates_threshold = 0xffffffffu / 512;
}

static int add_sekisho(enum row_id id)
{
	struct sekisho_bpf *object = programs[id] = sekisho_bpf__open();
	struct bpf_side *side = &sides[id];
	struct sek_control *control;
	int err;

	if (!object)
		return fail("sekisho object", errno);
	bpf_program__set_autoload(object->progs.sek_explain, false);
	bpf_map__set_max_entries(object->maps.sek_counters, libbpf_num_possible_cpus());
	bpf_map__set_max_entries(object->maps.sek_top, libbpf_num_possible_cpus() * SEK_TOP_SETS);
	err = sekisho_bpf__load(object);
	if (!err)
		err = make_limiter(object, SEK_LIMIT_LINES_BITS, side);
	if (err)
		return fail("loading sek_xdp", err);
	control = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(object->maps.sek_control), 0);
	if (control == MAP_FAILED)
		return fail("control record", errno);
	set_control(control);
	err = put_table(&rows[id], object, control);
	if (!err && rows[id].is_banned)
		err = put_bans(side->map_fd[BPF_MAP_BANS], control, sources);
	munmap(control, getpagesize());
	if (err)
		return fail(rows[id].name, err);
	rows[id].fd = bpf_program__fd(object->progs.sek_xdp);
	rows[id].mib = map_mib(side->map_fd[BPF_MAP_LIMIT_LINES]);
	return 0;
}

static int add_gcra(struct limits_bpf **ret_object, unsigned entries)
{
	struct limits_bpf *object = *ret_object = limits_bpf__open();
	int err;

	if (!object)
		return fail("benchmark object", errno);
	bpf_map__set_max_entries(object->maps.gcra, entries);
	object->rodata->gcra_cost_ns = 1000000000 / RATE;
	object->rodata->gcra_tau_ns = (uint64_t)((BURST - 0.5) * 1000000000 / RATE);
	err = limits_bpf__load(object);
	return err ? fail("loading the benchmark's programs", err) : 0;
}

static int add_rows(void)
{
	int err = add_gcra(&precise, LRU_ENTRIES);

	if (!err)
		err = add_gcra(&coarse, LRU_ENTRIES);
	if (!err)
		err = add_gcra(&large, LRU_MANY);
	if (err)
		return err;
	rows[PARSE].fd = bpf_program__fd(precise->progs.parse_pass);
	rows[LRU].fd = bpf_program__fd(precise->progs.gcra_precise);
	rows[LRU_COARSE].fd = bpf_program__fd(coarse->progs.gcra_coarse);
	rows[LRU_LARGE].fd = bpf_program__fd(large->progs.gcra_precise);
	rows[LRU].mib = rows[LRU_COARSE].mib = map_mib(bpf_map__fd(precise->maps.gcra));
	rows[LRU_LARGE].mib = map_mib(bpf_map__fd(large->maps.gcra));
	for (int id = NONE; !err && id < ROWS; id++)
		err = add_sekisho(id);
	return err;
}

/* How many of @n packets of one source that nobody else uses pass, or a negative errno. */
static int count_passed(int fd, uint32_t source_be, int n)
{
	uint8_t frame[FRAME_BYTES];
	int passed = 0;

	frame_make(32, frame);
	memcpy(frame + source_offset(32), &source_be, 4);
	for (int i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

		if (bpf_prog_test_run_opts(fd, &opts))
			return -errno;
		passed += opts.retval == XDP_PASS;
	}
	return passed;
}

/* Before a limit's burst is used up everything passes, behind it what the time since brings; a banned source never does. */
static int check_row(const struct row *row)
{
	struct host4_key stranger = { htonl(0xc6336401) }; /* 198.51.100.1 */
	double start = now_s(), elapsed_s;
	int passed = count_passed(row->fd, row->is_banned ? sources[0].addr_be : stranger.addr_be, 3 * BURST);
	double most = 3 * BURST, least = 3 * BURST;

	elapsed_s = now_s() - start;
	if (passed < 0)
		return fail("verdict check", passed);
	if (row->is_banned) {
		most = least = 0;
	} else if (row->rate == RATE) {
		least = BURST;
		most = BURST + RATE * (elapsed_s + 0.02) + 1; /* the coarse clock may be late by 10 ms and more */
		most = most < 3 * BURST ? most : 3 * BURST;
	}
	if (passed >= least && passed <= most)
		return 0;
	fprintf(stderr, "limits: %s: %d of %d packets passed, not %.0f to %.0f\n", row->name, passed, 3 * BURST, least, most);
	return -EBADMSG;
}

/* Time a packet of program @fd behind the driver; the sources are in place. */
static int drive(int fd, double *ret_ns)
{
	struct lookup_bpf__bss *bss = lookup->bss;
	uint8_t frame[FRAME_BYTES];
	__u32 slot = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = packets + 1);

	frame_make(32, frame);
	if (bpf_map_update_elem(bpf_map__fd(lookup->maps.targets), &slot, &fd, BPF_ANY))
		return fail("tail call target", errno);
	bss->next_packet = 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(lookup->progs.drive4), &opts))
		return fail("driver", errno);
	if (opts.retval == XDP_ABORTED || bss->next_packet != packets + 1)
		return fail("driver did not reach its target", EIO);
	*ret_ns = (double)(bss->end_ns - bss->start_ns) / packets;
	return 0;
}

static bool has_room(enum row_id id, int crowd)
{
	return crowd != MANY || !rows[id].is_banned;
}

static int run_round(int crowd, int round)
{
	int err;

	for (unsigned i = 0; i < packets; i++)
		lookup->bss->sources4[i] = sources[i % crowds[crowd]];
	err = drive(bpf_program__fd(lookup->progs.floor_drop), &floor_ns[crowd][round]);
	for (int id = 0; !err && id < ROWS; id++)
		if (has_room(id, crowd))
			err = drive(rows[id].fd, &rows[id].total_ns[crowd][round]);
	return err;
}

static bool is_slow(int crowd, int round)
{
	double low = floor_ns[crowd][0];

	for (int i = 1; i < rounds; i++)
		low = floor_ns[crowd][i] < low ? floor_ns[crowd][i] : low;
	return floor_ns[crowd][round] > low * NOISY;
}

static bool is_noisy(int crowd)
{
	for (int i = 0; i < rounds; i++)
		if (is_slow(crowd, i))
			return true;
	return false;
}

/* All rounds, then once more those whose floor was slow. */
static int run_rounds(void)
{
	int err = 0;

	for (int round = 0; !err && round < rounds; round++)
		for (int crowd = 0; !err && crowd < CROWDS; crowd++)
			err = run_round(crowd, round);
	for (int again = 0; !err && again < rounds; again++)
		for (int crowd = 0; !err && crowd < CROWDS; crowd++)
			if (is_slow(crowd, again))
				err = run_round(crowd, again);
	return err;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median over rounds of what the row costs above its base, or above the floor. */
static double added(enum row_id id, int crowd, bool is_net)
{
	double more[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		more[i] = rows[id].total_ns[crowd][i] - (is_net ? floor_ns[crowd][i] : rows[rows[id].base].total_ns[crowd][i]);
	qsort(more, rounds, sizeof(more[0]), compare_double);
	return more[rounds / 2];
}

static void print_rows(FILE *file)
{
	for (int crowd = 0; crowd < CROWDS; crowd++)
		printf("%sfloor at %u source%s %.1f ns%s", crowd ? ", " : "Limits: ", crowds[crowd], crowds[crowd] > 1 ? "s" : "",
		       floor_ns[crowd][0], is_noisy(crowd) ? ", noisy" : "");
	printf("\n  %-22s %8s %8s %8s | %8s %8s %8s %7s\n", "program", "1 adds", "50k adds", "1M adds", "1 net", "50k net", "1M net", "MiB");
	for (int id = 0; id < ROWS; id++) {
		printf("  %-22s", rows[id].name);
		for (int net = 0; net < 2; net++) {
			for (int crowd = 0; crowd < CROWDS; crowd++) {
				if (!has_room(id, crowd) || (!net && (int)rows[id].base == id))
					printf(" %8s", "-");
				else
					printf(" %8.1f", added(id, crowd, net));
				if (file && !net && has_room(id, crowd))
					fprintf(file, "%s\t%u\t%.2f\t%.2f\t%d\n", rows[id].name, crowds[crowd], added(id, crowd, false),
						added(id, crowd, true), is_noisy(crowd));
			}
			printf("%s", net ? "" : " |");
		}
		printf(" %7.2f\n", rows[id].mib);
	}
	printf("\n");
}

static int make_sources(void)
{
	struct bench_list random = { .rng = 20250711, .bits = 32 };

	sources = malloc(BENCH_SOURCES * sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	for (unsigned i = 0; i < BENCH_SOURCES; i++)
		sources[i].addr_be = htonl(list_unicast4(&random));
	return 0;
}

static int run(FILE *file)
{
	int err = make_sources();

	lookup = lookup_bpf__open();
	if (err || !lookup)
		return fail("benchmark object", err ? err : errno);
	lookup->rodata->n_sources = packets;
	err = lookup_bpf__load(lookup);
	if (!err)
		err = add_rows();
	for (int id = 0; !err && id < ROWS; id++)
		err = check_row(&rows[id]);
	if (!err)
		err = run_rounds();
	if (!err)
		print_rows(file);
	for (int id = 0; id < ROWS; id++)
		sekisho_bpf__destroy(programs[id]);
	limits_bpf__destroy(precise);
	limits_bpf__destroy(coarse);
	limits_bpf__destroy(large);
	lookup_bpf__destroy(lookup);
	free(sources);
	return err;
}

int main(int argc, char **argv)
{
	FILE *file = NULL;
	int option;

	while ((option = getopt(argc, argv, "r:n:o:")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'n')
			packets = strtoul(optarg, NULL, 10);
		else if (option == 'o' && !file)
			file = fopen(optarg, "w");
	}
	if (optind != argc || rounds < 1 || rounds > ROUNDS_MAX || !packets || packets > BENCH_SOURCES) {
		fprintf(stderr, "usage: limits [-r ROUNDS] [-n PACKETS] [-o FILE]\n");
		return 2;
	}
	return run(file) || (file && fclose(file)) ? 1 : 0;
}
