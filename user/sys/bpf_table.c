// SPDX-License-Identifier: GPL-2.0
/*
 * The table's two halves. Slot 0 of each has a map of its own for good, rewritten in place while its half is idle, so that
 * a small list's swap waits for RCU once. Larger images have new maps in the slots behind; when their half has gone
 * idle these slots repeat its slot 0, which frees what they held: one batch and one wait, where deleting
 * would wait a slot.
 */
#include "bpf_table.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sekisho/limits.h>

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
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "sek_segment", 4, SEK_SEGMENT_BYTES, 1, &opts), err;

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

/* Puts @fds into @slots. Before Linux 5.19 maps of maps know no batch; then one by one says what is wrong, too. */
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
		err = make_segment(bytes + (size_t)n * SEK_SEGMENT_BYTES, n_bytes - (size_t)n * SEK_SEGMENT_BYTES, &fds[n]);
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

/* The slots behind @half's first, from @from on, give up maps of their own for that of @fd, the first's. */
static int retire(int outer_fd, __u32 half, __u32 from, int fd)
{
	__u32 slots[BATCH], slot, id, first_id;
	int fds[BATCH], err = 0;
	unsigned n = 0;

	if (bpf_map_lookup_elem(outer_fd, &half, &first_id))
		return -errno;
	for (slot = half + from; !err && slot < half + SEK_SEGMENTS_MAX; slot++) {
		if (bpf_map_lookup_elem(outer_fd, &slot, &id) || id == first_id)
			continue;
		slots[n] = slot;
		fds[n++] = fd;
		if (n < BATCH)
			continue;
		err = put_slots(outer_fd, slots, fds, n);
		n = 0;
	}
	return err ? err : put_slots(outer_fd, slots, fds, n);
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

/* Segments 1 to the last into their slots; the first is written where it is. */
static int put_image(int outer_fd, __u32 half, int first_fd, const char *bytes, size_t n_bytes)
{
	size_t at;
	int err = 0;

	for (at = SEK_SEGMENT_BYTES; !err && at < n_bytes; at += (size_t)BATCH * SEK_SEGMENT_BYTES)
		err = put_batch(outer_fd, half + at / SEK_SEGMENT_BYTES, bytes + at, n_bytes - at);
	if (!err)
		err = fill(first_fd, bytes, n_bytes < SEK_SEGMENT_BYTES ? n_bytes : SEK_SEGMENT_BYTES);
	return err;
}

/* Frees what the half that was in force holds beyond its first segment. */
static void tidy(int outer_fd, __u32 old)
{
	int fd = open_slot(outer_fd, old);

	if (fd < 0)
		return; /* no image was in force, or too many files are open: the next swap tries again */
	(void)retire(outer_fd, old, 1, fd); /* as above */
	close(fd);
}

int bpf_table_put(int outer_fd, __u32 *slot, const void *lines, unsigned n_lines)
{
	__u32 old = *slot ? SEK_SEGMENTS_MAX : 0, idle = SEK_SEGMENTS_MAX - old;
	unsigned n = (n_lines + SEK_SEGMENT_LINES - 1) / SEK_SEGMENT_LINES;
	int fd, err;

	if (!n_lines)
		return -EINVAL;
	if (n_lines > SEK_TABLE_LINES_MAX)
		return -E2BIG;
	err = open_first(outer_fd, idle, &fd);
	if (err)
		return err;
	err = put_image(outer_fd, idle, fd, lines, (size_t)n_lines * SEK_LINE_BYTES);
	if (!err) {
		__atomic_store_n(slot, idle, __ATOMIC_RELEASE);
		/* Nothing changes but that every packet that read the old slot is done: the update waits for them. */
		(void)bpf_map_update_elem(outer_fd, &idle, &fd, BPF_ANY); /* all it needs is there */
		tidy(outer_fd, old);
	}
	(void)retire(outer_fd, idle, err ? 1 : n, fd); /* left by a keeper that was killed, or by the failure */
	close(fd);
	return err;
}
