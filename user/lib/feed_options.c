// SPDX-License-Identifier: GPL-2.0
/* A feed's options as one number. See feed_options.h. */
#include "feed_options.h"

#include <stddef.h>

#define FNV_OFFSET 2166136261u
#define FNV_PRIME 16777619u

static uint32_t add(uint32_t hash, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ at[i]) * FNV_PRIME;
	return hash;
}

uint32_t feed_reading(uint32_t format, const struct feed_options *options)
{
	uint32_t words[2] = { FEED_READING, format };

	return add(add(FNV_OFFSET, words, sizeof(words)), options, sizeof(*options));
}
