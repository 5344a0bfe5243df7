// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target: a hostile image. The input is a list of patches (word number, value) to a small
 * built image, signed again, so that the checks behind the checksum are reached. seeds.py writes some.
 */
#include "lib/limit.h"
#include "lib/table_build.h"
#include "lib/table_check.h"
#include <sekisho/table_v4.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 3

struct patch {
	uint32_t word;
	uint32_t high; /* 1: the word's upper half */
	uint32_t value;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct table_image
    bases[2]; /* the second with a table of ports, which takes long to check */

/* Every kind of IPv6 entry: short, /48, one /64, records, a tree over hi with one over lo. In order. */
static void fill6(struct policy_prefix6 v6[64])
{
	v6[0] = (struct policy_prefix6){ 0x2001000000000000, 0, 2, 16, {} };
	for (uint32_t i = 1; i < 64; i++) {
		uint64_t group = 0x20010db800000000 + ((uint64_t)i << 16);

		v6[i] = (struct policy_prefix6){ group, 0, 1, i % 3 ? 64 : 48, {} };
		if (i % 7 == 0)
			v6[i] = (struct policy_prefix6){ group, i, 2, 128, {} };
		if (i >= 32)
			v6[i] = (struct policy_prefix6){ 0x2a00000000000000, i, 1, 128, {} };
	}
}

static void build(struct table_image *base, bool has_ports)
{
	static struct policy_range4 ranges[64];
	static struct policy_prefix6 v6[64];
	const char *why;
	struct sek_class classes[CLASSES] = { { 0 },
					      { .action = SEK_A_BLOCK },
					      { .action = SEK_A_ALLOW } };
	struct limit_settings limits[] = {
		{ .name = "a",
		  .packets_per_s = 1000,
		  .burst = 100,
		  .len4 = 32,
		  .n_ports = has_ports,
		  .ports = { { 22, 23 } },
		  .number = 0,
		  .ban = { .is_set = true, .after_ms = 1000, .for_s = 60, .repeat = 2 } },
		{ .name = "b", .bits_per_s = 1e6, .burst = 1e5, .len4 = 24, .number = 3 },
	};
	struct policy policy = { .classes = classes, .n_classes = CLASSES, .v4 = ranges, .n4 = 64, .v6 = v6, .n6 = 64,
				 .limits = limits, .n_limits = 2, .source_len6 = 64 };

	fill6(v6);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t first = i < 40 ? 0x0a000000 + i * 3 : 0x0b000000 + i * 70000;

		ranges[i] =
		    (struct policy_range4){ first, first + (i > 50 ? 1000 : i & 1), 1 + i % 2 };
	}
	if (table_build(&policy, 1, 5, base) < 0 ||
	    table_check(base->lines, (size_t)base->n_lines * SEK_LINE_BYTES, &why) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *copies[2]; /* kept: a new one each time was half the time */
	/* one byte more than patches; of those a third, for its check takes long */
	bool has_ports = size % sizeof(struct patch) == 1 && data[size - 1] % 3 == 1;
	char *copy = copies[has_ports];
	const char *why = NULL;
	size_t bytes;
	int r;

	if (!copy) {
		build(&bases[has_ports], has_ports);
		bytes = (size_t)bases[has_ports].n_lines * SEK_LINE_BYTES;
		copy = copies[has_ports] = malloc(bytes);
		if (!copy)
			abort();
	}
	bytes = (size_t)bases[has_ports].n_lines * SEK_LINE_BYTES;
	memcpy(copy, bases[has_ports].lines, bytes);
	for (; size >= sizeof(struct patch);
	     data += sizeof(struct patch), size -= sizeof(struct patch)) {
		struct patch patch;

		memcpy(&patch, data, sizeof(patch));
		memcpy(copy + patch.word % (bytes / 8) * 8 + (patch.high & 1) * 4, &patch.value,
		       sizeof(patch.value));
	}
	((struct sek_table_head *)copy)->checksum = table_checksum(copy, bytes / SEK_LINE_BYTES);
	r = table_check(copy, bytes, &why);
	if (r < 0 && !why)
		abort();
	return 0;
}
