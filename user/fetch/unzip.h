// SPDX-License-Identifier: GPL-2.0
/*
 * A zip archive as a stream: what is in its file comes out. Several files are refused, for which is
 * the list? But of an archive whose publisher is known, the files that make its list are picked by
 * their names and come out one behind the other.
 */
#pragma once

#include "fetch/unpack.h"

struct unzip;

/*
 * Is the file @name (@len bytes, folders and all) one to give? The others are unpacked all the
 * same, for where they end and what their checksum says, and thrown away.
 */
typedef bool (*unzip_pick_fn)(const char *name, size_t len);

/*
 * Of MaxMind's country archive: not the texts, nor the locations in other languages than English.
 */
bool unzip_pick_maxmind(const char *name, size_t len);

/* @pick NULL: the archive has one file. NULL: out of memory. */
struct unzip *unzip_new(unzip_pick_fn pick, unpack_fn fn, void *ctx);
void unzip_free(struct unzip *zip);

/* As unpack_push() and unpack_end(). */
int unzip_push(struct unzip *zip, const void *data, size_t len, const char **ret_why);
int unzip_end(struct unzip *zip, const char **ret_why);
