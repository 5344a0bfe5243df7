// SPDX-License-Identifier: GPL-2.0
/* link: sys/store.c sys/store_entries.c sys/store_refs.c -lsqlite3 */
/* Numbered entries: a prefix is held while any number of it lives, numbers given away anew, pages, and the counts by maker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/store_refs.h"

static char folder[] = "/tmp/sek-refs-XXXXXX";
static struct store *store;

static int open_store(void **state)
{
	char path[64], aside[PATH_MAX];

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state.db", folder);
	return store_open(path, &store, aside);
}

static int close_store(void **state)
{
	char command[100];

	store_close(store);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static struct prefix host(unsigned last)
{
	return prefix_of4(0xc0000200 + last, 32);
}

/* Returns enum store_ref_change; *ret_was as store_ref_put() says. */
static int put(int64_t ref, struct prefix prefix, int64_t expires_s, const char *maker, struct prefix *ret_was)
{
	struct store_entry entry = { .prefix = prefix, .kind = SEK_A_BLOCK, .origin = "crowdsec", .reason = "why", .since_s = 1, .expires_s = expires_s, .ref = ref };
	enum store_ref_change change;

	snprintf(entry.by_user, sizeof(entry.by_user), "%s", maker);
	assert_int_equal(store_ref_put(store, &entry, &change, ret_was), 0);
	return change;
}

static int count_row(void *arg, const struct store_entry *row)
{
	struct store_entry *last = arg;
	int64_t n = last->id;

	*last = *row;
	last->id = n + 1;
	return 0;
}

/* Rows of @prefix; @ret_last is the last of them. */
static int64_t rows_of(struct prefix prefix, struct store_entry *ret_last)
{
	memset(ret_last, 0, sizeof(*ret_last));
	assert_int_equal(store_entry_exact(store, &prefix, count_row, ret_last), 0);
	return ret_last->id;
}

/* Two decisions hold one address: it is blocked until both are gone, and as long as the later of them. */
static void two_hold_one(void **state)
{
	struct prefix was, seven = host(7);
	struct store_entry last;

	assert_int_equal(put(1, seven, 1000, "cscli", &was), STORE_REF_PUT);
	assert_int_equal(was.family, 0);
	assert_int_equal(put(2, seven, 5000, "CAPI", &was), STORE_REF_PUT);
	assert_int_equal(rows_of(seven, &last), 2);
	assert_int_equal(store_ref_delete(store, "crowdsec", 2, &seven, &was), 0);
	assert_int_equal(was.family, 4);
	assert_int_equal(rows_of(seven, &last), 1);
	assert_int_equal(last.expires_s, 1000);
	assert_int_equal(last.ref, 1);
	assert_string_equal(last.by_user, "cscli");
	assert_int_equal(store_ref_delete(store, "crowdsec", 2, &seven, &was), 0); /* deletes repeat */
	assert_int_equal(was.family, 0);
	assert_int_equal(rows_of(seven, &last), 1);
	assert_int_equal(store_ref_delete(store, "crowdsec", 1, NULL, &was), 0);
	assert_int_equal(rows_of(seven, &last), 0);
}

/* Other origins', and a person's of the same name, are nobody's to delete by number. */
static void others_stay(void **state)
{
	struct store_entry entry = { .prefix = host(8), .kind = SEK_A_BLOCK, .origin = "crowdsec", .since_s = 1 }, last;
	struct prefix was;
	int n;

	assert_int_equal(store_entry_put(store, &entry), 0);
	assert_int_equal(store_entry_put(store, &entry), 0); /* one row, as ever */
	snprintf(entry.origin, sizeof(entry.origin), "manual");
	assert_int_equal(store_entry_put(store, &entry), 0);
	put(3, host(8), 1000, "cscli", &was);
	assert_int_equal(rows_of(host(8), &last), 3);
	assert_int_equal(store_ref_delete(store, "crowdsec", 0, NULL, &was), 0);
	assert_int_equal(was.family, 0);
	assert_int_equal(store_ref_delete(store, "manual", 3, NULL, &was), 0);
	assert_int_equal(was.family, 0);
	assert_int_equal(rows_of(host(8), &last), 3);
	assert_int_equal(store_entry_delete(store, &entry.prefix, SEK_A_BLOCK, "crowdsec", &n), 0);
	assert_int_equal(n, 2); /* a person's `block del --origin` takes all of the origin's */
	assert_int_equal(store_entry_delete(store, &entry.prefix, SEK_A_BLOCK, "manual", &n), 0);
}

