// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges of peer-to-peer programs: P2P (NAME:A-B, the name may hold anything) and DAT (A - B ,
 * LEVEL , NAME), where alone octets with leading zeros are decimal, as eMule writes them.
 */
#include <string.h>

#include "feed_entry.h"
#include "feed_parse.h"
#include "feed_reader.h"

#define DAT_ALLOWED                                                                                \
	127 /* a level from here on is a range that is let through. Source: eMule's ipfilter.dat   \
	     */

/* The range behind the last colon. */
static const char *after_name(const char *text, size_t *len)
{
	const char *colon = memrchr(text, ':', *len);

	if (!colon)
		return NULL;
	*len -= (size_t)(colon + 1 - text);
	text = colon + 1;
	feed_trim(&text, len);
	return memchr(text, '-', *len) ? text : NULL;
}

bool feed_is_p2p(const char *text, size_t len)
{
	const char *range = after_name(text, &len);

	return range && feed_is_entry(range, len);
}

int feed_read_p2p(struct feed_reader *reader, const char *text, size_t len)
{
	const char *range;
	size_t range_len;

	feed_trim(&text, &len);
	if (!len)
		return 0;
	if (*text == '#') {
		if (feed_is_p2p(text, len))
			feed_sink_error(reader->sink, FEED_E_COMMENT, text, len);
		return 0;
	}
	range_len = len;
	range = after_name(text, &range_len);
	if (range)
		return feed_entry(reader->sink, range, range_len);
	feed_sink_error(reader->sink, FEED_E_NO_RANGE, text, len);
	return 0;
}

/* Reads A.B.C.D with one to three decimal digits each, zeros in front or not. */
static bool read_padded(const char *text, size_t len, struct prefix *ret_prefix)
{
	uint32_t addr = 0, value = 0;
	unsigned digits = 0, parts = 0;

	feed_trim(&text, &len);
	for (size_t i = 0; i <= len; i++) {
		if (i < len && text[i] >= '0' && text[i] <= '9' && digits < 3) {
			value = value * 10 + (uint32_t)(text[i] - '0');
			digits++;
			continue;
		}
		if (!digits || value > 255 || (i < len && text[i] != '.') || ++parts > 4)
			return false;
		addr = addr << 8 | value;
		digits = value = 0;
	}
	*ret_prefix = prefix_of4(addr, 32);
	return parts == 4;
}

/* A - B , LEVEL , NAME; the name and its comma may be missing. */
static uint32_t read_dat(const char *text, size_t len, struct prefix *ret_first,
			 struct prefix *ret_last, uint64_t *ret_level)
{
	const char *dash = memchr(text, '-', len), *comma = memchr(text, ',', len), *end;
	size_t level_len;

	if (!dash || !comma || comma < dash)
		return FEED_E_NO_RANGE;
	end = memchr(comma + 1, ',', len - (size_t)(comma + 1 - text));
	level_len = (size_t)((end ? end : text + len) - (comma + 1));
	comma++;
	feed_trim(&comma, &level_len);
	if (!feed_number(comma, level_len, ret_level))
		return FEED_E_NO_RANGE;
	comma = memchr(text, ',', len);
	if (!read_padded(text, (size_t)(dash - text), ret_first) ||
	    !read_padded(dash + 1, (size_t)(comma - dash - 1), ret_last))
		return PREFIX_BAD_ADDRESS;
	return PREFIX_OK;
}

bool feed_is_dat(const char *text, size_t len)
{
	struct prefix first, last;
	uint64_t level;

	return read_dat(text, len, &first, &last, &level) == PREFIX_OK;
}

int feed_read_dat(struct feed_reader *reader, const char *text, size_t len)
{
	struct prefix first, last;
	uint64_t level;
	uint32_t reason;

	feed_trim(&text, &len);
	if (!len || *text == '#')
		return 0;
	reason = read_dat(text, len, &first, &last, &level);
	if (reason) {
		feed_sink_error(reader->sink, reason, text, len);
		return 0;
	}
	if (level < DAT_ALLOWED)
		return feed_entry_range(reader->sink, &first, &last, text, len);
	feed_sink_skip(reader->sink);
	return 0;
}
