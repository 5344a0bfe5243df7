// SPDX-License-Identifier: GPL-2.0
/* What a feed's format needs to be told, as the config reads it and the fetcher's job carries it.
 * All zero: nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FEED_COLUMN_BYTES 64  /* a column's name, with the NUL */
#define FEED_SELECT_BYTES 256 /* JSON paths, with the NUL */
#define FEED_COUNTRIES_MAX 32 /* countries a feed may name */
#define FEED_COLUMN_MAX 1000u /* no table has as many */
#define FEED_THRESHOLD_MAX 1000u

struct feed_options {
	uint32_t column;                     /* csv: from 1; 0: by name */
	uint32_t threshold;                  /* ipsum: at least so many lists; 0: every line */
	char column_name[FEED_COLUMN_BYTES]; /* csv: as the header line writes it */
	char select[FEED_SELECT_BYTES];      /* json, ndjson: paths with a comma between, such as
						prefixes[].ip_prefix */
	char countries[FEED_COUNTRIES_MAX]
		      [2]; /* geofeed, maxmind: ISO 3166 codes, upper case; unused ones 0 */
	char separator;    /* csv: 0 is a comma */
	uint8_t pad[7];
};
_Static_assert(sizeof(struct feed_options) == 400, "part of struct fetch_job");

/* of the parsers: another one reads some list otherwise, so that every list is fetched again */
#define FEED_READING 2

/*
 * What a body is read by, as a number: @format (enum feed_format), @options and FEED_READING. The
 * same body read by another one may be another list, so a server's "not modified" says nothing
 * then. FNV-1a, 32 bits (draft-eastlake-fnv): equal by chance once in 2^32.
 */
uint32_t feed_reading(uint32_t format, const struct feed_options *options);

/* Reads "DE, AT" into @countries. Returns whether it is 1 to FEED_COUNTRIES_MAX known codes. */
bool feed_countries_read(const char *text, char countries[][2]);

/*
 * The GeoNames id that MaxMind's files use for the country @code; 0: unknown.
 * Source: GeoNames countryInfo.txt (CC BY 4.0).
 */
uint32_t feed_country_id(const char code[2]);