/* A reconcile of what is the same writes nothing; another end, later or sooner, is taken; a number may name another prefix. */
static void same_and_other(void **state)
{
	struct store_entry last;
	struct prefix was, ten = host(10);

	put(10, ten, 1000, "CAPI", &was);
	assert_int_equal(put(10, ten, 1000 + STORE_REF_NEAR_S, "CAPI", &was), STORE_REF_SAME);
	assert_int_equal(rows_of(ten, &last), 1);
	assert_int_equal(last.expires_s, 1000);
	assert_int_equal(put(10, ten, 1000 + STORE_REF_NEAR_S + 1, "CAPI", &was), STORE_REF_PUT);
	assert_int_equal(was.family, 0);
	assert_int_equal(put(10, ten, 500, "CAPI", &was), STORE_REF_PUT);
	assert_int_equal(rows_of(ten, &last), 1);
	assert_int_equal(last.expires_s, 500);
	assert_int_equal(put(10, host(11), 500, "CAPI", &was), STORE_REF_PUT);
	assert_memory_equal(&was, &ten, sizeof(was));
	assert_int_equal(rows_of(ten, &last), 0);
	assert_int_equal(rows_of(host(11), &last), 1);
	assert_int_equal(store_ref_delete(store, "crowdsec", 10, &ten, &was), 0); /* the old LAPI's word on the new one's number */
	assert_int_equal(was.family, 0);
	assert_int_equal(rows_of(host(11), &last), 1);
	assert_int_equal(store_ref_delete(store, "crowdsec", 10, NULL, &was), 0);
}

static int stop_at_two(void *arg, const struct store_entry *row)
{
	int64_t *refs = arg;

	if (refs[0] == 2)
		return 1;
	refs[++refs[0]] = row->ref;
	return 0;
}

static void add_count(void *arg, const char *by_user, int family, uint64_t n)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s/%d=%d ", by_user, family, (int)n);
}

static void pages_and_counts(void **state)
{
	struct prefix was;
	int64_t refs[3] = { 0 };
	char text[200] = "";
	int i;

	for (i = 0; i < 5; i++)
		put(100 - i, host(20 + i), 1000, i < 3 ? "CAPI" : "cscli", &was);
	put(200, prefix_of6(0x20010db800000000, 1, 128), 1000, "CAPI", &was);
	assert_int_equal(store_ref_each(store, "crowdsec", 97, stop_at_two, refs), 1);
	assert_int_equal(refs[1], 98);
	assert_int_equal(refs[2], 99);
	assert_int_equal(store_ref_counts(store, "crowdsec", add_count, text), 0);
	assert_string_equal(text, "CAPI/4=3 cscli/4=2 CAPI/6=1 ");
	assert_int_equal(store_ref_delete(store, "crowdsec", 200, NULL, &was), 0);
	assert_int_equal(store_entry_delete_id(store, 1) + store_ref_delete(store, "crowdsec", 99, NULL, &was), 0);
	text[0] = '\0';
	assert_int_equal(store_ref_counts(store, "crowdsec", add_count, text), 0);
	assert_string_equal(text, "CAPI/4=2 cscli/4=2 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hold_one), cmocka_unit_test(others_stay), cmocka_unit_test(same_and_other), cmocka_unit_test(pages_and_counts),
	};

	return cmocka_run_group_tests(tests, open_store, close_store);
}
