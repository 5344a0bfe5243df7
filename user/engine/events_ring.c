// SPDX-License-Identifier: GPL-2.0
/*
 * The last events in a ring, and for each a chain to the one before of an address with the same
 * hash.
 */
#include "events.h"

#include <string.h>

#define BUCKETS 16384u /* chains: a power of two */
#define WALK_MAX 4096u /* links followed for one question */

static struct kept {
	struct events_row row;
	uint64_t before; /* number of the event before it in the chain */
} ring[EVENTS_KEPT]; /* pages are taken as it fills */
static uint64_t heads[BUCKETS], last;

static uint32_t hash(const struct sek_entry_key *key)
{
	uint32_t sum = 2166136261u;
	size_t i;

	for (i = 0; i < sizeof(key->addr_be); i++)
		sum = (sum ^ key->addr_be[i]) * 16777619u;
	return (sum ^ sum >> 15 ^ key->family) & (BUCKETS - 1);
}

/* NULL: it is no more. */
static struct kept *find(uint64_t number)
{
	struct kept *kept = &ring[number & (EVENTS_KEPT - 1)];

	return number && kept->row.number == number ? kept : NULL;
}

const struct events_row *events_keep(const struct sek_event *event, int64_t unix_ns)
{
	uint64_t *head = &heads[hash(&event->source)];
	struct kept *kept = &ring[++last & (EVENTS_KEPT - 1)];

	kept->before = *head;
	kept->row.number = *head = last;
	kept->row.unix_ns = unix_ns;
	kept->row.event = *event;
	return &kept->row;
}

uint64_t events_last(void)
{
	return last;
}

static bool is_same(const struct sek_entry_key *a, const struct sek_entry_key *b)
{
	return a->family == b->family && !memcmp(a->addr_be, b->addr_be, sizeof(a->addr_be));
}

unsigned events_recent(const struct sek_entry_key *source, uint64_t before_ns,
		       struct sek_event *ret_events, unsigned max)
{
	struct kept *kept = find(heads[hash(source)]);
	unsigned n = 0, walked;

	for (walked = 0; kept && n < max && walked < WALK_MAX;
	     walked++, kept = find(kept->before)) {
		const struct sek_event *event = &kept->row.event;

		if (is_same(&event->source, source) && event->header_bytes &&
		    event->type != SEK_EVENT_BAN && event->time_ns <= before_ns)
			ret_events[n++] = *event;
	}
	return n;
}

void events_of(const struct sek_entry_key *address, unsigned max,
	       void (*fn)(void *arg, const struct events_row *row), void *arg)
{
	struct kept *kept = find(heads[hash(address)]);
	unsigned n = 0, walked;

	for (walked = 0; kept && n < max && walked < WALK_MAX;
	     walked++, kept = find(kept->before)) {
		if (is_same(&kept->row.event.source, address)) {
			fn(arg, &kept->row);
			n++;
		}
	}
}

uint64_t events_after(uint64_t after, unsigned max,
		      void (*fn)(void *arg, const struct events_row *row), void *arg)
{
	uint64_t oldest = last > EVENTS_KEPT ? last - EVENTS_KEPT + 1 : last ? 1 : 0, number;

	for (number = after < oldest ? oldest : after + 1; after < last && number <= last && max;
	     number++, max--)
		fn(arg, &ring[number & (EVENTS_KEPT - 1)].row);
	return oldest;
}
