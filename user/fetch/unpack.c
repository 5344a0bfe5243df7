// SPDX-License-Identifier: GPL-2.0
/*
 * zlib, liblzma and libzstd behind one push. In: bytes as sent, chunks of any size. Out: unpacked
 * bytes, 64 KiB at a time. Whoever takes them counts them: a bomb is stopped there, after at most
 * 64 KiB too many.
 */
#include "fetch/unpack.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "fetch/unzip.h"

#define ROOM_BYTES (64u << 10) /* unpacked at a time */
#define MEMORY_MAX                                                                                 \
	(192ull << 20)    /* bytes: a stream of xz -9 needs 65 MiB, zstd --long=27 needs 128 MiB */
#define WINDOW_LOG_MAX 27 /* zstd: the same as a power of two */
#define GZIP_WINDOW (15 + 16) /* zlib's way to say: gzip only, largest window */

struct unpack {
	enum unpack_kind kind;
	unzip_pick_fn pick;
	unpack_fn fn;
	void *ctx;
	bool has_ended; /* the stream, or the one of several that was the last so far */
	bool is_padded; /* gzip: zeros came behind it, and nothing else may */
	z_stream gzip;
	lzma_stream xz;
	ZSTD_DStream *zstd;
	struct unzip *zip;
	uint8_t room[ROOM_BYTES];
};

enum unpack_kind unpack_kind_of(const uint8_t *head, size_t len)
{
	if (len >= 2 && !memcmp(head, "\x1f\x8b", 2))
		return UNPACK_GZIP;
	if (len >= 4 && !memcmp(head, "PK\3\4", 4))
		return UNPACK_ZIP;
	if (len >= 6 && !memcmp(head,
				"\xfd"
				"7zXZ\0",
				6))
		return UNPACK_XZ;
	if (len >= 4 && !memcmp(head, "\x28\xb5\x2f\xfd", 4))
		return UNPACK_ZSTD;
	if (len >= 4 && (head[0] & 0xf0) == 0x50 && !memcmp(head + 1, "\x2a\x4d\x18", 3))
		return UNPACK_ZSTD; /* a frame to skip. Source: RFC 8878, 3.1.2 */
	return UNPACK_NONE;
}

const char *unpack_why_not(const uint8_t *head, size_t len)
{
	if (len >= 6 && !memcmp(head, "BZh", 3) && head[3] >= '1' && head[3] <= '9' &&
	    (!memcmp(head + 4, "1A", 2) || !memcmp(head + 4, "\x17\x72", 2)))
		return "bzip2 is not unpacked: gzip, zip, xz and zstd are";
	if (len >= 6 && !memcmp(head, "7z\xbc\xaf\x27\x1c", 6))
		return "7z is not unpacked: gzip, zip, xz and zstd are";
	/* lc, lp and pb as every packer sets them, and a dictionary of 64 KiB or more */
	if (len >= 3 && !memcmp(head, "\x5d\0\0", 3))
		return "lzma is not unpacked: gzip, zip, xz and zstd are";
	return NULL;
}

static bool start(struct unpack *unpack)
{
	switch (unpack->kind) {
	case UNPACK_GZIP:
		return inflateInit2(&unpack->gzip, GZIP_WINDOW) == Z_OK;
	case UNPACK_ZIP:
		unpack->zip = unzip_new(unpack->pick, unpack->fn, unpack->ctx);
		return unpack->zip;
	case UNPACK_XZ:
		return lzma_stream_decoder(&unpack->xz, MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK;
	case UNPACK_ZSTD:
		unpack->zstd = ZSTD_createDStream();
		return unpack->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(
					   unpack->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX));
	default:
		return false;
	}
}

struct unpack *unpack_new(enum unpack_kind kind, unzip_pick_fn pick, unpack_fn fn, void *ctx)
{
	struct unpack *unpack = calloc(1, sizeof(*unpack));

	if (!unpack)
		return NULL;
	unpack->kind = kind;
	unpack->pick = pick;
	unpack->fn = fn;
	unpack->ctx = ctx;
	if (start(unpack))
		return unpack;
	unpack_free(unpack);
	return NULL;
}

void unpack_free(struct unpack *unpack)
{
	if (!unpack)
		return;
	if (unpack->kind == UNPACK_GZIP)
		inflateEnd(&unpack->gzip);
	if (unpack->kind == UNPACK_XZ)
		lzma_end(&unpack->xz);
	ZSTD_freeDStream(unpack->zstd);
	unzip_free(unpack->zip);
	free(unpack);
}

/* One call of a library: how much it took and made. Returns 0, or an error with *ret_why. */
static int step_gzip(struct unpack *unpack, const uint8_t **data, size_t *len, size_t *ret_made,
		     const char **ret_why)
{
	z_stream *zip = &unpack->gzip;
	int got;

	zip->next_in = (void *)*data;
	zip->avail_in = (uInt)*len;
	zip->next_out = unpack->room;
	zip->avail_out = ROOM_BYTES;
	got = inflate(zip, Z_NO_FLUSH);
	*data = zip->next_in;
	*len = zip->avail_in;
	*ret_made = ROOM_BYTES - zip->avail_out;
	unpack->has_ended = got == Z_STREAM_END;
	*ret_why = got == Z_MEM_ERROR ? "out of memory" : "gzip stream damaged";
	return got == Z_OK || got == Z_STREAM_END || got == Z_BUF_ERROR ? 0
	       : got == Z_MEM_ERROR                                     ? -ENOMEM
									: -EBADMSG;
}

