// SPDX-License-Identifier: GPL-2.0
/*
 * Each file: local header, its bytes, perhaps its checksum and sizes. Then the archive's directory,
 * which must name the same files with the same checksums and sizes, and its end. A file is stored
 * or deflated.
 * Source: PKWARE APPNOTE 6.3.10, 4.3.
 */
#include "fetch/unzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ROOM_BYTES (64u << 10) /* unpacked at a time */
#define LOCAL_BYTES 30	       /* local header without name and extra field */
#define FILES_MAX 64	       /* MaxMind's archive has 14 */
#define NAME_BYTES 256
#define TAIL_BYTES                                                                                 \
	(32u << 10) /* the directory of FILES_MAX files and its end; comments are short */
#define CENTRAL_BYTES 46
#define END_BYTES 22
/* bytes unpacked for nothing: no archive's other files are as large */
#define THROWN_MAX (64u << 20)
#define FLAG_ENCRYPTED 1
#define FLAG_DESCRIPTOR 8 /* checksum and sizes stand behind the file */

enum zip_state { ZIP_LOCAL, ZIP_NAME, ZIP_STORED, ZIP_DEFLATED, ZIP_DESCRIPTOR, ZIP_TAIL };

/* What came out of a file, for the directory to say the same. */
struct file {
	uint32_t crc, bytes;
	bool is_named;
};

struct unzip {
	unzip_pick_fn pick;
	unpack_fn fn;
	void *ctx;
	enum zip_state state;
	z_stream inflate;
	uint16_t flags, method;
	uint32_t want_crc, name_left, extra_left, left, name_len, tail_len, packed_bytes;
	bool is_picked, has_picked;
	uint64_t thrown;
	struct file file[FILES_MAX];
	unsigned n_files;
	char name[NAME_BYTES];
	uint8_t room[ROOM_BYTES];
	uint8_t tail[TAIL_BYTES]; /* headers first, the directory last */
};

