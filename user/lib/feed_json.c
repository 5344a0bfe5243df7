// SPDX-License-Identifier: GPL-2.0
/* A pushdown automaton over bytes: one state, a stack of open containers, the path to here and one
 * token. */
#include "feed_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum state {
	S_VALUE,     /* a value must come */
	S_FIRST,     /* after [ : a value or ] */
	S_FIRST_KEY, /* after { : a key or } */
	S_KEY,
	S_COLON,
	S_AFTER, /* after a value */
	S_STRING,
	S_ESCAPE,
	S_UNICODE,
	S_NUMBER,
	S_WORD,
};

/* Where in a number: the last byte read. */
enum number { N_MINUS, N_ZERO, N_INT, N_DOT, N_FRACTION, N_E, N_SIGN, N_EXPONENT, N_BAD };

struct level {
	bool is_array;
	uint16_t path_len; /* of the container itself */
};

struct feed_json {
	feed_json_fn fn;
	void *ctx;
	enum state state;
	enum number number;
	bool is_lines, is_key, has_root, is_cut, path_is_long, tells_arrays;
	bool has_break; /* a line end since the last root */
	unsigned depth, unicode_left, unicode;
	unsigned tail; /* UTF-8 bytes still to come */
	unsigned char tail_min, tail_max;
	struct level level[FEED_JSON_DEPTH];
	char path[FEED_JSON_PATH_BYTES];
	size_t path_len;
	char text[FEED_JSON_TEXT_BYTES];
	size_t len;
	const char *word; /* rest of true, false, null */
	uint64_t line;
	const char *why;
};

struct feed_json *feed_json_new(bool is_lines, feed_json_fn fn, void *ctx)
{
	struct feed_json *json = calloc(1, sizeof(*json));

	if (!json)
		return NULL;
	json->is_lines = is_lines;
	json->fn = fn;
	json->ctx = ctx;
	json->line = 1;
	return json;
}

void feed_json_free(struct feed_json *json)
{
	free(json);
}

void feed_json_tell_arrays(struct feed_json *json)
{
	json->tells_arrays = true;
}

const char *feed_json_why(const struct feed_json *json, uint64_t *ret_line)
{
	*ret_line = json->line;
	return json->why ? json->why : "no error";
}

static int bad(struct feed_json *json, const char *why)
{
	json->why = why;
	return -EBADMSG;
}

static int tell(struct feed_json *json, enum feed_json_event event)
{
	struct feed_json_item item = {event,        json->path_is_long ? "" : json->path,
				      json->text,   json->len,
				      json->is_cut, json->line};

	return json->fn(json->ctx, &item);
}

static void set_path(struct feed_json *json, size_t len)
{
	json->path_len = len;
	json->path[len] = '\0';
	json->path_is_long = false;
}

/* Puts @text behind the path; one that has no room makes the path match nothing. */
static void add_path(struct feed_json *json, const char *text, size_t len)
{
	if (json->path_is_long || json->path_len + len >= sizeof(json->path) ||
	    memchr(text, 0, len)) {
		json->path_is_long = true;
		return;
	}
	memcpy(json->path + json->path_len, text, len);
	json->path_len += len;
	json->path[json->path_len] = '\0';
}

static int value_ended(struct feed_json *json)
{
	json->state = S_AFTER;
	if (json->depth) /* an element's path stays, a member's name goes */
		return 0;
	json->has_root = true;
	json->has_break = false;
	return tell(json, FEED_JSON_ROOT);
}

static int open_level(struct feed_json *json, bool is_array)
{
	struct level *level = &json->level[json->depth];

	if (json->depth == FEED_JSON_DEPTH)
		return bad(json, "nested more than 32 deep");
	/* a path that was too long stays so below: its length is kept past the buffer's end */
	level->path_len = json->path_is_long ? UINT16_MAX : (uint16_t)json->path_len;
	level->is_array = is_array;
	json->depth++;
	if (is_array)
		add_path(json, "[]", 2);
	json->state = is_array ? S_FIRST : S_FIRST_KEY;
	return 0;
}

/* Back to the path of the innermost container: where its next member's name goes. */
static void restore_path(struct feed_json *json)
{
	const struct level *level = &json->level[json->depth - 1];

	if (level->path_len == UINT16_MAX) {
		json->path_is_long = true;
		return;
	}
	set_path(json, level->path_len);
	if (level->is_array)
		add_path(json, "[]", 2);
}

