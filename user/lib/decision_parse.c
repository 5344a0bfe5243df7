// SPDX-License-Identifier: GPL-2.0
/* From a stream of JSON to records, in memory that a maximum bounds. See decision.h. */
#include "decision.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feed_json.h"

#define WHY_BYTES 256
#define WORD_BYTES 80 /* of a value, scope, type or duration: real ones have under 50 */

/* A growing array of records. */
struct rows {
	void *at;
	size_t n, capacity;
};

struct decision_parser {
	struct feed_json *json;
	uint32_t max;
	bool is_full;
	bool has_part; /* "new" or "deleted" was there */
	bool is_object;
	struct rows fresh, gone;
	struct decision_head head;
	/* of the decision being read */
	uint64_t id;
	char value[WORD_BYTES], scope[WORD_BYTES], type[WORD_BYTES], duration[WORD_BYTES];
	struct decision one;
	char why[WHY_BYTES];
};

static int refuse(struct decision_parser *parser, int err, const char *why)
{
	if (!parser->why[0])
		(void)snprintf(parser->why, sizeof(parser->why), "%s", why);
	return err;
}

/* What has no room or a NUL is none we know. */
static void keep_word(char *slot, const struct feed_json_item *item)
{
	bool is_good = item->event == FEED_JSON_STRING && item->len && item->len < WORD_BYTES &&
		       !memchr(item->text, 0, item->len);

	(void)snprintf(slot, WORD_BYTES, "%.*s", is_good ? (int)item->len : 1,
		       is_good ? item->text : "?");
}

/* A name for people: cut where it is long, what a terminal may not see as a question mark. */
static void keep_name(char *slot, size_t size, const struct feed_json_item *item)
{
	size_t i, n = item->event != FEED_JSON_STRING ? 0 : item->len < size ? item->len : size - 1;

	memset(slot, 0, size);
	for (i = 0; i < n; i++)
		slot[i] = item->text[i] >= ' ' && item->text[i] <= '~' ? item->text[i] : '?';
}

static void keep_id(struct decision_parser *parser, const struct feed_json_item *item)
{
	size_t i;

	parser->id = 0;
	if (item->event != FEED_JSON_NUMBER || item->len > 18)
		return; /* the database's own keys are far shorter */
	for (i = 0; i < item->len; i++) {
		if (item->text[i] < '0' || item->text[i] > '9') {
			parser->id = 0;
			return;
		}
		parser->id = parser->id * 10 + (uint64_t)(item->text[i] - '0');
	}
}

static void take_member(struct decision_parser *parser, const char *name,
			const struct feed_json_item *item)
{
	if (!strcmp(name, "id"))
		keep_id(parser, item);
	else if (!strcmp(name, "value"))
		keep_word(parser->value, item);
	else if (!strcmp(name, "scope"))
		keep_word(parser->scope, item);
	else if (!strcmp(name, "type"))
		keep_word(parser->type, item);
	else if (!strcmp(name, "duration"))
		keep_word(parser->duration, item);
	else if (!strcmp(name, "origin"))
		keep_name(parser->one.origin, sizeof(parser->one.origin), item);
	else if (!strcmp(name, "scenario"))
		keep_name(parser->one.scenario, sizeof(parser->one.scenario), item);
}

/*
 * ::ffff:192.0.2.1 is what a daemon on both families says of 192.0.2.1, which is what packets come
 * from.
 */
static bool read_mapped(const char *value, struct prefix *ret_prefix)
{
	const char *slash = strchr(value, '/');
	unsigned long len = slash ? strtoul(slash + 1, NULL, 10) : 128;
	char text[WORD_BYTES];
	struct in6_addr addr;

	(void)snprintf(text, sizeof(text), "%.*s",
		       slash ? (int)(slash - value) : (int)strlen(value), value);
	if (inet_pton(AF_INET6, text, &addr) != 1 || !IN6_IS_ADDR_V4MAPPED(&addr) || len <= 96 ||
	    len > 128)
		return false;
	*ret_prefix =
		prefix_of4(ntohl(addr.s6_addr32[3]) & ~0u << (128 - len), (uint8_t)(len - 96));
	return true;
}

