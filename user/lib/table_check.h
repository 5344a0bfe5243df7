// SPDX-License-Identifier: GPL-2.0
/*
 * The keeper's check of an image from the engine, which it takes for hostile: after it, no
 * lookup by the kernel program can leave the image or answer a class that is not there.
 */
#pragma once

#include <sekisho/table.h>
#include <stddef.h>

/*
 * Checks magic, version, sizes against @bytes, checksum, class records (action, counter and
 * winner in range), and both structures' bounds. Any bytes at all may be given.
 * Errors: -EBADMSG, *ret_why is a static text that names the field.
 */
int table_check(const void *image, size_t bytes, const char **ret_why);

/* The two families' parts. @image has passed the front's check. */
int table_v4_check(const void *image, const struct sek_table_head *head, const char **ret_why);
int table_v6_check(const void *image, const struct sek_table_head *head, const char **ret_why);
