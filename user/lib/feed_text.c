// SPDX-License-Identifier: GPL-2.0
/* Text lists with an address a line: plain and netset, Spamhaus DROP, Tor's exit addresses, ipsum's
 * counts. */
#include <string.h>

#include "feed_entry.h"
#include "feed_parse.h"
#include "feed_reader.h"
#include "fetch_msg.h"

static bool starts(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && !memcmp(text, word, n);
}

/* "619477723 unique IPs", the last words of an Entries comment. */
static void read_addresses_claim(struct feed_reader *reader, const char *text, size_t len)
{
	static const char words[] = " unique IPs";
	size_t n = sizeof(words) - 1, at;

	if (len <= n || memcmp(text + len - n, words, n))
		return;
	len -= n;
	for (at = len; at && text[at - 1] >= '0' && text[at - 1] <= '9'; at--)
		;
	if (feed_number(text + at, len - at, &reader->addresses_claim))
		reader->has_addresses_claim = true;
}

/* FireHOL's comment "# Entries : 2701 subnets, 619477723 unique IPs": the first number is that of
 * the lines. Its header names the kind of set, and must then have such a comment. */
static void read_claim(struct feed_reader *reader, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t n = 0, left;
	uint64_t rows;

	if (reader->format != FETCH_NETSET || !colon)
		return;
	reader->needs_claim |= memmem(text, len, "ipv4 hash:", 10) != NULL;
	text++;
	len--;
	feed_trim(&text, &len);
	if (!starts(text, len, "Entries"))
		return;
	left = len - (size_t)(colon + 1 - text);
	text = colon + 1;
	feed_trim(&text, &left);
	reader->needs_claim |= left && *text >= '0' && *text <= '9';
	while (n < left && text[n] >= '0' && text[n] <= '9')
		n++;
	if ((n < left && text[n] != ' ') || !feed_number(text, n, &rows))
		return; /* such as 2,000 */
	feed_reader_claim(reader, rows);
	read_addresses_claim(reader, text, left);
}

/* Is one of the fields of @text, each behind a semicolon, an entry of its own and no comment? */
static bool lists_more(const char *text, size_t len)
{
	const char *field, *next, *end = text + len;

	for (next = memchr(text, ';', len); next;
	     next = memchr(field, ';', (size_t)(end - field))) {
		const char *stop, *at = field = next + 1;
		size_t n;

		stop = memchr(at, ';', (size_t)(end - at));
		n = (size_t)((stop ? stop : end) - at);
		feed_trim(&at, &n);
		if (feed_is_entry(at, n))
			return true;
	}
	return false;
}

/* "A;B" is no A with a comment: taken so, it would lose B in silence. */
int feed_read_plain(struct feed_reader *reader, const char *text, size_t len)
{
	const char *hash, *comment;
	int rc;

	if (feed_entry4(reader->sink, text, len, &rc)) { /* nothing around it to be taken off */
		reader->rows++;
		return rc;
	}
	hash = memchr(text, '#', len);
	if (hash == text && len)
		read_claim(reader, text, len);
	if (hash)
		len = (size_t)(hash - text);
	feed_trim(&text, &len);
	comment = memchr(text, ';', len);
	if (comment && comment > text && lists_more(text, len)) {
		reader->rows++;
		feed_sink_error(reader->sink, FEED_E_SEVERAL, text, len);
		return 0;
	}
	if (comment)
		len = (size_t)(comment - text);
	feed_trim(&text, &len);
	reader->rows += len > 0;
	return len ? feed_entry(reader->sink, text, len) : 0;
}

/* Cuts the first word off *text; returns its length, 0 where there is none. */
static size_t cut_word(const char **text, size_t *len, const char **ret_word)
{
	size_t n = 0;

	feed_trim(text, len);
	while (n < *len && (*text)[n] != ' ' && (*text)[n] != '\t')
		n++;
	*ret_word = *text;
	*text += n;
	*len -= n;
	return n;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(text, word, len);
}

int feed_read_tor(struct feed_reader *reader, const char *text, size_t len)
{
	const char *line = text, *word;
	size_t line_len = len, n = cut_word(&text, &len, &word);

	if (!n || *word == '#' || is_word(word, n, "ExitNode") || is_word(word, n, "Published") ||
	    is_word(word, n, "LastStatus"))
		return 0;
	if (is_word(word, n, "ExitAddress")) {
		n = cut_word(&text, &len, &word);
		return feed_entry(reader->sink, word, n);
	}
	feed_sink_error(reader->sink, PREFIX_BAD_ADDRESS, line, line_len);
	return 0;
}

/* ADDRESS, a blank, COUNT: where the count starts; 0 where the line is none. */
static size_t ipsum_split(const char *text, size_t len, uint64_t *ret_count)
{
	size_t at = len;

	while (at && text[at - 1] != '\t' && text[at - 1] != ' ')
		at--;
	return at && feed_number(text + at, len - at, ret_count) ? at : 0;
}

bool feed_is_ipsum(const char *text, size_t len)
{
	uint64_t count;
	size_t at;

	feed_trim(&text, &len);
	at = ipsum_split(text, len, &count);
	len = at;
	feed_trim(&text, &len);
	return at && feed_is_entry(text, len);
}

int feed_read_ipsum(struct feed_reader *reader, const char *text, size_t len)
{
	uint64_t count;
	size_t at;

	feed_trim(&text, &len);
	if (!len || *text == '#')
		return 0;
	at = ipsum_split(text, len, &count);
	if (!at) {
		feed_sink_error(reader->sink, FEED_E_NO_COUNT, text, len);
		return 0;
	}
	if (count < reader->options->threshold) {
		feed_sink_skip(reader->sink);
		return 0;
	}
	len = at;
	feed_trim(&text, &len);
	return feed_entry(reader->sink, text, len);
}
