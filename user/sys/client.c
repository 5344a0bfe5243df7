// SPDX-License-Identifier: GPL-2.0
/*
 * The command line's end of the control socket: see client.h. One connection serves any number of
 * requests, one after the other, so nothing is ever left over behind a reply's newline.
 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_BYTES 4096 /* bytes: most answers fit */

static int connect_path(const char *path, size_t len, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
	int fd, err;

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Without a time limit a stuck agent would hang a fail2ban action for good. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int client_connect(const char *path, int *ret_fd)
{
	char view[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	size_t dir_len = slash ? (size_t)(slash - path) + 1 : 0;
	int err = connect_path(path, strlen(path), ret_fd);

	if (err != -EACCES || dir_len + sizeof(CLIENT_VIEW_NAME) > sizeof(view))
		return err;
	memcpy(view, path, dir_len);
	memcpy(view + dir_len, CLIENT_VIEW_NAME, sizeof(CLIENT_VIEW_NAME));
	return connect_path(view, dir_len + strlen(CLIENT_VIEW_NAME), ret_fd) ? err : 0;
}

int client_send(int fd, const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, line, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		line += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Doubles @*buf from @*size bytes. */
static int grow(char **buf, size_t *size)
{
	char *more;

	if (*size >= CLIENT_REPLY_MAX)
		return -EMSGSIZE;
	more = realloc(*buf, *size * 2);
	if (!more)
		return -ENOMEM;
	*buf = more;
	*size *= 2;
	return 0;
}

/* Reads to the newline into *@buf of @size bytes, which may move. */
static int read_line(int fd, char **buf, size_t size, size_t *ret_len)
{
	size_t used = 0;

	for (;;) {
		ssize_t n = recv(fd, *buf + used, size - used, 0);
		char *newline;
		int err;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == 0)
			return -ECONNRESET;
		newline = memchr(*buf + used, '\n', (size_t)n);
		if (newline) {
			*newline = '\0';
			*ret_len = (size_t)(newline - *buf);
			return 0;
		}
		used += (size_t)n;
		err = used == size ? grow(buf, &size) : 0;
		if (err)
			return err;
	}
}

int client_receive(int fd, char **ret_reply, size_t *ret_len)
{
	char *buf = malloc(FIRST_BYTES);
	int err;

	if (!buf)
		return -ENOMEM;
	err = read_line(fd, &buf, FIRST_BYTES, ret_len);
	if (err) {
		free(buf);
		return err;
	}
	*ret_reply = buf;
	return 0;
}

int client_call(int fd, const char *line, size_t len, char **ret_reply, size_t *ret_len)
{
	int err = client_send(fd, line, len);

	/*
	 * The agent may refuse and hang up before it has read all: what it said is still there to
	 * read.
	 */
	return err && err != -EPIPE ? err : client_receive(fd, ret_reply, ret_len);
}
