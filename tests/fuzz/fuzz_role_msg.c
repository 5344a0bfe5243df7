// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes as a message of the role channel: taken only whole, with an end to its text and no more
 * descriptors than there is room for. seeds.py writes inputs.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/role_msg.h"
#include "told.h"

enum { GIVE_MAGIC = 1, CUT = 2, FILL = 4 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The check of one input: a byte of choices, then the message. 0: it is one. @told as told_begin(). */
static int check(const uint8_t *data, size_t size, FILE *told)
{
	const struct role_msg *checked = NULL;
	struct role_msg msg = { .magic = ROLE_MAGIC };
	uint8_t choices = size ? data[0] : 0;
	size_t at = choices & GIVE_MAGIC ? sizeof(msg.magic) : 0, n = size ? size - 1 : 0;
	int err;

	if (choices & FILL && size) /* a text without an end: longer than a fuzzer's inputs */
		memset((char *)&msg + at, data[size - 1], sizeof(msg) - at);
	n = n < sizeof(msg) - at ? n : sizeof(msg) - at;
	if (n)
		memcpy((char *)&msg + at, data + 1, n);
	n = choices & CUT ? at + n : sizeof(msg);
	err = role_msg_check(&msg, n, &checked);
	if (told) {
		told_hex(told, "message", &msg, n);
		fprintf(told, "taken %d\n", !err);
	}
	if (err)
		return err;
	if (checked != &msg || msg.n_fds > ROLE_FDS_MAX ||
	    strnlen(msg.text, sizeof(msg.text)) == sizeof(msg.text))
		abort();
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const uint8_t hello[] = { GIVE_MAGIC, ROLE_HELLO };

	if (check(hello, sizeof(hello), NULL)) /* else no input would get far */
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)check(data, size, told_begin(size)); /* what it holds to is looked at there */
	return 0;
}
