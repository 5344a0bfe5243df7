// SPDX-License-Identifier: GPL-2.0
/*
 * Limits: the kernel's words, which packet gets which limits, and that a spoilt image is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/limit.h"
#include "lib/table_build.h"
#include "lib/table_check.h"

static struct limit_settings limit(const char *name, enum limit_protocol protocol,
				   double packets_per_s, double burst)
{
	struct limit_settings one = {
		.protocol = protocol, .packets_per_s = packets_per_s, .burst = burst, .len4 = 32
	};

	strcpy(one.name, name);
	return one;
}

static void test_words(void **state)
{
	struct limit_settings one = limit("a", LIMIT_ANY, 1000, 100);
	struct sek_limit words;

	assert_int_equal(limit_words(&one, 64, &words), 0);
	assert_int_equal(words.cost_packet, 62500ull << 24); /* 1 ms in units of 16 ns */
	assert_int_equal(words.tau, ((uint64_t)(99.5 * 62500) << 24) | 0xffffff);
	assert_int_equal(words.cost_byte, 0);
	assert_int_equal(words.len6, 64);
	assert_int_equal(words.flags, 0);
	one.packets_per_s = 1e6;
	one.burst = 100000;
	assert_int_equal(limit_words(&one, 64, &words), 0);
	assert_int_equal(words.flags, SEK_LIMIT_F_DITHER);
	assert_int_equal(words.cost_packet, (uint64_t)(62.5 * (1 << 24)));
	one.packets_per_s = 0;
	one.bits_per_s = 8e9; /* a byte a ns: 1/16 unit */
	one.burst = 1e6;
	assert_int_equal(limit_words(&one, 48, &words), 0);
	assert_int_equal(words.cost_byte, 1 << 20);
	assert_int_equal(words.cost_packet, 0);
	assert_true(words.maxd > words.tau);
	assert_int_equal(words.len6, 48);
}

static void test_words_of_a_ban(void **state)
{
	struct limit_settings one = limit("a", LIMIT_ANY, 10, 20);
	struct sek_limit words;

	one.ban = (struct limit_ban){
		.is_set = true, .after_ms = 3000, .for_s = 600, .repeat = 2, .most_s = 86400
	};
	assert_int_equal(limit_words(&one, 64, &words), 0);
	assert_true(words.flags & SEK_LIMIT_F_BAN);
	assert_int_equal(words.after_quanta, 179); /* 3 s / 16.78 ms, rounded up */
	assert_int_equal(words.ban_for_ns, 600000000000ull);
	assert_int_equal(words.ban_most_ns, 86400000000000ull);
	assert_int_equal(words.repeat_x256, 512);
	one.ban.most_s = 60; /* less than the first ban: the first ban is the most */
	assert_int_equal(limit_words(&one, 64, &words), 0);
	assert_int_equal(words.ban_most_ns, words.ban_for_ns);
}

/* Slot word: the level of @former's at which @packets, or bytes, are used; as the kernel program converts it, without the edge. */
static uint64_t converted(const struct sek_limit *words, double cost_units, double packets)
{
	return (uint64_t)(cost_units * packets) * words->former_mant >> words->former_shift;
}

/* A level of the former settings in units of these: what was used is used still; the keeper takes the words. */
static void test_former(void **state)
{
	static const struct {
		double former_pps, former_bps, former_burst, pps, bps, burst, used, want_used;
	} rows[] = {
		{ 100, 0, 10, 10, 0, 10, 5, 5 },	   { 10, 0, 10, 100, 0, 10, 5, 5 },
		{ 1e6, 0, 1e5, 1, 0, 10, 8, 8 },	   { 1. / 60, 0, 10, 1e3, 0, 100, 7, 7 },
		{ 3, 0, 7, 7, 0, 3, 2, 2 },		   { 0, 8e6, 1e6, 0, 8e3, 1e5, 1e5, 1e5 },
		{ 0, 8e9, 1e9, 0, 8e3, 1e5, 3600, 3600 }, { 100, 0, 10, 0, 8e6, 1e6, 5, 5e5 },
		{ 0, 8e6, 1e6, 100, 0, 10, 5e5, 5 },
	};
	struct sek_limit words;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct limit_settings one = limit("a", LIMIT_ANY, rows[i].former_pps, rows[i].former_burst);
		double former_cost, cost;

		one.bits_per_s = rows[i].former_bps;
		former_cost = 62.5e6 / (rows[i].former_pps > 0 ? rows[i].former_pps : rows[i].former_bps / 8);
		assert_int_equal(limit_scale(&one, &one.former), 0);
		one.packets_per_s = rows[i].pps;
		one.bits_per_s = rows[i].bps;
		one.burst = rows[i].burst;
		cost = 62.5e6 / (rows[i].pps > 0 ? rows[i].pps : rows[i].bps / 8);
		one.number = 5;
		one.parity = 1;
		assert_int_equal(limit_words(&one, 64, &words), 0);
		assert_int_equal(words.mark, 5 << 19 | 1 << 17);
		assert_true(words.former_mant < 1u << 24 && words.former_shift < 64);
		assert_float_equal(converted(&words, former_cost, rows[i].used) / cost / rows[i].want_used, 1, 1e-5);
		assert_true(limit_scale_ahead_ns(&one.former) > former_cost * rows[i].former_burst * SEK_LIMIT_UNIT_NS);
		assert_int_equal(words.former_maxd >> SEK_LIMIT_TAT_SHIFT, limit_scale_ahead_ns(&one.former) / SEK_LIMIT_UNIT_NS);
		one.parity = 2;
		assert_int_equal(limit_words(&one, 64, &words), -EINVAL);
	}
}

