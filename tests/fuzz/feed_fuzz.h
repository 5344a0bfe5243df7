// SPDX-License-Identifier: GPL-2.0
/* One body through a feed parser, whole and in chunks: both must say the same, and a list must pass
 * its own check. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads @data in one of @n formats and in chunks that the body itself picks; aborts where something
 * does not hold. */
void feed_fuzz(const uint32_t *formats, size_t n, const uint8_t *data, size_t size);
