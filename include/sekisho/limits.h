// SPDX-License-Identifier: GPL-2.0
/* Every maximum that the kernel program and user space share, with its unit and reason. */
#pragma once

#define SEK_LINE_BYTES 64	     /* bytes: one cache line, the unit of the table image */
#define SEK_IFACES_MAX 16	     /* interfaces: slots of the counters; edge hosts have a few */
#define SEK_LISTS_MAX 256 /* lists: width of a class's list set; id 0 is the config's own allow */
#define SEK_CLASSES_MAX 4096 /* classes: distinct answers in one image; counters are 64 kB a CPU */
#define SEK_TABLE_LINES_MAX (1u << 23) /* lines: 512 MiB; 10 M + 1 M prefixes take about 60 MB */
#define SEK_SEGMENT_LINES 16384u /* lines of a table segment: 1 MiB, what the last one may waste */
#define SEK_SEGMENT_BYTES (SEK_SEGMENT_LINES * SEK_LINE_BYTES)
#define SEK_SEGMENTS_MAX (SEK_TABLE_LINES_MAX / SEK_SEGMENT_LINES)
#define SEK_PREFIXES_V4_MAX 10000000u /* prefixes: the bound for IPv4 */
#define SEK_PREFIXES_V6_MAX 1000000u  /* prefixes: the bound for IPv6 */
#define SEK_ENTRIES_MIN 4096u	     /* entries: first size of the entry map, 64 kB of buckets */
#define SEK_ENTRIES_MAX (1u << 22)   /* entries: last size; a full map refuses, it never evicts */
#define SEK_ENTRY_LENS_MAX                                                                         \
	32 /* distinct prefix lengths in use a family: bounds the walk per packet */
#define SEK_RAILS_MAX 256	     /* protected addresses: own, gateways, resolvers, SSH client */
#define SEK_V6_EXT_MAX                                                                             \
	8 /* IPv6 extension headers walked; a source behind more is judged, its L4 unknown */
#define SEK_VLAN_MAX                                                                               \
	8 /* VLAN tags walked; Linux peels any number of VLAN 0, a frame with more than these is dropped */
#define SEK_CPUS_MAX 1024	     /* possible CPUs */
#define SEK_BANS_MAX (1u << 18)     /* bans and trials at once: 100 k live ones with room */
#define SEK_BAN_LENS_MAX                                                                           \
	8 /* distinct prefix lengths of bans a family: 16 limits with per: seldom have more than two */
