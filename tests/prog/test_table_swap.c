// SPDX-License-Identifier: GPL-2.0
/*
 * Swaps of whole tables under traffic, small to large and back: a source that every generation
 * lists is never passed, one that none lists is never dropped, and the old generation's memory goes
 * back. What a keeper killed half-way leaves in the idle half does no harm.
 */
/* link: sys/bpf_table.c -lpthread */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <sekisho/maps.h>
#include "lib/table_build.h"
#include "lib/table_check.h"
#include "sys/bpf_table.h"
#include "sekisho.skel.h"

#define LISTED 0xc6336407u   /* 198.51.100.7: in every generation */
#define UNLISTED 0xc6336408u /* its neighbour: in none */
#define LOOKED_AT 17 /* slots of a half that maps_held() looks at: the first 16, and LEFT_LAST */
#define LEFT_LAST 40	     /* the last slot that a killed keeper leaves; two batches of updates */
#define FIRST 0x0a000001u    /* the rest: every fourth address from here on */

static struct sekisho_bpf *skel;
static struct sek_control *control;
static int outer_fd;

/* An image of @n hosts and LISTED, in class @class_id of three. */
static struct table_image make_image(uint32_t n, uint32_t class_id, uint64_t generation)
{
	struct sek_class classes[3] = { { 0 },
					{ .action = SEK_A_BLOCK, .counter = 1 },
					{ .action = SEK_A_BLOCK, .counter = 2 } };
	struct policy policy = { .classes = classes, .n_classes = 3, .n4 = n + 1 };
	struct table_image image;

	policy.v4 = calloc(n + 1, sizeof(*policy.v4));
	assert_non_null(policy.v4);
	for (uint32_t i = 0; i < n; i++)
		policy.v4[i] = (struct policy_range4){ FIRST + 4 * i, FIRST + 4 * i, class_id };
	policy.v4[n] = (struct policy_range4){ LISTED, LISTED, class_id };
	assert_int_equal(table_build(&policy, generation, 7 + generation, &image), 0);
	free(policy.v4);
	return image;
}

static int verdict(uint32_t addr)
{
	uint8_t frame[64] = { [12] = 0x08, [14] = 0x45, [17] = 50, [22] = 64, [23] = 17 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = 1);
	uint32_t addr_be = htonl(addr);

	memcpy(frame + 26, &addr_be, sizeof(addr_be));
	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sek_xdp), &opts))
		return -1;
	return opts.retval;
}

static void put(const struct table_image *image)
{
	assert_int_equal(
	    bpf_table_put(outer_fd, &control->table_slot, image->lines, image->n_lines), 0);
}

/*
 * Distinct maps that the slots hold. Before Linux 6.8 every lookup waits for RCU (18 ms in a guest
 * without hardware help), so only those are looked at that any image here or any row's leftovers
 * reach.
 */
static unsigned maps_held(void)
{
	static uint32_t seen[2 * SEK_SEGMENTS_MAX];
	uint32_t at, slot, id, n = 0, i;

	for (at = 0; at < 2 * LOOKED_AT; at++) {
		slot = at % LOOKED_AT == LOOKED_AT - 1 ? LEFT_LAST : at % LOOKED_AT;
		slot += at < LOOKED_AT ? 0 : SEK_SEGMENTS_MAX;
		if (bpf_map_lookup_elem(outer_fd, &slot, &id))
			continue;
		for (i = 0; i < n && seen[i] != id; i++)
			;
		if (i == n)
			seen[n++] = id;
	}
	return n;
}

/* An image's maps; the idle half keeps one more. */
static unsigned segments(const struct table_image *image)
{
	return (image->n_lines + SEK_SEGMENT_LINES - 1) / SEK_SEGMENT_LINES;
}

static atomic_bool is_over;
static atomic_uint n_asked, n_leaked, n_lost;

static void *traffic(void *unused)
{
	while (!is_over) {
		n_leaked += verdict(LISTED) != XDP_DROP;
		n_lost += verdict(UNLISTED) != XDP_PASS;
		n_asked++;
	}
	return NULL;
}

static void sizes_under_traffic(void **state)
{
	static const uint32_t sizes[] = { 10, 400000, 1000, 100000, 1000000, 1, 300000, 10 };
	const size_t n_sizes = sizeof(sizes) / sizeof(sizes[0]);
	struct table_image image[8];
	unsigned before, swaps = 0;
	pthread_t thread;

	for (size_t i = 0; i < n_sizes; i++)
		image[i] = make_image(sizes[i], 1 + i % 2, i + 1);
	put(&image[0]);
	assert_int_equal(verdict(FIRST), XDP_DROP);
	is_over = false;
	assert_int_equal(pthread_create(&thread, NULL, traffic, NULL), 0);
	for (size_t i = 0; i < n_sizes; i++, swaps++) {
		before = n_asked;
		put(&image[i % n_sizes]);
		assert_int_equal(maps_held(), 1 + segments(&image[i % n_sizes]));
		while (n_asked < before + 20)
			usleep(100);
	}
	is_over = true;
	pthread_join(thread, NULL);
	print_message("%u swaps, %u packets of each source: %u leaked, %u lost\n", swaps, n_asked,
		      n_leaked, n_lost);
	assert_int_equal(n_leaked, 0);
	assert_int_equal(n_lost, 0);
	assert_true(n_asked >= 20 * swaps);
	for (size_t i = 0; i < n_sizes; i++)
		table_image_free(&image[i]);
}

