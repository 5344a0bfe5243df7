// SPDX-License-Identifier: GPL-2.0
/*
 * The prefix algebra: many lists in, one answer per address out. Precedence (allow, block,
 * monitor), longest match and attribution are decided here, so that they cost nothing per packet.
 */
#pragma once

#include "prefix.h"
#include <sekisho/table.h>

/* One list as it takes part in a generation. Arrays are borrowed, sorted and unique. */
struct policy_list {
	uint16_t id;		/* 0..SEK_LISTS_MAX-1, unique among the lists given */
	enum sek_action action; /* ALLOW, BLOCK or MONITOR */
	bool keep_private; /* false: private and reserved ranges in it are left out (allow lists:
			      always kept) */
	const struct prefix4 *v4;
	size_t n4;
	const struct prefix6 *v6;
	size_t n6;
	/* out */
	/* prefixes left out whole or cut because of private ranges */
	uint64_t left_out4, left_out6;
};

/* IPv4 answer: disjoint ranges, sorted, neighbours of one class merged. */
struct policy_range4 {
	uint32_t first, last; /* host order, inclusive */
	uint32_t class_id;    /* never 0 */
};

/*
 * IPv6 answer: prefixes with longest-match meaning, sorted by hi, lo, len; each carries the
 * whole answer (what covers it is already in its class). One whose answer equals that of
 * the nearest prefix around it is left out.
 */
struct policy_prefix6 {
	uint64_t hi, lo;
	uint32_t class_id; /* 0 where a private range was cut out of a wider prefix: "none" */
	uint8_t len;
	uint8_t pad[3];
};

struct limit_settings;

struct policy {
	/* classes[0] is none; counter fields are 0 until the caller sets them */
	struct sek_class *classes;
	uint32_t n_classes;
	struct policy_range4 *v4;
	size_t n4;
	struct policy_prefix6 *v6;
	size_t n6;
	uint32_t prefixes_v4; /* distinct prefixes of all lists, after leaving out */
	uint32_t prefixes_v6;
	/* answers whose list set was reduced to the winner: over SEK_CLASSES_MAX */
	uint32_t merged_classes;
	/*
	 * Limits of the same generation, the caller's to set and to keep; policy_flatten() leaves
	 * none.
	 */
	const struct limit_settings *limits;
	size_t n_limits;
	uint8_t source_len6; /* ipv6-source-prefix; with limits */
};

/*
 * Flattens @lists. At any address: the winner is the longest prefix of the strongest kind
 * present (allow over block over monitor; same length: the lowest id), the class's set holds
 * every list that covers the address. O(n log lists) after sorted input; 10 M prefixes fit.
 *
 * Errors: -ENOMEM, -EINVAL (unsorted input, id out of range), -E2BIG (over SEK_PREFIXES_*_MAX).
 * *ret_policy is owned by the caller: policy_free().
 */
int policy_flatten(struct policy_list *lists, size_t n_lists, struct policy **ret_policy);
void policy_free(struct policy *policy);

/*
 * Share of the globally routable space of @family (4 or 6) that @list covers, overlaps counted
 * once, private and reserved ranges not counted; 0..1.
 * Source: routable IPv4 = 2^32 less the IANA special-purpose registry's not globally reachable
 * blocks (RFC 6890) and 224/3; IPv6 = 2000::/3. Documentation ranges count as routable.
 */
double policy_coverage(const struct policy_list *list, int family);

/*
 * Is @prefix wholly inside a private or reserved range, which lists leave out? RFC 1918, RFC 6598,
 * loopback, link-local, multicast, reserved; ULA. Documentation ranges are not (demos and tests use
 * them).
 */
bool policy_is_private(const struct prefix *prefix);

/* Those ranges, sorted, in arrays of POLICY_PRIVATE_MAX. Return how many. */
#define POLICY_PRIVATE_MAX 16
size_t policy_private4(struct prefix4 *ret_ranges);
size_t policy_private6(struct prefix6 *ret_ranges);
