// SPDX-License-Identifier: GPL-2.0
/* Times of a list's prefixes over updates: kept, begun anew, inherited from what held them, found by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/list_since.h"

#define TEXTS_MAX 8

static struct prefix parsed(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, strlen(text), &prefix, NULL), PREFIX_OK);
	return prefix;
}

struct list {
	struct list_head head;
	struct prefix4 v4[TEXTS_MAX];
	struct prefix6 v6[TEXTS_MAX];
	struct list_view view;
};

/* The texts are sorted, as in a list. */
static void set_list(struct list *list, const char *const *texts)
{
	memset(list, 0, sizeof(*list));
	for (; *texts; texts++) {
		struct prefix prefix = parsed(*texts);

		if (prefix.family == 4)
			list->v4[list->head.n4++] = prefix_to4(&prefix);
		else
			list->v6[list->head.n6++] = prefix_to6(&prefix);
	}
	list->head.checksum = list->head.n4 * 1000 + list->head.n6;
	list->view = (struct list_view){ .head = &list->head, .v4 = list->v4, .v6 = list->v6 };
}

/* The next update of @before, which is freed. */
static struct list_since update(struct list_since *before, const char *const *texts, uint32_t now_s)
{
	struct list_since since;
	struct list list;
	size_t len;
	void *data;

	set_list(&list, texts);
	len = list_since_bytes(&list.view);
	data = malloc(len);
	assert_non_null(data);
	list_since_make(before, &list.view, now_s, data);
	assert_int_equal(list_since_check(data, len, &since), 0);
	assert_int_equal(since.head->list_checksum, list.head.checksum);
	if (before)
		free((void *)before->head);
	return since;
}

static void assert_since(const struct list_since *since, const char *text, uint32_t want_s)
{
	struct prefix prefix = parsed(text);
	uint32_t found_s = list_since_find(since, &prefix);

	if (found_s != want_s)
		fail_msg("%s: %u, not %u", text, found_s, want_s);
}

static void over_updates(void **state)
{
	static const char *const first[] = { "10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "2001:db8::/32", "2001:db8::1", NULL };
	static const char *const second[] = { "9.0.0.0/8", "10.0.0.0/7", "10.1.2.3", "192.0.2.0/31", "192.0.2.1", "2001:db8:0:1::/64", "2001:db9::/32", NULL };
	static const char *const third[] = { "10.1.2.0/24", "192.0.2.0/31", "2001:db8::1", NULL };
	struct list_since since = update(NULL, first, 100);

	assert_since(&since, "10.1.2.3", 100);
	assert_since(&since, "11.0.0.1", 0);
	assert_since(&since, "10.0.0.0/7", 0);
	assert_since(&since, "2001:db8::1", 100);
	assert_since(&since, "::1", 0);
	since = update(&since, second, 200);
	assert_since(&since, "10.1.2.3", 100); /* it was inside a wider one */
	assert_since(&since, "10.9.9.9", 200); /* all that is known of the wider one that holds it now */
	assert_since(&since, "192.0.2.1", 100);
	assert_since(&since, "192.0.2.0", 200);
	assert_since(&since, "2001:db8:0:1::5", 100);
	assert_since(&since, "2001:db9::5", 200);
	assert_since(&since, "2001:db8::1", 0);
	assert_since(&since, "9.9.9.9", 200);
	since = update(&since, third, 300);
	assert_since(&since, "10.1.2.3", 200); /* by the /24 alone, which the /7 held */
	assert_since(&since, "192.0.2.1", 200);
	assert_since(&since, "2001:db8::1", 300); /* it came back */
	free((void *)since.head);
}

static void bad_files(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8", "192.0.2.1", "192.0.2.2", "2001:db8::/32", NULL };
	struct list_since since = update(NULL, texts, 100), ignored;
	size_t len = sizeof(*since.head) + 40 + 32, i; /* three of 12 bytes, up to a multiple of eight */
	char *data = (char *)since.head;

	assert_int_equal(list_since_check(data, len, &ignored), 0);
	assert_int_equal(list_since_check(data, len - 1, &ignored), -EBADMSG);
	assert_int_equal(list_since_check(data, sizeof(*since.head) - 1, &ignored), -EBADMSG);
	assert_int_equal(list_since_check(data, 0, &ignored), -EBADMSG);
	for (i = 0; i < len; i++) {
		if (i >= 8 && i < 16)
			continue; /* the list's checksum: any may be there */
		data[i] ^= 1;
		if (list_since_check(data, len, &ignored) != -EBADMSG)
			fail_msg("byte %zu", i);
		data[i] ^= 1;
	}
	free(data);
}

/* A file that was made with the right checksum by somebody else is no reason to read or write outside. */
static void out_of_order(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/10", NULL };
	struct list_since since = update(NULL, texts, 100);
	struct list_since4 *v4 = (struct list_since4 *)since.v4;

	for (unsigned i = 0; i < 3; i++)
		v4[i].prefix = (struct prefix4){ .addr = 0, .len = 0 };
	since = update(&since, texts, 200);
	assert_since(&since, "10.0.0.1", 100);
	free((void *)since.head);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_updates),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(out_of_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
