// SPDX-License-Identifier: GPL-2.0
/* CrowdSec's stream: durations, what becomes a record and what is counted, answers that are none, and a stranger's records. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/decision.h"

#define ONE(id, scope, type, value, duration)                                                      \
	"{\"duration\":\"" duration "\",\"id\":" id ",\"origin\":\"cscli\",\"scenario\":\"ssh-bf\",\"scope\":\"" scope "\",\"type\":\"" type        \
	"\",\"value\":\"" value "\"}"
#define NEW(rows) "{\"deleted\":null,\"new\":[" rows "]}"

static void durations(void **state)
{
	static const struct {
		const char *text;
		int err;
		int64_t s;
	} rows[] = {
		{ "3h59m54.776124844s", 0, 14395 }, { "3h51m57s", 0, 13917 }, { "-17h44m25s", 0, -63865 }, { "-1h", 0, -3600 },
		{ "0", 0, 0 }, { "0s", 0, 0 }, { "+1m", 0, 60 }, { "1.5h", 0, 5400 }, { ".5s", 0, 1 }, { "250ms", 0, 1 }, { "5\xc2\xb5s", 0, 1 },
		{ "5\xce\xbcs", 0, 1 }, { "7us", 0, 1 }, { "1ns", 0, 1 }, { "1h1h", 0, 7200 }, { "2562047h", 0, 9223369200 },
		{ "2562048h", -ERANGE, 0 }, { "1000000000h", -ERANGE, 0 }, { "99999999999999999999999999999999999999s", -ERANGE, 0 },
		{ "", -EINVAL, 0 }, { "-", -EINVAL, 0 }, { "1e9h", -EINVAL, 0 }, { "NaN", -EINVAL, 0 }, { "inf", -EINVAL, 0 }, { "5", -EINVAL, 0 },
		{ "5d", -EINVAL, 0 }, { "h", -EINVAL, 0 }, { ".h", -EINVAL, 0 }, { "1..5s", -EINVAL, 0 }, { "1s ", -EINVAL, 0 }, { "1m-5s", -EINVAL, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t s = 0;

		if (decision_duration(rows[i].text, strlen(rows[i].text), &s) != rows[i].err || s != rows[i].s)
			fail_msg("\"%s\": %lld s", rows[i].text, (long long)s);
	}
}

/* Parses @text in chunks of @step bytes; the view points into *ret_data, to be freed. */
static int parse(const char *text, size_t step, bool is_full, struct decision_view *ret_view, void **ret_data, char *why)
{
	struct decision_parser *parser = decision_parser_new(3, is_full);
	size_t len = strlen(text), at, n;
	int err = 0;

	assert_non_null(parser);
	*ret_data = NULL;
	for (at = 0; at < len && !err; at += n) {
		n = len - at < step ? len - at : step;
		err = decision_parser_push(parser, text + at, n);
	}
	if (!err)
		err = decision_parser_end(parser, ret_data, &len);
	snprintf(why, 256, "%s", decision_parser_why(parser));
	decision_parser_free(parser);
	if (!err)
		assert_int_equal(decision_check(*ret_data, len, ret_view), 0);
	return err;
}

