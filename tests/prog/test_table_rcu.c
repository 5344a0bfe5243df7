// SPDX-License-Identifier: GPL-2.0
/*
 * A packet that is still reading the old half when a table is swapped: bpf_table_put() comes back
 * only when that packet is done, so neither its tidying nor the next image is ever written under a
 * reader. The packet is a program that takes very long (table_reader.bpf.c); without the wait for
 * RCU it sees the next generation in its half.
 */
/* link: sys/bpf_table.c -lpthread */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <sekisho/maps.h>
#include "lib/table_build.h"
#include "slow.h"
#include "sys/bpf_table.h"
#include "table_reader.h"
#include "table_reader.skel.h"

#define LOOKS (1u << 22) /* some 40 ms; a swap that does not wait takes some 30 us */
#define TRIES 50 /* to find the reader still at it when the swap begins: the machine may be busy */
#define START_MS 5000

static struct table_reader_bpf *skel;
static struct sek_control *control;
static volatile struct table_reader *reader;
static int outer_fd;

/* An image of @n hosts that is over a segment long where @n is 400000. */
static struct table_image make_image(uint32_t n, uint64_t generation)
{
	struct sek_class classes[2] = { { 0 }, { .action = SEK_A_BLOCK, .counter = 1 } };
	struct policy policy = { .classes = classes, .n_classes = 2, .n4 = n };
	struct table_image image;

	policy.v4 = calloc(n, sizeof(*policy.v4));
	assert_non_null(policy.v4);
	for (uint32_t i = 0; i < n; i++)
		policy.v4[i] = (struct policy_range4){ 0x0a000001 + 4 * i, 0x0a000001 + 4 * i, 1 };
	assert_int_equal(table_build(&policy, generation, generation, &image), 0);
	free(policy.v4);
	return image;
}

static void put(const struct table_image *image)
{
	assert_int_equal(
	    bpf_table_put(outer_fd, &control->table_slot, image->lines, image->n_lines), 0);
}

static void *read_on(void *ret_err)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);

	*(int *)ret_err = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.table_reader), &opts) || opts.retval != XDP_PASS;
	return NULL;
}

static bool has_begun(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while (!reader->n_looks &&
	       (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
		   START_MS);
	return reader->is_reading; /* else it is over already, or never came */
}

/*
 * Starts the reader in @before, then swaps to @next and to @after, which is written where the
 * reader is. Was it at it?
 */
static bool swap_under_it(const struct table_image *before, const struct table_image *next,
			  const struct table_image *after)
{
	bool was_reading, is_reading;
	pthread_t thread;
	int err = 1;

	put(before);
	memset((void *)reader, 0, sizeof(*reader));
	assert_int_equal(pthread_create(&thread, NULL, read_on, &err), 0);
	was_reading = has_begun();
	if (was_reading)
		put(next);
	is_reading = reader->is_reading;
	if (was_reading)
		put(after);
	pthread_join(thread, NULL);
	assert_int_equal(err, 0);
	assert_int_equal(reader->n_looks, skel->rodata->n_looks);
	assert_int_equal(reader->n_changed, 0);
	if (was_reading) {
		assert_true(reader->generation ==
			    ((const struct sek_table_head *)before->lines)->generation);
		assert_false(is_reading);
	}
	return was_reading;
}

static void swap_waits_for(uint32_t n_before)
{
	struct table_image before = make_image(n_before, 11), next = make_image(20, 12),
			   after = make_image(30, 13);
	unsigned seen = 0;

	for (unsigned i = 0; i < TRIES && seen < 3; i++)
		seen += swap_under_it(&before, &next, &after);
	print_message("%u swaps under a reader\n", seen);
	assert_int_equal(seen, 3);
	table_image_free(&before);
	table_image_free(&next);
	table_image_free(&after);
}

/* Images of one segment: nothing else in a swap waits for RCU. */
static void small_images(void **state)
{
	swap_waits_for(10);
}

/* The old half's slots and head are changed (tidy()) as soon as the swap is done. */
static void large_image(void **state)
{
	swap_waits_for(400000);
}

static int setup(void **state)
{
	skel = table_reader_bpf__open();
	if (!skel)
		return -1;
	skel->rodata->n_looks = slow_share(LOOKS);
	bpf_map__set_max_entries(skel->maps.sek_counters, libbpf_num_possible_cpus());
	if (table_reader_bpf__load(skel))
		return -1;
	outer_fd = bpf_map__fd(skel->maps.sek_table);
	control = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(skel->maps.sek_control), 0);
	reader = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(skel->maps.told), 0);
	return control == MAP_FAILED || reader == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	table_reader_bpf__destroy(skel);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(small_images),
						   cmocka_unit_test(large_image) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