static bool read_value(const char *value, struct prefix *ret_prefix)
{
	enum prefix_error error = prefix_parse(value, strlen(value), ret_prefix, NULL);

	return error == PREFIX_OK || (error == PREFIX_MAPPED && read_mapped(value, ret_prefix));
}

/* Why it is not taken; DECISION_IGNORED_MAX: it is, @one is whole. */
static enum decision_ignored judge(struct decision_parser *parser, bool is_gone)
{
	struct decision *one = &parser->one;
	int64_t left_s;

	if (strcasecmp(parser->scope, "ip") && strcasecmp(parser->scope, "range"))
		return DECISION_SCOPE;
	if (strcmp(parser->type, "ban"))
		return DECISION_TYPE;
	if (!read_value(parser->value, &one->prefix))
		return DECISION_VALUE;
	if (!parser->id)
		return DECISION_ID;
	one->id = (int64_t)parser->id;
	if (is_gone)
		return DECISION_IGNORED_MAX;
	if (decision_duration(parser->duration, strlen(parser->duration), &left_s))
		return DECISION_DURATION;
	one->left_s = left_s;
	return left_s > 0 ? DECISION_IGNORED_MAX : DECISION_ENDED;
}

static int add_row(struct decision_parser *parser, struct rows *rows, const void *row, size_t size)
{
	if (rows->n == parser->max) {
		(void)snprintf(parser->why, sizeof(parser->why), "more than max-decisions %" PRIu32, parser->max);
		return -E2BIG;
	}
	if (rows->n == rows->capacity) {
		size_t capacity = rows->capacity ? rows->capacity * 2 : 1024;
		void *more = reallocarray(rows->at, capacity, size);

		if (!more)
			return refuse(parser, -ENOMEM, "out of memory");
		rows->at = more;
		rows->capacity = capacity;
	}
	memcpy((char *)rows->at + rows->n++ * size, row, size);
	return 0;
}

/*
 * A decision has ended in the text: it becomes a record, or is counted. What is over and was never
 * taken counts for nothing.
 */
static int take_object(struct decision_parser *parser, bool is_gone)
{
	enum decision_ignored ignored = judge(parser, is_gone);
	struct decision_gone gone = { .id = parser->one.id, .prefix = parser->one.prefix };
	int err = 0;

	if (ignored == DECISION_IGNORED_MAX)
		err = is_gone ? add_row(parser, &parser->gone, &gone, sizeof(gone))
			      : add_row(parser, &parser->fresh, &parser->one, sizeof(parser->one));
	else if (!is_gone)
		parser->head.ignored[ignored]++;
	memset(&parser->one, 0, sizeof(parser->one));
	parser->id = 0;
	parser->value[0] = parser->scope[0] = parser->type[0] = parser->duration[0] = '\0';
	return err;
}

static int take_item(void *ctx, const struct feed_json_item *item)
{
	struct decision_parser *parser = ctx;
	bool is_gone = !strncmp(item->path, "deleted", 7);
	const char *rest = is_gone                          ? item->path + 7
			   : !strncmp(item->path, "new", 3) ? item->path + 3
							    : NULL;

	if (item->event == FEED_JSON_OBJECT && !item->path[0])
		parser->is_object = true;
	if (item->event == FEED_JSON_ROOT || !rest)
		return 0;
	if (!rest[0]) { /* "new": [] ends here, and null is as good; anything else is none of it */
		if (item->event != FEED_JSON_ARRAY && item->event != FEED_JSON_WORD)
			return refuse(parser, -EBADMSG, "no stream of decisions: new and deleted are lists");
		parser->has_part = true;
		return 0;
	}
	if (is_gone && parser->is_full)
		return 0;
	if (!strncmp(rest, "[].", 3) && item->event <= FEED_JSON_WORD)
		take_member(parser, rest + 3, item);
	else if (!strcmp(rest, "[]") && item->event == FEED_JSON_OBJECT)
		return take_object(parser, is_gone);
	return 0;
}

