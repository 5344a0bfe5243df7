// SPDX-License-Identifier: GPL-2.0
/* Frames, put together layer by layer. All numbers are host order; what is not given is 0. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 80000 /* bytes: above what BPF_PROG_TEST_RUN takes */
#define FRAME_ETH_BYTES 14
#define FRAME_IPV4 0x0800
#define FRAME_IPV6 0x86dd

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t len;
	size_t linear; /* bytes in the first buffer; 0: as many as it takes */
};

/* The source of every frame unless a test writes another one. */
extern const uint8_t frame_source4[4];	/* 203.0.113.7, network order */
extern const uint8_t frame_source6[16]; /* 2001:db8::7 */

/* Appends @len bytes; NULL: zeros. */
void frame_put(struct frame *f, const void *bytes, size_t len);
void frame_put16(struct frame *f, unsigned value);

/* Empties @f and starts it: Ethernet with @tags VLAN tags, the outer ones 802.1ad from two on. */
void frame_eth(struct frame *f, unsigned tags, unsigned ethertype);

/*
 * IPv4 header that says @ihl words (at least five are written), @total bytes; @payload zero bytes.
 */
void frame_ipv4(struct frame *f, unsigned ihl, unsigned total, unsigned proto, unsigned fragment,
		size_t payload);

/* IPv6 header that says @payload bytes follow; none is written. */
void frame_ipv6(struct frame *f, unsigned payload, unsigned next, unsigned hops);

/*
 * A whole frame of @family from the test's source: @proto with ports and, for TCP, flags; 60 bytes
 * at least.
 */
void frame_l4(struct frame *f, int family, unsigned proto, unsigned sport, unsigned dport,
	      unsigned tcp_flags);

/* Replaces the source address of the IP header at @offset. */
void frame_set_source(struct frame *f, size_t offset, int family, const void *addr_be);
