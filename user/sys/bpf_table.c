// SPDX-License-Identifier: GPL-2.0
/*
 * The table's two halves. The idle one is filled with new maps of one segment each, then comes into force, then the
 * other's slots are pointed at a segment in use, which frees what they held: one batch and one wait where
 * deleting would wait for RCU a slot.
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

/* Every used slot of [@slot, @end) gives up its segment for that of @fd. */
static int retire(int outer_fd, __u32 slot, __u32 end, int fd)
{
	__u32 slots[BATCH], id;
	int fds[BATCH], err = 0;
	unsigned n = 0;

	for (; !err && slot < end; slot++) {
		if (bpf_map_lookup_elem(outer_fd, &slot, &id))
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

/* Frees what the half at @idle and the slots behind the image in force hold; @used is that image's segments. */
static int tidy(int outer_fd, __u32 in_force, unsigned used)
{
	__u32 idle = SEK_SEGMENTS_MAX - in_force;
	int fd = open_slot(outer_fd, in_force), err;

	if (fd < 0)
		return fd;
	err = retire(outer_fd, idle, idle + SEK_SEGMENTS_MAX, fd);
	if (!err)
		err = retire(outer_fd, in_force + used, in_force + SEK_SEGMENTS_MAX, fd);
	close(fd);
	return err;
}

/* Every packet that read the old slot is done: the update of a map of maps waits for them. */
static int wait_packets(int outer_fd, __u32 slot)
{
	int fd = open_slot(outer_fd, slot), err = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(outer_fd, &slot, &fd, BPF_ANY))
		err = -errno;
	close(fd);
	return err;
}

/* A half-filled half goes again; without an image in force nothing can stand in, and each slot is emptied. */
static void undo(int outer_fd, __u32 in_force, __u32 idle)
{
	int fd = open_slot(outer_fd, in_force);
	__u32 slot, id;

	for (slot = idle; fd < 0 && slot < idle + SEK_SEGMENTS_MAX; slot++) {
		if (!bpf_map_lookup_elem(outer_fd, &slot, &id))
			(void)bpf_map_delete_elem(outer_fd, &slot); /* cannot fail: it was there */
	}
	if (fd < 0)
		return;
	(void)retire(outer_fd, idle, idle + SEK_SEGMENTS_MAX, fd); /* else the next image's swap does */
	close(fd);
}

int bpf_table_put(int outer_fd, __u32 *slot, const void *lines, unsigned n_lines)
{
	__u32 in_force = *slot ? SEK_SEGMENTS_MAX : 0, idle = SEK_SEGMENTS_MAX - in_force, done;
	unsigned n = (n_lines + SEK_SEGMENT_LINES - 1) / SEK_SEGMENT_LINES;
	size_t bytes = (size_t)n_lines * SEK_LINE_BYTES, at;
	int err = 0;

	if (!n_lines)
		return -EINVAL;
	if (n_lines > SEK_TABLE_LINES_MAX)
		return -E2BIG;
	for (done = 0; !err && done < n; done += BATCH) {
		at = (size_t)done * SEK_SEGMENT_BYTES;
		err = put_batch(outer_fd, idle + done, (const char *)lines + at, bytes - at);
	}
	if (err) {
		undo(outer_fd, in_force, idle);
		return err;
	}
	__atomic_store_n(slot, idle, __ATOMIC_RELEASE);
	if (!wait_packets(outer_fd, idle))
		(void)tidy(outer_fd, idle, n); /* memory only: the next swap tries again */
	return 0;
}
