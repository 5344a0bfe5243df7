// SPDX-License-Identifier: GPL-2.0
/*
 * What a source met lately, beside the sampled events: the kernel's records of sources near or over
 * a limit; and whether, where all of them are silent, that is an answer.
 */
#include "explain.h"

#include <stdlib.h>

#include "bans.h"
#include "events.h"
#include "held.h"
#include "lib/lifted.h"

/* Of sek_evidence.busy: by how often another source took the record, and the first one's count. */
#define OWNERS(busy) ((busy) & (SEK_EVIDENCE_AGAIN - 1))
#define FIRST_OWNER (SEK_EVIDENCE_OWNER | 1)

#define ENDED_MAX 1000 /* ended entries looked at: 1 ms; who has more gets no other answer */

static struct {
	uint64_t unsampled, unwritten; /* counters as last read: events; packets without a record */
	uint64_t unsampled_ns, unwritten_ns; /* CLOCK_BOOTTIME of the last growth; 0: never */
	bool is_begun;
} past;

static struct lifted lifted;

static void see(uint64_t now, uint64_t *seen, uint64_t *ret_ns)
{
	if (now != *seen)
		*ret_ns = bans_clock().boot_ns;
	*seen = now;
}

void explain_watch(struct engine *engine)
{
	uint64_t unsampled = 0, unwritten = 0;
	unsigned i;

	for (i = 0; i < engine->read.n_cpus; i++) {
		unsampled +=
			engine->read.cpus[i].events_unsampled + engine->read.cpus[i].events_lost;
		unwritten += engine->read.cpus[i].evidence_missed;
	}
	see(unsampled, &past.unsampled, &past.unsampled_ns);
	see(unwritten, &past.unwritten, &past.unwritten_ns);
	/* what was told to an agent, or to an engine of this one, before us is not with us */
	if (!past.is_begun &&
	    (engine->hello.body.hello.adopted || engine->hello.body.hello.generation ||
	     engine_now_s() < (int64_t)engine->former_maps_s + LATELY_S)) {
		past.unsampled_ns = bans_clock().boot_ns;
		explain_lifted_all();
	}
	past.is_begun = true;
}

void explain_lifted(const struct prefix *prefix)
{
	lifted_add(&lifted, prefix, bans_clock().boot_ns);
}

void explain_lifted_all(void)
{
	lifted_add_all(&lifted, bans_clock().boot_ns);
}

/* All records, the caller's to free(). NULL: no memory, or they cannot be read. */
static struct sek_evidence *read_records(struct engine *engine)
{
	struct sek_evidence *records = calloc(SEK_EVIDENCE_MAX, sizeof(*records));

	if (records && !bpf_read_array(engine->map_fds[ROLE_FD_EVIDENCE], 0, SEK_EVIDENCE_MAX,
				       sizeof(*records), records))
		return records;
	free(records);
	return NULL;
}

struct explain_over explain_over_of(struct engine *engine, const struct prefix *address,
				    uint64_t since_ns)
{
	struct sek_evidence *records =
		engine->map_fds[ROLE_FD_EVIDENCE] < 0 ? NULL : read_records(engine);
	struct explain_over over = { 0 };
	unsigned i;

	for (i = 0; records && i < SEK_EVIDENCE_MAX; i++) {
		struct prefix source = bans_prefix(&records[i].source);

		if (!records[i].busy || !records[i].dropped || records[i].last_ns < since_ns ||
		    !prefix_covers(&source, address))
			continue;
		over.packets += records[i].dropped;
		over.limits |= records[i].limits;
		if (!over.first_ns || records[i].first_ns < over.first_ns)
			over.first_ns = records[i].first_ns;
	}
	free(records);
	return over;
}

/* Was there more in the record that would tell of @address than is there now? */
static bool has_lost(const struct sek_evidence *record, const struct prefix *address)
{
	struct prefix source = bans_prefix(&record->source);

	return OWNERS(record->busy) > FIRST_OWNER ||
	       (record->busy >= SEK_EVIDENCE_AGAIN && prefix_covers(&source, address));
}

/* Is all still there that records told of @address after @since_ns? */
static bool has_all_records(struct engine *engine, const struct prefix *address, uint64_t since_ns)
{
	struct sek_evidence *records;
	bool has_all = past.unwritten_ns < since_ns;
	unsigned i;

	if (engine->map_fds[ROLE_FD_EVIDENCE] < 0)
		return true; /* no limits */
	records = read_records(engine);
	for (i = 0; records && i < SEK_EVIDENCE_MAX; i++)
		has_all = has_all &&
			  (records[i].first_ns < since_ns || !has_lost(&records[i], address));
	has_all = has_all && records;
	free(records);
	return has_all;
}

struct oldest {
	uint64_t time_ns;
};

static void take_time(void *arg, const struct events_row *row)
{
	((struct oldest *)arg)->time_ns = row->event.time_ns;
}

/* Are there all events after @since_ns that the program told of? */
static bool has_all_events(uint64_t since_ns)
{
	struct oldest oldest = { 0 };

	return past.unsampled_ns < since_ns &&
	       (events_after(0, 1, take_time, &oldest) <= 1 || oldest.time_ns < since_ns);
}

struct ended_walk {
	const struct prefix *address;
	unsigned rows;
};

static int is_ended(void *arg, const struct store_entry *row)
{
	struct ended_walk *walk = arg;

	return prefix_covers(&row->prefix, walk->address) || ++walk->rows == ENDED_MAX;
}

/* May an entry have held @address that has ended, and that entries_expire() has not told of yet? */
static bool has_ended_entry(struct engine *engine, const struct prefix *address)
{
	struct ended_walk walk = { .address = address };

	/* what cannot be read may have, too */
	return store_entry_expired(engine->store, engine_now_s(), is_ended, &walk) != 0;
}

bool explain_is_known(struct engine *engine, const struct prefix *address, uint64_t since_ns)
{
	if (bpf_read_refresh(&engine->read))
		return false;
	explain_watch(engine);
	if (has_all_events(since_ns))
		return true;
	return !lifted_may_hold(&lifted, address, since_ns) && !held_may_lift(engine, address) &&
	       has_all_records(engine, address, since_ns) &&
	       !has_ended_entry(engine, address);
}
