// SPDX-License-Identifier: GPL-2.0
/* The kernel program under test; see harness.h. Touches nothing outside its own maps. */
#include "harness.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sekisho/top.h>
#include "lib/table_build.h"
#include "lib/table_check.h"
#include "sys/bpf_limiter.h"
#include "sys/bpf_table.h"
#include "sekisho.skel.h"

struct sekisho_bpf *harness_skel;
struct sek_control harness_control;

static int entries_fd = -1;
static struct sek_cpu *cpus; /* the counter map itself */
static int n_cpus;
static struct bpf_side side; /* of the limiter's maps only */

typedef struct sek_counter verdicts[SEK_IFACES_MAX][SEK_V_MAX][SEK_R_MAX];

static void sum_verdicts(verdicts *ret_sum)
{
	struct sek_counter *sum = (void *)ret_sum;

	memset(sum, 0, sizeof(*ret_sum));
	for (int cpu = 0; cpu < n_cpus; cpu++) {
		const struct sek_counter *one = (const void *)cpus[cpu].verdicts;

		for (size_t i = 0; i < sizeof(verdicts) / sizeof(*one); i++) {
			sum[i].packets += one[i].packets;
			sum[i].bytes += one[i].bytes;
		}
	}
}

struct sek_counter harness_class_drops(unsigned counter)
{
	struct sek_counter sum = { 0 };

	for (int cpu = 0; cpu < n_cpus; cpu++) {
		sum.packets += cpus[cpu].class_drops[counter].packets;
		sum.bytes += cpus[cpu].class_drops[counter].bytes;
	}
	return sum;
}

struct sek_counter harness_class_woulds(unsigned counter)
{
	struct sek_counter sum = { 0 };

	for (int cpu = 0; cpu < n_cpus; cpu++) {
		sum.packets += cpus[cpu].class_woulds[counter].packets;
		sum.bytes += cpus[cpu].class_woulds[counter].bytes;
	}
	return sum;
}

int harness_run(const struct frame *f)
{
	static uint8_t out[FRAME_MAX];
	struct xdp_md ctx = { .data_end = f->linear };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = f->len, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = f->linear ? &ctx : NULL,
		    .ctx_size_in = f->linear ? sizeof(ctx) : 0, .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(harness_skel->progs.sek_xdp), &opts);

	if (f->linear && err == -EINVAL)
		return err;
	assert_int_equal(err, 0);
	return opts.retval;
}

void harness_expect(const char *row, const struct frame *f, int action, int reason, int would)
{
	static verdicts before, after;
	int verdict = action == XDP_DROP ? SEK_V_DROP : SEK_V_PASS, got;

	sum_verdicts(&before);
	got = harness_run(f);
	sum_verdicts(&after);
	if (got != action)
		fail_msg("%s: action %d, not %d", row, got, action);
	for (int i = 0; i < SEK_IFACES_MAX * SEK_V_MAX * SEK_R_MAX; i++) {
		int iface = i / (SEK_V_MAX * SEK_R_MAX), v = i / SEK_R_MAX % SEK_V_MAX, r = i % SEK_R_MAX;
		uint64_t want = !iface && ((v == verdict && r == reason) || (v == SEK_V_WOULD && r == would));
		uint64_t packets = after[iface][v][r].packets - before[iface][v][r].packets;
		uint64_t bytes = after[iface][v][r].bytes - before[iface][v][r].bytes;

		if (packets != want || bytes != want * f->len)
			fail_msg("%s: interface %d verdict %d reason %d moved by %llu packets, %llu bytes", row, iface, v, r,
				 (unsigned long long)packets, (unsigned long long)bytes);
	}
}

void harness_apply(void)
{
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_control), &zero, &harness_control, 0), 0);
}

void harness_entry_of(int family, const void *addr_be, unsigned len, struct sek_entry entry)
{
	struct sek_entry_key key = { .family = family, .len = len };

	memcpy(key.addr_be, addr_be, family == 4 ? 4 : 16);
	for (unsigned bit = len; bit < 128; bit++)
		key.addr_be[bit / 8] &= ~(0x80 >> bit % 8);
	assert_int_equal(bpf_map_update_elem(entries_fd, &key, &entry, 0), 0);
}

void harness_entry(int family, unsigned len, struct sek_entry entry)
{
	harness_entry_of(family, family == 4 ? frame_source4 : frame_source6, len, entry);
}

