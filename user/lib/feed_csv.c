// SPDX-License-Identifier: GPL-2.0
/*
 * Lines of fields with a separator between, quotes allowed (RFC 4180 but for line ends in quotes):
 * any CSV by its column, abuse.ch's lists by their header and trailer, geofeeds (RFC 8805) and
 * MaxMind's country blocks by country.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "feed_entry.h"
#include "feed_parse.h"
#include "feed_reader.h"
#include "fetch_msg.h"

static bool is_pad(char c, char separator)
{
	return (c == ' ' || c == '\t') && c != separator;
}

/* Where the field that begins at @at ends: a quoted one behind its quote and blanks, any other at
 * the separator. */
static size_t field_end(const char *text, size_t len, char separator, size_t at,
			bool *ret_is_quoted)
{
	size_t begin = at;

	*ret_is_quoted = false;
	while (at < len && is_pad(text[at], separator))
		at++;
	if (at < len && text[at] == '"') {
		for (at++; at < len && (text[at] != '"' || (at + 1 < len && text[at + 1] == '"'));
		     at++)
			at += text[at] == '"'; /* a doubled quote is one of the text */
		for (at++; at < len && is_pad(text[at], separator); at++)
			;
		*ret_is_quoted = at == len || (at < len && text[at] == separator);
		if (*ret_is_quoted)
			return at;
	}
	for (at = begin; at < len && text[at] != separator; at++)
		;
	return at;
}

/* The field at *at, without blanks and quotes; *at goes behind its separator, behind the line with
 * the last one. */
static bool next_field(const char *text, size_t len, char separator, size_t *at,
		       const char **ret_text, size_t *ret_len)
{
	bool is_quoted;
	size_t end;

	if (*at > len)
		return false;
	end = field_end(text, len, separator, *at, &is_quoted);
	*ret_text = text + *at;
	*ret_len = end - *at;
	*at = end + 1;
	feed_trim(ret_text, ret_len);
	if (is_quoted) {
		++*ret_text;
		*ret_len -= 2;
		feed_trim(ret_text, ret_len);
	}
	return true;
}

bool feed_csv_field(const char *text, size_t len, char separator, unsigned n, const char **ret_text,
		    size_t *ret_len)
{
	const char *field;
	size_t at = 0, field_len;

	for (unsigned i = 0; i <= n; i++)
		if (!next_field(text, len, separator, &at, &field, &field_len))
			return false;
	*ret_text = field;
	*ret_len = field_len;
	return true;
}

static bool field_is(const char *text, size_t len, char separator, unsigned n, const char *word)
{
	const char *field;
	size_t field_len;

	return feed_csv_field(text, len, separator, n, &field, &field_len) &&
	       field_len == strlen(word) && !strncasecmp(field, word, field_len);
}

static char separator_of(const struct feed_reader *reader)
{
	return reader->options->separator ? reader->options->separator : ',';
}

/* Is @name one that the address column has? */
static bool is_column_name(const struct feed_reader *reader, const char *name, size_t len)
{
	static const char *const abuse_ch[] = {"dst_ip", "DstIP", "ip_address", NULL};
	const char *own[] = {reader->options->column_name, NULL};
	const char *const *names = reader->format == FETCH_ABUSE_CH ? abuse_ch : own;

	for (; *names && **names; names++)
		if (len == strlen(*names) && !strncasecmp(*names, name, len))
			return true;
	return false;
}

/* Looks for the address column's name in a header line. */
static bool find_column(struct feed_reader *reader, const char *text, size_t len)
{
	const char *field;
	size_t at = 0, field_len;

	for (unsigned n = 0; next_field(text, len, separator_of(reader), &at, &field, &field_len);
	     n++) {
		if (!is_column_name(reader, field, field_len))
			continue;
		reader->column = n;
		reader->has_column = true;
		return true;
	}
	return false;
}

