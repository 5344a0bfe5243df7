// SPDX-License-Identifier: GPL-2.0
/* The keeper's side of the ban map. See bpf_ban_map.h. */
#include "bpf_ban_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sekisho/table.h>
#include "bpf_lens.h"
#include "bpf_limiter.h"

#define BATCH 1024 /* records a system call: 256 k of them are read in 20 ms */

static struct bpf_lens list_of(struct bpf_ban_map *bans, unsigned family)
{
	struct sek_control *control = bans->side->control;

	if (family == 4)
		return (struct bpf_lens){ control->ban_lens4, &bans->v4.n, bans->v4.used, SEK_BAN_LENS_MAX };
	return (struct bpf_lens){ control->ban_lens6, &bans->v6.n, bans->v6.used, SEK_BAN_LENS_MAX };
}

static struct bpf_ban_lens *lens_of(struct bpf_ban_map *bans, unsigned family)
{
	return family == 4 ? &bans->v4 : &bans->v6;
}

/* Tells the program what is in use now: the longest first, so that what is new finds its place. */
static void publish(struct bpf_ban_map *bans, unsigned family)
{
	struct bpf_ban_lens *lens = lens_of(bans, family);
	struct bpf_lens list = list_of(bans, family);
	unsigned len;

	for (len = 128; len > 0; len--)
		lens->used[len] = lens->records[len] + lens->limits[len];
	for (len = 128; len > 0; len--)
		bpf_lens_publish(&list, len);
}

static int want_len(struct bpf_ban_map *bans, unsigned family, unsigned len)
{
	struct bpf_lens list = list_of(bans, family);

	return bpf_lens_has_room(&list, len) ? 0 : -E2BIG;
}

static const struct sek_limit *limits_of(const void *lines, uint32_t *ret_n)
{
	const char *at = lines;
	const struct sek_table_limits *head = (const void *)(at + SEK_TABLE_LIMITS_LINE * SEK_LINE_BYTES);

	*ret_n = head->n_limits;
	return (const void *)(at + (size_t)head->limit_base * SEK_LINE_BYTES);
}

int bpf_ban_map_prepare(struct bpf_ban_map *bans, const void *lines)
{
	const struct sek_limit *limits;
	uint32_t n, i;
	int err = 0;

	limits = limits_of(lines, &n);
	pthread_mutex_lock(&bans->lock);
	for (i = 0; i < n && !err; i++) {
		if (!(limits[i].flags & SEK_LIMIT_F_BAN))
			continue;
		err = want_len(bans, 4, limits[i].len4);
		if (!err)
			err = want_len(bans, 6, limits[i].len6);
		if (err)
			break;
		bans->v4.limits[limits[i].len4] = true;
		bans->v6.limits[limits[i].len6] = true;
		publish(bans, 4);
		publish(bans, 6);
	}
	pthread_mutex_unlock(&bans->lock);
	return err;
}

static int put(struct bpf_ban_map *bans, const struct sek_entry_key *key, const struct sek_ban *ban)
{
	int fd = bans->side->map_fd[BPF_MAP_BANS], err;

	if (!bpf_map_update_elem(fd, key, ban, BPF_EXIST))
		return 0;
	if (errno != ENOENT)
		return -errno;
	err = want_len(bans, key->family, key->len);
	if (err)
		return err;
	if (bpf_map_update_elem(fd, key, ban, BPF_ANY))
		return errno == E2BIG ? -ENOSPC : -errno;
	__atomic_add_fetch(&bans->side->control->n_bans, 1, __ATOMIC_SEQ_CST);
	lens_of(bans, key->family)->records[key->len]++;
	publish(bans, key->family);
	return 0;
}

int bpf_ban_map_put(struct bpf_ban_map *bans, const struct sek_entry_key *key, const struct sek_ban *ban)
{
	int err;

	pthread_mutex_lock(&bans->lock);
	err = put(bans, key, ban);
	pthread_mutex_unlock(&bans->lock);
	return err;
}

/* Its length stays in use until the next sweep. */
int bpf_ban_map_delete(struct bpf_ban_map *bans, const struct sek_entry_key *key)
{
	if (!bpf_limiter_is_there(bans->side))
		return 0;
	if (bpf_map_delete_elem(bans->side->map_fd[BPF_MAP_BANS], key))
		return errno == ENOENT ? 0 : -errno;
	__atomic_sub_fetch(&bans->side->control->n_bans, 1, __ATOMIC_SEQ_CST);
	return 0;
}

bool bpf_ban_map_has(struct bpf_ban_map *bans, const struct sek_entry_key *key)
{
	struct sek_ban ban;

	return !bpf_map_lookup_elem(bans->side->map_fd[BPF_MAP_BANS], key, &ban);
}

struct sweep {
	struct sek_entry_key keys[BATCH];
	struct sek_ban bans[BATCH];
	unsigned records4[129], records6[129], gone;
};