void harness_reset(void)
{
	int rails_fd = bpf_map__fd(harness_skel->maps.sek_rails);
	struct sek_entry_key key;
	struct sek_rail_key rail;
	uint32_t half;

	while (!bpf_map_get_next_key(entries_fd, NULL, &key))
		assert_int_equal(bpf_map_delete_elem(entries_fd, &key), 0);
	while (!bpf_map_get_next_key(rails_fd, NULL, &rail))
		assert_int_equal(bpf_map_delete_elem(rails_fd, &rail), 0);
	/* -ENOENT: no table was in force */
	for (half = 0; half <= SEK_SEGMENTS_MAX; half += SEK_SEGMENTS_MAX)
		(void)bpf_map_delete_elem(bpf_map__fd(harness_skel->maps.sek_table), &half);
	memset(&harness_control, 0, sizeof(harness_control));
	harness_apply();
}

void harness_block_both(void)
{
	struct sek_entry block = { .block_until_ns = SEK_FOREVER };

	harness_reset();
	harness_entry(4, 32, block);
	harness_entry(6, 128, block);
	harness_control.n_entry_lens4 = harness_control.n_entry_lens6 = 1;
	harness_control.entry_lens4[0] = 32;
	harness_control.entry_lens6[0] = 128;
	harness_apply();
}

void harness_block_all(void)
{
	struct sek_entry block = { .block_until_ns = SEK_FOREVER };

	harness_reset();
	harness_control.n_entry_lens4 = harness_control.n_entry_lens6 = 1;
	harness_control.entry_lens4[0] = harness_control.entry_lens6[0] = 1;
	harness_apply();
	for (int family = 4; family <= 6; family += 2) {
		harness_entry_of(family, (uint8_t[16]){ 0 }, 1, block);
		harness_entry_of(family, (uint8_t[16]){ 0x80 }, 1, block);
	}
}

void harness_judged(const char *row, const struct frame *f)
{
	harness_block_both();
	harness_expect(row, f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
	harness_reset();
	harness_expect(row, f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
}

void harness_unjudged(const char *row, const struct frame *f, int reason)
{
	harness_block_both();
	harness_expect(row, f, XDP_PASS, reason, HARNESS_NO_WOULD);
	harness_reset();
	harness_expect(row, f, XDP_PASS, reason, HARNESS_NO_WOULD);
}

static void load_image(const struct table_image *image)
{
	int fd = bpf_map__fd(harness_skel->maps.sek_table);

	assert_int_equal(bpf_table_put(fd, &harness_control.table_slot, image->lines, image->n_lines), 0);
	harness_apply();
}

static void put_lists(struct policy_list *lists, size_t n_lists, const struct limit_settings *limits, size_t n_limits)
{
	struct table_image image = { 0 };
	struct policy *policy = NULL;
	const char *why = "";

	assert_int_equal(policy_flatten(lists, n_lists, &policy), 0);
	for (uint32_t i = 0; i < policy->n_classes; i++)
		policy->classes[i].counter = i;
	policy->limits = limits;
	policy->n_limits = n_limits;
	policy->source_len6 = 64;
	assert_int_equal(table_build(policy, 1, 42, &image), 0);
	if (table_check(image.lines, (size_t)image.n_lines * SEK_LINE_BYTES, &why) < 0)
		fail_msg("table_check: %s", why);
	load_image(&image);
	table_image_free(&image);
	policy_free(policy);
}

void harness_table(struct policy_list *lists, size_t n_lists)
{
	put_lists(lists, n_lists, NULL, 0);
}

/* Every slot, row and record of an mmapable array back to zero. */
static void wipe(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 info_len = sizeof(info);
	size_t bytes;
	void *values;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &info_len), 0);
	bytes = (size_t)info.value_size * info.max_entries;
	values = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(values, MAP_FAILED);
	memset(values, 0, bytes);
	munmap(values, bytes);
}

