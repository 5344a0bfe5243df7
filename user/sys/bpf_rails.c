// SPDX-License-Identifier: GPL-2.0
/* Protected addresses in, the rail map and the control record's bloom bits out. */
#include "bpf_rails.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static bool is_in(const struct role_rail *rails, unsigned n_rails, const struct sek_rail_key *key)
{
	unsigned i;

	for (i = 0; i < n_rails; i++) {
		if (!memcmp(&rails[i].key, key, sizeof(*key)))
			return true;
	}
	return false;
}

/* Walks from the start again behind each deletion: the walk's own key is gone then. */
static int remove_others(int fd, const struct role_rail *rails, unsigned n_rails)
{
	struct sek_rail_key key, next, *previous = NULL;

	while (!bpf_map_get_next_key(fd, previous, &next)) {
		if (is_in(rails, n_rails, &next)) {
			key = next;
			previous = &key;
		} else if (bpf_map_delete_elem(fd, &next)) {
			return -errno;
		} else {
			previous = NULL;
		}
	}
	return 0;
}

static int insert_all(int fd, const struct role_rail *rails, unsigned n_rails)
{
	unsigned i;

	for (i = 0; i < n_rails; i++) {
		if (bpf_map_update_elem(fd, &rails[i].key, &rails[i].kind, BPF_ANY))
			return -errno;
	}
	return 0;
}

static void publish_bloom(struct sek_control *control, const struct role_rail *rails, unsigned n_rails)
{
	__u64 bloom[4] = { 0 };
	__u32 word[4], bit;
	unsigned i;

	for (i = 0; i < n_rails; i++) {
		memcpy(word, rails[i].key.addr_be, sizeof(word));
		bit = sek_rail_bit(word[0] ^ word[1] ^ word[2] ^ word[3]);
		bloom[bit / 64] |= 1ull << (bit % 64);
	}
	for (i = 0; i < 4; i++)
		__atomic_store_n(&control->rail_bloom[i], bloom[i], __ATOMIC_SEQ_CST);
}

int bpf_rails_put(const struct bpf_side *side, const struct role_rail *rails, unsigned n_rails)
{
	int fd = side->map_fd[BPF_MAP_RAILS], err = insert_all(fd, rails, n_rails), gone;

	if (err == -E2BIG) { /* old and new together are more than the map holds: make room first */
		err = remove_others(fd, rails, n_rails);
		if (!err)
			err = insert_all(fd, rails, n_rails);
	}
	publish_bloom(side->control, rails, n_rails);
	gone = remove_others(fd, rails, n_rails);
	return err ? err : gone;
}
