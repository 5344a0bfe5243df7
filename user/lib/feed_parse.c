// SPDX-License-Identifier: GPL-2.0
/*
 * Hostile text in, a list file out. The start is kept until it is known what the text is; then it
 * and the rest go through one grammar. The result depends on the bytes alone, not on the chunks
 * they came in.
 */
#include "feed_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed_detect.h"
#include "feed_lines.h"
#include "feed_reader.h"
#include "feed_shape.h"
#include "fetch_msg.h"

#define HEAD_BYTES                                                                                 \
	1024 /* bytes kept of the start where the format is told, to recognise what is no list */

struct feed_parser {
	struct feed_sink *sink;
	struct feed_options options;
	struct feed_reader reader;
	feed_read_line_fn read_line; /* NULL: JSON */
	struct feed_lines lines;
	int failed;
	bool is_told, has_started, doubts_end;
	char *start; /* what came before reading has started */
	size_t start_len, start_max;
};

static const struct {
	const char *name;
	feed_read_line_fn read;
} formats[FETCH_FORMAT_MAX] = {
    [FETCH_AUTO] = {"auto", NULL},
    [FETCH_PLAIN] = {"plain", feed_read_plain},
    [FETCH_NETSET] = {"netset", feed_read_plain},
    [FETCH_SPAMHAUS] = {"spamhaus", feed_read_plain},
    [FETCH_TOR] = {"tor", feed_read_tor},
    [FETCH_IPSUM] = {"ipsum", feed_read_ipsum},
    [FETCH_DSHIELD] = {"dshield", feed_read_dshield},
    [FETCH_CSV] = {"csv", feed_read_csv},
    [FETCH_ABUSE_CH] = {"abuse-ch", feed_read_csv},
    [FETCH_GEOFEED] = {"geofeed", feed_read_geofeed},
    [FETCH_MAXMIND] = {"maxmind", feed_read_maxmind},
    [FETCH_P2P] = {"p2p", feed_read_p2p},
    [FETCH_DAT] = {"dat", feed_read_dat},
    [FETCH_JSON] = {"json", NULL},
    [FETCH_NDJSON] = {"ndjson", NULL},
    [FETCH_AWS] = {"aws", NULL},
    [FETCH_AWS_IPSET] = {"aws-ipset", NULL},
    [FETCH_GOOGLE] = {"google", NULL},
    [FETCH_GITHUB] = {"github", NULL},
    [FETCH_CLOUDFLARE] = {"cloudflare", NULL},
    [FETCH_ATLASSIAN] = {"atlassian", NULL},
    [FETCH_MISP] = {"misp", NULL},
    [FETCH_ABUSEIPDB] = {"abuseipdb", NULL},
    [FETCH_SPAMHAUS_JSON] = {"spamhaus-json", NULL},
    [FETCH_CROWDSEC] = {"crowdsec", NULL},
    [FETCH_RIR] = {"rir", NULL},
};

const char *feed_format_name(uint32_t format)
{
	return format < FETCH_FORMAT_MAX ? formats[format].name : NULL;
}

const char *feed_error_text(uint32_t reason)
{
	static const char *const texts[] = {
	    [FEED_E_LONG_LINE - FEED_E_LONG_LINE] = "line over 4096 bytes",
	    [FEED_E_NUL - FEED_E_LONG_LINE] = "NUL byte in the line",
	    [FEED_E_NO_COUNT - FEED_E_LONG_LINE] = "no count behind the address",
	    [FEED_E_DISAGREE - FEED_E_LONG_LINE] = "start, end and prefix length disagree",
	    [FEED_E_NO_COLUMN - FEED_E_LONG_LINE] = "no such column in the line, or nothing in it",
	    [FEED_E_NO_RANGE - FEED_E_LONG_LINE] = "no range of the form this format has",
	    [FEED_E_NO_STRING - FEED_E_LONG_LINE] = "no string where an address belongs",
	    [FEED_E_LONG_TEXT - FEED_E_LONG_LINE] = "string over 4096 bytes",
	    [FEED_E_COMMENT - FEED_E_LONG_LINE] = "a comment that reads as a row",
	    [FEED_E_SEVERAL - FEED_E_LONG_LINE] = "several addresses in one line: give each a line of its own, or format: csv its column",
	};

	if (reason >= FEED_E_LONG_LINE &&
	    reason - FEED_E_LONG_LINE < sizeof(texts) / sizeof(texts[0]))
		return texts[reason - FEED_E_LONG_LINE];
	return prefix_error_text((enum prefix_error)reason);
}

