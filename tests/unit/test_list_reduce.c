// SPDX-License-Identifier: GPL-2.0
/* Lists to disjoint prefixes: named rows at the edges, and random lists against a bitmap of the
 * addresses they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/list_reduce.h"

#define SPACE 256u /* addresses of the random lists, at the end of the address space */
#define BASE (UINT32_MAX - (SPACE - 1))

static int by_addr(const void *left, const void *right)
{
	const struct prefix4 *a = left, *b = right;

	return a->addr != b->addr ? (a->addr < b->addr ? -1 : 1) : a->len - b->len;
}

/* "A/LEN A/LEN ..." to a sorted list; @return how many. */
static size_t read_list(const char *text, struct prefix4 *list)
{
	struct prefix prefix;
	size_t n = 0, len;

	for (; *text; text += len + (text[len] == ' ')) {
		len = strcspn(text, " ");
		assert_int_equal(prefix_parse(text, len, &prefix, NULL), PREFIX_OK);
		list[n++] = prefix_to4(&prefix);
	}
	qsort(list, n, sizeof(*list), by_addr);
	return n;
}

static void test_rows(void **state)
{
	static const char *const rows[][3] = {
	    /* two lists, what they reduce to */
	    {"", "", ""},
	    {"192.0.2.1", "", "192.0.2.1"},
	    {"192.0.2.0", "192.0.2.1", "192.0.2.0/31"},
	    {"192.0.2.1", "192.0.2.2", "192.0.2.1 192.0.2.2"},
	    {"192.0.2.0/24 192.0.2.7", "192.0.2.128/25", "192.0.2.0/24"},
	    {"10.0.0.0/8", "10.1.0.0/16 11.0.0.0/8", "10.0.0.0/7"},
	    {"0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/0"},
	    {"0.0.0.0", "255.255.255.255", "0.0.0.0 255.255.255.255"},
	    {"255.255.255.254", "255.255.255.255", "255.255.255.254/31"},
	    {"192.0.2.0/25 192.0.2.192/26", "192.0.2.128/26 192.0.3.0", "192.0.2.0/24 192.0.3.0"},
	};
	char said[200], text[PREFIX_TEXT_BYTES];
	struct prefix4 a[8], b[8], *out;
	struct prefix prefix;
	size_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct prefix4 *lists[] = {a, b};
		size_t sizes[] = {read_list(rows[i][0], a), read_list(rows[i][1], b)};

		assert_int_equal(list_reduce4(lists, sizes, 2, &out, &n), 0);
		said[0] = '\0';
		for (size_t k = 0; k < n; k++) {
			prefix = prefix_of4(out[k].addr, out[k].len);
			snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s",
				 k ? " " : "", prefix_format(&prefix, text));
		}
		assert_string_equal(said, rows[i][2]);
		free(out);
	}
	assert_int_equal(list_reduce4(NULL, NULL, 0, &out, &n), 0);
	assert_int_equal(n, 0);
	free(out);
}

/* The fewest prefixes of a bitmap: greedily the widest block that is full, from the left. */
static size_t fewest(const bool *held)
{
	size_t n = 0, size;

	for (size_t at = 0; at < SPACE; at += size) {
		size = 1;
		if (!held[at])
			continue;
		for (bool is_full = true;
		     is_full && at % (2 * size) == 0 && at + 2 * size <= SPACE;) {
			for (size_t i = at; i < at + 2 * size; i++)
				is_full &= held[i];
			size *= is_full ? 2 : 1;
		}
		n++;
	}
	return n;
}

static void test_random(void **state)
{
	srand(5);
	for (int round = 0; round < 2000; round++) {
		struct prefix4 room[5][20], *out;
		const struct prefix4 *lists[5];
		bool want[SPACE] = {0}, got[SPACE] = {0};
		size_t sizes[5], n_lists = (size_t)(rand() % 6), n;

		for (size_t i = 0; i < n_lists; i++) {
			lists[i] = room[i];
			sizes[i] = (size_t)(rand() % 20);
			for (size_t k = 0; k < sizes[i]; k++) {
				uint32_t len = 25 + (uint32_t)(rand() % 8),
					 at = (uint32_t)rand() % SPACE & ~0u << (32 - len);

				room[i][k] =
				    (struct prefix4){.addr = BASE + at, .len = (uint8_t)len};
				memset(want + at, true, 1u << (32 - len));
			}
			qsort(room[i], sizes[i], sizeof(room[i][0]), by_addr);
		}
		assert_int_equal(list_reduce4(lists, sizes, n_lists, &out, &n), 0);
		for (size_t k = 0; k < n; k++)
			for (uint32_t i = 0; i < 1u << (32 - out[k].len); i++) {
				assert_false(got[out[k].addr - BASE + i]);
				got[out[k].addr - BASE + i] = true;
			}
		assert_memory_equal(want, got, sizeof(want));
		assert_int_equal(n, fewest(want));
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
					   cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
