// SPDX-License-Identifier: GPL-2.0
/* Hostile text in, a list file out: the lines of a text list, and what is no list at all. */
#include "feed_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feed_entry.h"
#include "feed_lines.h"

#define HEAD_BYTES 1024 /* bytes kept of the start, to recognise what is no list */

struct feed_parser {
	struct feed_sink *sink;
	int failed;
	char start[HEAD_BYTES];
	size_t start_len;
	struct feed_lines lines;
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
	if (!parser)
		return NULL;
	parser->sink = feed_sink_new(max_entries);
	if (!parser->sink) {
		free(parser);
		return NULL;
	}
	return parser;
}

void feed_parse_free(struct feed_parser *parser)
{
	if (!parser)
		return;
	feed_sink_free(parser->sink);
	free(parser);
}

static int read_line(void *ctx, const char *text, size_t len, bool is_long)
{
	struct feed_sink *sink = ctx;
	uint32_t reason = PREFIX_OK;

	sink->head.lines++;
	if (sink->head.lines == 1 && len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	if (is_long)
		reason = FEED_E_LONG_LINE;
	else if (memchr(text, 0, len))
		reason = FEED_E_NUL;
	if (reason) {
		feed_sink_error(sink, reason, text, len);
		return 0;
	}
	for (size_t i = 0; i < len; i++)
		if (text[i] == '#' || text[i] == ';')
			len = i;
	feed_trim(&text, &len);
	return len ? feed_entry(sink, text, len) : 0;
}

int feed_parse_push(struct feed_parser *p, const void *bytes, size_t len)
{
	size_t n = sizeof(p->start) - p->start_len;

	if (len == 0)
		return p->failed;
	n = n < len ? n : len;
	memcpy(p->start + p->start_len, bytes, n);
	p->start_len += n;
	if (!p->failed)
		p->failed = feed_lines_push(&p->lines, bytes, len, read_line, p->sink);
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
	while (len && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')) {
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

int feed_parse_end(struct feed_parser *p, void **ret_file, size_t *ret_len, const char **ret_why)
{
	const struct list_head *head = &p->sink->head;
	const char *why = NULL;
	int rc = p->failed;

	if (!rc)
		rc = feed_lines_end(&p->lines, read_line, p->sink);
	if (!rc)
		why = why_no_list(p);
	if (!rc && !why && head->errors > 10 && head->errors > head->entries4 + head->entries6)
		why = "not a list of addresses";
	if (!rc && !why && !p->sink->n4 && !p->sink->n6)
		why = "no entries";
	if (!rc && why)
		rc = -EBADMSG;
	if (!rc)
		rc = feed_sink_finish(p->sink, ret_file, ret_len);
	if (rc)
		*ret_why = why ? why : rc == -E2BIG ? "more entries than max-entries" : "out of memory";
	p->failed = rc ? rc : -EINVAL;
	return rc;
}
