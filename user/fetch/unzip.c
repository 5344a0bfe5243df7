// SPDX-License-Identifier: GPL-2.0
/*
 * Local header, the file's bytes, what follows them. The file is stored or deflated; its checksum
 * stands before or behind it, and the archive's directory must say that there is one file and end.
 * Source: PKWARE APPNOTE 6.3.10, 4.3.
 */
#include "fetch/unzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ROOM_BYTES (64u << 10) /* unpacked at a time */
#define LOCAL_BYTES 30         /* local header without name and extra field */
#define TAIL_BYTES                                                                                 \
	(16u << 10) /* behind the file: a descriptor, a directory of one, its end; comments are    \
		       short */
#define CENTRAL_BYTES 46
#define END_BYTES 22
#define FLAG_ENCRYPTED 1
#define FLAG_DESCRIPTOR 8 /* checksum and sizes stand behind the file */

enum zip_state { ZIP_HEADER, ZIP_SKIP, ZIP_STORED, ZIP_DEFLATED, ZIP_TAIL };

struct unzip {
	unpack_fn fn;
	void *ctx;
	enum zip_state state;
	z_stream inflate;
	uint16_t flags, method;
	uint32_t crc, want_crc, left, tail_len;
	uint64_t made;
	uint8_t room[ROOM_BYTES];
	uint8_t tail[TAIL_BYTES]; /* the header first, later what follows the file */
};

static uint32_t get16(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

struct unzip *unzip_new(unpack_fn fn, void *ctx)
{
	struct unzip *zip = calloc(1, sizeof(*zip));

	if (!zip)
		return NULL;
	zip->fn = fn;
	zip->ctx = ctx;
	if (inflateInit2(&zip->inflate, -15) != Z_OK) {
		free(zip);
		return NULL;
	}
	return zip;
}

void unzip_free(struct unzip *zip)
{
	if (!zip)
		return;
	inflateEnd(&zip->inflate);
	free(zip);
}

static int bad(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EBADMSG;
}

static int read_header(struct unzip *zip, const char **ret_why)
{
	const uint8_t *head = zip->tail;

	zip->flags = (uint16_t)get16(head + 6);
	zip->method = (uint16_t)get16(head + 8);
	zip->want_crc = get32(head + 14);
	zip->left = get16(head + 26) + get16(head + 28);
	if (zip->flags & FLAG_ENCRYPTED)
		return bad("an encrypted zip file", ret_why);
	if (zip->method != 0 && zip->method != 8)
		return bad("a zip file packed in a way that is not deflate", ret_why);
	if (zip->method == 0 && zip->flags & FLAG_DESCRIPTOR)
		return bad("a zip file whose stored file has no size", ret_why);
	zip->state = ZIP_SKIP;
	return 0;
}

static void start_file(struct unzip *zip)
{
	zip->left = get32(zip->tail + 18);
	zip->state = zip->method ? ZIP_DEFLATED : zip->left ? ZIP_STORED : ZIP_TAIL;
	zip->tail_len = 0;
}

static int give(struct unzip *zip, const uint8_t *data, size_t len, const char **ret_why)
{
	*ret_why = NULL;
	zip->crc = (uint32_t)crc32(zip->crc, data, (uInt)len);
	zip->made += len;
	return len ? zip->fn(zip->ctx, data, len) : 0;
}

static int push_deflated(struct unzip *zip, const uint8_t **data, size_t *len, const char **ret_why)
{
	z_stream *stream = &zip->inflate;
	int got, err;

	do {
		stream->next_in = (void *)*data;
		stream->avail_in = (uInt)*len;
		stream->next_out = zip->room;
		stream->avail_out = ROOM_BYTES;
		got = inflate(stream, Z_NO_FLUSH);
		*data = stream->next_in;
		*len = stream->avail_in;
		if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR)
			return bad("zip file damaged", ret_why);
		err = give(zip, zip->room, ROOM_BYTES - stream->avail_out, ret_why);
		if (err)
			return err;
	} while (got != Z_STREAM_END && (*len || !stream->avail_out));
	if (got == Z_STREAM_END)
		zip->state = ZIP_TAIL;
	return 0;
}

