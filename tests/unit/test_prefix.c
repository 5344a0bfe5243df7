// SPDX-License-Identifier: GPL-2.0
/*
 * Every reason of the strict parser with a text that has it, the forms that pass, and the way back.
 */
#include <setjmp.h>
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/prefix.h"

static const struct {
	const char *text, *out; /* out: canonical text, NULL where refused */
	enum prefix_error error;
	bool host_bits;
} rows[] = {
	{ "192.0.2.1", "192.0.2.1", 0, false },
	{ "192.0.2.1/32", "192.0.2.1", 0, false },
	{ "192.0.2.77/24", "192.0.2.0/24", 0, true },
	{ "128.0.0.0/1", "128.0.0.0/1", 0, false },
	{ "0.0.0.0", "0.0.0.0", 0, false },
	{ "255.255.255.255", "255.255.255.255", 0, false },
	{ "2001:DB8:0:0::/48", "2001:db8::/48", 0, false },
	{ "2001:db8::1/64", "2001:db8::/64", 0, true },
	{ "2001:db8::1/127", "2001:db8::/127", 0, true },
	{ "::1", "::1", 0, false },
	{ "8000::/1", "8000::/1", 0, false },
	{ "", NULL, PREFIX_EMPTY, false },
	{ "example.com", NULL, PREFIX_BAD_ADDRESS, false },
	{ "256.0.0.1", NULL, PREFIX_BAD_ADDRESS, false },
	{ "1.2.3.4.5", NULL, PREFIX_BAD_ADDRESS, false },
	{ "2001:db8:::1", NULL, PREFIX_BAD_ADDRESS, false },
	{ "10.1", NULL, PREFIX_SHORT_IPV4, false },
	{ "10.1/16", NULL, PREFIX_SHORT_IPV4, false },
	{ "3221225985", NULL, PREFIX_SHORT_IPV4, false },
	{ "010.0.0.1", NULL, PREFIX_PADDED_IPV4, false },
	{ "192.0.2.010", NULL, PREFIX_PADDED_IPV4, false },
	{ "0x7f.1", NULL, PREFIX_HEX_IPV4, false },
	{ "0x7f000001", NULL, PREFIX_HEX_IPV4, false },
	{ "192.0.2.0/33", NULL, PREFIX_BAD_LENGTH, false },
	{ "192.0.2.0/-1", NULL, PREFIX_BAD_LENGTH, false },
	{ "192.0.2.0/", NULL, PREFIX_BAD_LENGTH, false },
	{ "192.0.2.0/08", NULL, PREFIX_BAD_LENGTH, false },
	{ "2001:db8::/129", NULL, PREFIX_BAD_LENGTH, false },
	{ "2001:db8::/", NULL, PREFIX_BAD_LENGTH, false },
	{ "192.0.2.0/255.255.255.0", NULL, PREFIX_NETMASK, false },
	{ "0.0.0.0/0", NULL, PREFIX_ZERO_LENGTH, false },
	{ "::/0", NULL, PREFIX_ZERO_LENGTH, false },
	{ "fe80::1%eth0", NULL, PREFIX_ZONE, false },
	{ "192.0.2.1:80", NULL, PREFIX_PORT, false },
	{ "[2001:db8::1]:443", NULL, PREFIX_PORT, false },
	{ "::ffff:192.0.2.1", NULL, PREFIX_MAPPED, false },
	{ "::ffff:0.0.0.0/96", NULL, PREFIX_MAPPED, false },
	{ "192.0.2.1 x", NULL, PREFIX_TRAILING, false },
	{ "192.0.2.0/24 x", NULL, PREFIX_TRAILING, false },
	{ "2001:db8::/32 x", NULL, PREFIX_TRAILING, false },
	{ "192.0.2.1,x", NULL, PREFIX_TRAILING, false },
	{ "192.0.2.1\x07", NULL, PREFIX_NOT_TEXT, false },
	{ "\xef\xbb\xbf" "192.0.2.1", NULL, PREFIX_NOT_TEXT, false },
};

static void test_parse(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix prefix = { .family = 99 };
		bool host_bits = false;
		char buf[PREFIX_TEXT_BYTES];
		enum prefix_error error =
		    prefix_parse(rows[i].text, strlen(rows[i].text), &prefix, &host_bits);

		if (error != rows[i].error)
			fail_msg("%s: %s", rows[i].text, prefix_error_text(error));
		if (error) {
			assert_int_equal(prefix.family, 99);
			continue;
		}
		assert_string_equal(prefix_format(&prefix, buf), rows[i].out);
		assert_int_equal(host_bits, rows[i].host_bits);
	}
}