struct feed_parser *feed_parse_new(uint32_t format, uint32_t max_entries,
				   const struct feed_options *options)
{
	struct feed_parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return NULL;
	parser->is_told = format != FETCH_AUTO && format < FETCH_FORMAT_MAX;
	parser->start_max = parser->is_told ? HEAD_BYTES : FEED_DETECT_BYTES;
	parser->start = malloc(parser->start_max);
	parser->sink = feed_sink_new(max_entries);
	if (!parser->start || !parser->sink) {
		feed_parse_free(parser);
		return NULL;
	}
	if (options)
		parser->options = *options;
	parser->reader.options = &parser->options;
	parser->reader.sink = parser->sink;
	parser->reader.format = parser->is_told ? format : FETCH_AUTO;
	return parser;
}

void feed_parse_free(struct feed_parser *parser)
{
	if (!parser)
		return;
	feed_sink_free(parser->sink);
	feed_json_free(parser->reader.json);
	free(parser->start);
	free(parser);
}

uint32_t feed_parse_format(const struct feed_parser *parser)
{
	return parser->reader.format;
}

static int refuse(struct feed_parser *p, const char *why)
{
	(void)snprintf(p->reader.why, sizeof(p->reader.why), "%s", why);
	return -EBADMSG;
}

static int read_line(void *ctx, const char *text, size_t len, bool is_long)
{
	struct feed_parser *p = ctx;

	p->sink->head.lines++;
	if (!is_long)
		return p->read_line(&p->reader, text, len);
	feed_sink_error(p->sink, FEED_E_LONG_LINE, text, len);
	p->reader.rows++;
	return 0;
}

static int read_bytes(struct feed_parser *p, const char *text, size_t len)
{
	return p->read_line ? feed_lines_push(&p->lines, text, len, read_line, p)
			    : feed_read_json(&p->reader, text, len);
}

/* A format that was told, and yet the text begins as another does. */
static const char *why_other(const struct feed_parser *p, const char *text, size_t len)
{
	while (len && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')) {
		text++;
		len--;
	}
	if (formats[p->reader.format].read && len &&
	    (*text == '{' || (*text == '[' && p->reader.format != FETCH_P2P)))
		return "JSON, not the format that was given: use auto, or json with select";
	return NULL;
}

/* Enough of the start is there, or all there is: decides what the text is and reads what was kept.
 */
static int start(struct feed_parser *p, bool is_whole)
{
	bool has_bom = p->start_len >= 3 && !memcmp(p->start, "\xef\xbb\xbf", 3);
	const char *text = p->start + (has_bom ? 3 : 0), *why;
	size_t len = p->start_len - (has_bom ? 3 : 0);
	struct feed_found found;
	int rc;

	p->has_started = true;
	why = feed_detect_rubbish(text, len);
	if (!why && memchr(text, 0, len))
		why = "NUL bytes: not a text";
	if (!why && p->is_told)
		why = why_other(p, text, len);
	if (why)
		return refuse(p, why);
	if (p->is_told) {
		p->reader.shape = feed_shape_of(p->reader.format);
		(void)snprintf(p->sink->origin.why, sizeof(p->sink->origin.why),
			       "told by the config");
	} else {
		rc = feed_detect(text, len, is_whole, &found);
		if (rc)
			return rc == -EBADMSG ? refuse(p, found.why) : rc;
		p->reader.format = found.format;
		p->reader.shape = found.shape;
		(void)snprintf(p->sink->origin.why, sizeof(p->sink->origin.why), "%.115s",
			       found.why);
	}
	p->sink->origin.format = p->reader.format;
	p->read_line = formats[p->reader.format].read;
	p->reader.needs_claim = p->reader.format == FETCH_SPAMHAUS_JSON;
	if (!p->read_line) {
		p->reader.json = feed_json_new(p->reader.shape ? p->reader.shape->is_lines
							       : p->reader.format == FETCH_NDJSON,
					       feed_read_item, &p->reader);
		if (!p->reader.json)
			return -ENOMEM;
	}
	return read_bytes(p, text, len);
}

