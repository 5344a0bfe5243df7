// SPDX-License-Identifier: GPL-2.0
/* The check that guards the role channel: a good message, and one row for everything that can be wrong with it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/role_msg.h"

static void test_types(void **state)
{
	struct role_msg msg = { .magic = ROLE_MAGIC };
	const struct role_msg *checked;
	unsigned type;

	for (type = 0; type < 0x10000; type++) {
		bool is_known = (type >= ROLE_HELLO && type <= ROLE_EVENTS) || (type >= ROLE_SWAP && type <= ROLE_CROWDSEC) ||
				(type >= ROLE_TRY && type <= ROLE_FEED_REMOVE);

		msg.type = type;
		checked = NULL;
		assert_int_equal(role_msg_check(&msg, sizeof(msg), &checked), is_known ? 0 : -EBADMSG);
		assert_ptr_equal(checked, is_known ? &msg : NULL);
	}
}

static void test_lengths(void **state)
{
	static struct role_msg room[2];
	const struct role_msg *checked = NULL;
	size_t len;

	room[0] = (struct role_msg){ .magic = ROLE_MAGIC, .type = ROLE_STOP };
	for (len = 0; len <= sizeof(room); len++)
		assert_int_equal(role_msg_check(room, len, &checked), len == sizeof(room[0]) ? 0 : -EBADMSG);
	assert_int_equal(role_msg_check(NULL, sizeof(room[0]), &checked), -EBADMSG);
	assert_int_equal(role_msg_check((char *)room + 1, sizeof(room[0]), &checked), -EBADMSG);
}

static void test_fields(void **state)
{
	struct role_msg msg = { .magic = ROLE_MAGIC, .type = ROLE_STOP, .n_fds = ROLE_FDS_MAX };
	const struct role_msg *checked = NULL;

	memset(msg.text, 'x', sizeof(msg.text) - 1);
	assert_int_equal(role_msg_check(&msg, sizeof(msg), &checked), 0);
	msg.text[sizeof(msg.text) - 1] = 'x'; /* no end */
	assert_int_equal(role_msg_check(&msg, sizeof(msg), &checked), -EBADMSG);
	msg.text[sizeof(msg.text) - 1] = '\0';
	msg.n_fds = ROLE_FDS_MAX + 1;
	assert_int_equal(role_msg_check(&msg, sizeof(msg), &checked), -EBADMSG);
	msg.n_fds = 0;
	msg.magic ^= 1;
	assert_int_equal(role_msg_check(&msg, sizeof(msg), &checked), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_types), cmocka_unit_test(test_lengths), cmocka_unit_test(test_fields) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
