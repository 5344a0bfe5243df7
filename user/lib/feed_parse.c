// SPDX-License-Identifier: GPL-2.0
/* Hostile text in, sorted unique prefixes and error rows out; memory is bounded by max_entries. */
#include "feed_parse.h"

#include <errno.h>
#include <sekisho/limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_BYTES 1024 /* bytes kept of the start, to recognise what is no list */

struct feed_parser {
	uint32_t max_entries;
	int failed;
	uint64_t *k4; /* addr << 6 | len: one word to sort */
	struct prefix6 *v6;
	size_t n4, cap4, n6, cap6;
	struct list_head head;
	struct list_error errors[LIST_ERRORS_MAX];
	char start[HEAD_BYTES];
	size_t start_len;
	char line[FEED_LINE_BYTES];
	size_t line_len;
	bool is_long, skip_lf;
};

const char *feed_error_text(uint32_t reason)
{
	if (reason == FEED_E_LONG_LINE)
		return "line over 4096 bytes";
	if (reason == FEED_E_NUL)
		return "NUL byte in the line";
	return prefix_error_text((enum prefix_error)reason);
}

struct feed_parser *feed_parse_new(uint32_t format, uint32_t max_entries)
{
	struct feed_parser *parser = calloc(1, sizeof(*parser));

	(void)format; /* plain and netset have one grammar; auto is either */
	if (parser)
		parser->max_entries = max_entries;
	return parser;
}

void feed_parse_free(struct feed_parser *parser)
{
	if (!parser)
		return;
	free(parser->k4);
	free(parser->v6);
	free(parser);
}

/* LSD radix sort of the 38-bit keys, then unique. */
static int compact4(struct feed_parser *p)
{
	uint64_t *from = p->k4, *to;
	size_t out = 0;

	if (p->n4 < 2)
		return 0;
	to = malloc(p->cap4 * sizeof(*to));
	if (!to)
		return -ENOMEM;
	for (int shift = 0; shift < 40; shift += 10) {
		size_t at[1024] = { 0 }, sum = 0, n;
		uint64_t *swap = from;

		for (size_t i = 0; i < p->n4; i++)
			at[from[i] >> shift & 1023]++;
		for (int i = 0; i < 1024; i++) {
			n = at[i];
			at[i] = sum;
			sum += n;
		}
		for (size_t i = 0; i < p->n4; i++)
			to[at[from[i] >> shift & 1023]++] = from[i];
		from = to;
		to = swap;
	}
	for (size_t i = 0; i < p->n4; i++)
		if (!i || from[i] != from[out - 1])
			from[out++] = from[i];
	p->head.duplicates += p->n4 - out;
	p->n4 = out;
	p->k4 = from;
	free(to);
	return 0;
}

static void compact6(struct feed_parser *p)
{
	size_t out = 0;

	if (p->n6 < 2)
		return;
	qsort(p->v6, p->n6, sizeof(*p->v6), prefix6_compare);
	for (size_t i = 0; i < p->n6; i++)
		if (!i || prefix6_compare(&p->v6[i], &p->v6[out - 1]))
			p->v6[out++] = p->v6[i];
	p->head.duplicates += p->n6 - out;
	p->n6 = out;
}

static bool is_over(const struct feed_parser *p)
{
	return p->n4 + p->n6 > p->max_entries || p->n4 > SEK_PREFIXES_V4_MAX || p->n6 > SEK_PREFIXES_V6_MAX;
}

/* More room; where that would go far over max_entries, duplicates are taken out instead. */
static int make_room(struct feed_parser *p, int family)
{
	size_t *cap = family == 4 ? &p->cap4 : &p->cap6;
	size_t want = *cap ? *cap * 2 : 1024;
	void *more;

	if (*cap > 2 * (size_t)p->max_entries + 1024) {
		if (compact4(p))
			return -ENOMEM;
		compact6(p);
		return is_over(p) ? -E2BIG : 0;
	}
	if (family == 4)
		more = realloc(p->k4, want * sizeof(*p->k4));
	else
		more = realloc(p->v6, want * sizeof(*p->v6));
	if (!more)
		return -ENOMEM;
	if (family == 4)
		p->k4 = more;
	else
		p->v6 = more;
	*cap = want;
	return 0;
}