/* Collects up to @want bytes in the tail; true once they are there. */
static bool collect(struct unzip *zip, size_t want, const uint8_t **data, size_t *len)
{
	size_t n = want - zip->tail_len < *len ? want - zip->tail_len : *len;

	memcpy(zip->tail + zip->tail_len, *data, n);
	zip->tail_len += (uint32_t)n;
	*data += n;
	*len -= n;
	return zip->tail_len == want;
}

/* One step: takes at least a byte, or goes to the next state. */
static int step(struct unzip *zip, const uint8_t **data, size_t *len, const char **ret_why)
{
	size_t n = zip->left < *len ? zip->left : *len;
	int err;

	switch (zip->state) {
	case ZIP_HEADER:
		return collect(zip, LOCAL_BYTES, data, len) ? read_header(zip, ret_why) : 0;
	case ZIP_SKIP:
	case ZIP_STORED:
		err = zip->state == ZIP_STORED ? give(zip, *data, n, ret_why) : 0;
		*data += n;
		*len -= n;
		zip->left -= (uint32_t)n;
		if (!zip->left && zip->state == ZIP_SKIP)
			start_file(zip);
		else if (!zip->left)
			zip->state = ZIP_TAIL;
		return err;
	case ZIP_DEFLATED:
		return push_deflated(zip, data, len, ret_why);
	default:
		if (zip->tail_len >= 4 && !memcmp(zip->tail, "PK\3\4", 4))
			return bad("a zip file with several files: pack the list alone", ret_why);
		return collect(zip, TAIL_BYTES, data, len) && *len
			   ? bad("a zip file with several files, or much behind its end", ret_why)
			   : 0;
	}
}

int unzip_push(struct unzip *zip, const void *data, size_t len, const char **ret_why)
{
	const uint8_t *at = data;
	int err = 0;

	*ret_why = NULL;
	while (len && !err)
		err = step(zip, &at, &len, ret_why);
	return err;
}

/* The data descriptor's length, with its signature or without; its checksum is the one to check
 * then. */
static size_t read_descriptor(struct unzip *zip)
{
	size_t skip = zip->tail_len >= 4 && !memcmp(zip->tail, "PK\7\10", 4) ? 4 : 0;

	if (!(zip->flags & FLAG_DESCRIPTOR) || zip->tail_len < skip + 12)
		return 0;
	zip->want_crc = get32(zip->tail + skip);
	return skip + 12;
}

int unzip_end(struct unzip *zip, const char **ret_why)
{
	size_t at = read_descriptor(zip), left = zip->tail_len - at, dir;
	const uint8_t *tail = zip->tail + at;

	if (zip->state == ZIP_TAIL && left >= 4 && !memcmp(tail, "PK\3\4", 4))
		return bad("a zip file with several files: pack the list alone", ret_why);
	if (zip->state != ZIP_TAIL || left < CENTRAL_BYTES + END_BYTES)
		return bad("zip file cut short", ret_why);
	if (memcmp(tail, "PK\1\2", 4))
		return bad("zip file damaged", ret_why);
	dir = CENTRAL_BYTES + get16(tail + 28) + get16(tail + 30) + get16(tail + 32);
	if (left < dir + END_BYTES)
		return bad("zip file cut short", ret_why);
	if (memcmp(tail + dir, "PK\5\6", 4) || get16(tail + dir + 10) != 1 ||
	    left != dir + END_BYTES + get16(tail + dir + 20))
		return bad("zip file damaged, or with several files", ret_why);
	if (zip->crc != zip->want_crc || (uint32_t)zip->made != get32(tail + 24))
		return bad("zip file damaged: its checksum differs", ret_why);
	return 0;
}
