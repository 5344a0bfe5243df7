// SPDX-License-Identifier: GPL-2.0
/* The limiter's large maps, each in slot 0 of its outer map and pinned beside it. See bpf_limiter.h. */
#include "bpf_limiter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

#include <sekisho/ban.h>

#define N_INNER (BPF_MAP_ALL - BPF_MAP_N)

/* By enum bpf_map_name, from BPF_MAP_N on: as maps.bpf.h says them, but for the sizes that are known here only. */
static const struct inner {
	enum bpf_map_name outer;
	enum bpf_map_type type;
	const char *name;
	unsigned key_bytes, value_bytes, flags;
} inners[N_INNER] = {
	{ BPF_MAP_LIMITER_LINES, BPF_MAP_TYPE_ARRAY, "sek_lines", 4, sizeof(struct sek_limit_line), BPF_F_MMAPABLE },
	{ BPF_MAP_LIMITER_BANS, BPF_MAP_TYPE_HASH, "sek_bans", sizeof(struct sek_entry_key), sizeof(struct sek_ban), BPF_F_NO_PREALLOC },
	{ BPF_MAP_LIMITER_EVIDENCE, BPF_MAP_TYPE_ARRAY, "sek_evidence", 4, sizeof(struct sek_evidence), BPF_F_MMAPABLE },
};

static unsigned size_of(const struct bpf_side *side, int i, unsigned bans_max)
{
	switch (BPF_MAP_N + i) {
	case BPF_MAP_LIMIT_LINES:
		return 1u << side->limiter_bits;
	case BPF_MAP_BANS:
		return bans_max;
	default:
		return SEK_EVIDENCE_MAX;
	}
}

static int create(const struct inner *inner, unsigned size)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = inner->flags);
	int fd = bpf_map_create(inner->type, inner->name, inner->key_bytes, inner->value_bytes, size, &opts);

	return fd < 0 ? -errno : fd;
}

int bpf_limiter_size(struct bpf_map *outer, unsigned limiter_bits, int *ret_fd)
{
	int fd = create(&inners[BPF_MAP_LIMIT_LINES - BPF_MAP_N], 1u << limiter_bits), err;

	if (fd < 0)
		return fd;
	err = bpf_map__set_inner_map_fd(outer, fd);
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

static int make_one(struct bpf_side *side, int i, unsigned size)
{
	char path[300];
	int fd = create(&inners[i], size);

	if (fd < 0)
		return fd;
	side->map_fd[BPF_MAP_N + i] = fd;
	if (!side->pin_dir[0])
		return 0;
	bpf_pin_path(side, BPF_MAP_N + i, path, sizeof(path));
	(void)unlink(path); /* one that was not adopted may be there */
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

static void forget_one(struct bpf_side *side, int i)
{
	int *fd = &side->map_fd[BPF_MAP_N + i];

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void unpin_one(struct bpf_side *side, int i)
{
	char path[300];

	bpf_pin_path(side, BPF_MAP_N + i, path, sizeof(path));
	(void)unlink(path); /* may not be there */
	forget_one(side, i);
}

static bool is_shown(const struct bpf_side *side, int i)
{
	__u32 slot = 0, id;

	return !bpf_map_lookup_elem(side->map_fd[inners[i].outer], &slot, &id);
}

static int show_one(struct bpf_side *side, int i)
{
	__u32 slot = 0;

	if (is_shown(side, i))
		return 0;
	return bpf_map_update_elem(side->map_fd[inners[i].outer], &slot, &side->map_fd[BPF_MAP_N + i], BPF_ANY) ? -errno : 0;
}

bool bpf_limiter_is_there(const struct bpf_side *side)
{
	int i;

	for (i = 0; i < N_INNER; i++) {
		if (side->map_fd[BPF_MAP_N + i] < 0)
			return false;
	}
	return true;
}

int bpf_limiter_make(struct bpf_side *side, unsigned bans_max)
{
	bool is_new[N_INNER];
	int i, err = 0;

	for (i = 0; i < N_INNER; i++)
		is_new[i] = side->map_fd[BPF_MAP_N + i] < 0;
	for (i = 0; i < N_INNER && !err; i++) {
		if (is_new[i])
			err = make_one(side, i, size_of(side, i, bans_max));
		if (!err)
			err = show_one(side, i);
	}
	for (i = 0; i < N_INNER && err; i++) {
		if (is_new[i])
			unpin_one(side, i); /* one that is shown already is no harm: the next call shows another */
	}
	return err;
}

void bpf_limiter_drop(struct bpf_side *side)
{
	__u32 slot = 0;
	int i;

	for (i = 0; i < N_INNER; i++) {
		if (side->map_fd[inners[i].outer] >= 0)
			(void)bpf_map_delete_elem(side->map_fd[inners[i].outer], &slot); /* may be empty */
		unpin_one(side, i);
	}
}

/* Are there as many lines as wanted? Others do not fit the outer map that is made for these. */
static bool has_size(const struct bpf_side *side)
{
	struct bpf_map_info info = { 0 };
	__u32 info_len = sizeof(info);

	return !bpf_obj_get_info_by_fd(side->map_fd[BPF_MAP_LIMIT_LINES], &info, &info_len) && info.max_entries == 1u << side->limiter_bits;
}

void bpf_limiter_adopt(struct bpf_side *side)
{
	char path[300];
	int i;

	for (i = 0; i < N_INNER; i++) {
		bpf_pin_path(side, BPF_MAP_N + i, path, sizeof(path));
		side->map_fd[BPF_MAP_N + i] = bpf_obj_get(path);
	}
	if (side->map_fd[BPF_MAP_LIMIT_LINES] >= 0 && has_size(side))
		return;
	side->limiter_is_new = side->map_fd[BPF_MAP_LIMIT_LINES] >= 0;
	forget_one(side, BPF_MAP_LIMIT_LINES - BPF_MAP_N);
	close(side->map_fd[BPF_MAP_LIMITER_LINES]);
	side->map_fd[BPF_MAP_LIMITER_LINES] = -1;
}
