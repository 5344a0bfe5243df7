// SPDX-License-Identifier: GPL-2.0
/* A zip archive with one file, as a stream: what is in the file comes out. Two files are refused:
 * which is the list? */
#pragma once

#include "fetch/unpack.h"

struct unzip;

/* NULL: out of memory. */
struct unzip *unzip_new(unpack_fn fn, void *ctx);
void unzip_free(struct unzip *zip);

/* As unpack_push() and unpack_end(). */
int unzip_push(struct unzip *zip, const void *data, size_t len, const char **ret_why);
int unzip_end(struct unzip *zip, const char **ret_why);
