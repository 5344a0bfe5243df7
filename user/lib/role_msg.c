// SPDX-License-Identifier: GPL-2.0
/* The check that every message of the role channel passes before a field of it is read. */
#include "role_msg.h"

#include <errno.h>
#include <string.h>

static int is_known_type(uint16_t type)
{
	return (type >= ROLE_HELLO && type <= ROLE_EVENTS) ||
	       (type >= ROLE_SWAP && type <= ROLE_CROWDSEC) ||
	       (type >= ROLE_TRY && type <= ROLE_FEED_REMOVE);
}

int role_msg_check(const void *data, size_t len, const struct role_msg **ret_msg)
{
	const struct role_msg *msg = data;

	if (!data || len != sizeof(*msg) || (uintptr_t)data % _Alignof(struct role_msg))
		return -EBADMSG;
	if (msg->magic != ROLE_MAGIC || !is_known_type(msg->type) || msg->n_fds > ROLE_FDS_MAX)
		return -EBADMSG;
	if (!memchr(msg->text, 0, sizeof(msg->text)))
		return -EBADMSG;
	*ret_msg = msg;
	return 0;
}