/* Factors beyond the words' range: the largest there is, or none. */
static void test_former_beyond(void **state)
{
	struct limit_settings one = limit("a", LIMIT_ANY, 1000, 10);
	struct sek_limit words;

	one.former = (struct limit_scale){ 1, one.burst, false };
	assert_int_equal(limit_words(&one, 64, &words), 0);
	assert_int_equal(words.former_mant, (1 << 24) - 1);
	assert_int_equal(words.former_shift, 0);
	one.packets_per_s = 1e9;
	one.former = (struct limit_scale){ 1ull << 62, 1ull << 62, false };
	assert_int_equal(limit_words(&one, 64, &words), 0);
	assert_true(words.former_shift <= 63 && words.former_mant < 1u << 24);
	assert_int_equal((1ull << 38) * words.former_mant >> words.former_shift, 0);
}

static void test_unsound_is_refused(void **state)
{
	struct limit_settings one = limit("a", LIMIT_ANY, 0, 10);
	struct sek_limit words = { .number = 77 };

	assert_int_equal(limit_words(&one, 64, &words), -EINVAL);
	one.packets_per_s = one.bits_per_s = 8;
	assert_int_equal(limit_words(&one, 64, &words), -EINVAL);
	one.bits_per_s = 0;
	one.burst = 8 * 3600 + 1;
	assert_int_equal(limit_words(&one, 64, &words), -EINVAL);
	one.burst = 8 * 3600;
	one.number = 16;
	assert_int_equal(limit_words(&one, 64, &words), -EINVAL);
	assert_int_equal(words.number, 77); /* untouched */
}

static struct table_image image_of(const struct limit_settings *limits, size_t n)
{
	struct table_image image = { 0 };
	uint32_t base;

	assert_int_equal(table_image_add(&image, SEK_TABLE_FIXED_LINES, &base), 0);
	assert_int_equal(limit_build(&image, limits, n, 64), 0);
	return image;
}

/* The limits begin behind the fixed lines here, and end the image. */
static int check(const struct table_image *image, const char **ret_why)
{
	uint32_t end = 0;
	int err = limit_check(image->lines, image->n_lines, SEK_TABLE_FIXED_LINES, &end, ret_why);

	assert_int_equal(end, err ? 0 : image->n_lines);
	return err;
}

static void *line(const struct table_image *image, uint32_t n)
{
	return (char *)image->lines + (size_t)n * SEK_LINE_BYTES;
}

/* The limits of a packet as a string of their numbers, as the kernel program finds them. */
static const char *match(const struct table_image *image, enum sek_limit_kind kind, uint16_t port)
{
	static char text[SEK_LIMIT_MATCH_MAX + 1];
	const struct sek_table_limits *head = line(image, SEK_TABLE_LIMITS_LINE);
	const uint8_t *set = head->port_base ? line(image, head->port_base) : NULL;
	const struct sek_limit_list *list = line(image, head->set_base + (set ? set[port] : 0));
	const struct sek_limit *limits = line(image, head->limit_base);
	unsigned i;

	for (i = 0; i < list[kind].n; i++)
		text[i] = 'a' + limits[list[kind].index[i]].number;
	text[i] = '\0';
	return text;
}

