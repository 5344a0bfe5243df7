// SPDX-License-Identifier: GPL-2.0
/*
 * The ring of events: the last so many, by number and by address, over its whole turn. Records of
 * the kernel's ring are checked.
 */
/* link: engine/events_ring.c sys/bpf_events.c -lbpf */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "engine/events.h"
#include "sys/bpf_events.h"

static struct sek_event of(uint8_t last_byte, uint64_t time_ns)
{
	return (struct sek_event){
		.type = SEK_EVENT_DROP,
		.time_ns = time_ns,
		.header_bytes = 54,
		.source = { .family = 4, .len = 32, .addr_be = { 198, 51, 100, last_byte } }
	};
}

static uint64_t seen[20];
static unsigned n_seen;

static void see(void *arg, const struct events_row *row)
{
	seen[n_seen++] = row->number;
}

static void test_numbers_and_addresses(void **state)
{
	struct sek_event one, got[4];
	unsigned i;

	assert_int_equal(events_after(0, 20, see, NULL), 0);
	for (i = 1; i <= 10; i++) {
		one = of(i % 2, i);
		assert_int_equal(events_keep(&one, 1000 + i)->unix_ns, 1000 + i);
	}
	assert_int_equal(events_after(7, 20, see, NULL), 1);
	assert_int_equal(n_seen, 3);
	assert_int_equal(seen[0], 8);
	assert_int_equal(seen[2], 10);
	n_seen = 0;
	(void)events_after(0, 4, see, NULL);
	assert_int_equal(n_seen, 4);
	assert_int_equal(seen[3], 4);
	n_seen = 0;
	one = of(1, 0);
	events_of(&one.source, 3, see, NULL);
	assert_int_equal(n_seen, 3);
	assert_int_equal(seen[0], 9);
	assert_int_equal(seen[2], 5);
	assert_int_equal(events_recent(&one.source, 6, got, 4), 3); /* 5, 3, 1 */
	assert_int_equal(got[0].time_ns, 5);
	assert_int_equal(events_recent(&one.source, 100, got, 2), 2);
	one = of(77, 0);
	assert_int_equal(events_recent(&one.source, 100, got, 4), 0);
}

static void test_oldest_go(void **state)
{
	struct sek_event one = of(200, 1);
	uint32_t i;

	events_keep(&one, 0);
	for (i = 0; i < EVENTS_KEPT; i++) {
		struct sek_event other = of(100 + i % 50, i);

		events_keep(&other, 0);
	}
	n_seen = 0;
	events_of(&one.source, 10, see, NULL);
	assert_int_equal(n_seen, 0); /* overwritten, and its chain ends there */
	assert_int_equal(events_after(0, 1, see, NULL), events_last() - EVENTS_KEPT + 1);
	assert_int_equal(seen[0], events_last() - EVENTS_KEPT + 1);
	n_seen = 0;
	(void)events_after(events_last(), 5, see, NULL);
	(void)events_after(UINT64_MAX, 5, see, NULL);
	(void)events_after(UINT64_MAX - 1, 5, see, NULL);
	assert_int_equal(n_seen, 0);
}

/* The one before is overwritten by the very one that points to it. */
static void test_chain_into_itself(void **state)
{
	struct sek_event one = of(201, 1), other = of(1, 1);
	uint32_t i;

	events_keep(&one, 0);
	for (i = 1; i < EVENTS_KEPT; i++)
		events_keep(&other, 0);
	events_keep(&one, 0);
	n_seen = 0;
	events_of(&one.source, 10, see, NULL);
	assert_int_equal(n_seen, 1);
}

static void test_records(void **state)
{
	struct sek_ban_event record = { .event = of(1, 1) };
	const struct sek_event *event;
	const struct sek_ban_event *ban;
	static const struct {
		uint8_t type, family, len;
		uint16_t header_bytes;
		int by; /* bytes more than it should be */
		int err;
	} rows[] = {
		{ SEK_EVENT_DROP, 4, 32, 96, 0, 0 },
		{ SEK_EVENT_BAN, 6, 64, 0, 0, 0 },
		{ SEK_EVENT_OVER, 4, 1, 0, 0, 0 },
		{ SEK_EVENT_DROP, 4, 32, 97, 0, -EBADMSG },
		{ SEK_EVENT_DROP, 4, 33, 0, 0, -EBADMSG },
		{ SEK_EVENT_DROP, 6, 129, 0, 0, -EBADMSG },
		{ SEK_EVENT_DROP, 4, 0, 0, 0, -EBADMSG },
		{ SEK_EVENT_DROP, 5, 32, 0, 0, -EBADMSG },
		{ 0, 4, 32, 0, 0, -EBADMSG },
		{ SEK_EVENT_OVER + 1, 4, 32, 0, 0, -EBADMSG },
		{ SEK_EVENT_DROP, 4, 32, 0, 1, -EBADMSG },
		{ SEK_EVENT_DROP, 4, 32, 0, -1, -EBADMSG },
		{ SEK_EVENT_BAN, 4, 32, 0, -1, -EBADMSG },
		{ SEK_EVENT_BAN, 4, 32, 0, 1, -EBADMSG },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = rows[i].type == SEK_EVENT_BAN ? sizeof(record) : sizeof(record.event);

		record.event.type = rows[i].type;
		record.event.source.family = rows[i].family;
		record.event.source.len = rows[i].len;
		record.event.header_bytes = rows[i].header_bytes;
		assert_int_equal(bpf_events_check(&record, size + rows[i].by, &event, &ban),
				 rows[i].err);
		if (!rows[i].err)
			assert_ptr_equal(ban, rows[i].type == SEK_EVENT_BAN ? &record : NULL);
	}
	assert_int_equal(bpf_events_check(&record, 0, &event, &ban), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_addresses),
		cmocka_unit_test(test_oldest_go),
		cmocka_unit_test(test_chain_into_itself),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
