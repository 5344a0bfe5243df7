// SPDX-License-Identifier: GPL-2.0
/* The vectors of RFC 4648, every length there and back, and text that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/base64.h"

static void test_vectors(void **state)
{
	static const char *const rows[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" } };
	char text[16];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		base64_encode(rows[i][0], strlen(rows[i][0]), text);
		assert_string_equal(text, rows[i][1]);
	}
}

static void test_there_and_back(void **state)
{
	uint8_t in[300], out[300];
	char text[BASE64_ROOM(sizeof(in))];
	size_t n, i, len;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 37 + (i >> 8));
	for (n = 0; n <= sizeof(in); n++) {
		base64_encode(in, n, text);
		assert_int_equal(base64_decode(text, strlen(text), out, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(in, out, n);
	}
}

static void test_what_is_none(void **state)
{
	static const char *const rows[] = { "Z", "Zg", "Zg=", "Zg=x", "Z===", "====", "=g==", "Zg==Zg==", "Zh==", "Zm9=", "Zm9 ", "Zm9\n", "Zm9-", "Zm\xc3\xa9" };
	uint8_t out[16];
	size_t i, len;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(base64_decode(rows[i], strlen(rows[i]), out, &len), -EINVAL);
	assert_int_equal(base64_decode("Zm9v\0AAA", 8, out, &len), -EINVAL); /* a NUL is no letter */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors), cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_what_is_none) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