static uint32_t get16(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

static bool ends_with(const char *name, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(name + len - n, end, n);
}

bool unzip_pick_maxmind(const char *name, size_t len)
{
	bool is_locations = memmem(name, len, "-Country-Locations-", 19) != NULL;

	return !ends_with(name, len, ".txt") && (!is_locations || ends_with(name, len, "-en.csv"));
}

struct unzip *unzip_new(unzip_pick_fn pick, unpack_fn fn, void *ctx)
{
	struct unzip *zip = calloc(1, sizeof(*zip));

	if (!zip)
		return NULL;
	zip->pick = pick;
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

static int several(struct unzip *zip, const char **ret_why)
{
	if (memmem(zip->name, zip->name_len, "-Country-CSV_", 13))
		return bad("MaxMind's country archive: give format: maxmind and country: CODES", ret_why);
	return bad("a zip file with several files: pack the list alone", ret_why);
}

static int read_local(struct unzip *zip, const char **ret_why)
{
	const uint8_t *head = zip->tail;

	zip->flags = (uint16_t)get16(head + 6);
	zip->method = (uint16_t)get16(head + 8);
	zip->want_crc = get32(head + 14);
	zip->packed_bytes = get32(head + 18);
	zip->name_left = get16(head + 26);
	zip->extra_left = get16(head + 28);
	zip->name_len = 0;
	if (zip->flags & FLAG_ENCRYPTED)
		return bad("an encrypted zip file", ret_why);
	if (zip->method != 0 && zip->method != 8)
		return bad("a zip file packed in a way that is not deflate", ret_why);
	if (zip->method == 0 && zip->flags & FLAG_DESCRIPTOR)
		return bad("a zip file whose stored file has no size", ret_why);
	if (zip->n_files == FILES_MAX)
		return bad("a zip file with more than 64 files", ret_why);
	zip->state = ZIP_NAME;
	return 0;
}

/* Four bytes tell what is next: a file, or the directory. */
static int read_magic(struct unzip *zip, const char **ret_why)
{
	if (memcmp(zip->tail, "PK\3\4", 4)) {
		zip->state = ZIP_TAIL;
		return zip->n_files ? 0 : bad("zip file damaged", ret_why);
	}
	return 0;
}

/* Behind the file's bytes: its checksum, where it is known already, and the next header. */
static int end_file(struct unzip *zip, const char **ret_why)
{
	if (zip->file[zip->n_files].crc != zip->want_crc)
		return bad("zip file damaged: its checksum differs", ret_why);
	zip->n_files++;
	zip->tail_len = 0;
	zip->state = ZIP_LOCAL;
	return 0;
}

static int give(struct unzip *zip, const uint8_t *data, size_t len, const char **ret_why)
{
	struct file *file = &zip->file[zip->n_files];

	*ret_why = NULL;
	file->crc = (uint32_t)crc32(file->crc, data, (uInt)len);
	file->bytes += (uint32_t)len;
	if (zip->is_picked)
		return len ? zip->fn(zip->ctx, data, len) : 0;
	zip->thrown += len;
	return zip->thrown > THROWN_MAX ? bad("a zip file with more than 64 MiB that are no list", ret_why) : 0;
}

/* Folders, and what macOS puts beside every file. */
static bool is_baggage(const struct unzip *zip)
{
	if (zip->name_len == NAME_BYTES) /* may go on */
		return false;
	return ends_with(zip->name, zip->name_len, "/") ||
	       (zip->name_len > 9 && !memcmp(zip->name, "__MACOSX/", 9));
}

/* A file begins: its name and all before its bytes are known. */
static int start_file(struct unzip *zip, const char **ret_why)
{
	zip->is_picked = !is_baggage(zip) && (!zip->pick || zip->pick(zip->name, zip->name_len));
	if (!zip->pick && zip->is_picked && zip->has_picked)
		return several(zip, ret_why);
	zip->left = zip->packed_bytes;
	zip->tail_len = 0;
	zip->state = zip->method ? ZIP_DEFLATED : ZIP_STORED;
	if (inflateReset(&zip->inflate) != Z_OK)
		return bad("out of memory", ret_why);
	/* the file before may not have ended its last line */
	if (zip->is_picked && zip->has_picked) {
		int err = zip->fn(zip->ctx, "\n", 1);

		if (err) {
			*ret_why = NULL;
			return err;
		}
	}
	zip->has_picked |= zip->is_picked;
	return zip->method || zip->left ? 0 : end_file(zip, ret_why);
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
	if (got != Z_STREAM_END)
		return 0;
	zip->state = ZIP_DESCRIPTOR;
	return zip->flags & FLAG_DESCRIPTOR ? 0 : end_file(zip, ret_why);
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

static int step_local(struct unzip *zip, const uint8_t **data, size_t *len, const char **ret_why)
{
	if (zip->tail_len < 4)
		return collect(zip, 4, data, len) ? read_magic(zip, ret_why) : 0;
	return collect(zip, LOCAL_BYTES, data, len) ? read_local(zip, ret_why) : 0;
}

static int step_name(struct unzip *zip, const uint8_t **data, size_t *len, const char **ret_why)
{
	uint32_t *left = zip->name_left ? &zip->name_left : &zip->extra_left;

	while (*left && *len) {
		if (left == &zip->name_left && zip->name_len < NAME_BYTES)
			zip->name[zip->name_len++] = (char)**data;
		++*data;
		--*len;
		--*left;
	}
	return zip->name_left || zip->extra_left ? 0 : start_file(zip, ret_why);
}

/* The data descriptor, with its signature or without. */
static int step_descriptor(struct unzip *zip, const uint8_t **data, size_t *len,
			   const char **ret_why)
{
	size_t skip;

	if (zip->tail_len < 4 && !collect(zip, 4, data, len))
		return 0;
	skip = memcmp(zip->tail, "PK\7\10", 4) ? 0 : 4;
	if (!collect(zip, skip + 12, data, len))
		return 0;
	zip->want_crc = get32(zip->tail + skip);
	return end_file(zip, ret_why);
}

/* One step: takes at least a byte, or goes to the next state. */
static int step(struct unzip *zip, const uint8_t **data, size_t *len, const char **ret_why)
{
	size_t n = zip->left < *len ? zip->left : *len;
	int err;

	switch (zip->state) {
	case ZIP_LOCAL:
		return step_local(zip, data, len, ret_why);
	case ZIP_NAME:
		return step_name(zip, data, len, ret_why);
	case ZIP_STORED:
		err = give(zip, *data, n, ret_why);
		*data += n;
		*len -= n;
		zip->left -= (uint32_t)n;
		return err || zip->left ? err : end_file(zip, ret_why);
	case ZIP_DEFLATED:
		return push_deflated(zip, data, len, ret_why);
	case ZIP_DESCRIPTOR:
		return step_descriptor(zip, data, len, ret_why);
	default:
		return collect(zip, TAIL_BYTES, data, len) && *len ? bad("a zip file with much behind its files", ret_why) : 0;
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

/*
 * Is there a file with this checksum and size that the directory has not named yet? Its order may
 * be another.
 */
static bool name_file(struct unzip *zip, uint32_t crc, uint32_t bytes)
{
	unsigned i;

	for (i = 0; i < zip->n_files; i++) {
		struct file *file = &zip->file[i];

		if (file->is_named || file->crc != crc || file->bytes != bytes)
			continue;
		file->is_named = true;
		return true;
	}
	return false;
}

int unzip_end(struct unzip *zip, const char **ret_why)
{
	const uint8_t *at = zip->tail;
	size_t left = zip->tail_len, bytes;
	unsigned i;

	if (zip->state != ZIP_TAIL)
		return bad("zip file cut short", ret_why);
	for (i = 0; i < zip->n_files; i++, at += bytes, left -= bytes) {
		if (left < CENTRAL_BYTES)
			return bad("zip file cut short", ret_why);
		bytes = CENTRAL_BYTES + get16(at + 28) + get16(at + 30) + get16(at + 32);
		if (memcmp(at, "PK\1\2", 4))
			return bad("zip file damaged", ret_why);
		if (!name_file(zip, get32(at + 16), get32(at + 24)))
			return bad("zip file damaged: its checksum differs", ret_why);
		if (left < bytes)
			return bad("zip file cut short", ret_why);
	}
	if (left < END_BYTES)
		return bad("zip file cut short", ret_why);
	if (memcmp(at, "PK\5\6", 4) || get16(at + 10) != zip->n_files ||
	    left != END_BYTES + get16(at + 20))
		return bad("zip file damaged, or with several files", ret_why);
	return zip->has_picked ? 0 : bad("a zip file without a list", ret_why);
}
