// SPDX-License-Identifier: GPL-2.0
/*
 * The file of events: the engine may open nothing outside its folder, so it is opened, renamed when
 * it is full, and opened anew when it was moved away here, and the engine is handed the descriptor.
 * That it cannot be is no reason not to protect.
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"

#define FILE_MODE 0640	 /* addresses of people: not for everyone */
#define FOLDER_MODE 0750

static void hand_over(struct keeper *keeper)
{
	struct role_msg msg = { .type = ROLE_EVENTS };

	engine_send(keeper, &msg, &keeper->events_fd, keeper->events_fd >= 0 ? 1 : 0);
}

/* Said once, until it goes well again. */
static void say(struct keeper *keeper, const char *what, int err)
{
	if (keeper->events_were_told != -err)
		log_line(LOG_ERR, "events: %s %s: %s; events are kept in memory until it can be", keeper->current.config->events_path, what, strerror(-err));
	keeper->events_were_told = -err;
}

/* Nothing that somebody else could have laid there for root to write to. */
static int check_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1 ? 0 : -EPERM;
}

static int open_once(const char *path, int *ret_fd)
{
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags | O_CREAT | O_EXCL, FILE_MODE), err = 0;

	if (fd >= 0)
		(void)fchmod(fd, FILE_MODE); /* whatever the umask; else only root can read it */
	else if (errno == EEXIST)
		fd = open(path, flags);
	if (fd < 0)
		return -errno;
	err = check_ours(fd);
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* Its folder is made where only that is missing. */
static int open_file(const char *path, int *ret_fd)
{
	char copy[sizeof(((struct config *)0)->events_path)];
	int err = open_once(path, ret_fd);

	if (err != -ENOENT)
		return err;
	snprintf(copy, sizeof(copy), "%s", path);
	if (mkdir(dirname(copy), FOLDER_MODE))
		return -ENOENT;
	return open_once(path, ret_fd);
}

static void reopen(struct keeper *keeper)
{
	const char *path = keeper->current.config->events_path;
	int before = keeper->events_fd, err = 0;

	keeper->events_fd = -1;
	if (path[0])
		err = open_file(path, &keeper->events_fd);
	if (err)
		say(keeper, err == -EPERM || err == -ELOOP ? "is no plain file of root's with one name" : "cannot be opened", err);
	else if (keeper->events_were_told)
		log_line(LOG_NOTICE, "events: %s is written again", path);
	if (!err)
		keeper->events_were_told = 0;
	if (before >= 0 || keeper->events_fd >= 0)
		hand_over(keeper);
	if (before >= 0)
		close(before);
}

/* Over its size it becomes PATH.1. False: it cannot, and nothing more is written to it. */
static bool turn(struct keeper *keeper)
{
	const char *path = keeper->current.config->events_path;
	char old[sizeof(keeper->current.config->events_path) + 2];

	snprintf(old, sizeof(old), "%s.1", path);
	if (!rename(path, old))
		return true;
	say(keeper, "is full and cannot be renamed", -errno);
	close(keeper->events_fd);
	keeper->events_fd = -1;
	hand_over(keeper);
	return false;
}

static bool is_full(const struct keeper *keeper, const struct stat *st)
{
	return (uint64_t)st->st_size >= keeper->current.config->events_max_bytes;
}

void events_file_tick(struct keeper *keeper)
{
	const char *path = keeper->current.config->events_path;
	struct stat named, held;
	bool is_there;

	if (!path[0])
		return;
	is_there = !lstat(path, &named);
	if (keeper->events_fd >= 0) {
		if (is_there && !fstat(keeper->events_fd, &held) && named.st_ino == held.st_ino &&
		    named.st_dev == held.st_dev && !is_full(keeper, &held))
			return;
	}
	/* What is there and full, ours or one that an earlier agent left. */
	if (is_there && S_ISREG(named.st_mode) && is_full(keeper, &named) && !turn(keeper))
		return;
	reopen(keeper);
}

void events_file_reload(struct keeper *keeper)
{
	keeper->events_were_told = 0; /* who reloads wants to know */
	reopen(keeper);
}

void events_file_tell(struct keeper *keeper)
{
	if (keeper->events_fd >= 0)
		hand_over(keeper);
}
