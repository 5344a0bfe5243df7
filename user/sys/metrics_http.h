// SPDX-License-Identifier: GPL-2.0
/*
 * The HTTP server on the metrics listener: GET of a few paths, answered from memory. libmicrohttpd
 * only here.
 */
#pragma once

#include <stddef.h>

struct metrics_http;

/*
 * Makes the answer to GET @path: 0 and malloc'd @ret_text, or a negative errno (500 is sent).
 * @accept may be NULL. @ret_type is static.
 */
typedef int (*metrics_http_fn)(void *context, const char *path, const char *accept,
			       unsigned *ret_code, const char **ret_type, char **ret_text,
			       size_t *ret_len);

/*
 * Serves on @listener, whose descriptor it takes over. At most 32 connections, 10 s each when idle.
 * Errors: -ENOMEM, -EIO. The caller polls metrics_http_fd() and calls metrics_http_run() when it is
 * readable.
 */
int metrics_http_open(int listener, metrics_http_fn answer, void *context,
		      struct metrics_http **ret_server);
int metrics_http_fd(const struct metrics_http *server);
void metrics_http_run(struct metrics_http *server);
void metrics_http_close(struct metrics_http *server);
