// SPDX-License-Identifier: GPL-2.0
/*
 * Never-block rails: is a source one that must not be dropped, and why? Asked only about a
 * packet that is about to be dropped, so it costs innocent traffic nothing.
 */
#pragma once

#include "maps.bpf.h"
#include "parse.bpf.h"

/* Loopback, link-local, unspecified: rails that need no map. */
static __always_inline bool rail_is_local(const struct source *source)
{
	__u32 first = bpf_ntohl(source->words_be[0]);

	if (source->family == 4)
		return first >> 24 == 127 || first >> 16 == 0xa9fe || !first;
	if (first >> 22 == 0xfe80 >> 6)
		return true;
	return !source->halves_be[0] && bpf_be64_to_cpu(source->halves_be[1]) <= 1;
}

/* enum sek_rail of @source, 0 if it is not protected. */
static __always_inline __u32 rail_find(const struct source *source,
				       const struct sek_control *control)
{
	struct sek_rail_key key __attribute__((aligned(8)));
	__u32 bit, *kind;

	if (rail_is_local(source))
		return SEK_RAIL_LOCAL;
	bit = sek_rail_bit(source->words_be[0] ^ source->words_be[1] ^ source->words_be[2] ^
			   source->words_be[3]);
	if (!(control->rail_bloom[(bit >> 6) & 3] >> (bit & 63) & 1))
		return 0;
	__builtin_memcpy(key.addr_be, source->words_be, sizeof(key.addr_be));
	key.family = source->family;
	kind = bpf_map_lookup_elem(&sek_rails, &key);
	return kind ? *kind : 0;
}
