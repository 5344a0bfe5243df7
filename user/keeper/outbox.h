// SPDX-License-Identifier: GPL-2.0
/* Messages to the engine that it has not taken yet: bounded, so that an engine that does not read
 * costs nothing. */
#pragma once

#include "lib/role_msg.h"

#define OUTBOX_MAX 64 /* messages: beside the 100 or more that the socket itself holds */

struct outbox {
	struct {
		struct role_msg msg;
		int fds[ROLE_FDS_MAX]; /* our own duplicates */
	} item[OUTBOX_MAX];
	unsigned first, n;
};

/*
 * Sends @msg with duplicates of @fds over non-blocking @fd, or keeps it behind those that wait
 * already. Errors: -ENOBUFS the outbox is full, or no descriptor can be duplicated: the other side
 * is lost; others of channel_send().
 */
int outbox_send(struct outbox *outbox, int fd, const struct role_msg *msg, const int *fds,
		unsigned n_fds);

/* Sends what waits. Errors: -EAGAIN some still waits; others of channel_send(). */
int outbox_flush(struct outbox *outbox, int fd);

/* Forgets what waits. */
void outbox_clear(struct outbox *outbox);
