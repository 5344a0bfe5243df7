// SPDX-License-Identifier: GPL-2.0
/* What parse_probe.bpf.c answers; the numbers are those of bpf/parse.bpf.h and parse_l4.bpf.h. */
#pragma once

#include <linux/types.h>

struct parse_answer {
	__u8 addr_be[16];
	__u32 family; /* 4, 6, or 0: no source */
	__u32 frame_bytes;
	__u32 ip_offset;
	__u32 ip_bytes;
	__u8 state; /* enum l4_state */
	__u8 proto;
	__u8 tcp_flags;
	__u8 is_fragment;
	__u16 sport; /* host order */
	__u16 dport;
	__u32 l4_offset;
	__u32 pad;
};

enum { PROBE_SOURCE, PROBE_LINK, PROBE_MALFORMED, PROBE_UNREAD, PROBE_PILE }; /* the action */
enum { PROBE_L4_UNKNOWN, PROBE_L4_PROTO, PROBE_L4_PORTS };	      /* state */
