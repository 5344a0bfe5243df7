// SPDX-License-Identifier: GPL-2.0
/* One entry to prefixes: a range is cut into the fewest. */
#include "feed_entry.h"

#include <string.h>

typedef unsigned __int128 u128;

static u128 to_number(const struct prefix *prefix)
{
	struct prefix6 v;

	if (prefix->family == 4)
		return prefix_to4(prefix).addr;
	v = prefix_to6(prefix);
	return (u128)v.hi << 64 | v.lo;
}

/* Cuts first..last into the fewest prefixes. */
static int add_range(struct feed_sink *sink, int family, u128 first, u128 last)
{
	unsigned max = family == 4 ? 32 : 128;

	for (;;) {
		unsigned host = 0;
		struct prefix prefix;
		u128 end;
		int rc;

		while (host < max && !(first >> host & 1) &&
		       first + (((u128)2 << host) - 1) <= last &&
		       first + (((u128)2 << host) - 1) >= first)
			host++;
		end = first + (((u128)1 << host) - 1);
		if (family == 4)
			prefix = prefix_of4((uint32_t)first, (uint8_t)(max - host));
		else
			prefix = prefix_of6((uint64_t)(first >> 64), (uint64_t)first,
					    (uint8_t)(max - host));
		rc = feed_sink_add(sink, &prefix);
		if (rc || end >= last)
			return rc;
		first = end + 1;
	}
}

void feed_trim(const char **text, size_t *len)
{
	while (*len && (**text == ' ' || **text == '\t')) {
		(*text)++;
		(*len)--;
	}
	while (*len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
		(*len)--;
}

static void count(struct feed_sink *sink, int family)
{
	if (family == 4)
		sink->head.entries4++;
	else
		sink->head.entries6++;
}

int feed_entry_range(struct feed_sink *sink, const struct prefix *from, const struct prefix *to,
		     const char *text, size_t len)
{
	u128 first = to_number(from), last = to_number(to);
	uint32_t reason = PREFIX_OK;

	if (from->family != to->family)
		reason = PREFIX_MIXED_RANGE;
	else if (last < first)
		reason = PREFIX_REVERSED;
	else if (first == 0 && last == (from->family == 4 ? (u128)UINT32_MAX : ~(u128)0))
		reason = PREFIX_ZERO_LENGTH;
	if (reason) {
		feed_sink_error(sink, reason, text, len);
		return 0;
	}
	count(sink, from->family);
	return add_range(sink, from->family, first, last);
}

bool feed_number(const char *text, size_t len, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!len || len > 12)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret_value = value;
	return true;
}

/* Reads text as a range A-B whose dash is at @dash. */
static enum prefix_error read_range(const char *text, size_t len, size_t dash,
				    struct prefix *ret_from, struct prefix *ret_to)
{
	const char *right = text + dash + 1;
	size_t left_len = dash, right_len = len - dash - 1;
	enum prefix_error error;

	feed_trim(&text, &left_len);
	feed_trim(&right, &right_len);
	error = prefix_parse(text, left_len, ret_from, NULL);
	if (!error)
		error = prefix_parse(right, right_len, ret_to, NULL);
	return error == PREFIX_EMPTY || (!error && memchr(right, '/', right_len))
		   ? PREFIX_BAD_ADDRESS
		   : error;
}

/* The dash of a range; NULL where @text cannot be one. */
static const char *find_dash(const char *text, size_t len)
{
	const char *dash = memchr(text, '-', len);

	return dash && !memchr(text, '/', (size_t)(dash - text)) ? dash : NULL;
}

bool feed_is_entry(const char *text, size_t len)
{
	const char *dash = find_dash(text, len);
	struct prefix from, to;

	if (dash)
		return !read_range(text, len, (size_t)(dash - text), &from, &to);
	return !prefix_parse(text, len, &from, NULL);
}

bool feed_entry4(struct feed_sink *sink, const char *text, size_t len, int *ret_rc)
{
	struct prefix4 prefix;
	bool host_bits;

	if (!prefix_parse4(text, len, &prefix, &host_bits))
		return false;
	sink->head.host_bits += host_bits;
	sink->head.entries4++;
	*ret_rc = feed_sink_add4(sink, prefix);
	return true;
}

int feed_entry(struct feed_sink *sink, const char *text, size_t len)
{
	const char *dash = find_dash(text, len);
	struct prefix prefix, to;
	bool host_bits = false;
	enum prefix_error error;

	if (dash)
		error = read_range(text, len, (size_t)(dash - text), &prefix, &to);
	else
		error = prefix_parse(text, len, &prefix, &host_bits);
	if (error) {
		feed_sink_error(sink, error, text, len);
		return 0;
	}
	if (dash)
		return feed_entry_range(sink, &prefix, &to, text, len);
	sink->head.host_bits += host_bits;
	count(sink, prefix.family);
	return feed_sink_add(sink, &prefix);
}
