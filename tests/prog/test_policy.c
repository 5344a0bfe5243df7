// SPDX-License-Identifier: GPL-2.0
/*
 * Lists in the table, with and without hand-made entries: verdict, reason, the class counter that
 * is credited (and no other), and the set of lists that explain and the image name.
 */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sekisho/table.h>
#include "sekisho.skel.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LISTS 3
#define B SEK_A_BLOCK
#define A SEK_A_ALLOW
#define M SEK_A_MONITOR

/* Lists 10, 20 and 30 that hold the test source by these lengths; length 0: not at all. */
struct row {
	const char *row;
	struct { int action; unsigned len4, len6; } list[LISTS];
	uint64_t entry_block, entry_allow;
	int action, reason, would, winner;
};

static const struct row rows[] = {
	{ "nothing", { { B, 0, 0 } }, 0, 0, XDP_PASS, SEK_R_NONE, -1, 0 },
	{ "block host", { { B, 32, 128 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10 },
	{ "block net", { { B, 24, 48 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10 },
	{ "block short", { { B, 3, 4 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10 },
	{ "block /64 and /31", { { B, 31, 64 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10 },
	{ "block /65 and /17", { { B, 17, 65 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10 },
	{ "monitor", { { M, 24, 48 } }, 0, 0, XDP_PASS, SEK_R_NONE, SEK_R_FEED, 10 },
	{ "allow", { { A, 24, 48 } }, 0, 0, XDP_PASS, SEK_R_ALLOW, -1, 10 },
	{ "two blocks, longest wins",
	  { { B, 8, 32 }, { B, 24, 64 } },
	  0,
	  0,
	  XDP_DROP,
	  SEK_R_FEED,
	  -1,
	  20 },
	{ "two blocks, same length: lowest id",
	  { { B, 24, 64 }, { B, 24, 64 } },
	  0,
	  0,
	  XDP_DROP,
	  SEK_R_FEED,
	  -1,
	  10 },
	{ "wide allow over narrow block",
	  { { A, 8, 16 }, { B, 32, 128 } },
	  0,
	  0,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  10 },
	{ "narrow allow over wide block",
	  { { B, 8, 16 }, { A, 32, 128 } },
	  0,
	  0,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  20 },
	{ "wide block over narrow monitor",
	  { { B, 8, 16 }, { M, 32, 128 } },
	  0,
	  0,
	  XDP_DROP,
	  SEK_R_FEED,
	  -1,
	  10 },
	{ "allow over monitor",
	  { { M, 32, 128 }, { A, 8, 16 } },
	  0,
	  0,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  20 },
	{ "allow over block and monitor",
	  { { M, 32, 128 }, { B, 24, 64 }, { A, 8, 16 } },
	  0,
	  0,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  30 },
	{ "three blocks",
	  { { B, 8, 16 }, { B, 24, 64 }, { B, 32, 128 } },
	  0,
	  0,
	  XDP_DROP,
	  SEK_R_FEED,
	  -1,
	  30 },
	{ "entry over block list",
	  { { B, 24, 48 } },
	  SEK_FOREVER,
	  0,
	  XDP_DROP,
	  SEK_R_BLOCK,
	  -1,
	  10 },
	{ "entry over monitor list",
	  { { M, 24, 48 } },
	  SEK_FOREVER,
	  0,
	  XDP_DROP,
	  SEK_R_BLOCK,
	  -1,
	  10 },
	{ "allow list over entry",
	  { { A, 8, 16 } },
	  SEK_FOREVER,
	  0,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  10 },
	{ "allow entry over block list",
	  { { B, 32, 128 } },
	  0,
	  SEK_FOREVER,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  10 },
	{ "allow entry over monitor list",
	  { { M, 32, 128 } },
	  0,
	  SEK_FOREVER,
	  XDP_PASS,
	  SEK_R_ALLOW,
	  -1,
	  10 },
	{ "expired entry, block list", { { B, 24, 48 } }, 1, 1, XDP_DROP, SEK_R_FEED, -1, 10 },
};

static void make_frame(struct frame *f, int family)
{
	frame_eth(f, 0, family == 4 ? FRAME_IPV4 : FRAME_IPV6);
	family == 4 ? frame_ipv4(f, 5, 28, 17, 0, 8) : frame_ipv6(f, 0, 59, 64);
}

static const uint8_t *source(int family)
{
	return family == 4 ? frame_source4 : frame_source6;
}

/* The source's own prefix of each length, plus one elsewhere so that no list is empty. */
static void put_lists(const struct row *r, int family)
{
	static struct prefix4 v4[LISTS];
	static struct prefix6 v6[LISTS];
	struct policy_list lists[LISTS] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < LISTS; i++) {
		struct prefix whole = { .family = family,
					.len = family == 4 ? r->list[i].len4 : r->list[i].len6 };

		if (!r->list[i].len4)
			continue;
		memcpy(whole.addr_be, source(family), family == 4 ? 4 : 16);
		for (unsigned bit = whole.len; bit < 128; bit++)
			whole.addr_be[bit / 8] &= ~(0x80 >> bit % 8);
		lists[n] = (struct policy_list){ .id = 10 * (i + 1),
						 .action = r->list[i].action,
						 .keep_private = true };
		if (family == 4) {
			v4[i] = prefix_to4(&whole);
			lists[n].v4 = &v4[i];
			lists[n].n4 = 1;
		} else {
			v6[i] = prefix_to6(&whole);
			lists[n].v6 = &v6[i];
			lists[n].n6 = 1;
		}
		n++;
	}
	harness_table(lists, n);
}

/* The first segment of the image in force, the caller's to close. */
static int table_fd(void)
{
	__u32 slot = harness_control.table_slot, inner_id;
	int fd;

	assert_int_equal(
	    bpf_map_lookup_elem(bpf_map__fd(harness_skel->maps.sek_table), &slot, &inner_id), 0);
	fd = bpf_map_get_fd_by_id(inner_id);
	assert_true(fd >= 0);
	return fd;
}

static struct sek_class class_of(uint32_t id)
{
	static struct sek_class segment[SEK_SEGMENT_LINES];
	const struct sek_table_head *head = (const void *)segment;
	int fd = table_fd();
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, segment), 0);
	close(fd);
	return segment[head->class_base + id];
}

static void check_class(const struct row *r, int family, const struct sek_explain *q)
{
	struct sek_class class = class_of(q->class_id);
	uint64_t set[SEK_LISTS_MAX / 64] = { 0 };

	if (!r->winner) {
		assert_int_equal(q->class_id, 0);
		return;
	}
	for (size_t i = 0; i < LISTS; i++)
		if (r->list[i].len4)
			set[0] |= 1ull << 10 * (i + 1);
	assert_memory_equal(class.lists, set, sizeof(set));
	if (class.winner != r->winner)
		fail_msg("%s, IPv%d: list %u won, not %d", r->row, family, class.winner, r->winner);
	assert_int_equal(class.action, r->list[r->winner / 10 - 1].action);
	assert_int_equal(q->class_action, class.action);
	assert_int_equal(q->counter, q->class_id);
}

/*
 * Class counters 0..15: the one of @id moved by @drops or @woulds packets of @bytes, the others
 * not.
 */
struct class_counts {
	struct sek_counter drops[16], woulds[16];
};

static struct class_counts class_counts(void)
{
	struct class_counts c;

	for (unsigned i = 0; i < 16; i++) {
		c.drops[i] = harness_class_drops(i);
		c.woulds[i] = harness_class_woulds(i);
	}
	return c;
}

static void check_counts(const struct class_counts *before, uint32_t id, int drops, int woulds,
			 size_t bytes)
{
	struct class_counts after = class_counts();

	for (unsigned i = 0; i < 16; i++) {
		unsigned d = i == id ? drops : 0, w = i == id ? woulds : 0;

		assert_int_equal(after.drops[i].packets - before->drops[i].packets, d);
		assert_int_equal(after.drops[i].bytes - before->drops[i].bytes, d * bytes);
		assert_int_equal(after.woulds[i].packets - before->woulds[i].packets, w);
		assert_int_equal(after.woulds[i].bytes - before->woulds[i].bytes, w * bytes);
	}
}

static void set_row(const struct row *r, int family)
{
	unsigned len = family == 4 ? 32 : 128;

	harness_reset();
	put_lists(r, family);
	if (!r->entry_block && !r->entry_allow)
		return;
	harness_entry(family, len,
		      (struct sek_entry){ .block_until_ns = r->entry_block,
					  .allow_until_ns = r->entry_allow });
	*(family == 4 ? &harness_control.n_entry_lens4 : &harness_control.n_entry_lens6) = 1;
	(family == 4 ? harness_control.entry_lens4 : harness_control.entry_lens6)[0] = len;
	harness_apply();
}

static void check_row(const struct row *r, int family)
{
	struct class_counts before = class_counts();
	int is_feed = r->action == XDP_DROP && r->reason == SEK_R_FEED;
	struct sek_explain q;
	struct frame f;

	make_frame(&f, family);
	set_row(r, family);
	harness_expect(r->row, &f, r->action, r->reason, r->would);
	q = harness_explain(family, source(family));
	check_class(r, family, &q);
	check_counts(&before, q.class_id, is_feed, r->would == SEK_R_FEED, f.len);
	harness_control.mode = SEK_MODE_MONITOR;
	harness_apply();
	before = class_counts();
	if (r->action == XDP_DROP)
		harness_expect(r->row, &f, XDP_PASS, SEK_R_NONE, r->reason);
	else
		harness_expect(r->row, &f, r->action, r->reason, r->would);
	check_counts(&before, q.class_id, 0, is_feed || r->would == SEK_R_FEED, f.len);
	harness_reset();
	harness_expect("control: no table", &f, XDP_PASS, SEK_R_NONE, HARNESS_NO_WOULD);
}

static void precedence(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		check_row(&rows[i], 4);
		check_row(&rows[i], 6);
	}
}

/* The other family's lists, and addresses just outside a prefix, answer nothing. */
static void edges(void **state)
{
	static const struct row net = {
		"net", { { B, 24, 64 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10
	};
	static const struct { int family; uint8_t addr[16]; int is_in;
	} at[] = {
		{ 4, { 203, 0, 113, 0 }, 1 },
		{ 4, { 203, 0, 113, 255 }, 1 },
		{ 4, { 203, 0, 112, 255 }, 0 },
		{ 4, { 203, 0, 114, 0 }, 0 },
		{ 6, { 0x20, 1, 0x0d, 0xb8 }, 1 },
		{ 6,
		  { 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255 },
		  1 },
		{ 6, { 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1 }, 0 },
		{ 6,
		  { 0x20, 1, 0x0d, 0xb7, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		    255 },
		  0 },
	};
	struct frame f;

	for (size_t i = 0; i < COUNT(at); i++) {
		make_frame(&f, at[i].family);
		frame_set_source(&f, FRAME_ETH_BYTES, at[i].family, at[i].addr);
		set_row(&net, at[i].family);
		harness_expect("edge", &f, at[i].is_in ? XDP_DROP : XDP_PASS,
			       at[i].is_in ? SEK_R_FEED : SEK_R_NONE, HARNESS_NO_WOULD);
		set_row(&net, 10 - at[i].family);
		harness_expect("the other family's list", &f, XDP_PASS, SEK_R_NONE,
			       HARNESS_NO_WOULD);
	}
}

/* A protected source on a list passes, is counted as such, and is credited to no class. */
static void protected_source(void **state)
{
	static const struct row net = {
		"net", { { B, 24, 64 } }, 0, 0, XDP_DROP, SEK_R_FEED, -1, 10
	};
	static const struct row monitor = { "monitor", { { M, 24, 64 } }, 0,          0,
					    XDP_PASS,  SEK_R_NONE,        SEK_R_FEED, 10 };
	struct sek_rail_key key = { .family = 4 };
	__u32 kind = SEK_RAIL_RESOLVER;
	struct class_counts before;
	struct frame f;

	make_frame(&f, 4);
	memcpy(key.addr_be, frame_source4, 4);
	for (int i = 0; i < 2; i++) {
		set_row(i ? &monitor : &net, 4);
		memset(harness_control.rail_bloom, 0xff, sizeof(harness_control.rail_bloom));
		harness_apply();
		assert_int_equal(
		    bpf_map_update_elem(bpf_map__fd(harness_skel->maps.sek_rails), &key, &kind, 0),
		    0);
		before = class_counts();
		harness_expect("protected", &f, XDP_PASS, SEK_R_PROTECTED, HARNESS_NO_WOULD);
		check_counts(&before, 1, 0, 0, f.len);
		assert_int_equal(
		    bpf_map_delete_elem(bpf_map__fd(harness_skel->maps.sek_rails), &key), 0);
		harness_expect("control", &f, i ? XDP_PASS : XDP_DROP, i ? SEK_R_NONE : SEK_R_FEED,
			       i ? SEK_R_FEED : HARNESS_NO_WOULD);
	}
}

/* Entries said to be in use, and no map to find them in: our failure passes, and is counted. */
static void internal_failure(void **state)
{
	static const struct row block = { "block",  { { B, 24, 64 } }, 0,  0,
					  XDP_DROP, SEK_R_FEED,        -1, 10 };
	int fd = bpf_map__fd(harness_skel->maps.sek_entries);
	__u32 zero = 0, inner_id;
	struct frame f;
	int inner_fd;

	make_frame(&f, 4);
	harness_block_both();
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &inner_id), 0);
	inner_fd = bpf_map_get_fd_by_id(inner_id);
	assert_true(inner_fd >= 0);
	assert_int_equal(bpf_map_delete_elem(fd, &zero), 0);
	harness_expect("no entry map", &f, XDP_PASS, SEK_R_INTERNAL, HARNESS_NO_WOULD);
	put_lists(&block, 4);
	harness_expect("no entry map, but a list", &f, XDP_DROP, SEK_R_FEED, HARNESS_NO_WOULD);
	assert_int_equal(bpf_map_update_elem(fd, &zero, &inner_fd, 0), 0);
	close(inner_fd);
	harness_expect("control", &f, XDP_DROP, SEK_R_BLOCK, HARNESS_NO_WOULD);
}

/*
 * An answer beyond the image's classes, which the keeper's check refuses: our failure passes, and
 * is counted.
 */
static void class_out_of_bounds(void **state)
{
	static const struct row block = { "block",  { { B, 24, 64 } }, 0,  0,
					  XDP_DROP, SEK_R_FEED,        -1, 10 };
	struct sek_table_head *head;
	struct frame f;
	int fd;

	make_frame(&f, 4);
	harness_reset();
	put_lists(&block, 4);
	harness_expect("control", &f, XDP_DROP, SEK_R_FEED, HARNESS_NO_WOULD);
	fd = table_fd();
	head = mmap(NULL, sizeof(*head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(head, MAP_FAILED);
	assert_int_equal(head->n_classes, 2);
	head->n_classes = 1;
	munmap(head, sizeof(*head));
	close(fd);
	harness_expect("class 1 of 1", &f, XDP_PASS, SEK_R_INTERNAL, HARNESS_NO_WOULD);
}

/* explain answers no other family. */
static void no_such_family(void **state)
{
	static const int families[] = { 0, 1, 5, 7, 10, 255 };

	harness_block_both();
	for (size_t i = 0; i < COUNT(families); i++)
		assert_int_equal(harness_explain(families[i], frame_source6).answered, 0);
	assert_int_equal(harness_explain(4, frame_source4).verdict, SEK_V_DROP);
	assert_int_equal(harness_explain(6, frame_source6).verdict, SEK_V_DROP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(precedence),
		cmocka_unit_test(edges),
		cmocka_unit_test(protected_source),
		cmocka_unit_test(internal_failure),
		cmocka_unit_test(class_out_of_bounds),
		cmocka_unit_test(no_such_family),
	};

	return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
