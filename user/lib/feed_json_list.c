// SPDX-License-Identifier: GPL-2.0
/* From JSON items to entries: those at the shape's paths, or at the paths the config selects. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "decision.h"
#include "feed_entry.h"
#include "feed_parse.h"
#include "feed_reader.h"
#include "feed_shape.h"
#include "fetch_msg.h"

static int refuse(struct feed_reader *reader, const char *why)
{
	(void)snprintf(reader->why, sizeof(reader->why), "%s", why);
	return -EBADMSG;
}

static bool is_text(const struct feed_json_item *item, const char *text)
{
	return item->len == strlen(text) && !memcmp(item->text, text, item->len);
}

static int take_entry(struct feed_reader *reader, const struct feed_json_item *item)
{
	reader->rows++;
	if (item->event == FEED_JSON_STRING && !item->is_cut)
		return feed_entry(reader->sink, item->text, item->len);
	feed_sink_error(reader->sink, item->is_cut ? FEED_E_LONG_TEXT : FEED_E_NO_STRING,
			item->text, item->len);
	return 0;
}

/* Keeps what an object's member says until the object ends; one that is empty or has no room is
 * none we know. */
static void keep(char *slot, size_t size, const struct feed_json_item *item)
{
	if (item->event != FEED_JSON_STRING || !item->len || item->len >= size ||
	    memchr(item->text, 0, item->len)) {
		(void)snprintf(slot, size, "?");
		return;
	}
	memcpy(slot, item->text, item->len);
	slot[item->len] = '\0';
}

/* Is it over, as cscli exports it with -a? What is no duration says nothing. */
static bool has_ended(const struct feed_reader *reader)
{
	int64_t left_s;

	return !decision_duration(reader->duration, strlen(reader->duration), &left_s) &&
	       left_s <= 0;
}

/*
 * A decision is taken if it bans an address or a range and is not over; without scope, type and
 * duration it does and is not.
 */
static int take_decision(struct feed_reader *reader, const struct feed_json_item *item)
{
	int rc = 0;

	if (!strcmp(item->path, "[].value"))
		keep(reader->value, sizeof(reader->value), item);
	else if (!strcmp(item->path, "[].scope"))
		keep(reader->scope, sizeof(reader->scope), item);
	else if (!strcmp(item->path, "[].type"))
		keep(reader->type, sizeof(reader->type), item);
	else if (!strcmp(item->path, "[].duration"))
		keep(reader->duration, sizeof(reader->duration), item);
	if (item->event != FEED_JSON_OBJECT || strcmp(item->path, "[]"))
		return 0;
	if (!reader->value[0])
		feed_sink_error(reader->sink, FEED_E_NO_STRING, "", 0);
	else if ((reader->type[0] && strcmp(reader->type, "ban")) ||
		 (reader->scope[0] && strcasecmp(reader->scope, "ip") &&
		  strcasecmp(reader->scope, "range")) ||
		 has_ended(reader))
		feed_sink_skip(reader->sink);
	else
		rc = feed_entry(reader->sink, reader->value, strlen(reader->value));
	reader->value[0] = reader->scope[0] = reader->type[0] = reader->duration[0] = '\0';
	return rc;
}

/* Spamhaus: the last line is {"type":"metadata",...,"records":N}. */
static void read_metadata(struct feed_reader *reader, const struct feed_json_item *item)
{
	uint64_t rows;

	if (!strcmp(item->path, "type") && item->event == FEED_JSON_STRING)
		keep(reader->type, sizeof(reader->type), item);
	if (!strcmp(item->path, "records") && item->event == FEED_JSON_NUMBER)
		keep(reader->value, sizeof(reader->value),
		     &(struct feed_json_item){
			 .event = FEED_JSON_STRING, .text = item->text, .len = item->len});
	if (item->event != FEED_JSON_ROOT)
		return;
	if (!strcmp(reader->type, "metadata") &&
	    feed_number(reader->value, strlen(reader->value), &rows))
		feed_reader_claim(reader, rows);
	reader->type[0] = reader->value[0] = '\0';
}

int feed_read_item(void *ctx, const struct feed_json_item *item)
{
	struct feed_reader *reader = ctx;
	const struct feed_shape *shape = reader->shape;
	const char *paths = shape ? shape->paths : reader->options->select;

	reader->sink->head.lines = item->line;
	if (reader->format == FETCH_CROWDSEC)
		return take_decision(reader, item);
	if (reader->format == FETCH_SPAMHAUS_JSON)
		read_metadata(reader, item);
	if (item->event == FEED_JSON_OBJECT || item->event == FEED_JSON_ROOT)
		return 0;
	if (reader->format == FETCH_MISP && !strcmp(item->path, "type")) {
		if (!is_text(item, "cidr") && !is_text(item, "string"))
			return refuse(
			    reader,
			    "a MISP warninglist that is not of addresses: its type is not cidr");
		reader->has_type = true;
	}
	if (reader->format == FETCH_CLOUDFLARE && !strcmp(item->path, "success") &&
	    (item->event != FEED_JSON_WORD || !is_text(item, "true")))
		return refuse(reader, "Cloudflare's API says that it failed: its success is not true");
	if (!feed_select_has(paths, item->path) ||
	    (shape && shape->except && feed_select_has(shape->except, item->path)))
		return 0;
	return take_entry(reader, item);
}

static int explain(struct feed_reader *reader, int rc)
{
	uint64_t line;
	const char *why = feed_json_why(reader->json, &line);

	if (rc == -EBADMSG && !reader->why[0])
		(void)snprintf(reader->why, sizeof(reader->why),
			       "not valid JSON: line %" PRIu64 ": %s", line, why);
	return rc;
}

int feed_read_json(struct feed_reader *reader, const char *bytes, size_t len)
{
	return explain(reader, feed_json_push(reader->json, bytes, len));
}

int feed_read_json_end(struct feed_reader *reader)
{
	int rc = explain(reader, feed_json_end(reader->json));

	if (!rc && reader->format == FETCH_MISP && !reader->has_type)
		return refuse(
		    reader,
		    "no MISP warninglist: it has no type; if the addresses at list[] are the ones meant, give format: json and select: list[]");
	return rc;
}