static bool is_over(const struct sek_ban *ban, __u64 now_ns)
{
	__u64 end_ns = ban->trial_until_ns > ban->until_ns ? ban->trial_until_ns : ban->until_ns;

	return end_ns < now_ns && now_ns - end_ns > BPF_BAN_GRACE_NS;
}

static void sweep_batch(struct bpf_ban_map *bans, struct sweep *sweep, unsigned n, __u64 now_ns)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct sek_entry_key *key = &sweep->keys[i];

		if (is_over(&sweep->bans[i], now_ns) && !bpf_ban_map_delete(bans, key))
			sweep->gone++;
		else if (key->len <= 128)
			(key->family == 4 ? sweep->records4 : sweep->records6)[key->len]++;
	}
}

/* False where the walk did not come to its end. */
static bool sweep_all(struct bpf_ban_map *bans, struct sweep *sweep, __u64 now_ns)
{
	__u32 n, at, *from = NULL, next;
	int rc;

	do {
		n = BATCH;
		rc = bpf_map_lookup_batch(bans->side->map_fd[BPF_MAP_BANS], from, &next, sweep->keys, sweep->bans, &n, NULL);
		if (rc && errno != ENOENT)
			return false; /* ENOSPC: one bucket holds more than a batch, which keyed hashing rules out */
		sweep_batch(bans, sweep, n, now_ns);
		at = next;
		from = &at;
	} while (!rc);
	return true;
}

/*
 * Counts bans by length, and deletes those that are over at @now_ns (0: none), how many is added to *@gone. The lock is the
 * caller's. False: not all were seen, and the last count stays.
 */
static bool count(struct bpf_ban_map *bans, __u64 now_ns, unsigned *gone)
{
	struct sweep *sweep = calloc(1, sizeof(*sweep));
	bool is_whole = sweep && (!bpf_limiter_is_there(bans->side) || sweep_all(bans, sweep, now_ns));

	if (is_whole) {
		memcpy(bans->v4.records, sweep->records4, sizeof(sweep->records4));
		memcpy(bans->v6.records, sweep->records6, sizeof(sweep->records6));
	}
	if (sweep)
		*gone += sweep->gone;
	free(sweep);
	return is_whole;
}

unsigned bpf_ban_map_sweep(struct bpf_ban_map *bans, __u64 now_ns)
{
	unsigned gone = 0;

	if (!bpf_limiter_is_there(bans->side))
		return 0;
	pthread_mutex_lock(&bans->lock);
	if (count(bans, now_ns, &gone)) {
		publish(bans, 4);
		publish(bans, 6);
	}
	pthread_mutex_unlock(&bans->lock);
	return gone;
}

/*
 * Bans outlive the limit that made them, and the program tells nobody of one: they are counted before a length of earlier limits
 * is forgotten. No packet runs with those limits any more, since bpf_table_put() waited, so none is made behind the count.
 */
void bpf_ban_map_settle(struct bpf_ban_map *bans, const void *lines)
{
	const struct sek_limit *limits;
	bool next4[129] = { false }, next6[129] = { false };
	unsigned gone = 0;
	uint32_t n, i;

	limits = limits_of(lines, &n);
	for (i = 0; i < n; i++) {
		if (limits[i].flags & SEK_LIMIT_F_BAN)
			next4[limits[i].len4] = next6[limits[i].len6] = true;
	}
	pthread_mutex_lock(&bans->lock);
	if ((memcmp(bans->v4.limits, next4, sizeof(next4)) || memcmp(bans->v6.limits, next6, sizeof(next6))) && count(bans, 0, &gone)) {
		memcpy(bans->v4.limits, next4, sizeof(next4));
		memcpy(bans->v6.limits, next6, sizeof(next6));
		publish(bans, 4);
		publish(bans, 6);
	} /* not counted: the lengths of before stay, too, until the next table */
	pthread_mutex_unlock(&bans->lock);
}

/* What the control lists is taken for in use until the first image is settled. */
int bpf_ban_map_open(struct bpf_ban_map *bans, const struct bpf_side *side)
{
	unsigned i;

	memset(bans, 0, sizeof(*bans));
	bans->side = side;
	if (pthread_mutex_init(&bans->lock, NULL))
		return -ENOMEM;
	for (i = 0; i < SEK_BAN_LENS_MAX && side->control->ban_lens4[i]; i++)
		bans->v4.limits[side->control->ban_lens4[i] & 127] = true;
	bans->v4.n = i;
	for (i = 0; i < SEK_BAN_LENS_MAX && side->control->ban_lens6[i]; i++)
		bans->v6.limits[side->control->ban_lens6[i] > 128 ? 128 : side->control->ban_lens6[i]] = true;
	bans->v6.n = i;
	publish(bans, 4);
	publish(bans, 6);
	return 0;
}
