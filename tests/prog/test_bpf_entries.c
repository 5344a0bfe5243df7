// SPDX-License-Identifier: GPL-2.0
/* link: sys/bpf_entries.c sys/bpf_lens.c -lpthread */
/*
 * The keeper's side of the entry map under the packets' eyes: while one thread runs packets of a
 * blocked source through the program, another adds and deletes entries of other lengths, so that
 * the lengths in use change all the time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "sekisho.skel.h"
#include "slow.h"
#include "sys/bpf_entries.h"

#define ROUNDS                                                                                     \
	50000 /* each changes the lengths in use twice; a list of lengths let some packets through */
#define BATCH 1000   /* packets a system call */

static struct sekisho_bpf *skel;
static struct bpf_side side;
static struct bpf_entries entries;
static int is_over;

static uint64_t count(int verdict)
{
	int n = libbpf_num_possible_cpus();
	struct sek_cpu *cpu = malloc(sizeof(*cpu));
	uint64_t packets = 0;

	assert_non_null(cpu);
	for (__u32 id = 0; id < (__u32)n; id++) {
		assert_int_equal(bpf_map_lookup_elem(side.map_fd[BPF_MAP_COUNTERS], &id, cpu), 0);
		for (int reason = 0; reason < SEK_R_MAX; reason++)
			packets += cpu->verdicts[0][verdict][reason].packets;
	}
	free(cpu);
	return packets;
}

static void *packets(void *arg)
{
	uint8_t *frame = arg;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = 62, .repeat = BATCH);

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sek_xdp), &opts))
			return "the program cannot be run";
	}
	return NULL;
}

static void put(int family, unsigned len, bool is_blocked)
{
	struct sek_entry_key key = { .addr_be = { 23, 1, 2, 3 }, .family = family, .len = len };
	struct sek_entry value = { .block_until_ns = is_blocked ? SEK_FOREVER : 0 };

	for (unsigned bit = len; bit < 32; bit++)
		key.addr_be[bit / 8] &= ~(0x80 >> bit % 8);
	assert_int_equal(bpf_entries_put(&entries, &key, &value), 0);
}

/*
 * 23.9.9.9 or 1709:909::, blocked by 23.0.0.0/8 or 1700::/8, beside entries of 23.1.2.3 in other
 * lengths.
 */
static void others_come_and_go(int family)
{
	uint8_t frame[64] = { [12] = family == 4 ? 8 : 0x86,
			      family == 4 ? 0 : 0xdd,
			      family == 4 ? 0x45 : 0x60 };
	static const unsigned lens[] = { 32, 9, 24, 16, 31 };
	static const uint8_t source[] = { 23, 9, 9, 9 };
	uint64_t passed, dropped;
	pthread_t thread;
	void *why;

	frame[family == 4 ? 17 : 19] = family == 4 ? 48 : 8;
	frame[family == 4 ? 23 : 20] = 17;
	memcpy(frame + (family == 4 ? 26 : 22), source, 4);
	is_over = 0;
	put(family, 8, true);
	put(family, 20, true);
	passed = count(SEK_V_PASS);
	dropped = count(SEK_V_DROP);
	assert_int_equal(pthread_create(&thread, NULL, packets, frame), 0);
	for (unsigned i = 0; i < slow_share(ROUNDS); i++) {
		put(family, lens[i % 5], true);
		put(family, lens[i % 5], false);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, &why);
	assert_null(why);
	assert_int_equal(count(SEK_V_PASS), passed);
	assert_true(count(SEK_V_DROP) >= dropped + BATCH);
	put(family, 8, false);
	dropped = count(SEK_V_DROP);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = 62, .repeat = 1);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sek_xdp), &opts), 0);
	assert_int_equal(count(SEK_V_DROP), dropped); /* the control: it was that entry */
	assert_int_equal(count(SEK_V_PASS), passed + 1);
	put(family, 20, false);
}

static void ipv4_lengths_change(void **state)
{
	others_come_and_go(4);
}

static void ipv6_lengths_change(void **state)
{
	others_come_and_go(6);
}