static int add(struct feed_parser *p, const struct prefix *prefix)
{
	bool is_full = prefix->family == 4 ? p->n4 >= p->cap4 : p->n6 >= p->cap6;
	int rc = is_full ? make_room(p, prefix->family) : 0;

	if (rc)
		return rc;
	if (prefix->family == 4) {
		struct prefix4 v = prefix_to4(prefix);

		p->k4[p->n4++] = (uint64_t)v.addr << 6 | v.len;
	} else {
		p->v6[p->n6++] = prefix_to6(prefix);
	}
	return 0;
}

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
static int add_range(struct feed_parser *p, int family, u128 first, u128 last)
{
	unsigned max = family == 4 ? 32 : 128;

	for (;;) {
		unsigned host = 0;
		struct prefix prefix;
		u128 end;
		int rc;

		while (host < max && !(first >> host & 1) && first + (((u128)2 << host) - 1) <= last && first + (((u128)2 << host) - 1) >= first)
			host++;
		end = first + (((u128)1 << host) - 1);
		if (family == 4)
			prefix = prefix_of4((uint32_t)first, (uint8_t)(max - host));
		else
			prefix = prefix_of6((uint64_t)(first >> 64), (uint64_t)first, (uint8_t)(max - host));
		rc = add(p, &prefix);
		if (rc || end >= last)
			return rc;
		first = end + 1;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
	while (*len && is_blank(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && is_blank((*text)[*len - 1]))
		(*len)--;
}

/* Reads text as a range A-B whose dash is at @dash. Returns a reason, or 0 with *ret_rc of storing it. */
static uint32_t read_range(struct feed_parser *p, const char *text, size_t len, size_t dash, int *ret_rc)
{
	const char *right = text + dash + 1;
	size_t left_len = dash, right_len = len - dash - 1;
	struct prefix from, to;
	enum prefix_error error;
	u128 first, last;

	trim(&text, &left_len);
	trim(&right, &right_len);
	error = prefix_parse(text, left_len, &from, NULL);
	if (!error)
		error = prefix_parse(right, right_len, &to, NULL);
	if (!error && memchr(right, '/', right_len))
		error = PREFIX_BAD_ADDRESS;
	if (error)
		return error == PREFIX_EMPTY ? PREFIX_BAD_ADDRESS : error;
	if (from.family != to.family)
		return PREFIX_MIXED_RANGE;
	first = to_number(&from);
	last = to_number(&to);
	if (last < first)
		return PREFIX_REVERSED;
	if (first == 0 && last == (from.family == 4 ? (u128)UINT32_MAX : ~(u128)0))
		return PREFIX_ZERO_LENGTH;
	*ret_rc = add_range(p, from.family, first, last);
	if (from.family == 4)
		p->head.entries4++;
	else
		p->head.entries6++;
	return PREFIX_OK;
}

static uint32_t read_entry(struct feed_parser *p, const char *text, size_t len, int *ret_rc)
{
	const char *dash = memchr(text, '-', len);
	struct prefix prefix;
	bool host_bits = false;
	enum prefix_error error;

	if (dash && !memchr(text, '/', (size_t)(dash - text)))
		return read_range(p, text, len, (size_t)(dash - text), ret_rc);
	error = prefix_parse(text, len, &prefix, &host_bits);
	if (error)
		return error;
	p->head.host_bits += host_bits;
	if (prefix.family == 4)
		p->head.entries4++;
	else
		p->head.entries6++;
	*ret_rc = add(p, &prefix);
	return PREFIX_OK;
}

static void add_error(struct feed_parser *p, uint32_t reason, const char *text, size_t len)
{
	struct list_error *row;

	if (p->head.errors++ >= LIST_ERRORS_MAX)
		return;
	row = &p->errors[p->head.n_errors++];
	row->line = p->head.lines > UINT32_MAX ? UINT32_MAX : (uint32_t)p->head.lines;
	row->reason = reason;
	row->text_len = (uint8_t)(len < sizeof(row->text) ? len : sizeof(row->text));
	memcpy(row->text, text, row->text_len);
}

static int read_line(struct feed_parser *p, const char *text, size_t len)
{
	uint32_t reason = PREFIX_OK;
	int rc = 0;

	p->head.lines++;
	if (p->head.lines == 1 && len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	if (len > FEED_LINE_BYTES || p->is_long) {
		reason = FEED_E_LONG_LINE;
	} else if (memchr(text, 0, len)) {
		reason = FEED_E_NUL;
	} else {
		for (size_t i = 0; i < len; i++)
			if (text[i] == '#' || text[i] == ';')
				len = i;
		trim(&text, &len);
		if (len)
			reason = read_entry(p, text, len, &rc);
	}
	if (reason)
		add_error(p, reason, text, len);
	return rc;
}

/* Keeps the part of a line that ends in a later chunk. */
static void keep(struct feed_parser *p, const char *text, size_t len)
{
	size_t room = sizeof(p->line) - p->line_len;

	if (len > room) {
		p->is_long = true;
		len = room;
	}
	memcpy(p->line + p->line_len, text, len);
	p->line_len += len;
}

static int end_line(struct feed_parser *p, const char *text, size_t len)
{
	int rc;

	if (!p->line_len && !p->is_long)
		return read_line(p, text, len);
	if (len)
		keep(p, text, len);
	rc = read_line(p, p->line, p->line_len);
	p->line_len = 0;
	p->is_long = false;
	return rc;
}

int feed_parse_push(struct feed_parser *p, const void *bytes, size_t len)
{
	const char *text = bytes;
	size_t begin = 0, n = sizeof(p->start) - p->start_len;

	if (len == 0)
		return p->failed;
	n = n < len ? n : len;
	memcpy(p->start + p->start_len, text, n);
	p->start_len += n;
	for (size_t i = 0; i < len && !p->failed; i++) {
		bool after_cr = p->skip_lf;

		p->skip_lf = false;
		if (text[i] != '\n' && text[i] != '\r')
			continue;
		p->skip_lf = text[i] == '\r';
		if (!(text[i] == '\n' && after_cr && i == begin))
			p->failed = end_line(p, text + begin, i - begin);
		begin = i + 1;
	}
	if (!p->failed && begin < len)
		keep(p, text + begin, len - begin);
	return p->failed;
}

/* What the start of the text tells about a body that is no list at all. */
static const char *why_no_list(const struct feed_parser *p)
{
	const char *text = p->start;
	size_t len = p->start_len;

	if (len >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
		return "UTF-16 text: serve the list as ASCII or UTF-8";
	if (len >= 4 && ((text[0] && !text[1] && text[2] && !text[3]) || (!text[0] && text[1] && !text[2] && text[3])))
		return "UTF-16 text: serve the list as ASCII or UTF-8";
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	while (len && (is_blank(*text) || *text == '\r' || *text == '\n')) {
		text++;
		len--;
	}
	if (len && *text == '<')
		return "an HTML page, not a list";
	if (len && (*text == '{' || *text == '['))
		return "JSON, which this version does not read as a list";
	for (size_t i = 0; i + 5 <= len; i++)
		if (!strncasecmp(text + i, "<html", 5) || (i + 9 <= len && !strncasecmp(text + i, "<!doctype", 9)))
			return "an HTML page, not a list";
	return NULL;
}

static int make_file(struct feed_parser *p, void **ret_file, size_t *ret_len)
{
	size_t len = sizeof(p->head) + p->n4 * sizeof(struct prefix4) + p->n6 * sizeof(struct prefix6) +
		     p->head.n_errors * sizeof(struct list_error);
	struct list_head *head = calloc(1, len);
	struct prefix4 *v4 = (void *)(head + 1);
	struct prefix6 *v6;

	if (!head)
		return -ENOMEM;
	*head = p->head;
	head->magic = LIST_MAGIC;
	head->version = LIST_VERSION;
	head->n4 = (uint32_t)p->n4;
	head->n6 = (uint32_t)p->n6;
	for (size_t i = 0; i < p->n4; i++) {
		v4[i].addr = (uint32_t)(p->k4[i] >> 6);
		v4[i].len = (uint8_t)(p->k4[i] & 63);
	}
	v6 = (void *)(v4 + p->n4);
	if (p->n6)
		memcpy(v6, p->v6, p->n6 * sizeof(*v6));
	memcpy(v6 + p->n6, p->errors, p->head.n_errors * sizeof(struct list_error));
	head->checksum = list_file_checksum(head + 1, len - sizeof(*head));
	*ret_file = head;
	*ret_len = len;
	return 0;
}

int feed_parse_end(struct feed_parser *p, void **ret_file, size_t *ret_len, const char **ret_why)
{
	const char *why = NULL;
	int rc = p->failed;

	if (!rc && (p->line_len || p->is_long))
		rc = end_line(p, NULL, 0);
	if (!rc)
		why = why_no_list(p);
	if (!rc && !why && p->head.errors > 10 && p->head.errors > p->head.entries4 + p->head.entries6)
		why = "not a list of addresses";
	if (!rc && !why && !p->n4 && !p->n6)
		why = "no entries";
	if (!rc && why)
		rc = -EBADMSG;
	if (!rc)
		rc = compact4(p);
	if (!rc) {
		compact6(p);
		rc = is_over(p) ? -E2BIG : make_file(p, ret_file, ret_len);
	}
	if (rc)
		*ret_why = why ? why : rc == -E2BIG ? "more entries than max-entries" : "out of memory";
	p->failed = rc ? rc : -EINVAL;
	return rc;
}