int feed_parse_push(struct feed_parser *p, const void *bytes, size_t len)
{
	const char *text = bytes, *nul;
	size_t n;

	if (!p->has_started && !p->failed) {
		n = p->start_max - p->start_len;
		n = n < len ? n : len;
		memcpy(p->start + p->start_len, text, n);
		p->start_len += n;
		text += n;
		len -= n;
		if (p->start_len < p->start_max)
			return 0;
		p->failed = start(p, false);
	}
	if (!len || p->failed)
		return p->failed;
	nul = memchr(text, 0, len);
	p->failed = read_bytes(p, text, nul ? (size_t)(nul - text) : len);
	if (!p->failed && nul)
		p->failed = refuse(p, "NUL bytes: not a text");
	return p->failed;
}

void feed_reader_claim(struct feed_reader *reader, uint64_t rows)
{
	reader->has_two_claims |= reader->has_claim;
	reader->has_claim = true;
	reader->claim = rows;
}

static const char *why_unclaimed(uint32_t format)
{
	if (format == FETCH_ABUSE_CH)
		return "cut short: its END line is missing";
	if (format == FETCH_NETSET)
		return "not sure to be whole: FireHOL's header without a number of entries";
	return "cut short: its last line, the metadata, is missing";
}

/* FireHOL also tells how many addresses the entries hold together. */
static int check_addresses(struct feed_parser *p)
{
	struct feed_reader *reader = &p->reader;
	uint64_t holds;
	int rc;

	if (!reader->has_addresses_claim)
		return 0;
	rc = feed_sink_addresses4(p->sink, &holds);
	if (rc || holds == reader->addresses_claim)
		return rc;
	(void)snprintf(reader->why, sizeof(reader->why),
		       "altered: it says %" PRIu64 " addresses and holds %" PRIu64,
		       reader->addresses_claim, holds);
	return -EBADMSG;
}

/* Does the text hold what it says it holds? */
static int check_claim(struct feed_parser *p)
{
	struct feed_reader *reader = &p->reader;

	if (reader->needs_claim && !reader->has_claim)
		return refuse(p, why_unclaimed(reader->format));
	if (reader->has_two_claims)
		return refuse(p, "two lists in one: it says twice how many entries it holds");
	if (!reader->has_claim || reader->claim == reader->rows)
		return check_addresses(p);
	(void)snprintf(reader->why, sizeof(reader->why),
		       "cut short or altered: it says %" PRIu64 " entries and holds %" PRIu64,
		       reader->claim, reader->rows);
	return -EBADMSG;
}

/* No entries, and why: the first line that was not understood tells most. */
static int refuse_empty(struct feed_parser *p)
{
	const struct list_error *first = p->sink->head.n_errors ? &p->sink->errors[0] : NULL;

	if (p->sink->origin.skipped)
		return refuse(p, "no entries: all were left out by threshold, country, type or end");
	if (!first)
		return refuse(p, "no entries");
	(void)snprintf(p->reader.why, sizeof(p->reader.why), "no entries; line %" PRIu32 ": %s", first->line,
		       feed_error_text(first->reason));
	return -EBADMSG;
}

static int finish(struct feed_parser *p)
{
	const struct list_head *head = &p->sink->head;
	bool is_open = false; /* the last line has no end */
	int rc = p->failed;

	if (!rc && !p->has_started)
		rc = start(p, true);
	is_open = p->read_line && (p->lines.len || p->lines.is_long);
	if (!rc)
		rc = p->read_line ? feed_lines_end(&p->lines, read_line, p)
				  : feed_read_json_end(&p->reader);
	if (!rc)
		rc = check_claim(p);
	if (!rc && p->doubts_end && is_open && !p->reader.has_claim)
		rc = refuse(p, "cut short, it seems: its last line has no end, and the server does not say how long it is");
	if (!rc && head->errors > 10 && head->errors > head->entries4 + head->entries6)
		rc = refuse(p, "not a list of addresses");
	if (!rc && !p->sink->n4 && !p->sink->n6)
		rc = refuse_empty(p);
	return rc;
}

void feed_parse_doubt_end(struct feed_parser *p)
{
	p->doubts_end = true;
}

int feed_parse_end(struct feed_parser *p, void **ret_file, size_t *ret_len, const char **ret_why)
{
	int rc = finish(p);

	if (!rc)
		rc = feed_sink_finish(p->sink, ret_file, ret_len);
	if (rc)
		*ret_why = rc == -EBADMSG ? p->reader.why
			   : rc == -E2BIG ? "more entries than max-entries"
					  : "out of memory";
	p->failed = rc ? rc : -EINVAL;
	return rc;
}