/* The class's counter tells which generation answered. */
static void generation_is_whole(void **state)
{
	struct sek_explain q = { .family = 4 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &q, .data_size_in = sizeof(q),
		    .data_out = &q, .data_size_out = sizeof(q), .repeat = 1);
	uint32_t addr_be = htonl(LISTED);

	memcpy(q.addr_be, &addr_be, sizeof(addr_be));
	for (uint32_t i = 0; i < 4; i++) {
		struct table_image image = make_image(i % 2 ? 300000 : 3, 1 + i % 2, 100 + i);

		put(&image);
		assert_int_equal(
		    bpf_prog_test_run_opts(bpf_program__fd(skel->progs.sek_explain), &opts), 0);
		assert_int_equal(q.answered, 1);
		assert_int_equal(q.generation, 100 + i);
		assert_int_equal(q.counter, 1 + i % 2);
		table_image_free(&image);
	}
}

static void set_lines(uint32_t slot, uint32_t lines)
{
	struct sek_table_head *head;
	uint32_t id;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(outer_fd, &slot, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	head = mmap(NULL, sizeof(*head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(head != MAP_FAILED);
	head->lines = lines;
	munmap(head, sizeof(*head));
	close(fd);
}

/*
 * A keeper killed between two of its steps: maps of its own in the idle half, of a larger image
 * than the next.
 */
static void killed_half_way(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	static const uint32_t left[] = { 1, 2, 3, LEFT_LAST };
	struct table_image image = make_image(3, 1, 201), next = make_image(5, 2, 202);
	uint32_t slot, idle;
	int fd;

	put(&next);
	put(&image); /* both halves have had an image */
	idle = SEK_SEGMENTS_MAX - control->table_slot;
	set_lines(idle,
		  LEFT_LAST * SEK_SEGMENT_LINES + 1); /* as it does before the first of them */
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "left", 4, SEK_SEGMENT_BYTES, 1, &opts);
		slot = idle + left[i];
		assert_true(fd >= 0);
		assert_int_equal(bpf_map_update_elem(outer_fd, &slot, &fd, BPF_ANY), 0);
		close(fd);
	}
	assert_int_equal(maps_held(), 6);
	assert_int_equal(verdict(LISTED), XDP_DROP);
	assert_int_equal(verdict(UNLISTED), XDP_PASS);
	put(&next);
	assert_int_equal(verdict(LISTED), XDP_DROP);
	assert_int_equal(verdict(UNLISTED), XDP_PASS);
	assert_int_equal(maps_held(), 2);
	table_image_free(&image);
	table_image_free(&next);
}

static void refusals_change_nothing(void **state)
{
	struct table_image image = make_image(3, 1, 300), large = make_image(600000, 2, 301);
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	__u32 slot;
	int fd;

	put(&image);
	slot = control->table_slot;
	assert_int_equal(bpf_table_put(outer_fd, &control->table_slot, image.lines, 0), -EINVAL);
	assert_int_equal(
	    bpf_table_put(outer_fd, &control->table_slot, image.lines, SEK_TABLE_LINES_MAX + 1),
	    -E2BIG);
	assert_int_equal(bpf_obj_pin(outer_fd, "/sys/fs/bpf/outer"), 0);
	fd = bpf_obj_get_opts("/sys/fs/bpf/outer", &opts);
	assert_true(fd >= 0);
	assert_int_equal(bpf_table_put(fd, &control->table_slot, large.lines, large.n_lines),
			 -EPERM);
	close(fd);
	unlink("/sys/fs/bpf/outer");
	assert_int_equal(control->table_slot, slot);
	assert_int_equal(verdict(LISTED), XDP_DROP);
	assert_int_equal(verdict(UNLISTED), XDP_PASS);
	assert_int_equal(maps_held(), 2);
	table_image_free(&large);
	table_image_free(&image);
}

static void empty_at_first(void **state)
{
	assert_int_equal(verdict(LISTED), XDP_PASS);
	assert_int_equal(maps_held(), 0);
}

static int setup(void **state)
{
	skel = sekisho_bpf__open();
	if (!skel)
		return -1;
	bpf_map__set_max_entries(skel->maps.sek_counters, libbpf_num_possible_cpus());
	if (sekisho_bpf__load(skel))
		return -1;
	outer_fd = bpf_map__fd(skel->maps.sek_table);
	control = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(skel->maps.sek_control), 0);
	return control == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	sekisho_bpf__destroy(skel);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_at_first),    cmocka_unit_test(generation_is_whole),
		cmocka_unit_test(killed_half_way),   cmocka_unit_test(refusals_change_nothing),
		cmocka_unit_test(sizes_under_traffic),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
