// SPDX-License-Identifier: GPL-2.0
/*
 * What can be refused is refused here, before the kernel is touched: users, interfaces, folders
 * held by another agent, a busy socket or port. Each refusal is one line that says what to do, and
 * leaves nothing behind.
 */
#include "keeper.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/log.h"

#define USERS_HINT "run scripts/create-users.sh, or install the package"

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	struct passwd *user = getpwnam(name);

	if (!user) {
		log_line(LOG_ERR, "user %s does not exist: " USERS_HINT, name);
		return -ENOENT;
	}
	*ret_uid = user->pw_uid;
	*ret_gid = user->pw_gid;
	return 0;
}

static int find_users(struct keeper *keeper)
{
	struct group *view = getgrnam("sekisho-view");
	int err = find_user("sekisho", &keeper->engine_uid, &keeper->engine_gid);

	if (!err)
		err = find_user("sekisho-fetch", &keeper->fetch_uid, &keeper->fetch_gid);
	if (!err && !view) {
		log_line(LOG_ERR, "group sekisho-view does not exist: " USERS_HINT);
		err = -ENOENT;
	}
	if (!err)
		keeper->view_gid = view->gr_gid;
	return err;
}

/*
 * The helpers lie beside this program in a build folder, else where `make install` puts them: in
 * PREFIX/libexec.
 */
static int find_helpers(struct keeper *keeper)
{
	char self[KEEPER_PATH_BYTES - 32] = "/usr/sbin", path[KEEPER_PATH_BYTES + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		snprintf(path, sizeof(path), "%s/sekisho-engine", self);
		if (access(path, X_OK) == 0) {
			snprintf(keeper->helpers, sizeof(keeper->helpers), "%s", self);
			return 0;
		}
	}
	snprintf(keeper->helpers, sizeof(keeper->helpers), "%s/../libexec/sekisho", self);
	snprintf(path, sizeof(path), "%s/sekisho-engine", keeper->helpers);
	if (access(path, X_OK) == 0)
		return 0;
	log_line(LOG_ERR, "sekisho-engine is neither beside sekishod nor in %s: install it again",
		 keeper->helpers);
	return -ENOENT;
}

/* Under the pin folder's last name, or the nearest folder above it that is there. */
static int check_bpffs(const char *pin_dir)
{
	const char *name = strrchr(pin_dir, '/') ? strrchr(pin_dir, '/') + 1 : pin_dir;
	char above[PATH_MAX];
	struct statfs fs;

	snprintf(above, sizeof(above), "%s", pin_dir);
	if (statfs(pin_dir, &fs) && statfs(dirname(above), &fs)) {
		log_line(
		    LOG_ERR,
		    "%s: the folder above it does not exist: make it, or give another --pin-dir",
		    pin_dir);
		return -ENOENT;
	}
	if (fs.f_type != BPF_FS_MAGIC) {
		log_line(
		    LOG_ERR,
		    "%s is on no bpf file system: `mount -t bpf bpf /sys/fs/bpf` mounts one; or give another --pin-dir",
		    pin_dir);
		return -ENODEV;
	}
	if (strchr(name, '.')) {
		log_line(LOG_ERR,
			 "%s: a bpf file system takes no dot in a name: give another --pin-dir",
			 pin_dir);
		return -EINVAL;
	}
	return 0;
}

static void say_lock_error(const char *path, const char *option, int err)
{
	if (err == -EBUSY)
		log_line(
		    LOG_ERR,
		    "%s is in use by another sekishod: stop it, or give this one other --state-dir, --run-dir and --pin-dir",
		    path);
	else if (err == -EPERM)
		log_line(LOG_ERR,
			 "%s may be written by others: chown and chmod it, then start again", path);
	else if (err == -ENOENT)
		log_line(LOG_ERR,
			 "%s: the folder above it does not exist: make it, or give another %s",
			 path, option);
	else if (err == -ENOTDIR || err == -ELOOP)
		log_line(LOG_ERR, "%s is no folder: move it away, or give another %s", path,
			 option);
	else
		log_line(LOG_ERR, "%s: %s: give another %s", path, strerror(-err), option);
}

static int lock(struct keeper *keeper, struct keeper_dir *dir, const char *path, const char *option,
		mode_t mode)
{
	bool is_state = dir == &keeper->state_dir;
	int err = file_lock_dir(path, mode, is_state ? keeper->engine_uid : 0,
				is_state ? keeper->engine_gid : 0, &dir->fd, &dir->was_made);

	dir->path = path;
	if (err)
		say_lock_error(path, option, err);
	return err;
}

/* The engine, not root, writes the state. An empty folder of root's, as systemd makes it, is handed
 * over. */
static int check_state(struct keeper *keeper)
{
	struct keeper_dir *dir = &keeper->state_dir;
	int err = file_check_writable(dir->fd, keeper->engine_uid, keeper->engine_gid);

	if (err == -EACCES && file_is_empty_dir(dir->path) &&
	    !fchown(dir->fd, keeper->engine_uid, keeper->engine_gid)) {
		dir->was_given = true;
		return 0;
	}
	if (err == -EACCES)
		log_line(
		    LOG_ERR,
		    "%s cannot be written by user sekisho: chown -R sekisho:sekisho it, or give another --state-dir",
		    dir->path);
	else if (err)
		log_line(LOG_ERR, "%s: %s: give another --state-dir", dir->path, strerror(-err));
	return err;
}

static int take_dirs(struct keeper *keeper)
{
	const struct keeper_options *options = &keeper->options;
	int err = lock(keeper, &keeper->run_dir, options->run_dir, "--run-dir", 0755);

	if (!err)
		err = lock(keeper, &keeper->state_dir, options->state_dir, "--state-dir", 0750);
	if (!err)
		err = lock(keeper, &keeper->pin_dir, options->pin_dir, "--pin-dir", 0700);
	if (!err)
		err = check_state(keeper);
	return err;
}

int keeper_prepare(struct keeper *keeper)
{
	int err = find_users(keeper);

	if (!err)
		err = find_helpers(keeper);
	if (!err)
		err = interfaces_check(keeper);
	if (!err)
		err = check_bpffs(keeper->options.pin_dir);
	if (!err)
		err = take_dirs(keeper);
	if (!err)
		err = sockets_open(keeper);
	if (err)
		keeper_unprepare(keeper);
	return err;
}

static void give_back(struct keeper_dir *dir)
{
	if (dir->was_given)
		(void)fchown(dir->fd, 0, 0); /* it was root's */
	if (dir->was_made)
		(void)rmdir(dir->path); /* not where something is in it by now */
}

void keeper_unprepare(struct keeper *keeper)
{
	sockets_remove(keeper);
	give_back(&keeper->pin_dir);
	give_back(&keeper->state_dir);
	give_back(&keeper->run_dir);
}
