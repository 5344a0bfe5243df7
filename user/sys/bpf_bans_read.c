// SPDX-License-Identifier: GPL-2.0
/* Batches of lookups in the map of bans. A bucket with more than fits in a batch makes the batch grow. */
#include "bpf_bans_read.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#define BATCH 4096u	     /* records: 440 kB copied a call */
#define BATCH_MAX (1u << 18) /* what a bucket could hold at the worst: all */

struct batch {
	struct sek_entry_key *keys;
	struct sek_ban *values;
	__u32 size;
};

static void batch_free(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
	batch->keys = NULL;
	batch->values = NULL;
}

static int batch_make(struct batch *batch, __u32 size)
{
	batch_free(batch);
	batch->keys = calloc(size, sizeof(*batch->keys));
	batch->values = calloc(size, sizeof(*batch->values));
	batch->size = size;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static int append(struct bpf_ban **bans, size_t *n, size_t *room, const struct batch *batch, __u32 count)
{
	struct bpf_ban *more;
	__u32 i;

	if (*n + count > *room) {
		more = reallocarray(*bans, *n + count + *n / 2, sizeof(*more));
		if (!more)
			return -ENOMEM;
		*bans = more;
		*room = *n + count + *n / 2;
	}
	for (i = 0; i < count; i++)
		(*bans)[(*n)++] = (struct bpf_ban){ .key = batch->keys[i], .ban = batch->values[i] };
	return 0;
}

int bpf_bans_read(int fd, struct bpf_ban **ret_bans, size_t *ret_n)
{
	struct batch batch = { 0 };
	struct bpf_ban *bans = NULL;
	size_t n = 0, room = 0;
	__u32 count, position = 0; /* a bucket's number, to the kernel */
	bool is_first = true, is_over = false;
	int err = fd < 0 ? 0 : batch_make(&batch, BATCH);

	is_over = fd < 0;
	while (!err && !is_over) {
		count = batch.size;
		err = bpf_map_lookup_batch(fd, is_first ? NULL : &position, &position, batch.keys, batch.values, &count, NULL) ? -errno : 0;
		if (err == -ENOSPC && batch.size < BATCH_MAX) {
			err = batch_make(&batch, batch.size * 4); /* the same bucket again */
			continue;
		}
		is_over = err == -ENOENT;
		if (!err || is_over)
			err = append(&bans, &n, &room, &batch, count);
		is_first = false;
	}
	batch_free(&batch);
	if (err) {
		free(bans);
		return err;
	}
	*ret_bans = bans;
	*ret_n = n;
	return 0;
}

int bpf_bans_get(int fd, const struct sek_entry_key *key, struct sek_ban *ret_ban)
{
	struct sek_ban ban;

	if (bpf_map_lookup_elem(fd, key, &ban))
		return -errno;
	*ret_ban = ban;
	return 0;
}
