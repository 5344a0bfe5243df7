// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses and prefixes: the two array forms that lists are kept in, and the one form that
 * people and messages use. Parsing is strict: no octal, hex or short IPv4, no zone, no mapped IPv6.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One IPv4 prefix of a list. Order: by addr, then len (a covering prefix comes first). */
struct prefix4 {
	uint32_t addr; /* host order, bits behind len are 0 */
	uint8_t len;   /* 1..32 */
	uint8_t pad[3];
};
_Static_assert(sizeof(struct prefix4) == 8, "list file format");

/* One IPv6 prefix of a list. Order: by hi, lo, then len. */
struct prefix6 {
	uint64_t hi, lo; /* host order: hi is the first 64 bits */
	uint8_t len;	 /* 1..128 */
	uint8_t pad[7];
};
_Static_assert(sizeof(struct prefix6) == 24, "list file format");

/* One prefix of either family, as commands and messages carry it. */
struct prefix {
	uint8_t addr_be[16]; /* network order; IPv4 in the first four, the rest 0 */
	uint8_t family;	     /* 4 or 6 */
	uint8_t len;
	uint8_t pad[2];
};

#define PREFIX_TEXT_BYTES 52 /* longest IPv6 text with /128, and the NUL */

/* Why a text is not a prefix: index into prefix_error_text(). */
enum prefix_error {
	PREFIX_OK = 0,
	PREFIX_EMPTY,
	PREFIX_BAD_ADDRESS,  /* neither family's text form */
	PREFIX_SHORT_IPV4,   /* 10.1: four decimal parts are needed */
	PREFIX_PADDED_IPV4,  /* 010.0.0.1: a leading zero, which some read as octal */
	PREFIX_HEX_IPV4,
	PREFIX_BAD_LENGTH,   /* not a number in range, or missing after the slash */
	PREFIX_NETMASK,	     /* 192.0.2.0/255.255.255.0: write /24 */
	PREFIX_ZERO_LENGTH,  /* /0 would be everything */
	PREFIX_ZONE,	     /* fe80::1%eth0 */
	PREFIX_PORT,	     /* address with a port */
	PREFIX_MAPPED,	     /* ::ffff:0:0/96: write the IPv4 address */
	PREFIX_TRAILING,     /* something behind the prefix */
	PREFIX_REVERSED,     /* range whose end is below its start */
	PREFIX_MIXED_RANGE,  /* range from one family to the other */
	PREFIX_NOT_TEXT,     /* NUL, control or non-ASCII bytes where an address belongs */
	PREFIX_ERROR_MAX,
};

/* Static text of @error: what is wrong and how to mend it, without the input. Never NULL. */
const char *prefix_error_text(enum prefix_error error);

/*
 * Reads an address or ADDRESS/LEN of @len bytes (no NUL needed, no blanks around it).
 * Host bits behind the length are masked off; *ret_host_bits says whether any was set (may be
 * NULL). A bare address is a /32 or /128.
 *
 * Returns PREFIX_OK, or why not; *ret_prefix is written only on success.
 * Source: IPv4 as inet_pton(3) (RFC 6943 section 3.1.1: other forms are ambiguous); IPv6 RFC 4291
 * section 2.2.
 */
enum prefix_error prefix_parse(const char *text, size_t len, struct prefix *ret_prefix,
			       bool *ret_host_bits);

/*
 * The short way for what most lines of most lists are. True: prefix_parse() takes @text for this
 * IPv4 prefix too. False: it is another family's, or no prefix, which prefix_parse() tells; nothing
 * is written.
 */
bool prefix_parse4(const char *text, size_t len, struct prefix4 *ret_prefix, bool *ret_host_bits);

/*
 * Writes @prefix to @buf of PREFIX_TEXT_BYTES; a host prefix without its length. RFC 5952 for IPv6.
 * Returns @buf.
 */
char *prefix_format(const struct prefix *prefix, char *buf);

/* Does @outer hold @inner (same family, equal or shorter length, same leading bits)? */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);

struct prefix prefix_of4(uint32_t addr, uint8_t len);
struct prefix prefix_of6(uint64_t hi, uint64_t lo, uint8_t len);
struct prefix4 prefix_to4(const struct prefix *prefix); /* family must be 4 */
struct prefix6 prefix_to6(const struct prefix *prefix); /* family must be 6 */

/* The order of lists, for qsort(): by address, then the shorter prefix first. */
int prefix4_compare(const void *a, const void *b);
int prefix6_compare(const void *a, const void *b);