/* Whatever comes and goes: longest first, each once, those in use all there, 0 behind them. */
static void list_is_in_order(void **state)
{
	bool used[129] = { false };
	unsigned seed = 5;

	for (unsigned i = 0; i < 3000; i++) {
		unsigned len = 1 + (unsigned)rand_r(&seed) % 32, n = side.control->n_entry_lens6,
			 seen = 0, want = 0;
		const __u8 *lens = side.control->entry_lens6;

		used[len] = rand_r(&seed) % 3 != 0;
		put(6, len, used[len]);
		n = side.control->n_entry_lens6;
		for (unsigned at = 0; at < n; at++) {
			assert_true(lens[at] && (!at || lens[at] < lens[at - 1]));
			seen += used[lens[at]];
		}
		for (unsigned one = 1; one <= 128; one++)
			want += used[one];
		assert_int_equal(seen, want);
		assert_true(n == SEK_ENTRY_LENS_MAX || lens[n] == 0);
		assert_true(want || !n);
	}
	for (unsigned len = 1; len <= 32; len++)
		put(6, len, false);
	assert_int_equal(side.control->n_entry_lens6, 0);
}

static struct sek_entry_key host(unsigned i)
{
	struct sek_entry_key key = { .addr_be = { 23, 7, i >> 8, i }, .family = 4, .len = 32 };

	return key;
}

/* One more than the first map holds: a larger one takes its place, with all that was in it. */
static void growing_keeps_all(void **state)
{
	struct sek_entry value = { .block_until_ns = SEK_FOREVER };
	struct sek_entry_key key;
	unsigned size = entries.size, i;

	assert_int_equal(entries.used, 0);
	for (i = 0; i <= size; i++) {
		key = host(i);
		assert_int_equal(bpf_entries_put(&entries, &key, &value), 0);
	}
	assert_true(entries.size > size);
	for (i = 0; i <= size; i++) {
		key = host(i);
		assert_true(bpf_entries_has(&entries, &key));
	}
	key = host(size + 1);
	assert_false(bpf_entries_has(&entries, &key)); /* the control */
	assert_int_equal(bpf_entries_retain(&entries, NULL, 0), 0);
	assert_int_equal(entries.used, 0);
	assert_int_equal(side.control->n_entry_lens4, 0);
}

/* A keeper killed between an entry and the list of lengths: the next one completes it. */
static void adopting_completes_the_lengths(void **state)
{
	struct sek_entry value = { .block_until_ns = SEK_FOREVER };
	struct sek_entry_key key = host(1);

	assert_int_equal(bpf_map_update_elem(entries.fd, &key, &value, BPF_NOEXIST), 0);
	assert_int_equal(side.control->n_entry_lens4, 0);
	close(entries.fd);
	assert_int_equal(bpf_entries_open(&entries, &side), 0);
	assert_int_equal(entries.used, 1);
	assert_int_equal(side.control->n_entry_lens4, 1);
	assert_int_equal(side.control->entry_lens4[0], 32);
	value.block_until_ns = 0;
	assert_int_equal(bpf_entries_put(&entries, &key, &value), 0);
	assert_int_equal(side.control->n_entry_lens4, 0);
}

static int setup(void **state)
{
	struct bpf_map *maps[BPF_MAP_N] = { NULL };

	skel = sekisho_bpf__open();
	if (!skel)
		return -1;
	bpf_map__set_max_entries(skel->maps.sek_counters, libbpf_num_possible_cpus());
	if (sekisho_bpf__load(skel))
		return -1;
	maps[BPF_MAP_TABLE] = skel->maps.sek_table;
	maps[BPF_MAP_ENTRIES] = skel->maps.sek_entries;
	maps[BPF_MAP_CONTROL] = skel->maps.sek_control;
	maps[BPF_MAP_RAILS] = skel->maps.sek_rails;
	maps[BPF_MAP_COUNTERS] = skel->maps.sek_counters;
	for (int i = 0; i < BPF_MAP_N; i++)
		side.map_fd[i] = maps[i] ? bpf_map__fd(maps[i])
					 : -1; /* those of the limiter are no part of this */
	side.control = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
			    side.map_fd[BPF_MAP_CONTROL], 0);
	return side.control == MAP_FAILED ? -1 : bpf_entries_open(&entries, &side);
}

static int teardown(void **state)
{
	close(entries.fd);
	munmap(side.control, getpagesize());
	sekisho_bpf__destroy(skel);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_lengths_change),
		cmocka_unit_test(ipv6_lengths_change),
		cmocka_unit_test(list_is_in_order),
		cmocka_unit_test(growing_keeps_all),
		cmocka_unit_test(adopting_completes_the_lengths),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