static void values(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* the one record's prefix; NULL: none */
		int ignored;	  /* enum decision_ignored of what is not taken */
	} rows[] = {
		{ NEW(ONE("7", "Ip", "ban", "192.0.2.7", "4h")), "192.0.2.7", -1 },
		{ NEW(ONE("7", "ip", "ban", "2001:db8::1", "4h")), "2001:db8::1", -1 },
		{ NEW(ONE("7", "Range", "ban", "198.51.100.0/24", "4h")), "198.51.100.0/24", -1 },
		{ NEW(ONE("7", "RANGE", "ban", "203.0.113.77/24", "4h")), "203.0.113.0/24", -1 },
		{ NEW(ONE("7", "Ip", "ban", "203.0.113.0/24", "4h")), "203.0.113.0/24", -1 }, /* not 203.0.113.0 alone */
		{ NEW(ONE("7", "Ip", "ban", "::ffff:192.0.2.55", "4h")), "192.0.2.55", -1 },
		{ NEW(ONE("7", "Range", "ban", "::ffff:192.0.2.0/120", "4h")), "192.0.2.0/24", -1 },
		{ NEW(ONE("7", "Range", "ban", "::ffff:0.0.0.0/96", "4h")), NULL, DECISION_VALUE },
		{ NEW(ONE("7", "Range", "ban", "0.0.0.0/0", "4h")), NULL, DECISION_VALUE },
		{ NEW(ONE("7", "Range", "ban", "::/0", "4h")), NULL, DECISION_VALUE },
		{ NEW(ONE("7", "Ip", "ban", "010.0.0.1", "4h")), NULL, DECISION_VALUE },
		{ NEW(ONE("7", "Ip", "ban", "", "4h")), NULL, DECISION_VALUE },
		{ NEW(ONE("7", "Ip", "captcha", "192.0.2.7", "4h")), NULL, DECISION_TYPE },
		{ NEW(ONE("7", "Country", "ban", "CN", "4h")), NULL, DECISION_SCOPE },
		{ NEW(ONE("7", "AS", "ban", "64500", "4h")), NULL, DECISION_SCOPE },
		{ NEW(ONE("7", "Ip", "ban", "192.0.2.7", "1e9h")), NULL, DECISION_DURATION },
		{ NEW(ONE("7", "Ip", "ban", "192.0.2.7", "NaN")), NULL, DECISION_DURATION },
		{ NEW(ONE("7", "Ip", "ban", "192.0.2.7", "-1h")), NULL, DECISION_ENDED },
		{ NEW(ONE("0", "Ip", "ban", "192.0.2.7", "4h")), NULL, DECISION_ID },
		{ NEW(ONE("-7", "Ip", "ban", "192.0.2.7", "4h")), NULL, DECISION_ID },
		{ NEW(ONE("7.5", "Ip", "ban", "192.0.2.7", "4h")), NULL, DECISION_ID },
		{ NEW(ONE("9999999999999999999", "Ip", "ban", "192.0.2.7", "4h")), NULL, DECISION_ID },
		{ NEW("{\"id\":7}"), NULL, DECISION_SCOPE },
		{ NEW("[{\"id\":7}]"), NULL, -1 },
	};
	size_t i, step;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (step = 1; step < 4000; step += 1999) {
			struct decision_view view;
			char text[PREFIX_TEXT_BYTES], why[256];
			void *data;
			int ignored;

			assert_int_equal(parse(rows[i].text, step, false, &view, &data, why), 0);
			if (view.head->n_new != (rows[i].want ? 1 : 0) || view.head->n_gone)
				fail_msg("%s: %u", rows[i].text, view.head->n_new);
			if (rows[i].want) {
				assert_string_equal(prefix_format(&view.fresh[0].prefix, text), rows[i].want);
				assert_int_equal(view.fresh[0].id, 7);
				assert_int_equal(view.fresh[0].left_s, 4 * 3600);
				assert_string_equal(view.fresh[0].origin, "cscli");
				assert_string_equal(view.fresh[0].scenario, "ssh-bf");
			}
			for (ignored = 0; ignored < DECISION_IGNORED_MAX; ignored++)
				assert_int_equal(view.head->ignored[ignored], ignored == rows[i].ignored);
			free(data);
		}
	}
}

/* Both orders of the two parts, ids sorted, one of each; a full answer's "deleted" says nothing. */
static void parts(void **state)
{
	static const char *const texts[] = {
		"{\"new\":[" ONE("9", "Ip", "ban", "192.0.2.9", "1h") "," ONE("2", "Ip", "ban", "192.0.2.2", "1h") "," ONE("9", "Ip", "ban", "192.0.2.9", "1h")
		"],\"deleted\":[" ONE("5", "Ip", "ban", "192.0.2.5", "-1h") "," ONE("4", "Ip", "ban", "192.0.2.4", "-1h") "]}",
		"{\"links\":{\"new\":7},\"deleted\":[" ONE("5", "Ip", "ban", "192.0.2.5", "-1h") "," ONE("4", "Ip", "ban", "192.0.2.4", "-1h") "," ONE("1", "Ip", "captcha", "192.0.2.1", "-1h")
		"],\"new\":[" ONE("2", "Ip", "ban", "192.0.2.2", "1h") "," ONE("9", "Ip", "ban", "192.0.2.9", "1h") "],\"next\":null}",
	};
	struct decision_view view;
	char why[256];
	void *data;
	size_t i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(parse(texts[i / 2], 7, i & 1, &view, &data, why), 0);
		assert_int_equal(view.head->n_new, 2);
		assert_int_equal(view.fresh[0].id, 2);
		assert_int_equal(view.fresh[1].id, 9);
		assert_int_equal(view.head->n_gone, i & 1 ? 0 : 2);
		if (!(i & 1))
			assert_int_equal(view.gone[0].id, 4);
		assert_int_equal(view.head->ignored[DECISION_TYPE], 0);
		free(data);
	}
}