/* abuse.ch's trailer counts the entries. */
static void read_claim(struct feed_reader *reader, const char *text, size_t len)
{
	static const char *const trailers[] = {"END ", "END (", "Number of entries: ", NULL};
	uint64_t rows;
	size_t n;

	if (memmem(text, len, "Feodo Tracker", 13) || memmem(text, len, "SSLBL", 5) ||
	    memmem(text, len, "SSL IPBL", 8))
		reader->needs_claim = true;
	for (int i = 0; trailers[i]; i++) {
		size_t skip = strlen(trailers[i]);

		if (len <= skip || memcmp(text, trailers[i], skip))
			continue;
		for (n = 0; skip + n < len && isdigit((unsigned char)text[skip + n]); n++)
			;
		if (n) /* one too long to be read is a count, too: a wrong one */
			feed_reader_claim(reader, feed_number(text + skip, n, &rows) ? rows
										     : UINT64_MAX);
	}
}

/* A comment may be the header. */
static void read_comment(struct feed_reader *reader, const char *text, size_t len)
{
	while (len && (*text == '#' || *text == ' ')) {
		text++;
		len--;
	}
	if (reader->format == FETCH_ABUSE_CH)
		read_claim(reader, text, len);
	if (!reader->has_column)
		(void)find_column(reader, text, len); /* any other comment has no such name */
}

/* Blanks around a line, but no empty field. */
static void trim_line(const char **text, size_t *len, char separator)
{
	for (; *len && is_pad(**text, separator); ++*text)
		--*len;
	while (*len && is_pad((*text)[*len - 1], separator))
		--*len;
}

/* A name: with a letter at its start and no address. */
static bool is_name(const char *text, size_t len)
{
	bool has_digit = false, has_dot = false;

	for (size_t i = 0; i < len; i++) {
		has_digit |= isdigit((unsigned char)text[i]) != 0;
		has_dot |= text[i] == '.';
	}
	return len && isalpha((unsigned char)*text) && !memchr(text, ':', len) &&
	       !(has_dot && has_digit);
}

/*
 * A line with # in front that has an address where rows have it: taken out by hand, or a first
 * field that begins so?
 */
static bool is_doubtful(const struct feed_reader *reader, const char *text, size_t len)
{
	unsigned column = reader->column;
	const char *field;
	size_t field_len;

	if (reader->options->column && reader->format == FETCH_CSV)
		column = reader->options->column - 1;
	else if (!reader->has_column)
		return false;
	if (!feed_csv_field(text, len, separator_of(reader), column, &field, &field_len))
		return false;
	while (!column && field_len && (*field == '#' || *field == ' ')) {
		field++;
		field_len--;
	}
	return feed_is_entry(field, field_len);
}

/* The first line that is no comment: a header, or a row already. Returns 1 for a header, 0 for a
 * row. */
static int read_header(struct feed_reader *reader, const char *text, size_t len)
{
	const char *field;
	size_t field_len;

	reader->has_content = true;
	if (reader->options->column && reader->format == FETCH_CSV) {
		reader->column = reader->options->column - 1;
		reader->has_column = true;
		return feed_csv_field(text, len, separator_of(reader), reader->column, &field,
				      &field_len) &&
		       is_name(field, field_len);
	}
	if (find_column(reader, text, len))
		return 1;
	if (reader->has_column)
		return 0;
	(void)snprintf(reader->why, sizeof(reader->why), "no column named %s in the header",
		       reader->format == FETCH_ABUSE_CH ? "dst_ip or DstIP"
							: reader->options->column_name);
	return -EBADMSG;
}

