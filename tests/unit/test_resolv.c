// SPDX-License-Identifier: GPL-2.0
/* What is a name server line and what is not, where lines end, and that none hides the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "lib/resolv.h"

#define ROW(text, want) { text, sizeof(text) - 1, want }

static char told[200];

static void take(void *context, const struct sek_rail_key *server)
{
	char text[INET6_ADDRSTRLEN];

	strcat(told, inet_ntop(server->family == 4 ? AF_INET : AF_INET6, server->addr_be, text,
			       sizeof(text)));
	strcat(told, "|");
}

static void test_rows(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *want;
	} rows[] = {
		ROW("", ""),
		ROW("nameserver 192.0.2.1", "192.0.2.1|"),
		ROW("nameserver 192.0.2.1\nnameserver 2001:db8::53\n", "192.0.2.1|2001:db8::53|"),
		ROW("nameserver\t192.0.2.1\t# mine\r\n", "192.0.2.1|"),
		ROW("nameserver 192.0.2.1 192.0.2.2\n", "192.0.2.1|"),
		ROW(" \tnameserver  192.0.2.1\n", "192.0.2.1|"),
		ROW("nameserver fe80::1%eth0\n", "fe80::1|"),
		ROW("nameserver192.0.2.1\n", ""),
		ROW("nameservers 192.0.2.1\n", ""),
		ROW("nameserver", ""),
		ROW("nameserver \n192.0.2.1\n", ""),
		ROW("#nameserver 192.0.2.1\n; nameserver 192.0.2.2\n", ""),
		ROW("nameserver 192.0.2.256\nnameserver 192.0.2\nnameserver x\n", ""),
		ROW("search a\0nameserver 192.0.2.9\nnameserver 192.0.2.1\n", "192.0.2.1|"),
		ROW("nameserver \0\nnameserver 192.0.2.1\n", "192.0.2.1|"),
		ROW("nameserver 1111111111222222222233333333334444444444555555555566666666667777777777\nnameserver 192.0.2.1",
		    "192.0.2.1|"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		told[0] = '\0';
		resolv_servers(rows[i].text, rows[i].len, take, NULL);
		if (strcmp(told, rows[i].want))
			fail_msg("row %zu: %s", i, told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
