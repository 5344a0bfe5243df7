// SPDX-License-Identifier: GPL-2.0
/*
 * One small file of a folder, written or removed whole: after a power cut it is there or it is not.
 */
#pragma once

#include <stddef.h>

/*
 * Writes @len bytes as file @name of folder @dir, mode 0644, which must not be there yet: beside it
 * under a name with a dot, synced, renamed, the folder synced. @dir is made (0755) where it is
 * missing.
 *
 * Errors: -EEXIST there is such a file; -EPERM others than this user may write to the folder, or it
 * is a link; negative errno of the calls. On failure no file is left.
 */
int file_put(const char *dir, const char *name, const void *data, size_t len);

/* Removes file @name of @dir, and syncs the folder. Errors: negative errno. */
int file_remove(const char *dir, const char *name);