/* One id, several addresses: the same one stays in any order, the others are counted; the same address twice is no such thing. */
static void repeated_ids(void **state)
{
	static const char *const texts[] = {
		NEW(ONE("7", "Ip", "ban", "192.0.2.7", "1h") "," ONE("7", "Ip", "ban", "192.0.2.8", "1h") "," ONE("7", "Ip", "ban", "192.0.2.7", "2h")),
		NEW(ONE("7", "Ip", "ban", "192.0.2.8", "1h") "," ONE("7", "Ip", "ban", "192.0.2.7", "2h") "," ONE("7", "Ip", "ban", "192.0.2.7", "1h")),
	};
	char text[PREFIX_TEXT_BYTES], why[256];
	struct decision_view view;
	void *data;
	size_t i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(parse(texts[i], 9, true, &view, &data, why), 0);
		assert_int_equal(view.head->n_new, 1);
		assert_string_equal(prefix_format(&view.fresh[0].prefix, text), "192.0.2.7");
		assert_int_equal(view.fresh[0].left_s, 3600);
		assert_int_equal(view.head->ignored[DECISION_ID], 1);
		free(data);
	}
}

static void no_streams(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "JSON" }, { "null", "no stream" }, { "[]", "no stream" }, { "{}", "no stream" }, { "7", "no stream" }, { "{\"status\":\"ok\"}", "no stream" },
		{ "{\"message\":\"access forbidden\"}", "no stream" }, { "{\"new\":7,\"deleted\":[]}", "are lists" }, { "{\"new\":\"x\"}", "are lists" },
		{ "{\"new\":{\"id\":1},\"deleted\":null}", "are lists" }, { "[{\"new\":[]}]", "no stream" }, { "{\"new\":[", "JSON" }, { "{\"new\":[]", "JSON" }, { "{\"new\":[]}}", "JSON" },
		{ "<html>504 Gateway Time-out</html>", "JSON" }, { "{'new':[]}", "JSON" }, { "{\"new\":[{\"id\":NaN}]}", "JSON" }, { "{\"new\":[]}\n{\"new\":[]}", "JSON" },
		{ NEW(ONE("1", "Ip", "ban", "192.0.2.1", "1h") "," ONE("2", "Ip", "ban", "192.0.2.2", "1h") "," ONE("3", "Ip", "ban", "192.0.2.3", "1h") "," ONE("4", "Ip", "ban", "192.0.2.4", "1h")),
		  "more than max-decisions 3" },
	};
	static const char *const good[] = { "{\"new\":[]}", "{\"new\":[],\"deleted\":[]}", "{\"deleted\":null,\"new\":null}", " {\"deleted\" : [ ] }\n" };
	struct decision_view view;
	char why[256];
	void *data;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!parse(rows[i].text, 5, true, &view, &data, why) || !strstr(why, rows[i].why))
			fail_msg("%s: %s", rows[i].text, why);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(good[i], 5, true, &view, &data, why), 0);
		assert_int_equal(view.head->n_new, 0);
		free(data);
	}
}

