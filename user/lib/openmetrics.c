// SPDX-License-Identifier: GPL-2.0
/*
 * Metrics text: families, samples, label escaping. Out of memory is remembered and reported once,
 * at the end.
 */
#include "openmetrics.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void put(struct openmetrics *om, const char *text, size_t len)
{
	size_t capacity = om->capacity ? om->capacity : 4096;
	char *data;

	if (om->failed)
		return;
	while (capacity - om->len <= len)
		capacity *= 2;
	if (capacity != om->capacity) {
		data = realloc(om->data, capacity);
		if (!data) {
			om->failed = true;
			return;
		}
		om->data = data;
		om->capacity = capacity;
	}
	memcpy(om->data + om->len, text, len);
	om->len += len;
	om->data[om->len] = 0;
}

static void put_text(struct openmetrics *om, const char *text)
{
	put(om, text, strlen(text));
}

static void put_escaped(struct openmetrics *om, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			put(om, "\\n", 2);
		else if (*text == '"' || *text == '\\')
			put(om, (char[]){ '\\', *text }, 2);
		else
			put(om, text, 1);
	}
}

static void put_value(struct openmetrics *om, double value)
{
	char buf[40];

	if (value == floor(value) && fabs(value) < 9e15)
		snprintf(buf, sizeof(buf), " %" PRId64 "\n", (int64_t)value);
	else
		snprintf(buf, sizeof(buf), " %.17g\n", value);
	put_text(om, buf);
}

void openmetrics_begin(struct openmetrics *om, bool open)
{
	*om = (struct openmetrics){ .open = open };
}

static void put_meta(struct openmetrics *om, const char *what)
{
	put_text(om, what);
	put_text(om, om->family);
	if (om->kind == OPENMETRICS_COUNTER && !om->open)
		put_text(om, "_total");
	put(om, " ", 1);
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && !strcmp(name + len - end_len, end);
}

/* The text format has no units. */
static void put_unit(struct openmetrics *om, const char *unit)
{
	put_meta(om, "# UNIT ");
	put_text(om, unit);
	put(om, "\n", 1);
}

void openmetrics_family(struct openmetrics *om, const char *name, enum openmetrics_kind kind,
			const char *help)
{
	om->family = name;
	om->kind = kind;
	put_meta(om, "# HELP ");
	put_escaped(om, help);
	put(om, "\n", 1);
	put_meta(om, "# TYPE ");
	put_text(om, kind == OPENMETRICS_COUNTER ? "counter\n" : "gauge\n");
	if (om->open && ends_in(name, "_seconds"))
		put_unit(om, "seconds");
	if (om->open && ends_in(name, "_bytes"))
		put_unit(om, "bytes");
}

void openmetrics_sample(struct openmetrics *om, double value, ...)
{
	const char *name, *separator = "{";
	va_list ap;

	put_text(om, om->family);
	if (om->kind == OPENMETRICS_COUNTER)
		put_text(om, "_total");
	va_start(ap, value);
	while ((name = va_arg(ap, const char *))) {
		put_text(om, separator);
		put_text(om, name);
		put_text(om, "=\"");
		put_escaped(om, va_arg(ap, const char *));
		put(om, "\"", 1);
		separator = ",";
	}
	va_end(ap);
	if (*separator == ',')
		put(om, "}", 1);
	put_value(om, value);
}

int openmetrics_end(struct openmetrics *om, char **ret_text, size_t *ret_len)
{
	put_text(om, om->open ? "# EOF\n" : "");
	if (om->failed) {
		free(om->data);
		return -ENOMEM;
	}
	*ret_text = om->data;
	*ret_len = om->len;
	return 0;
}

/*
 * The q of one media range, 0 to 1; 1 where it says none. @range ends at a comma or the text's end.
 */
static double quality(const char *range)
{
	const char *end = range + strcspn(range, ","), *at;

	for (at = range; at < end; at++) {
		if (*at != ';')
			continue;
		at++;
		at += strspn(at, " \t");
		if ((*at == 'q' || *at == 'Q') && at[1] == '=')
			return strtod(at + 2, NULL);
		at--;
	}
	return 1;
}

bool openmetrics_accepts(const char *accept)
{
	static const char open[] = "application/openmetrics-text", text[] = "text/plain";
	double open_q = 0, text_q = 0;

	while (accept && *accept) {
		accept += strspn(accept, " \t,");
		if (!strncasecmp(accept, open, sizeof(open) - 1) &&
		    strchr(" \t;,", accept[sizeof(open) - 1]))
			open_q = quality(accept);
		if (!strncasecmp(accept, text, sizeof(text) - 1) &&
		    strchr(" \t;,", accept[sizeof(text) - 1]))
			text_q = quality(accept);
		accept += strcspn(accept, ",");
	}
	return open_q > 0 && open_q >= text_q;
}