static void test_which_packet_gets_which(void **state)
{
	struct limit_settings limits[] = {
		limit("a", LIMIT_ANY, 20000, 40000), limit("b", LIMIT_TCP_SYN, 10, 20),
		limit("c", LIMIT_UDP, 500, 500),     limit("d", LIMIT_ICMP, 5, 10),
		limit("e", LIMIT_ANY, 100, 100),     limit("f", LIMIT_TCP, 1000, 1000),
	};
	static const struct {
		enum sek_limit_kind kind;
		uint16_t port;
		const char *want;
	} rows[] = {
		{ SEK_LIMIT_TCP, 80, "fa" },        { SEK_LIMIT_TCP_SYN, 80, "fa" },
		{ SEK_LIMIT_TCP_SYN, 22, "bfa" },   { SEK_LIMIT_TCP_SYN, 2199, "fa" },
		{ SEK_LIMIT_TCP_SYN, 2200, "bfa" }, { SEK_LIMIT_TCP_SYN, 2299, "bfa" },
		{ SEK_LIMIT_TCP_SYN, 2300, "fa" },  { SEK_LIMIT_TCP, 22, "fa" },
		{ SEK_LIMIT_UDP, 53, "eca" },       { SEK_LIMIT_UDP, 52, "ca" },
		{ SEK_LIMIT_TCP, 53, "efa" },       { SEK_LIMIT_UDP, 0, "ca" },
		{ SEK_LIMIT_UDP, 65535, "eca" },    { SEK_LIMIT_ICMP, 0, "da" },
		{ SEK_LIMIT_OTHER, 0, "a" },
	};
	struct table_image image;
	const char *why;

	for (size_t i = 0; i < 6; i++)
		limits[i].number = i;
	limits[1].n_ports = 2;
	limits[1].ports[0] = (struct limit_range){ 22, 22 };
	limits[1].ports[1] = (struct limit_range){ 2200, 2299 };
	limits[4].n_ports = 2;
	limits[4].ports[0] = (struct limit_range){ 53, 53 };
	limits[4].ports[1] = (struct limit_range){ 65535, 65535 };
	image = image_of(limits, 6);
	assert_int_equal(check(&image, &why), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(match(&image, rows[i].kind, rows[i].port), rows[i].want))
			fail_msg("kind %d port %u: %s, not %s", rows[i].kind, rows[i].port,
				 match(&image, rows[i].kind, rows[i].port), rows[i].want);
	}
	assert_int_equal(limit_match_max(limits, 6), 3); /* bfa, efa, eca */
	table_image_free(&image);
}

static void test_no_limits_leave_no_trace(void **state)
{
	struct table_image image = image_of(NULL, 0);
	const char *why;

	assert_int_equal(image.n_lines, SEK_TABLE_FIXED_LINES);
	assert_int_equal(check(&image, &why), 0);
	table_image_free(&image);
}

/* A field of @image spoilt is refused for @says; as it was, it is sound. */
#define ROW(field, value, says)                                                             \
	do {                                                                                \
		typeof(field) keep = field;                                                 \
		field = value;                                                              \
		assert_int_equal(check(&image, &why), -EBADMSG);  \
		assert_string_equal(why, says);                                             \
		field = keep;                                                               \
		assert_int_equal(check(&image, &why), 0);         \
	} while (0)

static void test_spoilt_former_is_refused(void **state)
{
	struct limit_settings one = limit("a", LIMIT_UDP, 100, 100);
	struct table_image image;
	struct sek_limit *words;
	const char *why = "";

	one.number = 1;
	image = image_of(&one, 1);
	words = line(&image, ((struct sek_table_limits *)line(&image, SEK_TABLE_LIMITS_LINE))->limit_base);
	ROW(words[0].mark, 0, "limit mark");
	ROW(words[0].mark, words[0].mark ^ 1, "limit mark");
	ROW(words[0].mark, words[0].mark | 1u << SEK_LIMIT_KIND_SHIFT, "limit mark");
	ROW(words[0].former_maxd, 1ull << 63, "limit former");
	ROW(words[0].former_mant, 1u << 24, "limit former");
	ROW(words[0].former_mant, 1, "limit former"); /* of nothing */
	ROW(words[0].former_shift, 1, "limit former");
	words[0].former_maxd = words[0].maxd;
	ROW(words[0].former_mant, 1u << 24, "limit former");
	ROW(words[0].former_shift, 64, "limit former");
	words[0].former_mant = (1u << 24) - 1;
	words[0].former_shift = 63;
	words[0].mark ^= 1u << SEK_LIMIT_PARITY_SHIFT; /* either is sound */
	assert_int_equal(check(&image, &why), 0);
	table_image_free(&image);
}

