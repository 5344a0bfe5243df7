// SPDX-License-Identifier: GPL-2.0
/*
 * Hand-made entries and bans: a source in, its longest live block and allow entries out.
 * One hash lookup for each prefix length in use; no length in use costs nothing. An entry ends
 * here, by the clock, whether or not the agent runs.
 */
#pragma once

#include "maps.bpf.h"
#include "parse.bpf.h"

struct entry_hit {
	struct sek_entry *block; /* NULL: none live */
	struct sek_entry *allow;
	__u32 block_len; /* prefix length of each */
	__u32 allow_len;
	bool is_failed; /* lengths are in use, but the entry map is not there */
};

/* The clock is read only for an end that may have come. */
static __always_inline bool entry_is_live(__u64 until_ns)
{
	if (!until_ns || until_ns == SEK_FOREVER)
		return until_ns;
	return until_ns > bpf_ktime_get_boot_ns();
}

static __always_inline void entry_key(const struct source *source, __u32 len,
				      struct sek_entry_key *ret_key)
{
	__u64 halves_be[2];
	__u64 hi = ~0ull, lo = ~0ull;

	if (len < 64)
		hi <<= (64 - len) & 63;
	if (len <= 64)
		lo = 0;
	else
		lo <<= (128 - len) & 63;
	halves_be[0] = source->halves_be[0] & bpf_cpu_to_be64(hi);
	halves_be[1] = source->halves_be[1] & bpf_cpu_to_be64(lo);
	__builtin_memcpy(ret_key->addr_be, halves_be, sizeof(halves_be));
	ret_key->family = source->family;
	ret_key->len = len;
}

static __always_inline void entry_find(const struct source *source, const struct sek_control *control,
				       struct entry_hit *ret_hit)
{
	struct sek_entry_key key __attribute__((aligned(8))) = {};
	bool is_v4 = source->family == 4;
	__u32 n = is_v4 ? control->n_entry_lens4 : control->n_entry_lens6;
	const __u8 *lens = is_v4 ? control->entry_lens4 : control->entry_lens6;
	struct sek_entry *entry;
	__u32 zero = 0, len;
	void *entries;

	if (!n)
		return;
	entries = bpf_map_lookup_elem(&sek_entries, &zero);
	if (!entries) {
		ret_hit->is_failed = true;
		return;
	}
	for (__u32 i = 0; i < SEK_ENTRY_LENS_MAX; i++) {
		len = *(const volatile __u8 *)&lens[i]; /* once: it may change under us */
		if (!len || (ret_hit->block && ret_hit->allow))
			break;
		entry_key(source, len, &key);
		entry = bpf_map_lookup_elem(entries, &key);
		if (!entry)
			continue;
		if (!ret_hit->block && entry_is_live(entry->block_until_ns)) {
			ret_hit->block = entry;
			ret_hit->block_len = key.len;
		}
		if (!ret_hit->allow && entry_is_live(entry->allow_until_ns)) {
			ret_hit->allow = entry;
			ret_hit->allow_len = key.len;
		}
	}
}