struct decision_parser *decision_parser_new(uint32_t max, bool is_full)
{
	struct decision_parser *parser = calloc(1, sizeof(*parser));

	if (!parser)
		return NULL;
	parser->max = max;
	parser->is_full = is_full;
	parser->json = feed_json_new(false, take_item, parser);
	if (!parser->json) {
		free(parser);
		return NULL;
	}
	feed_json_tell_arrays(parser->json);
	return parser;
}

void decision_parser_free(struct decision_parser *parser)
{
	if (!parser)
		return;
	feed_json_free(parser->json);
	free(parser->fresh.at);
	free(parser->gone.at);
	free(parser);
}

const char *decision_parser_why(const struct decision_parser *parser)
{
	return parser->why[0] ? parser->why : "no error";
}

/* JSON's own reasons say their line. */
static int explain(struct decision_parser *parser, int err)
{
	uint64_t line;
	const char *why = feed_json_why(parser->json, &line);

	if (err && !parser->why[0])
		(void)snprintf(parser->why, sizeof(parser->why), "not valid JSON: line %" PRIu64 ": %s", line, why);
	return err;
}

int decision_parser_push(struct decision_parser *parser, const char *bytes, size_t len)
{
	return explain(parser, feed_json_push(parser->json, bytes, len));
}

static int compare_ids(const void *a, const void *b)
{
	/* id is the first member of both records */
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/*
 * Of one id in an order of their own, so that the same one stays however the answer was shuffled.
 */
static int compare_fresh(const void *a, const void *b)
{
	int order = compare_ids(a, b);

	return order ? order : memcmp(a, b, sizeof(struct decision));
}

static size_t sort_gone(struct rows *rows)
{
	struct decision_gone *at = rows->at;
	size_t i, kept = 0;

	if (rows->n)
		qsort(at, rows->n, sizeof(*at), compare_ids);
	for (i = 0; i < rows->n; i++) {
		if (!kept || at[kept - 1].id != at[i].id)
			at[kept++] = at[i];
	}
	return kept;
}

/*
 * Of several with one id one stays; those that are of another address cannot be told apart from it,
 * and are counted.
 */
static size_t sort_fresh(struct rows *rows, uint64_t *ignored)
{
	struct decision *at = rows->at;
	size_t i, kept = 0;

	if (rows->n)
		qsort(at, rows->n, sizeof(*at), compare_fresh);
	for (i = 0; i < rows->n; i++) {
		if (!kept || at[kept - 1].id != at[i].id)
			at[kept++] = at[i];
		else if (memcmp(&at[kept - 1].prefix, &at[i].prefix, sizeof(at[i].prefix)))
			(*ignored)++;
	}
	return kept;
}

int decision_parser_end(struct decision_parser *parser, void **ret_data, size_t *ret_len)
{
	int err = explain(parser, feed_json_end(parser->json));
	size_t fresh_bytes, gone_bytes;
	char *data;

	if (!err && (!parser->is_object || !parser->has_part))
		err = refuse(parser, -EBADMSG, "no stream of decisions: neither new nor deleted is in it");
	if (err)
		return err;
	parser->head.magic = DECISION_MAGIC;
	parser->head.n_new =
		(uint32_t)sort_fresh(&parser->fresh, &parser->head.ignored[DECISION_ID]);
	parser->head.n_gone = (uint32_t)sort_gone(&parser->gone);
	fresh_bytes = parser->head.n_new * sizeof(struct decision);
	gone_bytes = parser->head.n_gone * sizeof(struct decision_gone);
	data = malloc(sizeof(parser->head) + fresh_bytes + gone_bytes);
	if (!data)
		return refuse(parser, -ENOMEM, "out of memory");
	memcpy(data, &parser->head, sizeof(parser->head));
	if (fresh_bytes)
		memcpy(data + sizeof(parser->head), parser->fresh.at, fresh_bytes);
	if (gone_bytes)
		memcpy(data + sizeof(parser->head) + fresh_bytes, parser->gone.at, gone_bytes);
	*ret_data = data;
	*ret_len = sizeof(parser->head) + fresh_bytes + gone_bytes;
	return 0;
}
