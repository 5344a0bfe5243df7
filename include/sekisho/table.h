// SPDX-License-Identifier: GPL-2.0
/*
 * The table image: one generation of every list, compiled. An array of 64-byte lines, the same
 * bytes in a sealed memfd between processes and in the kernel's inner array map. Every base
 * and count is in lines from the image's start. All integers are host order.
 *
 *   line 0        struct sek_table_head: what the keeper checks, what people are shown
 *   line 1..      struct sek_table_v4: the IPv4 part's parameters (hot: one line for most packets)
 *   line ..       struct sek_table_v6: the IPv6 part's parameters
 *   class_base    struct sek_class, one line each; class 0 is "none" and never stored as an answer
 *   behind them   the limits: struct sek_limit, sets, ports (limit.h); in the first segment, as all before them
 *   v4, v6        the two lookup structures; their layouts are in table_v4.h and table_v6.h
 */
#pragma once

#include <linux/types.h>
#include <sekisho/limits.h>
#include <sekisho/types.h>

#define SEK_TABLE_MAGIC 0x31454c424154534bull /* "KSTABLE1" read as a little-endian u64 */
#define SEK_TABLE_VERSION 2

/* Lines of the fixed front; the v4 and v6 parameter blocks may use up to two and four lines. */
#define SEK_TABLE_V4_LINE 1
#define SEK_TABLE_LIMITS_LINE 3 /* struct sek_table_limits, limit.h */
#define SEK_TABLE_V6_LINE 4
#define SEK_TABLE_FIXED_LINES 8

struct sek_table_head {
	__u64 magic;
	__u32 version;	     /* SEK_TABLE_VERSION */
	__u32 lines;	     /* all lines of the image, this one included */
	__u64 checksum;	     /* table_checksum() of the image with this field 0 */
	__u64 generation;    /* grows by one an image */
	__u32 class_base;    /* line of class 0 */
	__u32 n_classes;     /* with class 0; at most SEK_CLASSES_MAX */
	__u32 v4_base;	     /* first line of the IPv4 structure */
	__u32 v4_lines;
	__u32 v6_base;
	__u32 v6_lines;
	__u32 prefixes_v4;   /* prefixes in force after merging, for people */
	__u32 prefixes_v6;
};
_Static_assert(sizeof(struct sek_table_head) == 64, "one line");

/*
 * What an address's answer means: one line. The program reads action, flags and counter; the
 * rest is for user space. A class is one combination of lists with one winner.
 */
struct sek_class {
	__u8
	    action; /* enum sek_action: what the winner asks for; never SEK_A_NONE but in class 0 */
	__u8 flags;	/* SEK_C_MONITORED */
	__u16 counter;	/* index into sek_cpu.class_drops: keeps its meaning across generations */
	__u16 winner;	/* list id that answers: longest prefix of the strongest kind */
	__u16 pad;
	__u64 lists[SEK_LISTS_MAX / 64]; /* set of all list ids that hold the address, any action */
	__u64 pad2[3];
};
_Static_assert(sizeof(struct sek_class) == SEK_LINE_BYTES, "one line");
#define SEK_C_MONITORED                                                                            \
	1u /* a monitor list is in the set, and no allow list: count a would-drop if it passes */