static void test_spoilt_images_are_refused(void **state)
{
	struct limit_settings limits[] = { limit("a", LIMIT_UDP, 100, 100),
					   limit("b", LIMIT_ANY, 1000, 1000) };
	struct table_image image;
	struct sek_table_limits *head;
	struct sek_limit *words;
	struct sek_limit_list *list;
	uint8_t *ports;
	const char *why = "";

	limits[0].n_ports = 1;
	limits[0].ports[0] = (struct limit_range){ 53, 53 };
	limits[1].number = 1;
	image = image_of(limits, 2);
	head = line(&image, SEK_TABLE_LIMITS_LINE);
	words = line(&image, head->limit_base);
	list = line(&image, head->set_base);
	ports = line(&image, head->port_base);
	ROW(head->n_limits, 17, "limit_base");
	ROW(head->n_limits, 0, "limits without any");
	ROW(head->limit_base, image.n_lines - 3, "limit_base");
	ROW(head->limit_base, 7, "limit_base");
	ROW(head->limit_base, head->limit_base + 1, "limit_base");
	ROW(head->limit_base, 0xffffffff, "limit_base");
	ROW(head->n_sets, 0, "limit set_base");
	ROW(head->n_sets, 65, "limit set_base");
	ROW(head->set_base, image.n_lines, "limit set_base");
	ROW(head->port_base, image.n_lines - 1023, "limit port_base");
	ROW(head->n_sets, head->n_sets + 1, "limit port_base"); /* the ports no longer follow */
	ROW(head->source_len6, 0, "limit source_len6");
	ROW(head->source_len6, 129, "limit source_len6");
	ROW(words[0].number, 16, "limit number");
	ROW(words[1].number, 0, "limit number");
	ROW(words[1].flags, 0x80, "limit flags");
	ROW(words[1].len4, 0, "limit prefix length");
	ROW(words[1].len4, 33, "limit prefix length");
	ROW(words[1].len6, 129, "limit prefix length");
	ROW(words[1].cost_packet, 0, "limit cost");
	ROW(words[1].cost_byte, 1, "limit cost");
	ROW(words[1].tau, 1ull << 63, "limit burst");
	ROW(words[1].maxd, 0, "limit burst");
	ROW(words[1].flags, SEK_LIMIT_F_BAN, "limit ban");
	ROW(list[SEK_LIMIT_UDP].n, 9, "limits of a packet");
	ROW(list[SEK_LIMIT_UDP].index[0], 2, "limit index");
	ROW(ports[53], 2, "limit set of a port");
	table_image_free(&image);
}

static void test_problems(void **state)
{
	struct limit_settings limits[SEK_LIMITS_MAX];
	struct limit_problem problems[LIMIT_PROBLEMS_MAX];

	for (int i = 0; i < SEK_LIMITS_MAX; i++) {
		limits[i] = limit("x", LIMIT_ANY, 1000, 1000);
		limits[i].number = i;
	}
	assert_int_equal(limit_problems(limits, 4, 17, problems, LIMIT_PROBLEMS_MAX), 0);
	assert_int_equal(limit_problems(limits, 5, 17, problems, LIMIT_PROBLEMS_MAX), 1);
	assert_false(problems[0].is_error);
	assert_non_null(strstr(problems[0].text, "100 ns"));
	assert_int_equal(limit_problems(limits, 9, 17, problems, LIMIT_PROBLEMS_MAX), 1);
	assert_true(problems[0].is_error);
	limits[0] = limit("slow", LIMIT_ANY, 10. / 60, 5);
	assert_int_equal(limit_problems(limits, 1, 17, problems, LIMIT_PROBLEMS_MAX), 1);
	assert_false(problems[0].is_error);
	assert_int_equal(problems[0].index, 0);
	assert_non_null(strstr(problems[0].text, "8 MiB"));
	assert_int_equal(limit_problems(limits, 1, 20, problems, LIMIT_PROBLEMS_MAX), 0);
	limits[0].burst = 601;
	assert_int_equal(limit_problems(limits, 1, 20, problems, LIMIT_PROBLEMS_MAX), 1);
	assert_true(problems[0].is_error);
	limits[0] = limit("one", LIMIT_ANY, 9, 1);
	assert_int_equal(limit_problems(limits, 1, 20, problems, LIMIT_PROBLEMS_MAX), 1);
	assert_false(problems[0].is_error);
}