static int close_level(struct feed_json *json, bool is_array)
{
	int rc = 0;

	if (!json->depth || json->level[json->depth - 1].is_array != is_array)
		return bad(json, is_array ? "] where none is open" : "} where none is open");
	restore_path(json);
	if (!is_array)
		rc = tell(json, FEED_JSON_OBJECT);
	if (rc)
		return rc;
	if (json->level[json->depth - 1].path_len != UINT16_MAX)
		set_path(json, json->level[json->depth - 1].path_len);
	json->depth--;
	if (is_array && json->tells_arrays)
		rc = tell(json, FEED_JSON_ARRAY);
	return rc ? rc : value_ended(json);
}

static void start_string(struct feed_json *json, bool is_key)
{
	json->is_key = is_key;
	json->len = 0;
	json->is_cut = false;
	json->state = S_STRING;
}

static void put(struct feed_json *json, const char *text, size_t len)
{
	size_t room = sizeof(json->text) - json->len;

	if (len > room) {
		json->is_cut = true;
		len = room;
	}
	memcpy(json->text + json->len, text, len);
	json->len += len;
}

static int end_string(struct feed_json *json)
{
	int rc;

	if (!json->is_key) {
		rc = tell(json, FEED_JSON_STRING);
		return rc ? rc : value_ended(json);
	}
	restore_path(json);
	if (json->path_len && !json->path_is_long)
		add_path(json, ".", 1);
	add_path(json, json->text, json->is_cut ? sizeof(json->path) : json->len);
	json->state = S_COLON;
	return 0;
}

/* First byte of a UTF-8 sequence: how many follow, and what the next may be. Source: Unicode 15
 * table 3-7. */
static int utf8_start(struct feed_json *json, unsigned char c)
{
	json->tail = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	json->tail_min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	json->tail_max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return c < 0xc2 || c > 0xf4 ? bad(json, "bytes that are not UTF-8") : 0;
}

static int utf8_next(struct feed_json *json, unsigned char c)
{
	if (c < json->tail_min || c > json->tail_max)
		return bad(json, "bytes that are not UTF-8");
	json->tail--;
	json->tail_min = 0x80;
	json->tail_max = 0xbf;
	return 0;
}

/* A run of plain bytes of a string; @return the bytes taken, at least one, or an error. */
static long in_string(struct feed_json *json, const char *bytes, size_t len)
{
	size_t n = 0;
	int rc;

	while (n < len && !json->tail) {
		unsigned char c = (unsigned char)bytes[n];

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x80)
			break;
		n++;
	}
	if (n) {
		put(json, bytes, n);
		return (long)n;
	}
	if (json->tail || (unsigned char)*bytes >= 0x80) {
		rc = json->tail ? utf8_next(json, (unsigned char)*bytes)
				: utf8_start(json, (unsigned char)*bytes);
		put(json, bytes, 1);
		return rc ? rc : 1;
	}
	if (*bytes == '\\')
		json->state = S_ESCAPE;
	else if (*bytes != '"')
		return bad(json, "control byte or line end in a string");
	rc = *bytes == '"' ? end_string(json) : 0;
	return rc ? rc : 1;
}

static int in_escape(struct feed_json *json, char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(from, c) : NULL;

	json->state = c == 'u' ? S_UNICODE : S_STRING;
	json->unicode = 0;
	json->unicode_left = 4;
	if (at)
		put(json, &to[at - from], 1);
	return at || c == 'u' ? 0 : bad(json, "unknown escape in a string");
}

