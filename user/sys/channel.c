// SPDX-License-Identifier: GPL-2.0
/*
 * Whole messages with descriptors between our processes, and sealed memfds. In: a connected
 * SOCK_SEQPACKET descriptor. Out: 0 or negative errno, and never a leaked descriptor. What the
 * bytes mean is not known here.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTENT_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

int channel_send(int fd, const void *msg, size_t len, const int *fds, unsigned n_fds)
{
	union control control = {0};
	struct iovec part = {.iov_base = (void *)msg, .iov_len = len};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	ssize_t n;

	/* An empty message could not be told from end of file. */
	if (!len || n_fds > CHANNEL_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		head.msg_control = control.room;
		head.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&head);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &head, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

/* Moves the descriptors of @head to @fds; @return how many, with those beyond @max closed. */
static unsigned take_fds(struct msghdr *head, int *fds, unsigned max, unsigned *ret_surplus)
{
	struct cmsghdr *cmsg;
	unsigned n = 0, surplus = 0;

	for (cmsg = CMSG_FIRSTHDR(head); cmsg; cmsg = CMSG_NXTHDR(head, cmsg)) {
		size_t i, count;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
			if (n < max) {
				fds[n++] = fd;
			} else {
				(void)close(fd); /* nobody asked for it */
				surplus++;
			}
		}
	}
	*ret_surplus = surplus;
	return n;
}

int channel_recv(int fd, void *msg, size_t size, size_t *ret_len, int *fds, unsigned fds_max,
		 unsigned *ret_n_fds)
{
	union control control = {0};
	struct iovec part = {.iov_base = msg, .iov_len = size};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1,
			      .msg_control = control.room, .msg_controllen = sizeof(control.room)};
	unsigned n_fds, surplus;
	ssize_t n;

	do
		n = recvmsg(fd, &head, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	n_fds = take_fds(&head, fds, fds_max, &surplus);
	if (!n || surplus || head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		while (n_fds)
			(void)close(
			    fds[--n_fds]); /* a message that is refused leaves nothing behind */
		return n ? -EMSGSIZE : -ECONNRESET;
	}
	*ret_len = (size_t)n;
	if (ret_n_fds)
		*ret_n_fds = n_fds;
	return 0;
}

int channel_seal(int memfd)
{
	return fcntl(memfd, F_ADD_SEALS, CONTENT_SEALS | F_SEAL_SEAL) ? -errno : 0;
}

int channel_check_sealed(int memfd, size_t *ret_bytes)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);

	if (seals < 0)
		return -errno;
	if ((seals & CONTENT_SEALS) != CONTENT_SEALS)
		return -EPERM;
	if (fstat(memfd, &st))
		return -errno;
	*ret_bytes = (size_t)st.st_size;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int channel_memfd(const char *name, const void *data, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	if (!err)
		err = channel_seal(fd);
	if (err) {
		(void)close(fd); /* the write's error is the one to tell */
		return err;
	}
	return fd;
}
