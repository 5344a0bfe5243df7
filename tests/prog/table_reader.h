/* SPDX-License-Identifier: GPL-2.0 */
/* What the slow reader of table_reader.bpf.c tells: its one run so far. */
#pragma once

#include <linux/types.h>

struct table_reader {
	__u32 is_reading;  /* between its first look and its last */
	__u32 n_changed; /* looks that saw another head, or another last segment, than the first */
	__u64 generation;  /* as seen first, as the next two */
	__u64 last;	   /* first bytes of the image's last segment */
	__u32 lines;
	__u32 n_looks;
};
