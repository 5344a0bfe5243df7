// SPDX-License-Identifier: GPL-2.0
/* A ring of messages with their descriptors. Never blocks, never grows. */
#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/channel.h"

static void close_all(const int *fds, unsigned n_fds)
{
	while (n_fds > 0)
		close(fds[--n_fds]);
}

static int keep(struct outbox *outbox, const struct role_msg *msg, const int *fds, unsigned n_fds)
{
	unsigned at = (outbox->first + outbox->n) % OUTBOX_MAX, i;

	if (outbox->n == OUTBOX_MAX || n_fds > ROLE_FDS_MAX)
		return -ENOBUFS;
	for (i = 0; i < n_fds; i++) {
		outbox->item[at].fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (outbox->item[at].fds[i] < 0) {
			close_all(outbox->item[at].fds, i);
			return -ENOBUFS;
		}
	}
	outbox->item[at].msg = *msg;
	outbox->n++;
	return 0;
}

int outbox_send(struct outbox *outbox, int fd, const struct role_msg *msg, const int *fds,
		unsigned n_fds)
{
	int err = outbox->n ? -EAGAIN : channel_send(fd, msg, sizeof(*msg), fds, n_fds);

	return err == -EAGAIN ? keep(outbox, msg, fds, n_fds) : err;
}

static void drop_first(struct outbox *outbox)
{
	close_all(outbox->item[outbox->first].fds, outbox->item[outbox->first].msg.n_fds);
	outbox->first = (outbox->first + 1) % OUTBOX_MAX;
	outbox->n--;
}

int outbox_flush(struct outbox *outbox, int fd)
{
	int err;

	while (outbox->n) {
		const struct role_msg *msg = &outbox->item[outbox->first].msg;

		err = channel_send(fd, msg, sizeof(*msg), outbox->item[outbox->first].fds,
				   msg->n_fds);
		if (err)
			return err;
		drop_first(outbox);
	}
	return 0;
}

void outbox_clear(struct outbox *outbox)
{
	while (outbox->n)
		drop_first(outbox);
}
