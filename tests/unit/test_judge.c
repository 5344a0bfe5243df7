// SPDX-License-Identifier: GPL-2.0
/* Signals of a ban: each appears at its threshold and not one below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/judge.h"

#define SECOND_NS 1000000000ull

static struct sek_evidence evidence;
static struct sek_ban ban;
static struct judge_facts facts;

static void plain(void)
{
	evidence = (struct sek_evidence){
		.source = { .family = 4, .len = 32, .addr_be = { 198, 51, 100, 7 } },
		.packets = 1000,
		.tcp = 1000,
		.syn = 500,
		.ack = 500,
		.min_ttl = 60,
		.max_ttl = 60,
		.port_bitmap = 1
	};
	ban = (struct sek_ban){ .since_ns = 100 * SECOND_NS, .dropped = 60, .dropped_first_s = 40 };
	facts =
	    (struct judge_facts){ .evidence = &evidence, .ban = &ban, .now_ns = 200 * SECOND_NS };
}

/* The signals as words, a space between. */
static const char *said(void)
{
	static char text[200];
	struct judge_row rows[JUDGE_MAX];
	size_t n = judge_ban(&facts, rows);

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s%s", i ? " " : "",
			 rows[i].says_wrong ? "-" : "+", judge_name(rows[i].signal));
		assert_true(rows[i].text[0]);
	}
	return text;
}

static void test_nothing_to_say(void **state)
{
	plain();
	assert_string_equal(said(), "");
	facts.evidence = NULL;
	assert_string_equal(said(), "");
}

static void test_each_signal(void **state)
{
	plain();
	evidence.established = 1;
	evidence.established_asked = 16;
	assert_string_equal(said(), "-conversations");
	plain();
	facts.n_known_good = 1;
	assert_string_equal(said(), "-known-good");
	plain();
	facts.n_block_lists = 2;
	assert_string_equal(said(), "+listed");
	plain();
	ban.level = 1;
	assert_string_equal(said(), "+repeat");
	plain();
	evidence.source.addr_be[0] = 100;
	evidence.source.addr_be[1] = 64;
	assert_string_equal(said(), "-shared");
	evidence.source.addr_be[1] = 127;
	assert_string_equal(said(), "-shared");
	evidence.source.addr_be[1] = 128;
	assert_string_equal(said(), "");
}

static void test_stopped_and_went_on(void **state)
{
	plain();
	ban.dropped = 43;
	assert_string_equal(said(), "-stopped");
	facts.is_hidden = true;
	assert_string_equal(said(), ""); /* nobody counted */
	ban.dropped = 140;
	assert_string_equal(said(), "+went-on"); /* what was counted is true all the same */
	facts.is_hidden = false;
	ban.dropped = 44;
	assert_string_equal(said(), "");
	ban.dropped = 43;
	facts.now_ns = ban.since_ns + 5 * SECOND_NS;
	assert_string_equal(said(), ""); /* too early to tell */
	plain();
	ban.dropped = 139;
	assert_string_equal(said(), "");
	ban.dropped = 140;
	assert_string_equal(said(), "+went-on");
}

static void test_syn_only(void **state)
{
	plain();
	evidence.syn = 950;
	assert_string_equal(said(), "+syn-only");
	evidence.syn = 949;
	assert_string_equal(said(), "");
	evidence.packets = evidence.syn = 19;
	assert_string_equal(said(), "");
	evidence.packets = evidence.syn = 20;
	assert_string_equal(said(), "+syn-only");
	evidence.established = 1;
	assert_string_equal(said(), "-conversations");
}

static void test_shared_needs_all_three(void **state)
{
	plain();
	evidence.udp = 10;
	evidence.min_ttl = 57;
	evidence.port_bitmap = 0xfff;
	assert_int_equal(judge_ports(&evidence), 13);
	assert_string_equal(said(), "-shared");
	evidence.udp = 0;
	assert_string_equal(said(), "");
	evidence.udp = 10;
	evidence.min_ttl = 58;
	assert_string_equal(said(), "");
	evidence.min_ttl = 57;
	evidence.port_bitmap = 0x1ff;
	assert_string_equal(said(), "");
	evidence.port_bitmap = ~0ull;
	assert_int_equal(judge_ports(&evidence), 266);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_say),	   cmocka_unit_test(test_each_signal),
		cmocka_unit_test(test_stopped_and_went_on), cmocka_unit_test(test_syn_only),
		cmocka_unit_test(test_shared_needs_all_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
