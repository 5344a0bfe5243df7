// SPDX-License-Identifier: GPL-2.0
/* DShield's block list: START, END, LENGTH, then what nobody needs here, with tabs between. The
 * three must agree. */
#include <string.h>

#include "feed_entry.h"
#include "feed_parse.h"
#include "feed_reader.h"

/* Cuts the first word off *text. */
static size_t cut_word(const char **text, size_t *len, const char **ret_word)
{
	size_t n = 0;

	feed_trim(text, len);
	while (n < *len && (*text)[n] != '\t' && (*text)[n] != ' ')
		n++;
	*ret_word = *text;
	*text += n;
	*len -= n;
	return n;
}

static uint32_t read_row(const char *text, size_t len, struct prefix *ret_prefix)
{
	const char *start, *end, *bits;
	size_t start_len = cut_word(&text, &len, &start), end_len = cut_word(&text, &len, &end);
	size_t bits_len = cut_word(&text, &len, &bits);
	struct prefix first, last;
	uint32_t reason, low, high, host;
	uint64_t n;

	reason = prefix_parse(start, start_len, &first, NULL);
	if (!reason)
		reason = prefix_parse(end, end_len, &last, NULL);
	if (reason)
		return reason == PREFIX_EMPTY ? PREFIX_BAD_ADDRESS : reason;
	if (!feed_number(bits, bits_len, &n) || n > 32)
		return PREFIX_BAD_LENGTH;
	if (!n)
		return PREFIX_ZERO_LENGTH;
	if (first.family != 4 || last.family != 4 || first.len != 32 || last.len != 32)
		return PREFIX_BAD_ADDRESS;
	low = prefix_to4(&first).addr;
	high = prefix_to4(&last).addr;
	host = n < 32 ? UINT32_MAX >> n : 0;
	if (low & host || high != (low | host))
		return FEED_E_DISAGREE;
	*ret_prefix = prefix_of4(low, (uint8_t)n);
	return PREFIX_OK;
}

bool feed_is_dshield(const char *text, size_t len)
{
	struct prefix prefix;

	return read_row(text, len, &prefix) == PREFIX_OK;
}

int feed_read_dshield(struct feed_reader *reader, const char *text, size_t len)
{
	struct prefix prefix;
	uint32_t reason;

	feed_trim(&text, &len);
	if (!len || *text == '#' || (len >= 10 && !memcmp(text, "Start\tEnd\t", 10)))
		return 0;
	reason = read_row(text, len, &prefix);
	if (reason) {
		feed_sink_error(reader->sink, reason, text, len);
		return 0;
	}
	reader->sink->head.entries4++;
	return feed_sink_add(reader->sink, &prefix);
}
