// SPDX-License-Identifier: GPL-2.0
/*
 * From KEY=VALUE to a file with one feed: every value in single quotes, where YAML knows one
 * escape, '' for '.
 */
#include "feed_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"

/* Not here: keys that name a file with a secret, which a feed's server would be sent. */
static const char *const keys[] = {
	"url",	     "path",	 "format",     "column",       "separator", "select",	  "country", "threshold",
	"action",    "interval", "max-entries", "max-change", "max-coverage", "max-errors", "stale-after", "private", "known-good", "ca-file",
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

struct text {
	char *data;
	size_t len, room;
};

bool feed_file_name_is_good(const char *name)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t len = strlen(name);

	return len && *name != '-' && len < CONFIG_FEED_NAME_BYTES && strspn(name, ok) == len;
}

static void put(struct text *text, const char *data, size_t len)
{
	memcpy(text->data + text->len, data, len); /* room for all is taken before */
	text->len += len;
}

static bool is_printable(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	return true;
}

/* "key: 'value'\n" */
static void put_pair(struct text *text, const char *key, const char *value, size_t len)
{
	put(text, key, strlen(key));
	put(text, ": '", 3);
	for (size_t i = 0; i < len; i++) {
		put(text, value + i, 1);
		if (value[i] == '\'')
			put(text, "'", 1);
	}
	put(text, "'\n", 2);
}

static int refuse(char *why, size_t why_bytes, const char *word, size_t len, const char *mend)
{
	char shown[64];

	snprintf(why, why_bytes, "\"%s\": %s", escape_text(word, len, shown, sizeof(shown)), mend);
	return -EINVAL;
}

/* One line of @pairs, @len bytes without its newline. */
static int add_pair(struct text *text, const char *line, size_t len, uint32_t *seen, char *why,
		    size_t why_bytes)
{
	const char *equals = memchr(line, '=', len);
	size_t key_len = equals ? (size_t)(equals - line) : 0, i;

	if (!equals)
		return refuse(why, why_bytes, line, len, "give KEY=VALUE");
	for (i = 0; i < N_KEYS; i++)
		if (strlen(keys[i]) == key_len && !memcmp(keys[i], line, key_len))
			break;
	if (i == N_KEYS)
		return refuse(why, why_bytes, line, key_len, "no key of a feed that a command may set; see FEED KEYS in sekisho.yaml(5)");
	if (*seen & 1u << i)
		return refuse(why, why_bytes, line, key_len, "given twice: give it once");
	if (!is_printable(equals + 1, len - key_len - 1))
		return refuse(why, why_bytes, line, key_len, "its value holds control characters");
	*seen |= 1u << i;
	put_pair(text, keys[i], equals + 1, len - key_len - 1);
	return 0;
}

int feed_file_make(const char *name, const char *pairs, size_t len, char **ret_text,
		   size_t *ret_len, char *why, size_t why_bytes)
{
	struct text text = { .room = 2 * len + 16 * N_KEYS + CONFIG_FEED_NAME_BYTES + 64 };
	const char *at = pairs, *end = pairs + len, *newline;
	uint32_t seen = 0;
	int err = 0;

	if (!feed_file_name_is_good(name))
		return refuse(why, why_bytes, name, strnlen(name, CONFIG_FEED_NAME_BYTES), "a feed's name is 1 to 63 of a-z A-Z 0-9 _ and -, no - first");
	if (len > FEED_FILE_BYTES) {
		snprintf(why, why_bytes, "the values are longer than %d bytes together", FEED_FILE_BYTES);
		return -EINVAL;
	}
	text.data = malloc(text.room);
	if (!text.data)
		return -ENOMEM;
	put_pair(&text, "name", name, strlen(name));
	for (; !err && at < end; at = newline + 1) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (!newline)
			newline = end;
		err = add_pair(&text, at, (size_t)(newline - at), &seen, why, why_bytes);
	}
	if (err) {
		free(text.data);
		return err;
	}
	*ret_text = text.data;
	*ret_len = text.len;
	return 0;
}

int feed_file_read(const char *name, const char *pairs, size_t len, struct config **ret_config,
		   char *why, size_t why_bytes)
{
	struct config_source sources[2] = { { "", "", 0 }, { "", NULL, 0 } };
	struct config_errors *errors;
	char *text;
	int err = feed_file_make(name, pairs, len, &text, &sources[1].len, why, why_bytes);

	if (err)
		return err;
	errors = calloc(1, sizeof(*errors));
	sources[1].text = text;
	err = errors ? config_parse(sources, 2, ret_config, errors) : -ENOMEM;
	if (err == -EINVAL)
		snprintf(why, why_bytes, "%s", errors->error[0].text);
	if (errors)
		config_errors_clear(errors);
	free(errors);
	free(text);
	return err;
}
