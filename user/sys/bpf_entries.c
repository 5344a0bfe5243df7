// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-made entries in the kernel. The inner hash map has no preallocation and grows fourfold by building the larger
 * one beside it and swapping; packets see the old or the new one, both whole. Never evicts.
 */
#include "bpf_entries.h"
#include "bpf_lens.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned *len_count(struct bpf_entries *entries, const struct sek_entry_key *key)
{
	return key->family == 4 ? &entries->lens4[key->len] : &entries->lens6[key->len];
}

/* The program's list of one family's lengths. */
static struct bpf_lens len_list(struct bpf_entries *entries, unsigned family)
{
	struct sek_control *control = entries->side->control;

	if (family == 4)
		return (struct bpf_lens){ control->entry_lens4, &control->n_entry_lens4, entries->lens4, SEK_ENTRY_LENS_MAX };
	return (struct bpf_lens){ control->entry_lens6, &control->n_entry_lens6, entries->lens6, SEK_ENTRY_LENS_MAX };
}

static void publish_len(struct bpf_entries *entries, unsigned family, unsigned len)
{
	struct bpf_lens list = len_list(entries, family);

	bpf_lens_publish(&list, len);
}

static void publish_lens(struct bpf_entries *entries)
{
	unsigned len;

	for (len = 128; len > 0; len--) {
		if (len <= 32)
			publish_len(entries, 4, len);
		publish_len(entries, 6, len);
	}
}

static bool has_room_for_len(struct bpf_entries *entries, const struct sek_entry_key *key)
{
	struct bpf_lens list = len_list(entries, key->family);

	return bpf_lens_has_room(&list, key->len);
}

static int make_inner(unsigned size)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "sek_entry", sizeof(struct sek_entry_key),
				sizeof(struct sek_entry), size, &opts);

	return fd < 0 ? -errno : fd;
}

/* Entries that are copied in one call: some fifteen times faster than one by one, and who asks for room waits for it. */
#define COPY_ENTRIES 4096

struct copy {
	struct sek_entry_key keys[COPY_ENTRIES];
	struct sek_entry values[COPY_ENTRIES];
};

/* Nobody else writes @from meanwhile. */
static int copy_inner(int from, int to)
{
	struct copy *copy = malloc(sizeof(*copy));
	__u32 at, n, *before = NULL;
	int err = copy ? 0 : -ENOMEM;
	bool is_last = false;

	while (!err && !is_last) {
		n = COPY_ENTRIES;
		if (bpf_map_lookup_batch(from, before, &at, copy->keys, copy->values, &n, NULL)) {
			is_last = errno == ENOENT;
			err = is_last ? 0 : -errno;
		}
		before = &at;
		if (!err && n && bpf_map_update_batch(to, copy->keys, copy->values, &n, NULL))
			err = -errno;
	}
	free(copy);
	return err;
}

int bpf_entries_reserve(struct bpf_entries *entries, unsigned n)
{
	unsigned size = entries->size ? entries->size : SEK_ENTRIES_MIN;
	__u32 slot = 0;
	int fd, err = 0;

	while (size < n && size < SEK_ENTRIES_MAX)
		size *= 4;
	if (size > SEK_ENTRIES_MAX)
		size = SEK_ENTRIES_MAX;
	if (n > size)
		return -ENOSPC;
	if (entries->fd >= 0 && size == entries->size)
		return 0;
	fd = make_inner(size);
	if (fd < 0)
		return fd;
	if (entries->fd >= 0)
		err = copy_inner(entries->fd, fd);
	if (!err && bpf_map_update_elem(entries->side->map_fd[BPF_MAP_ENTRIES], &slot, &fd, BPF_ANY))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	if (entries->fd >= 0)
		close(entries->fd);
	entries->fd = fd;
	entries->size = size;
	return 0;
}

static void count_all(struct bpf_entries *entries)
{
	struct sek_entry_key key, next, *previous = NULL;

	while (!bpf_map_get_next_key(entries->fd, previous, &next)) {
		key = next;
		previous = &key;
		entries->used++;
		(*len_count(entries, &key))++;
	}
}

static int adopt(struct bpf_entries *entries)
{
	struct bpf_map_info info = { 0 };
	__u32 slot = 0, id = 0, info_len = sizeof(info);
	int fd;

	if (bpf_map_lookup_elem(entries->side->map_fd[BPF_MAP_ENTRIES], &slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len)) {
		close(fd);
		return -errno;
	}
	entries->fd = fd;
	entries->size = info.max_entries;
	count_all(entries);
	return 0;
}

int bpf_entries_open(struct bpf_entries *entries, const struct bpf_side *side)
{
	int err;

	memset(entries, 0, sizeof(*entries));
	entries->side = side;
	entries->fd = -1;
	err = adopt(entries);
	if (err)
		err = bpf_entries_reserve(entries, SEK_ENTRIES_MIN);
	if (!err)
		publish_lens(entries);
	return err;
}

static int delete_one(struct bpf_entries *entries, const struct sek_entry_key *key)
{
	if (bpf_map_delete_elem(entries->fd, key))
		return errno == ENOENT ? 0 : -errno;
	entries->used--;
	if (--*len_count(entries, key) == 0)
		publish_len(entries, key->family, key->len);
	return 0;
}

int bpf_entries_put(struct bpf_entries *entries, const struct sek_entry_key *key, const struct sek_entry *value)
{
	int err;

	if (!value->block_until_ns && !value->allow_until_ns)
		return delete_one(entries, key);
	if (!bpf_map_update_elem(entries->fd, key, value, BPF_EXIST))
		return 0;
	if (errno != ENOENT)
		return -errno;
	if (!has_room_for_len(entries, key))
		return -E2BIG;
	err = bpf_entries_reserve(entries, entries->used + 1);
	if (err)
		return err;
	if (bpf_map_update_elem(entries->fd, key, value, BPF_NOEXIST))
		return -errno;
	entries->used++;
	if ((*len_count(entries, key))++ == 0)
		publish_len(entries, key->family, key->len);
	return 0;
}

bool bpf_entries_has(const struct bpf_entries *entries, const struct sek_entry_key *key)
{
	struct sek_entry value;

	return !bpf_map_lookup_elem(entries->fd, key, &value);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sek_entry_key));
}

int bpf_entries_retain(struct bpf_entries *entries, const struct sek_entry_key *keep, unsigned n)
{
	struct sek_entry_key *gone = calloc(entries->used + 1, sizeof(*gone)), key, next, *previous = NULL;
	unsigned n_gone = 0, i;
	int err = 0;

	if (!gone)
		return -ENOMEM;
	while (!bpf_map_get_next_key(entries->fd, previous, &next)) {
		key = next;
		previous = &key;
		if (n_gone < entries->used && !bsearch(&key, keep, n, sizeof(key), compare_keys))
			gone[n_gone++] = key;
	}
	for (i = 0; i < n_gone && !err; i++)
		err = delete_one(entries, &gone[i]);
	free(gone);
	return err;
}