static int step_xz(struct unpack *unpack, const uint8_t **data, size_t *len, size_t *ret_made,
		   const char **ret_why)
{
	lzma_stream *xz = &unpack->xz;
	lzma_ret got;

	xz->next_in = *data;
	xz->avail_in = *len;
	xz->next_out = unpack->room;
	xz->avail_out = ROOM_BYTES;
	got = lzma_code(xz, LZMA_RUN);
	*data = xz->next_in;
	*len = xz->avail_in;
	*ret_made = ROOM_BYTES - xz->avail_out;
	unpack->has_ended = got == LZMA_STREAM_END;
	*ret_why = got == LZMA_MEM_ERROR        ? "out of memory"
		   : got == LZMA_MEMLIMIT_ERROR ? "xz stream needs more than 192 MiB to unpack"
						: "xz stream damaged";
	return got == LZMA_OK || got == LZMA_STREAM_END || got == LZMA_BUF_ERROR ? 0
	       : got == LZMA_MEM_ERROR                                           ? -ENOMEM
										 : -EBADMSG;
}

static int step_zstd(struct unpack *unpack, const uint8_t **data, size_t *len, size_t *ret_made,
		     const char **ret_why)
{
	ZSTD_inBuffer in = {.src = *data, .size = *len};
	ZSTD_outBuffer out = {.dst = unpack->room, .size = ROOM_BYTES};
	size_t got = ZSTD_decompressStream(unpack->zstd, &out, &in);

	*data += in.pos;
	*len -= in.pos;
	*ret_made = out.pos;
	unpack->has_ended = !got;
	*ret_why = "zstd stream damaged, or with a window over 128 MiB";
	return ZSTD_isError(got) ? -EBADMSG : 0;
}

/*
 * Behind the end of a stream: another one (what cat makes of two files is a file), for gzip also
 * zeros up to the end, which tapes leave. xz sees to its own. Source: RFC 1952, 2.2; RFC 8878, 3.
 */
static int start_next(struct unpack *unpack, const uint8_t **data, size_t *len,
		      const char **ret_why)
{
	*ret_why = "bytes after the end of the compressed stream";
	if (unpack->kind == UNPACK_ZSTD) { /* starts over by itself */
		unpack->has_ended = (**data != 0x28 && (**data & 0xf0) != 0x50);
		return unpack->has_ended ? -EBADMSG : 0;
	}
	for (; *len && !**data; ++*data, --*len)
		unpack->is_padded = true;
	if (!*len)
		return 0;
	if (unpack->is_padded || **data != 0x1f || inflateReset(&unpack->gzip) != Z_OK)
		return -EBADMSG;
	unpack->has_ended = false;
	return 0;
}

static int step(struct unpack *unpack, const uint8_t **data, size_t *len, size_t *ret_made,
		const char **ret_why)
{
	if (unpack->kind == UNPACK_GZIP)
		return step_gzip(unpack, data, len, ret_made, ret_why);
	return unpack->kind == UNPACK_XZ ? step_xz(unpack, data, len, ret_made, ret_why)
					 : step_zstd(unpack, data, len, ret_made, ret_why);
}

int unpack_push(struct unpack *unpack, const void *data, size_t len, const char **ret_why)
{
	const uint8_t *at = data;
	size_t made;
	int err;

	if (unpack->kind == UNPACK_ZIP)
		return unzip_push(unpack->zip, data, len, ret_why);
	do {
		err = unpack->has_ended && len ? start_next(unpack, &at, &len, ret_why) : 0;
		if (err)
			return err;
		if (unpack->has_ended)
			return 0;
		err = step(unpack, &at, &len, &made, ret_why);
		if (err)
			return err;
		*ret_why = NULL;
		err = unpack->fn(unpack->ctx, unpack->room, made);
		if (err)
			return err;
	} while (len || made == ROOM_BYTES);
	return 0;
}

int unpack_end(struct unpack *unpack, const char **ret_why)
{
	if (unpack->kind == UNPACK_ZIP)
		return unzip_end(unpack->zip, ret_why);
	*ret_why = unpack->kind == UNPACK_GZIP ? "gzip stream cut short"
		   : unpack->kind == UNPACK_XZ ? "xz stream cut short"
					       : "zstd stream cut short";
	/* only now is it known that no other stream comes; all bytes were made before */
	if (unpack->kind == UNPACK_XZ) {
		unpack->xz.next_in = NULL;
		unpack->xz.avail_in = 0;
		unpack->xz.next_out = unpack->room;
		unpack->xz.avail_out = ROOM_BYTES;
		unpack->has_ended = lzma_code(&unpack->xz, LZMA_FINISH) == LZMA_STREAM_END;
	}
	return unpack->has_ended ? 0 : -EBADMSG;
}
