// SPDX-License-Identifier: GPL-2.0
/* Sources in one block: a count, then for each source two sizes, the name with its NUL and the
 * text. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUNDLE_SOURCES_MAX 4096u

int config_bundle_pack(const struct config_source *sources, size_t n, void **ret_data,
		       size_t *ret_len)
{
	uint64_t count = n, sizes[2];
	size_t len = sizeof(count);
	char *data, *at;

	for (size_t i = 0; i < n; i++)
		len += sizeof(sizes) + strlen(sources[i].name) + 1 + sources[i].len;
	data = at = malloc(len);
	if (!data)
		return -ENOMEM;
	at = mempcpy(at, &count, sizeof(count));
	for (size_t i = 0; i < n; i++) {
		sizes[0] = strlen(sources[i].name) + 1;
		sizes[1] = sources[i].len;
		at = mempcpy(at, sizes, sizeof(sizes));
		at = mempcpy(at, sources[i].name, sizes[0]);
		if (sizes[1])
			at = mempcpy(at, sources[i].text, sizes[1]);
	}
	*ret_data = data;
	*ret_len = len;
	return 0;
}

int config_bundle_unpack(const void *data, size_t len, struct config_source **ret_sources,
			 size_t *ret_n)
{
	const char *at = data;
	uint64_t count, sizes[2];
	struct config_source *sources;

	if (len < sizeof(count))
		return -EBADMSG;
	memcpy(&count, at, sizeof(count));
	if (count > BUNDLE_SOURCES_MAX)
		return -EBADMSG;
	at += sizeof(count);
	len -= sizeof(count);
	sources = calloc(count + 1, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (len < sizeof(sizes))
			goto bad;
		memcpy(sizes, at, sizeof(sizes));
		at += sizeof(sizes);
		len -= sizeof(sizes);
		if (sizes[0] < 1 || sizes[0] > len || sizes[1] > len - sizes[0] || at[sizes[0] - 1])
			goto bad;
		sources[i] = (struct config_source){at, at + sizes[0], sizes[1]};
		at += sizes[0] + sizes[1];
		len -= sizes[0] + sizes[1];
	}
	if (len)
		goto bad;
	*ret_sources = sources;
	*ret_n = count;
	return 0;
bad:
	free(sources);
	return -EBADMSG;
}
