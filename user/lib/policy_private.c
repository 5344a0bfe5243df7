// SPDX-License-Identifier: GPL-2.0
/*
 * What lists leave out, what does not count as routable, and the share of the rest that a list
 * covers.
 */
#include "policy_private.h"

#include <math.h>
#include <string.h>

#include "policy.h"

#define V4(a, b, c) ((uint64_t)((a) << 24 | (b) << 16 | (c) << 8) << 32)

static const struct policy_hole holes4[] = {
	{ V4(0u, 0u, 0u), 0, 8, true },	     /* this network, RFC 791 */
	{ V4(10u, 0u, 0u), 0, 8, true },     /* RFC 1918 */
	{ V4(100u, 64u, 0u), 0, 10, true },  /* RFC 6598 */
	{ V4(127u, 0u, 0u), 0, 8, true },    /* loopback */
	{ V4(169u, 254u, 0u), 0, 16, true }, /* link-local */
	{ V4(172u, 16u, 0u), 0, 12, true },  /* RFC 1918 */
	{ V4(192u, 0u, 0u), 0, 24, false },  /* IETF protocol assignments, RFC 6890 */
	{ V4(192u, 168u, 0u), 0, 16, true }, /* RFC 1918 */
	{ V4(198u, 18u, 0u), 0, 15, false }, /* benchmarking, RFC 2544 */
	{ V4(224u, 0u, 0u), 0, 3, true },    /* multicast and reserved */
};

static const struct policy_hole holes6[] = {
	{ 0, 0, 127, true },		     /* unspecified and loopback */
	{ 0xfc00ull << 48, 0, 7, true },     /* unique local */
	{ 0xfe80ull << 48, 0, 10, true },    /* link-local */
	{ 0xff00ull << 48, 0, 8, true },     /* multicast */
};

const struct policy_hole *policy_holes(int family, unsigned *ret_n)
{
	*ret_n = family == 4 ? sizeof(holes4) / sizeof(holes4[0])
			     : sizeof(holes6) / sizeof(holes6[0]);
	return family == 4 ? holes4 : holes6;
}

bool policy_is_private(const struct prefix *prefix)
{
	unsigned n;
	const struct policy_hole *hole = policy_holes(prefix->family, &n);

	for (; n; n--, hole++) {
		struct prefix outer = prefix->family == 4
					      ? prefix_of4((uint32_t)(hole->hi >> 32), hole->len)
					      : prefix_of6(hole->hi, hole->lo, hole->len);

		if (hole->is_private && prefix_covers(&outer, prefix))
			return true;
	}
	return false;
}

size_t policy_private4(struct prefix4 *ret_ranges)
{
	size_t i, n = 0;

	_Static_assert(sizeof(holes4) / sizeof(holes4[0]) <= POLICY_PRIVATE_MAX, "room for all");
	for (i = 0; i < sizeof(holes4) / sizeof(holes4[0]); i++) {
		if (holes4[i].is_private)
			ret_ranges[n++] = (struct prefix4){.addr = (uint32_t)(holes4[i].hi >> 32),
							   .len = holes4[i].len};
	}
	return n;
}

size_t policy_private6(struct prefix6 *ret_ranges)
{
	size_t i, n = 0;

	_Static_assert(sizeof(holes6) / sizeof(holes6[0]) <= POLICY_PRIVATE_MAX, "room for all");
	for (i = 0; i < sizeof(holes6) / sizeof(holes6[0]); i++) {
		if (holes6[i].is_private)
			ret_ranges[n++] = (struct prefix6){
				.hi = holes6[i].hi, .lo = holes6[i].lo, .len = holes6[i].len};
	}
	return n;
}

/* Routable addresses in first..last, IPv4. */
static uint64_t routable4(uint64_t first, uint64_t last)
{
	uint64_t sum = last - first + 1;

	for (unsigned i = 0; i < sizeof(holes4) / sizeof(holes4[0]); i++) {
		uint64_t from = holes4[i].hi >> 32, to = from + (1ull << (32 - holes4[i].len)) - 1;

		from = from > first ? from : first;
		to = to < last ? to : last;
		if (from <= to)
			sum -= to - from + 1;
	}
	return sum;
}

/* Which of the 256 /8s hold addresses that are not routable: most lists have few prefixes there. */
static void mark_holes(bool has_hole[256])
{
	memset(has_hole, 0, 256 * sizeof(*has_hole));
	for (unsigned i = 0; i < sizeof(holes4) / sizeof(holes4[0]); i++) {
		uint64_t from = holes4[i].hi >> 32, to = from + (1ull << (32 - holes4[i].len)) - 1;

		for (uint64_t octet = from >> 24; octet <= to >> 24; octet++)
			has_hole[octet] = true;
	}
}

double policy_coverage(const struct policy_list *list, int family)
{
	bool has_hole[256];
	uint64_t sum4 = 0, next = 0;
	double sum6 = 0;
	const struct prefix6 *top = NULL;

	mark_holes(has_hole);
	for (size_t i = 0; family == 4 && i < list->n4; i++) {
		uint64_t first = list->v4[i].addr,
			 last = first + (1ull << (32 - list->v4[i].len)) - 1;

		if (first < next)
			continue;
		sum4 += first >> 24 == last >> 24 && !has_hole[first >> 24]
				? last - first + 1
				: routable4(first, last);
		next = last + 1;
	}
	for (size_t i = 0; family == 6 && i < list->n6; i++) {
		const struct prefix6 *p = &list->v6[i];
		struct prefix outer =
			top ? prefix_of6(top->hi, top->lo, top->len) : (struct prefix){0};
		struct prefix inner = prefix_of6(p->hi, p->lo, p->len);

		if (top && prefix_covers(&outer, &inner))
			continue;
		top = p;
		if (p->len >= 3 && p->hi >> 61 == 1)
			sum6 += ldexp(1, 3 - p->len);
		else if (p->len < 3 && p->hi >> (64 - p->len) == 1ull >> (3 - p->len))
			sum6 = 1;
	}
	return family == 4 ? (double)sum4 / (double)routable4(0, UINT32_MAX) : sum6;
}