static void test_bounds_of_sets(void **state)
{
	struct limit_settings limits[SEK_LIMITS_MAX];
	struct table_image image = { 0 };
	uint32_t base;

	/*
	 * Sixteen limits whose ranges all start and end elsewhere: 32 sets, at most 8 of them at
	 * once.
	 */
	for (int i = 0; i < SEK_LIMITS_MAX; i++) {
		limits[i] = limit("x", LIMIT_UDP, 1000, 1000);
		limits[i].number = i;
		limits[i].n_ports = 1;
		limits[i].ports[0] = (struct limit_range){ 1000 * i, 1000 * i + 7500 };
	}
	assert_int_equal(table_image_add(&image, SEK_TABLE_FIXED_LINES, &base), 0);
	assert_int_equal(limit_match_max(limits, SEK_LIMITS_MAX), 8);
	assert_int_equal(limit_build(&image, limits, SEK_LIMITS_MAX, 64), 0);
	table_image_free(&image);
	/* A port for each pair of limits: over 64 sets. */
	for (int i = 0; i < SEK_LIMITS_MAX; i++) {
		limits[i].n_ports = 0;
		for (int j = 0; j < SEK_LIMITS_MAX; j++) {
			int low = i < j ? i : j, high = i < j ? j : i;

			limits[i].ports[limits[i].n_ports++] =
			    (struct limit_range){ low * 100 + high, low * 100 + high };
		}
	}
	assert_int_equal(table_image_add(&image, SEK_TABLE_FIXED_LINES, &base), 0);
	assert_int_equal(limit_build(&image, limits, SEK_LIMITS_MAX, 64), -E2BIG);
	table_image_free(&image);
}

/*
 * Limits in a whole image: right behind the classes, the families' parts behind them; one bit off
 * in any place is refused.
 */
static void test_whole_image(void **state)
{
	struct limit_settings limits[] = { limit("a", LIMIT_UDP, 100, 100),
					   limit("b", LIMIT_ANY, 1000, 1000) };
	struct policy_range4 range = { 0xc0000200, 0xc00002ff, 1 };
	struct sek_class classes[3] = { { 0 },
					{ .action = SEK_A_BLOCK },
					{ .action = SEK_A_ALLOW } };
	struct policy policy = { .classes = classes,
				 .n_classes = 3,
				 .v4 = &range,
				 .n4 = 1,
				 .limits = limits,
				 .n_limits = 2,
				 .source_len6 = 64 };
	struct table_image image = { 0 };
	struct sek_table_limits *places;
	struct sek_table_head *head;
	const char *why = "";

	limits[0].n_ports = 1;
	limits[0].ports[0] = (struct limit_range){ 53, 53 };
	limits[1].number = 1;
	assert_int_equal(table_build(&policy, 1, 99, &image), 0);
	head = image.lines;
	places = line(&image, SEK_TABLE_LIMITS_LINE);
	assert_int_equal(places->limit_base,
			 SEK_TABLE_FIXED_LINES + 4); /* 3 classes, and a line to make it even */
	assert_int_equal(head->v4_base, SEK_TABLE_FIXED_LINES + 4 + 2 * 2 + 2 + 1024);
	assert_int_equal(table_check(image.lines, (size_t)image.n_lines * SEK_LINE_BYTES, &why), 0);
	places->n_limits = 1;
	head->checksum = table_checksum(image.lines, image.n_lines);
	assert_int_equal(table_check(image.lines, (size_t)image.n_lines * SEK_LINE_BYTES, &why),
			 -EBADMSG);
	assert_string_equal(why, "limit set_base");
	table_image_free(&image);
	limits[0].burst = 0;
	assert_int_equal(table_build(&policy, 1, 99, &image), -EINVAL);
	assert_null(image.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_of_a_ban),
		cmocka_unit_test(test_former),
		cmocka_unit_test(test_former_beyond),
		cmocka_unit_test(test_unsound_is_refused),
		cmocka_unit_test(test_which_packet_gets_which),
		cmocka_unit_test(test_no_limits_leave_no_trace),
		cmocka_unit_test(test_spoilt_images_are_refused),
		cmocka_unit_test(test_spoilt_former_is_refused),
		cmocka_unit_test(test_whole_image),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_bounds_of_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
