// SPDX-License-Identifier: GPL-2.0
/*
 * The table's two halves. Slot 0 of each has a map of its own for good, rewritten in place while
 * its half is idle, so that a small list's swap waits for RCU once. Larger images have new maps in
 * the slots behind; when their half has gone idle these slots repeat its slot 0, which frees what
 * they held: one batch and one wait, where deleting would wait a slot.
 *
 * Which slots those are is never looked up: before Linux 6.8 a lookup in a map of maps waits for
 * RCU as an update does (512 of them take 9 s), each slot of a batch too. The head of the half's
 * slot 0 says it: head.lines, raised before the slots are filled and 0 again when they are given
 * back, so it holds whenever a keeper is killed.
 */
#include "bpf_table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sekisho/limits.h>
#include <sekisho/table.h>

#define BATCH 64 /* slots an update: bounds the descriptors open at once */

static int fill(int fd, const void *bytes, size_t n_bytes)
{
	void *map = mmap(NULL, SEK_SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	memcpy(map, bytes, n_bytes);
	(void)munmap(map, SEK_SEGMENT_BYTES); /* cannot fail: our own */
	return 0;
}

static int make_segment(const char *bytes, size_t n_bytes, int *ret_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sek_segment", 4, SEK_SEGMENT_BYTES, 1, &opts),
	    err;

	if (fd < 0)
		return -errno;
	err = fill(fd, bytes, n_bytes < SEK_SEGMENT_BYTES ? n_bytes : SEK_SEGMENT_BYTES);
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Puts @fds into @slots. Before Linux 5.19 maps of maps know no batch; then one by one says what is
 * wrong, too.
 */
static int put_slots(int outer_fd, const __u32 *slots, const int *fds, unsigned n)
{
	__u32 count = n, i;

	if (!n || !bpf_map_update_batch(outer_fd, slots, fds, &count, NULL))
		return 0;
	for (i = 0; i < n; i++) {
		if (bpf_map_update_elem(outer_fd, &slots[i], &fds[i], BPF_ANY))
			return -errno;
	}
	return 0;
}

static void close_all(const int *fds, unsigned n)
{
	while (n--)
		close(fds[n]);
}

static int put_batch(int outer_fd, __u32 slot, const char *bytes, size_t n_bytes)
{
	__u32 slots[BATCH];
	int fds[BATCH], err = 0;
	unsigned n = 0;

	while (!err && n < BATCH && (size_t)n * SEK_SEGMENT_BYTES < n_bytes) {
		slots[n] = slot + n;
		err = make_segment(bytes + (size_t)n * SEK_SEGMENT_BYTES,
				   n_bytes - (size_t)n * SEK_SEGMENT_BYTES, &fds[n]);
		n += !err;
	}
	if (!err)
		err = put_slots(outer_fd, slots, fds, n);
	close_all(fds, n);
	return err;
}

/* The map in @slot: a descriptor, or negative errno. */
static int open_slot(int outer_fd, __u32 slot)
{
	__u32 id;
	int fd;

	if (bpf_map_lookup_elem(outer_fd, &slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

static unsigned segments_of(__u32 lines)
{
	return lines > SEK_TABLE_LINES_MAX ? SEK_SEGMENTS_MAX
					   : (lines + SEK_SEGMENT_LINES - 1) / SEK_SEGMENT_LINES;
}

/*
 * How many slots of the half whose first map is @fd may hold maps of their own: reads it, and
 * raises or lowers it.
 */
static int mark(int fd, unsigned *ret_before, const unsigned *n)
{
	struct sek_table_head *head =
	    mmap(NULL, SEK_LINE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (head == MAP_FAILED)
		return -errno;
	if (ret_before)
		*ret_before = segments_of(head->lines);
	if (n)
		head->lines = *n * SEK_SEGMENT_LINES;
	(void)munmap(head, SEK_LINE_BYTES); /* cannot fail: our own */
	return 0;
}

/* Slots @from to before @to of @half give up maps of their own for that of @fd, the first's. */
static int retire(int outer_fd, __u32 half, unsigned from, unsigned to, int fd)
{
	__u32 slots[BATCH];
	int fds[BATCH], err = 0;
	unsigned n;

	while (!err && from < to) {
		for (n = 0; n < BATCH && from < to; n++) {
			slots[n] = half + from++;
			fds[n] = fd;
		}
		err = put_slots(outer_fd, slots, fds, n);
	}
	return err;
}

/* The map of @half's slot 0, made where this is the half's first image. */
static int open_first(int outer_fd, __u32 half, int *ret_fd)
{
	int fd = open_slot(outer_fd, half), err;

	if (fd == -ENOENT) {
		err = make_segment("", 1, &fd);
		if (err)
			return err;
		err = put_slots(outer_fd, &half, &fd, 1);
		if (err) {
			close(fd);
			return err;
		}
	}
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/*
 * Segments 1 to the last into their slots; the first, with the head, is written where it is, last.
 */
static int put_image(int outer_fd, __u32 half, int first_fd, const char *bytes, size_t n_bytes,
		     unsigned n)
{
	unsigned before, both;
	size_t at;
	int err = mark(first_fd, &before, NULL);

	if (err)
		return err;
	both = n > before ? n : before;
	err = mark(first_fd, NULL, &both);
	for (at = SEK_SEGMENT_BYTES; !err && at < n_bytes; at += (size_t)BATCH * SEK_SEGMENT_BYTES)
		err = put_batch(outer_fd, half + at / SEK_SEGMENT_BYTES, bytes + at, n_bytes - at);
	if (!err)
		err = retire(outer_fd, half, n, before,
			     first_fd); /* left by a keeper that was killed */
	if (!err)
		err = fill(first_fd, bytes,
			   n_bytes < SEK_SEGMENT_BYTES ? n_bytes : SEK_SEGMENT_BYTES);
	return err;
}

/* Frees what @half, which is not in force, holds beyond its first segment. */
static void tidy(int outer_fd, __u32 half, int fd)
{
	unsigned before, none = 0;

	if (!mark(fd, &before, NULL) && !retire(outer_fd, half, 1, before, fd))
		(void)mark(fd, NULL, &none); /* else the half's next image does it */
}

int bpf_table_put(int outer_fd, __u32 *slot, const void *lines, unsigned n_lines)
{
	__u32 old = *slot ? SEK_SEGMENTS_MAX : 0, idle = SEK_SEGMENTS_MAX - old;
	int fd, old_fd, err;

	if (!n_lines)
		return -EINVAL;
	if (n_lines > SEK_TABLE_LINES_MAX)
		return -E2BIG;
	err = open_first(outer_fd, idle, &fd);
	if (err)
		return err;
	err = put_image(outer_fd, idle, fd, lines, (size_t)n_lines * SEK_LINE_BYTES,
			segments_of(n_lines));
	if (err) {
		tidy(outer_fd, idle, fd);
		close(fd);
		return err;
	}
	__atomic_store_n(slot, idle, __ATOMIC_RELEASE);
	/*
	 * Nothing changes but that every packet that read the old slot is done: the update waits
	 * for them.
	 */
	(void)bpf_map_update_elem(outer_fd, &idle, &fd, BPF_ANY); /* all it needs is there */
	close(fd);
	old_fd = open_slot(outer_fd, old);
	if (old_fd >=
	    0) { /* else no image was in force, or too many files are open: the next swap tries again */
		tidy(outer_fd, old, old_fd);
		close(old_fd);
	}
	return 0;
}
