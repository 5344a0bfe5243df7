// SPDX-License-Identifier: GPL-2.0
/*
 * The config's files in one piece, for the way from the keeper to the engine:
 * u32 count, then for each u32 name bytes (with the NUL), u32 text bytes, name, text. Host order: both run here.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE_SOURCES_MAX 256

static size_t put(char *data, size_t at, const void *from, size_t len)
{
	memcpy(data + at, from, len);
	return at + len;
}

int config_bundle_pack(const struct config_source *sources, size_t n, void **ret_data, size_t *ret_len)
{
	uint32_t count = n, sizes[2];
	size_t len = sizeof(count), at, i;
	char *data;

	for (i = 0; i < n; i++)
		len += sizeof(sizes) + strlen(sources[i].name) + 1 + sources[i].len;
	data = malloc(len);
	if (!data)
		return -ENOMEM;
	at = put(data, 0, &count, sizeof(count));
	for (i = 0; i < n; i++) {
		sizes[0] = strlen(sources[i].name) + 1;
		sizes[1] = sources[i].len;
		at = put(data, at, sizes, sizeof(sizes));
		at = put(data, at, sources[i].name, sizes[0]);
		at = put(data, at, sources[i].text, sizes[1]);
	}
	*ret_data = data;
	*ret_len = len;
	return 0;
}

static int unpack_one(const char *data, size_t len, size_t *at, struct config_source *source)
{
	uint32_t sizes[2];

	if (len - *at < sizeof(sizes))
		return -EBADMSG;
	memcpy(sizes, data + *at, sizeof(sizes));
	*at += sizeof(sizes);
	if (sizes[0] < 1 || sizes[0] > len - *at || sizes[1] > len - *at - sizes[0] || data[*at + sizes[0] - 1])
		return -EBADMSG;
	source->name = data + *at;
	source->text = data + *at + sizes[0];
	source->len = sizes[1];
	*at += (size_t)sizes[0] + sizes[1];
	return 0;
}

int config_bundle_unpack(const void *data, size_t len, struct config_source **ret_sources, size_t *ret_n)
{
	struct config_source *sources;
	size_t at = sizeof(uint32_t), i;
	uint32_t count;
	int err = 0;

	if (len < sizeof(count))
		return -EBADMSG;
	memcpy(&count, data, sizeof(count));
	if (count < 1 || count > BUNDLE_SOURCES_MAX)
		return -EBADMSG;
	sources = calloc(count, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	for (i = 0; i < count && !err; i++)
		err = unpack_one(data, len, &at, &sources[i]);
	if (!err && at != len)
		err = -EBADMSG;
	if (err) {
		free(sources);
		return err;
	}
	*ret_sources = sources;
	*ret_n = count;
	return 0;
}