/* A name may hold anything, and be of any length. */
static void names(void **state)
{
	struct decision_view view;
	char text[2000], why[256], name[601];
	void *data;

	memset(name, 'n', 600);
	name[600] = '\0';
	snprintf(text, sizeof(text), NEW("{\"id\":1,\"scope\":\"Ip\",\"type\":\"ban\",\"value\":\"192.0.2.1\",\"duration\":\"1h\",\"origin\":\"a\\u001b[31m\\u0000\\u00e9z\",\"scenario\":\"%s\"}"), name);
	assert_int_equal(parse(text, 3, true, &view, &data, why), 0);
	assert_string_equal(view.fresh[0].origin, "a?[31m???z");
	assert_int_equal(strlen(view.fresh[0].scenario), DECISION_SCENARIO_BYTES - 1);
	free(data);
}

/* Overlaps count once; the worse family tells. */
static void coverage(void **state)
{
	struct decision fresh[4] = { 0 };
	struct decision_head head = { .n_new = 4 };
	struct decision_view view = { .head = &head, .fresh = fresh };
	double share = -1;

	fresh[0].prefix = prefix_of4(0x08080808, 32);
	fresh[1].prefix = prefix_of4(0x08000000, 8);
	fresh[2].prefix = prefix_of4(0x0a000000, 8); /* private: not routable */
	fresh[3].prefix = prefix_of6(0x2000000000000000, 0, 16);
	assert_int_equal(decision_coverage(&view, &share), 0);
	assert_true(share > 0.0039 && share < 0.0050);
	fresh[3].prefix = prefix_of6(0x2000000000000000, 0, 4);
	assert_int_equal(decision_coverage(&view, &share), 0);
	assert_true(share == 0.5);
	head.n_new = 0;
	assert_int_equal(decision_coverage(&view, &share), 0);
	assert_true(share == 0);
}

/* A compromised fetcher's records: each broken in one place. */
static void strangers(void **state)
{
	struct {
		struct decision_head head;
		struct decision fresh[2];
		struct decision_gone gone[2];
	} good = { .head = { .magic = DECISION_MAGIC, .n_new = 2, .n_gone = 2 } }, bad;
	struct decision_view view;
	unsigned i;

	for (i = 0; i < 2; i++) {
		good.fresh[i] = (struct decision){ .id = 5 + i, .prefix = prefix_of4(0xc0000201, 32), .left_s = 60, .origin = "CAPI", .scenario = "x" };
		good.gone[i] = (struct decision_gone){ .id = 3 + i, .prefix = prefix_of6(0x20010db800000000, 0, 64) };
	}
	assert_int_equal(decision_check(&good, sizeof(good), &view), 0);
	assert_ptr_equal(view.gone, ((char *)view.fresh) + 2 * sizeof(struct decision));
	assert_int_equal(decision_check(&good, sizeof(good) - 1, &view), -EBADMSG);
	assert_int_equal(decision_check(&good, sizeof(good.head) - 1, &view), -EBADMSG);
	for (i = 0; i < 14; i++) {
		bad = good;
		switch (i) {
		case 0: bad.head.magic++; break;
		case 1: bad.head.n_new++; break;
		case 2: bad.head.n_gone = 0xffffffff; break;
		case 3: bad.fresh[1].id = 5; break;
		case 4: bad.fresh[0].id = 0; break;
		case 5: bad.fresh[0].left_s = 0; break;
		case 6: bad.fresh[0].left_s = INT64_MAX; break;
		case 7: bad.fresh[0].prefix.len = 0; break;
		case 8: bad.fresh[0].prefix.len = 33; break;
		case 9: bad.fresh[0].prefix.len = 31; break; /* a host bit */
		case 10: bad.fresh[0].prefix.family = 5; break;
		case 11: memset(bad.fresh[0].scenario, 'x', sizeof(bad.fresh[0].scenario)); break;
		case 12: bad.fresh[0].origin[0] = '\n'; break;
		default: bad.gone[1].id = 2; break;
		}
		if (decision_check(&bad, sizeof(bad), &view) != -EBADMSG)
			fail_msg("break %u is not seen", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations), cmocka_unit_test(values), cmocka_unit_test(parts),
		cmocka_unit_test(repeated_ids), cmocka_unit_test(no_streams), cmocka_unit_test(names), cmocka_unit_test(strangers), cmocka_unit_test(coverage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