static int in_unicode(struct feed_json *json, char c)
{
	unsigned v = (unsigned)(c >= '0' && c <= '9'                 ? c - '0'
				: (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								     : 16);
	char utf8[3];

	if (v > 15)
		return bad(json, "unknown escape in a string");
	json->unicode = json->unicode << 4 | v;
	if (--json->unicode_left)
		return 0;
	v = json->unicode; /* half of a pair stays half: no address holds one */
	json->state = S_STRING;
	if (v < 0x80) {
		utf8[0] = (char)v;
		put(json, utf8, 1);
		return 0;
	}
	utf8[0] = (char)(v < 0x800 ? 0xc0 | v >> 6 : 0xe0 | v >> 12);
	utf8[1] = (char)(0x80 | (v < 0x800 ? v & 63 : v >> 6 & 63));
	utf8[2] = (char)(0x80 | (v & 63));
	put(json, utf8, v < 0x800 ? 2 : 3);
	return 0;
}

static enum number next_number(enum number at, char c)
{
	bool is_digit = c >= '0' && c <= '9';

	if (is_digit) {
		static const enum number digit[] = {N_INT,      N_BAD,      N_INT,      N_FRACTION,
						    N_FRACTION, N_EXPONENT, N_EXPONENT, N_EXPONENT};

		return at == N_MINUS && c == '0' ? N_ZERO : digit[at];
	}
	if (c == '.')
		return at == N_ZERO || at == N_INT ? N_DOT : N_BAD;
	if ((c | 32) == 'e')
		return at == N_ZERO || at == N_INT || at == N_FRACTION ? N_E : N_BAD;
	return at == N_E ? N_SIGN : N_BAD;
}

static int end_number(struct feed_json *json)
{
	int rc;

	if (json->number != N_ZERO && json->number != N_INT && json->number != N_FRACTION &&
	    json->number != N_EXPONENT)
		return bad(json, "a number that is none");
	rc = tell(json, FEED_JSON_NUMBER);
	return rc ? rc : value_ended(json);
}

static int start_value(struct feed_json *json, char c)
{
	json->len = 0;
	json->is_cut = false;
	if (c == '"') {
		start_string(json, false);
		return 0;
	}
	if (c == '{' || c == '[')
		return open_level(json, c == '[');
	if (c == '-' || (c >= '0' && c <= '9')) {
		json->number = c == '-' ? N_MINUS : c == '0' ? N_ZERO : N_INT;
		json->state = S_NUMBER;
		put(json, &c, 1);
		return 0;
	}
	json->word = c == 't' ? "rue" : c == 'f' ? "alse" : c == 'n' ? "ull" : NULL;
	if (!json->word)
		return bad(json, "a value was expected");
	json->state = S_WORD;
	put(json, &c, 1);
	return 0;
}

/* After a value: a comma, the end of its container, or the next root. */
static int after_value(struct feed_json *json, char c)
{
	if (!json->depth) {
		if (!json->is_lines)
			return bad(json, "something behind the end of the value");
		if (!json->has_break)
			return bad(json, "two values in a line");
		set_path(json, 0);
		return start_value(json, c);
	}
	if (c == ',') {
		json->state = json->level[json->depth - 1].is_array ? S_VALUE : S_KEY;
		restore_path(json);
		return 0;
	}
	return c == ']' || c == '}' ? close_level(json, c == ']')
				    : bad(json, "a comma or a closing bracket was expected");
}

static int between(struct feed_json *json, char c)
{
	switch (json->state) {
	case S_FIRST:
		if (c == ']')
			return close_level(json, true);
		return start_value(json, c);
	case S_VALUE:
		return start_value(json, c);
	case S_FIRST_KEY:
		if (c == '}')
			return close_level(json, false);
		__attribute__((fallthrough));
	case S_KEY:
		if (c != '"')
			return bad(json, "a name in double quotes was expected");
		start_string(json, true);
		return 0;
	case S_COLON:
		json->state = S_VALUE;
		return c == ':' ? 0 : bad(json, "a colon was expected");
	default:
		return after_value(json, c);
	}
}

static int in_word(struct feed_json *json, char c)
{
	int rc;

	if (c != *json->word)
		return bad(json, "a value was expected");
	put(json, &c, 1);
	if (*++json->word)
		return 0;
	rc = tell(json, FEED_JSON_WORD);
	return rc ? rc : value_ended(json);
}

/* Takes one byte outside of strings. */
static int take(struct feed_json *json, char c)
{
	int rc = 0;

	if (json->state == S_ESCAPE)
		return in_escape(json, c);
	if (json->state == S_UNICODE)
		return in_unicode(json, c);
	if (json->state == S_NUMBER) {
		if (c == '.' || (c | 32) == 'e' || c == '+' || c == '-' || (c >= '0' && c <= '9')) {
			json->number = next_number(json->number, c);
			put(json, &c, 1);
			return json->number == N_BAD ? bad(json, "a number that is none") : 0;
		}
		rc = end_number(json); /* and @c is what comes after it */
		if (rc)
			return rc;
	}
	if (json->state == S_WORD)
		return in_word(json, c);
	if (c == '\n') {
		json->line++;
		json->has_break = true;
	}
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return 0;
	return between(json, c);
}

int feed_json_push(struct feed_json *json, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		if (json->state == S_STRING) {
			long n = in_string(json, bytes + at, len - at);

			if (n < 0)
				return (int)n;
			at += (size_t)n;
		} else {
			int rc = take(json, bytes[at++]);

			if (rc)
				return rc;
		}
	}
	return 0;
}

int feed_json_end(struct feed_json *json)
{
	int rc = json->state == S_NUMBER && !json->depth ? end_number(json) : 0;

	if (rc)
		return rc;
	if (json->state != S_AFTER || json->depth)
		return bad(json, json->has_root || json->depth ? "cut short" : "empty");
	return 0;
}
