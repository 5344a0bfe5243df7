// SPDX-License-Identifier: GPL-2.0
/*
 * What can be refused is refused here, before the kernel is touched: rights, users, folders held by another agent,
 * a busy socket or port. Each refusal is one line that says what to do.
 */
#include "keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* The helpers lie beside this program in a build folder, else where `make install` puts them: in PREFIX/libexec. */
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
	log_line(LOG_ERR, "sekisho-engine is neither beside sekishod nor in %s: install it again", keeper->helpers);
	return -ENOENT;
}

static int lock(const char *path, mode_t mode, uid_t uid, gid_t gid, int *ret_fd)
{
	int err = file_lock_dir(path, mode, uid, gid, ret_fd);

	if (err == -EBUSY)
		log_line(LOG_ERR, "%s is in use by another sekishod: stop it, or give this one other --state-dir, --run-dir and --pin-dir", path);
	else if (err == -EPERM)
		log_line(LOG_ERR, "%s may be written by others: chown and chmod it, then start again", path);
	else if (err)
		log_line(LOG_ERR, "%s: %s", path, strerror(-err));
	return err;
}

static bool is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		close(fd);
	return answered;
}

static int listen_unix(const char *dir, const char *name, gid_t gid, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name) >= (int)sizeof(address.sun_path)) {
		log_line(LOG_ERR, "%s/%s: too long for a socket's path", dir, name);
		return -ENAMETOOLONG;
	}
	if (is_answered(&address)) {
		log_line(LOG_ERR, "socket %s is answered by another program: stop it, or use another --run-dir", address.sun_path);
		return -EADDRINUSE;
	}
	(void)unlink(address.sun_path); /* left by an agent that was killed */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || chown(address.sun_path, 0, gid) ||
	    chmod(address.sun_path, 0660) || listen(fd, 64)) {
		int err = -errno;

		log_line(LOG_ERR, "socket %s: %s", address.sun_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static int listen_metrics(const struct config *config, int *ret_fd)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(config->metrics_port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(config->metrics_port) };
	bool is_v6 = strchr(config->metrics_host, ':') != NULL;
	int one = 1, fd;

	if (!config->metrics_host[0])
		return 0;
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, config->metrics_host, is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		return -EINVAL;
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* a restart need not wait */
	if (fd < 0 || bind(fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, is_v6 ? sizeof(v6) : sizeof(v4)) || listen(fd, 64)) {
		int err = -errno;

		log_line(LOG_ERR, "metrics: cannot listen on %s port %u: %s; change metrics: listen", config->metrics_host, config->metrics_port, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int keeper_prepare(struct keeper *keeper)
{
	struct keeper_options *options = &keeper->options;
	int err;

	err = find_users(keeper);
	if (!err)
		err = find_helpers(keeper);
	if (!err)
		err = lock(options->run_dir, 0755, 0, 0, &keeper->run_lock);
	if (!err)
		err = lock(options->state_dir, 0750, keeper->engine_uid, keeper->engine_gid, &keeper->state_lock);
	if (!err)
		err = lock(options->pin_dir, 0700, 0, 0, &keeper->pin_lock);
	if (!err)
		err = listen_metrics(keeper->current.config, &keeper->metrics_fd);
	if (!err)
		err = listen_unix(options->run_dir, "sekisho.sock", keeper->engine_gid, &keeper->control_fd);
	if (!err)
		err = listen_unix(options->run_dir, "view.sock", keeper->view_gid, &keeper->view_fd);
	return err;
}
