// SPDX-License-Identifier: GPL-2.0
/* Published JSON lists by the places their addresses stand at: one row a publisher. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct feed_shape {
	const char *name;   /* for people: "AWS ip-ranges" */
	const char *paths;  /* with a comma between; * is any one name */
	const char *except; /* paths that are none for all that; or NULL */
	const char
	    *sign; /* a path that must be seen too, where the others are too common; or NULL */
	const char *refuse; /* not a list: what it is and what to do; or NULL */
	uint32_t format;    /* enum fetch_format */
	bool is_lines;      /* a value a line */
};

extern const struct feed_shape feed_shapes[];
extern const unsigned feed_shapes_n;

/* The shape of @format; NULL for json and ndjson, which are told their paths. */
const struct feed_shape *feed_shape_of(uint32_t format);

/* Is @path one of @select's paths? */
bool feed_select_has(const char *select, const char *path);

/* Is @select one or more paths such as prefixes[].ip_prefix, commas between? */
bool feed_select_is_good(const char *select);