int feed_read_csv(struct feed_reader *reader, const char *text, size_t len)
{
	const char *field;
	size_t field_len;
	int rc;

	trim_line(&text, &len, separator_of(reader));
	if (!len)
		return 0;
	if (*text == '#' || (*text == ';' && separator_of(reader) != ';')) {
		if (is_doubtful(reader, text, len))
			feed_sink_error(reader->sink, FEED_E_COMMENT, text, len);
		else
			read_comment(reader, text, len);
		return 0;
	}
	if (!reader->has_content) {
		rc = read_header(reader, text, len);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	reader->rows++;
	if (feed_csv_field(text, len, separator_of(reader), reader->column, &field, &field_len) &&
	    field_len)
		return feed_entry(reader->sink, field, field_len);
	feed_sink_error(reader->sink, FEED_E_NO_COLUMN, text, len);
	return 0;
}

/* Is @code one of the chosen countries? Without a choice every one is. */
static bool is_chosen(const struct feed_reader *reader, const char *code, size_t len)
{
	const struct feed_options *options = reader->options;

	if (!options->countries[0][0])
		return true;
	for (int i = 0; len == 2 && i < FEED_COUNTRIES_MAX && options->countries[i][0]; i++)
		if (!strncasecmp(options->countries[i], code, 2))
			return true;
	return false;
}

bool feed_is_geofeed(const char *text, size_t len)
{
	const char *prefix, *country;
	size_t prefix_len, country_len;

	return feed_csv_field(text, len, ',', 0, &prefix, &prefix_len) &&
	       feed_is_entry(prefix, prefix_len) &&
	       feed_csv_field(text, len, ',', 1, &country, &country_len) &&
	       (!country_len || (country_len == 2 && isalpha((unsigned char)country[0]) &&
				 isalpha((unsigned char)country[1])));
}

int feed_read_geofeed(struct feed_reader *reader, const char *text, size_t len)
{
	const char *prefix, *country;
	size_t prefix_len, country_len;

	feed_trim(&text, &len);
	if (!len || *text == '#')
		return 0;
	if (!feed_csv_field(text, len, ',', 0, &prefix, &prefix_len) ||
	    !feed_csv_field(text, len, ',', 1, &country, &country_len)) {
		feed_sink_error(reader->sink, FEED_E_NO_COLUMN, text, len);
		return 0;
	}
	if (!is_chosen(reader, country, country_len)) {
		feed_sink_skip(reader->sink);
		return 0;
	}
	return feed_entry(reader->sink, prefix, prefix_len);
}

/* The archive's files come one behind the other: a header tells which begins. */
static bool is_maxmind_header(struct feed_reader *reader, const char *text, size_t len)
{
	bool is_blocks = field_is(text, len, ',', 0, "network") && field_is(text, len, ',', 1, "geoname_id");

	if (!is_blocks && !(field_is(text, len, ',', 0, "geoname_id") && field_is(text, len, ',', 4, "country_iso_code")))
		return false;
	reader->is_locations = !is_blocks;
	reader->has_content = true;
	return true;
}

/* A row of the locations: the chosen countries must have the numbers there that we know them by. */
static int check_location(struct feed_reader *reader, const char *text, size_t len)
{
	const char *code, *id;
	size_t code_len, id_len;
	uint64_t value;

	for (int i = 0; i < FEED_COUNTRIES_MAX && reader->options->countries[i][0]; i++) {
		if (!feed_csv_field(text, len, ',', 4, &code, &code_len) || code_len != 2 ||
		    strncasecmp(code, reader->options->countries[i], 2) ||
		    !feed_csv_field(text, len, ',', 0, &id, &id_len))
			continue;
		if (feed_number(id, id_len, &value) &&
		    value == feed_country_id(reader->options->countries[i]))
			continue;
		(void)snprintf(reader->why, sizeof(reader->why), "its locations have another number for country %.2s than GeoNames",
			       reader->options->countries[i]);
		return -EBADMSG;
	}
	return 0;
}

int feed_read_maxmind(struct feed_reader *reader, const char *text, size_t len)
{
	const char *prefix, *id;
	size_t prefix_len, id_len;
	uint64_t value;

	feed_trim(&text, &len);
	if (!len || is_maxmind_header(reader, text, len))
		return 0;
	if (!reader->has_content) {
		(void)snprintf(reader->why, sizeof(reader->why),
			       "not MaxMind's country blocks: the header network,geoname_id is missing");
		return -EBADMSG;
	}
	if (reader->is_locations)
		return check_location(reader, text, len);
	if (!feed_csv_field(text, len, ',', 0, &prefix, &prefix_len) ||
	    !feed_csv_field(text, len, ',', 1, &id, &id_len) ||
	    (!id_len && !feed_csv_field(text, len, ',', 2, &id, &id_len))) {
		feed_sink_error(reader->sink, FEED_E_NO_COLUMN, text, len);
		return 0;
	}
	for (int i = 0; i < FEED_COUNTRIES_MAX && reader->options->countries[i][0]; i++)
		if (feed_number(id, id_len, &value) &&
		    value == feed_country_id(reader->options->countries[i]))
			return feed_entry(reader->sink, prefix, prefix_len);
	feed_sink_skip(reader->sink);
	return 0;
}
