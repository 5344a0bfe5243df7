// SPDX-License-Identifier: GPL-2.0
/* The listeners that the engine inherits: two control sockets and the metrics port. A busy one is a
 * refusal. */
#include "keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sys/log.h"

#define DEAD_WAIT_MS 1000 /* a killed engine is gone in some ms; then the holder is somebody else */
#define DEAD_STEP_MS 20
#define BACKLOG 64 /* connections that wait for the engine to accept them */

/*
 * An agent that was killed leaves its engine, which holds the listeners until the kernel has ended
 * it.
 */
static bool waits_for_the_dead(unsigned *tries)
{
	const struct timespec step = { .tv_nsec = DEAD_STEP_MS * 1000000 };

	if ((*tries)++ >= DEAD_WAIT_MS / DEAD_STEP_MS)
		return false;
	(void)nanosleep(&step, NULL); /* a signal only makes it shorter */
	return true;
}

/* Non-blocking: a listener whose backlog is full is there, too. */
static bool is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered =
	    fd >= 0 &&
	    (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return answered;
}

/* A socket that nobody answers was left by an agent that was killed; anything else is not ours to
 * delete. */
static int make_room(const struct sockaddr_un *address)
{
	unsigned tries = 0;
	struct stat st;

	if (lstat(address->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		log_line(LOG_ERR,
			 "%s is there and no socket: move it away, or use another --run-dir",
			 address->sun_path);
		return -EEXIST;
	}
	while (is_answered(address)) {
		if (waits_for_the_dead(&tries))
			continue;
		log_line(
		    LOG_ERR,
		    "socket %s is answered by another program: stop it, or use another --run-dir",
		    address->sun_path);
		return -EADDRINUSE;
	}
	(void)unlink(address->sun_path); /* bind says why not */
	return 0;
}

static int bind_unix(const struct sockaddr_un *address, gid_t gid, int *ret_fd)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;

	if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		err = -errno;
	else if (chown(address->sun_path, 0, gid) || chmod(address->sun_path, 0660) ||
		 listen(fd, BACKLOG))
		err = -errno;
	if (!err) {
		*ret_fd = fd;
		return 0;
	}
	log_line(LOG_ERR, "socket %s: %s; --run-dir names its folder", address->sun_path,
		 strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}

static int listen_unix(const char *dir, const char *name, gid_t gid, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int err;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name) >=
	    (int)sizeof(address.sun_path)) {
		log_line(LOG_ERR, "%s/%s: too long for a socket's path: use a shorter --run-dir",
			 dir, name);
		return -ENAMETOOLONG;
	}
	err = make_room(&address);
	return err ? err : bind_unix(&address, gid, ret_fd);
}

static socklen_t metrics_address(const struct config *config, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (inet_pton(AF_INET, config->metrics_host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(config->metrics_port);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(config->metrics_port);
	return inet_pton(AF_INET6, config->metrics_host, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
}

static int bind_metrics(const struct config *config, int *ret_fd)
{
	struct sockaddr_storage address;
	socklen_t len = metrics_address(config, &address);
	int one = 1, fd, err;

	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
			 sizeof(one)); /* a restart need not wait */
	err = bind(fd, (struct sockaddr *)&address, len) || listen(fd, BACKLOG) ? -errno : 0;
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * From 127.0.0.1 to all addresses at the same port the old listener is in the new one's way: it
 * stops to listen, in the engine too, and listens again where the new one fails. SO_REUSEPORT would
 * do, but then others could join for ever.
 */
static int bind_in_its_place(const struct config *config, int before, int *ret_fd)
{
	int err;

	if (shutdown(before, SHUT_RD))
		return -EADDRINUSE;
	err = bind_metrics(config, ret_fd);
	if (err)
		(void)listen(before, BACKLOG); /* the port is its own still */
	return err;
}

static void say_metrics(const struct config *config, int err, char *why, size_t why_bytes)
{
	snprintf(
	    why, why_bytes, "metrics: cannot listen on %s port %u: %s; %s", config->metrics_host,
	    config->metrics_port, strerror(-err),
	    err == -EACCES
		? "a port below 1024 takes a restart, or another port in metrics: listen of the config"
		: "change metrics: listen in the config");
}

static int listen_metrics(const struct config *config, int *ret_fd)
{
	unsigned tries = 0;
	char why[256];
	int err;

	if (!config->metrics_host[0])
		return 0;
	do {
		err = bind_metrics(config, ret_fd);
	} while (err == -EADDRINUSE && waits_for_the_dead(&tries));
	if (!err)
		return 0;
	say_metrics(config, err, why, sizeof(why));
	log_line(LOG_ERR, "%s", why);
	return err;
}

int sockets_reopen_metrics(const struct keeper *keeper, const struct config *next, int *ret_fd,
			   char *why, size_t why_bytes)
{
	const struct config *current = keeper->current.config;
	int err, fd = -1;

	if (!strcmp(next->metrics_host, current->metrics_host) &&
	    next->metrics_port == current->metrics_port) {
		*ret_fd = keeper->metrics_fd;
		return 0;
	}
	err = next->metrics_host[0] ? bind_metrics(next, &fd) : 0;
	if (err == -EADDRINUSE && keeper->metrics_fd >= 0 &&
	    next->metrics_port == current->metrics_port)
		err = bind_in_its_place(next, keeper->metrics_fd, &fd);
	if (err) {
		say_metrics(next, err, why, why_bytes);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

void sockets_use_metrics(struct keeper *keeper, int fd)
{
	struct role_msg msg = {.type = ROLE_METRICS};

	if (fd == keeper->metrics_fd)
		return;
	engine_send(keeper, &msg, &fd, fd >= 0 ? 1 : 0);
	if (keeper->metrics_fd >= 0)
		close(keeper->metrics_fd);
	keeper->metrics_fd = fd;
}

int sockets_open(struct keeper *keeper)
{
	const char *dir = keeper->options.run_dir;
	int err = listen_metrics(keeper->current.config, &keeper->metrics_fd);

	if (!err)
		err = listen_unix(dir, "sekisho.sock", keeper->engine_gid, &keeper->control_fd);
	if (!err)
		err = listen_unix(dir, "view.sock", keeper->view_gid, &keeper->view_fd);
	return err;
}

void sockets_remove(const struct keeper *keeper)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (keeper->control_fd >= 0 &&
	    snprintf(path, sizeof(path), "%s/sekisho.sock", keeper->options.run_dir) > 0)
		(void)unlink(path); /* nothing is said of what cannot be undone */
	if (keeper->view_fd >= 0 &&
	    snprintf(path, sizeof(path), "%s/view.sock", keeper->options.run_dir) > 0)
		(void)unlink(path); /* as above */
}
