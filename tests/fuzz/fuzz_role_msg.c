// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes as a message of the role channel: taken only whole, with an end to its text and no more
 * descriptors than there is room for.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/role_msg.h"
#include "told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct role_msg *checked = NULL;
	struct role_msg msg = { .magic = ROLE_MAGIC };
	size_t n = size < sizeof(msg) ? size : sizeof(msg);
	FILE *told = told_begin(size);
	int err;

	/* The first byte says whether the magic is given for free: a fuzzer finds it late. */
	if (size && data[0] & 1)
		memcpy((char *)&msg + sizeof(msg.magic), data,
		       n < sizeof(msg) - sizeof(msg.magic) ? n : sizeof(msg) - sizeof(msg.magic));
	else
		memcpy(&msg, data, n);
	err = role_msg_check(&msg, size & 2 ? n : sizeof(msg), &checked);
	if (told) {
		told_hex(told, "message", &msg, size & 2 ? n : sizeof(msg));
		fprintf(told, "taken %d\n", !err);
	}
	if (err)
		return 0;
	if (checked != &msg || msg.n_fds > ROLE_FDS_MAX ||
	    strnlen(msg.text, sizeof(msg.text)) == sizeof(msg.text))
		abort();
	return 0;
}