/* @text as the short way reads it, from a buffer that ends with it: a byte read behind it is an error of the sanitizer. */
static bool parse4(const char *text, struct prefix4 *ret_prefix, bool *ret_host_bits)
{
	size_t len = strlen(text);
	char *bytes = malloc(len ? len : 1);
	bool ok;

	memcpy(bytes, text, len);
	ok = prefix_parse4(bytes, len, ret_prefix, ret_host_bits);
	free(bytes);
	return ok;
}

static void agree(const char *text)
{
	struct prefix prefix = { .family = 0 };
	bool host_bits = false, host_bits4 = false;
	struct prefix4 prefix4 = { .len = 99 };
	bool is_one = prefix_parse(text, strlen(text), &prefix, &host_bits) == PREFIX_OK && prefix.family == 4;

	if (parse4(text, &prefix4, &host_bits4) != is_one)
		fail_msg("%s: one of both takes it", text);
	if (!is_one) {
		assert_int_equal(prefix4.len, 99);
		return;
	}
	assert_int_equal(prefix4.len, prefix.len);
	assert_int_equal(prefix4.addr, prefix_to4(&prefix).addr);
	assert_int_equal(host_bits4, host_bits);
}

/* Is it an address to the C library, with a length that is none of the odd ones? */
static bool is_address(const char *text, uint32_t *ret_addr)
{
	struct in_addr addr;

	if (inet_pton(AF_INET, text, &addr) != 1)
		return false;
	*ret_addr = ntohl(addr.s_addr);
	return true;
}

/* Every number and digit count in every place, one character too much or too few, and all lengths. */
static void test_parse4(void **state)
{
	static const char *const texts[] = { "%s.22.3.144", "1.%s.3.144", "12.0.%s.4", "255.1.1.%s", "1.2.3.%s/24" };
	static const char *const odd[] = { "", "0", "00", "01", "001", "0a", "a", "1a", "12a", "123a", "1234", "0255", " 1", "1 ", "-1", "\xff", "1\xb2" };
	struct prefix4 prefix;
	char text[64], part[8];
	bool host_bits;
	uint32_t addr;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		agree(rows[i].text);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (unsigned n = 0; n < 1000 + sizeof(odd) / sizeof(odd[0]); n++) {
			snprintf(part, sizeof(part), "%u", n);
			snprintf(text, sizeof(text), texts[i], n < 1000 ? part : odd[n - 1000]);
			agree(text);
			if (i == 4)
				continue;
			assert_int_equal(parse4(text, &prefix, &host_bits), is_address(text, &addr));
			if (is_address(text, &addr))
				assert_int_equal(prefix.addr, addr);
		}
	}
	for (unsigned n = 0; n < 1000 + sizeof(odd) / sizeof(odd[0]); n++) {
		snprintf(part, sizeof(part), "%u", n);
		snprintf(text, sizeof(text), "198.51.100.7/%s", n < 1000 ? part : odd[n - 1000]);
		agree(text);
		assert_int_equal(parse4(text, &prefix, &host_bits), n >= 1 && n <= 32);
	}
}

static void test_covers(void **state)
{
	struct prefix a = prefix_of4(0xc0000200, 23), b = prefix_of4(0xc0000300, 24),
		      c = prefix_of4(0xc0000400, 24);

	assert_true(prefix_covers(&a, &b));
	assert_false(prefix_covers(&b, &a));
	assert_false(prefix_covers(&a, &c));
	assert_int_equal(prefix_to4(&b).addr, 0xc0000300);
	a = prefix_of6(0x20010db800000000, 0, 32);
	assert_false(prefix_covers(&a, &b));
	b = prefix_of6(0x20010db8ffffffff, 1, 128);
	assert_true(prefix_covers(&a, &b));
	assert_true(prefix_to6(&b).lo == 1);
}

static void test_texts(void **state)
{
	for (int i = 0; i < PREFIX_ERROR_MAX + 2; i++)
		assert_non_null(prefix_error_text((enum prefix_error)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse),
					    cmocka_unit_test(test_parse4),
					    cmocka_unit_test(test_covers),
					    cmocka_unit_test(test_texts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
