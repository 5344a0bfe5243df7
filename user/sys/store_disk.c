// SPDX-License-Identifier: GPL-2.0
/*
 * What takes the disk's own time, for a thread beside the store's: each call opens the files for
 * itself and shares nothing with a struct store.
 */
#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int store_flush(const char *path)
{
	char wal[PATH_MAX];
	int fd, err;

	snprintf(wal, sizeof(wal), "%.4000s-wal", path);
	/* SQLite's locks are on other files: closing this one drops none */
	fd = open(wal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = fdatasync(fd) ? -errno : 0;
	(void)close(fd); /* nothing was written through it */
	return err;
}

int store_checkpoint(const char *path)
{
	sqlite3 *db = NULL;
	int rc;

	rc = sqlite3_open_v2(path, &db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL); /* opens the log */
	if (rc == SQLITE_OK)
		rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	sqlite3_close(db);
	return store_errno(rc);
}