void harness_limits(const struct limit_settings *limits, size_t n_limits, struct policy_list *lists, size_t n_lists)
{
	struct sek_entry_key key;

	while (!bpf_map_get_next_key(harness_fd(BPF_MAP_BANS), NULL, &key))
		assert_int_equal(bpf_map_delete_elem(harness_fd(BPF_MAP_BANS), &key), 0);
	wipe(harness_fd(BPF_MAP_LIMIT_LINES));
	wipe(harness_fd(BPF_MAP_EVIDENCE));
	wipe(bpf_map__fd(harness_skel->maps.sek_rates));
	wipe(bpf_map__fd(harness_skel->maps.sek_top));
	for (int cpu = 0; cpu < n_cpus; cpu++)
		cpus[cpu].event_skip = 0; /* left where events were off */
	harness_control.limit_bits = SEK_LIMIT_LINES_MIN_BITS;
	harness_control.limit_keys = (struct sek_limit_keys){ 0x1234567, { 0x9e3779b1, 0x85ebca6b }, 0, 0xfedcba9876543210, { 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9 } };
	memcpy(harness_control.ban_lens4, (uint8_t[]){ 32, 24 }, 2);
	memcpy(harness_control.ban_lens6, (uint8_t[]){ 128, 64, 48 }, 3);
	put_lists(lists, n_lists, limits, n_limits);
}

void harness_relimit(const struct limit_settings *limits, size_t n_limits)
{
	put_lists(NULL, 0, limits, n_limits);
}

uint64_t harness_counter(size_t offset)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < n_cpus; cpu++)
		sum += *(const uint64_t *)((const char *)&cpus[cpu] + offset);
	return sum;
}

struct sek_explain harness_explain(int family, const void *addr_be)
{
	return harness_explain_l4(family, addr_be, -1, 0);
}

struct sek_explain harness_explain_l4(int family, const void *addr_be, int kind, unsigned dport)
{
	struct sek_explain q = { .family = family, .l4_kind = kind + 1, .dport = dport };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &q, .data_size_in = sizeof(q), .data_out = &q,
		    .data_size_out = sizeof(q), .repeat = 1);
	static verdicts before, after;

	memcpy(q.addr_be, addr_be, family == 4 ? 4 : 16);
	sum_verdicts(&before);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(harness_skel->progs.sek_explain), &opts), 0);
	sum_verdicts(&after);
	assert_int_equal(opts.retval, XDP_PASS);
	assert_memory_equal(before, after, sizeof(before));
	return q;
}

uint64_t harness_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* The limiter's maps as the keeper makes them, but small, and pinned nowhere. */
static int make_limiter(void)
{
	for (int i = 0; i < BPF_MAP_ALL; i++)
		side.map_fd[i] = -1;
	side.map_fd[BPF_MAP_LIMITER_LINES] = bpf_map__fd(harness_skel->maps.sek_limiter_lines);
	side.map_fd[BPF_MAP_LIMITER_BANS] = bpf_map__fd(harness_skel->maps.sek_limiter_bans);
	side.map_fd[BPF_MAP_LIMITER_EVIDENCE] = bpf_map__fd(harness_skel->maps.sek_limiter_evidence);
	side.limiter_bits = SEK_LIMIT_LINES_MIN_BITS;
	return bpf_limiter_make(&side, HARNESS_BANS_MAX);
}

int harness_fd(enum bpf_map_name name)
{
	return side.map_fd[name];
}

int harness_setup(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	uint32_t zero = 0;
	int lines_fd;
	void *counters;

	n_cpus = libbpf_num_possible_cpus();
	harness_skel = sekisho_bpf__open();
	if (!harness_skel || n_cpus < 1)
		return -1;
	bpf_map__set_max_entries(harness_skel->maps.sek_counters, n_cpus);
	bpf_map__set_max_entries(harness_skel->maps.sek_top, n_cpus * SEK_TOP_SETS);
	if (bpf_limiter_size(harness_skel->maps.sek_limiter_lines, SEK_LIMIT_LINES_MIN_BITS, &lines_fd) || sekisho_bpf__load(harness_skel) || make_limiter())
		return -1;
	close(lines_fd);
	counters = mmap(NULL, n_cpus * sizeof(*cpus), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(harness_skel->maps.sek_counters), 0);
	if (counters == MAP_FAILED)
		return -1;
	cpus = counters;
	entries_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "entries", sizeof(struct sek_entry_key), sizeof(struct sek_entry),
				    SEK_ENTRIES_MIN, &opts);
	if (entries_fd < 0)
		return -1;
	return bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_entries), &zero, &entries_fd, 0);
}

int harness_setup_one_cpu(void **state)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -1 : harness_setup(state);
}

int harness_teardown(void **state)
{
	munmap((void *)cpus, n_cpus * sizeof(*cpus));
	close(entries_fd);
	sekisho_bpf__destroy(harness_skel);
	return 0;
}
