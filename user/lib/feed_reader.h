// SPDX-License-Identifier: GPL-2.0
/*
 * What the grammars share: a reader of one format, told lines or bytes, that puts what it reads
 * into the sink and at the end checks what the text says about itself. Only feed_*.c includes this.
 */
#pragma once

#include "feed_json.h"
#include "feed_options.h"
#include "feed_sink.h"

#define FEED_WHY_BYTES 256 /* as FETCH_WHY_BYTES */

struct feed_shape;

struct feed_reader {
	uint32_t format;
	const struct feed_options *options;
	struct feed_sink *sink;
	/* What the text says it holds (netset's Entries, Feodo's END, Spamhaus's records), and what
	 * it held. */
	bool has_claim, needs_claim, has_two_claims, has_addresses_claim;
	uint64_t claim, rows;
	uint64_t addresses_claim; /* netset: unique IPv4 addresses */
	unsigned column;                /* csv: from 0, once known */
	bool has_column, has_content;   /* csv: the header was looked for */
	bool is_locations;              /* maxmind: the file of countries, not one of blocks */
	const struct feed_shape *shape; /* JSON: where addresses stand */
	struct feed_json *json;
	bool has_type; /* misp: seen, and one of addresses */
	char value[64], scope[16], type[16], duration[40]; /* JSON: the object being read */
	char why[FEED_WHY_BYTES];            /* of the last -EBADMSG */
};

/* One line of a text format, comments and all. Errors: -EBADMSG with reader->why; of
 * feed_sink_add(). */
typedef int (*feed_read_line_fn)(struct feed_reader *reader, const char *text, size_t len);
int feed_read_plain(struct feed_reader *reader, const char *text,
		    size_t len); /* also netset, spamhaus */
int feed_read_tor(struct feed_reader *reader, const char *text, size_t len);
int feed_read_ipsum(struct feed_reader *reader, const char *text, size_t len);
int feed_read_dshield(struct feed_reader *reader, const char *text, size_t len);
int feed_read_csv(struct feed_reader *reader, const char *text, size_t len); /* also abuse.ch */
int feed_read_geofeed(struct feed_reader *reader, const char *text, size_t len);
int feed_read_maxmind(struct feed_reader *reader, const char *text, size_t len);
int feed_read_p2p(struct feed_reader *reader, const char *text, size_t len);
int feed_read_dat(struct feed_reader *reader, const char *text, size_t len);

/*
 * The text says that it holds @rows. Two such words are two lists joined, which is told at the end.
 */
void feed_reader_claim(struct feed_reader *reader, uint64_t rows);

/* JSON, by the reader's shape or its options' select. Errors: the same. */
int feed_read_json(struct feed_reader *reader, const char *bytes, size_t len);
int feed_read_json_end(struct feed_reader *reader);

/* One item of a JSON text by the reader's shape. */
int feed_read_item(void *reader, const struct feed_json_item *item);

/*
 * Field @n (from 0) of a line of CSV, without blanks and quotes; false where the line has fewer. A
 * quote counts where it opens a field and closes it; any other is text, and so no part of an
 * address.
 */
bool feed_csv_field(const char *text, size_t len, char separator, unsigned n, const char **ret_text,
		    size_t *ret_len);

/* Is the line one that @format's grammar reads? For feed_detect. */
bool feed_is_dat(const char *text, size_t len);
bool feed_is_p2p(const char *text, size_t len);
bool feed_is_dshield(const char *text, size_t len);
bool feed_is_ipsum(const char *text, size_t len);
bool feed_is_geofeed(const char *text, size_t len);
