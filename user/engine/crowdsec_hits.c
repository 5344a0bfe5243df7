// SPDX-License-Identifier: GPL-2.0
/*
 * What CrowdSec's decisions dropped. The kernel counts all block entries as one; whose they were is
 * asked of the state for each sampled event, and the exact count is shared out as the sample has
 * it: exact where all drops were sampled (events: sample, a CPU and second), within the sample's
 * scatter above that. Without events nothing is said to be CrowdSec's.
 */
#include "crowdsec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans.h"
#include "quality.h"

#define EVENTS_A_TICK 2000 /* looked at, a second */
/* addresses asked of the state: 20 ms at the most; what is behind them is no part of the sample */
#define ASKED_A_TICK 200
#define KNOWN 1024	   /* addresses remembered, by hash, until the next settlement */
#define OTHERS "other" /* than those who have a row of their own */
/* who decided, family and class, of one settlement; more share the last */
#define SEEN_MAX 128

/* A sum of packets. */
struct sum {
	uint64_t drops, drop_bytes, woulds;
};

/* One kind of packets in the sample. */
struct seen {
	char by[STORE_USER_BYTES]; /* who decided; empty: no decision of CrowdSec's */
	uint8_t family;
	uint16_t counter; /* of the class of lists that hold the source too */
	struct sum sum;
};

struct known {
	struct prefix address; /* family 0: free */
	struct prefix entry;
	char by[STORE_USER_BYTES];
};

struct crowdsec_hits {
	bool is_begun;
	/* the kernel's counters, all block entries, as far as they are shared out */
	struct sum before;
	uint64_t event;	   /* number of the last one that was looked at */
	unsigned asked;	   /* in this tick */
	/* boot time: events behind that are for the next settlement; 0: take all */
	uint64_t until_ns;
	uint64_t revision; /* of the decisions that known[] is of */
	struct seen seen[SEEN_MAX];
	size_t n_seen;
	struct known known[KNOWN];
	struct crowdsec_told told[CROWDSEC_TOLD_MAX];
	size_t n_told;
};

static struct sum count(const struct engine *engine)
{
	struct sum sum = { 0 };
	unsigned slot;

	/* of interfaces that are gone too: the sum never goes back */
	for (slot = 0; slot < SEK_IFACES_MAX; slot++) {
		struct sek_counter drop =
			bpf_read_verdict(&engine->read, slot, SEK_V_DROP, SEK_R_BLOCK);

		sum.drops += drop.packets;
		sum.drop_bytes += drop.bytes;
		sum.woulds +=
			bpf_read_verdict(&engine->read, slot, SEK_V_WOULD, SEK_R_BLOCK).packets;
	}
	return sum;
}

/*
 * What is known of @address: asked of the state once a settlement. NULL: not in this tick any more.
 */
static const struct known *ask(struct engine *engine, const struct prefix *address)
{
	struct crowdsec_hits *hits = engine->crowdsec->hits;
	struct known *known = &hits->known[hll_hash(address, sizeof(*address)) % KNOWN];
	struct store_entry row;

	if (!memcmp(&known->address, address, sizeof(*address)))
		return known;
	if (hits->asked++ >= ASKED_A_TICK)
		return NULL;
	memset(known, 0, sizeof(*known));
	known->address = *address;
	if (crowdsec_find(engine, address, &row)) {
		known->entry = row.prefix;
		memcpy(known->by, row.by_user, sizeof(known->by));
	}
	return known;
}

static struct seen *seen_of(struct crowdsec_hits *hits, const struct known *known, uint16_t counter)
{
	struct seen *seen;
	size_t i;

	for (i = 0; i < hits->n_seen; i++) {
		seen = &hits->seen[i];
		if (seen->family == known->address.family && seen->counter == counter &&
		    !strcmp(seen->by, known->by))
			return seen;
	}
	if (hits->n_seen == SEEN_MAX)
		return &hits->seen[SEEN_MAX - 1];
	seen = &hits->seen[hits->n_seen++];
	memset(seen, 0, sizeof(*seen));
	seen->family = known->address.family;
	seen->counter = counter;
	memcpy(seen->by, known->by, sizeof(seen->by));
	return seen;
}

static void see(void *arg, const struct events_row *row)
{
	struct engine *engine = arg;
	struct crowdsec_hits *hits = engine->crowdsec->hits;
	struct prefix address = bans_prefix(&row->event.source);
	const struct known *known;
	struct seen *seen;

	if (hits->until_ns && row->event.time_ns > hits->until_ns)
		hits->until_ns = 1; /* this one and all behind it are told again */
	if (hits->until_ns == 1)
		return;
	hits->event = row->number;
	if (row->event.type != SEK_EVENT_DROP || row->event.reason != SEK_R_BLOCK)
		return;
	known = ask(engine, &address);
	if (!known)
		return;
	seen = seen_of(hits, known, row->event.counter);
	if (row->event.verdict == SEK_V_WOULD) {
		seen->sum.woulds++;
	} else {
		seen->sum.drops++;
		seen->sum.drop_bytes += row->event.frame_bytes;
	}
	if (known->by[0])
		quality_hit(engine, &engine->crowdsec->feed, &known->entry);
}

/*
 * The row of who decided, and of which family. The last two are for all who find no row of their
 * own, one a family.
 */
static struct crowdsec_told *told_of(struct crowdsec_hits *hits, uint8_t family, const char *by)
{
	struct crowdsec_told *told;
	size_t i;

	for (i = 0; i < hits->n_told; i++) {
		told = &hits->told[i];
		if (told->family == family && !strcmp(told->by, by))
			return told;
	}
	if (hits->n_told >= CROWDSEC_TOLD_MAX - 2 && strcmp(by, OTHERS))
		return told_of(hits, family, OTHERS);
	told = &hits->told[hits->n_told++];
	memset(told, 0, sizeof(*told));
	told->family = family;
	snprintf(told->by, sizeof(told->by), "%s", by);
	return told;
}

/*
 * Of @whole the share of @part in @all; *done is what the parts before had of it, so that nothing
 * is lost to rounding.
 */
static uint64_t share_of(uint64_t whole, uint64_t part_end, uint64_t all, uint64_t *done)
{
	uint64_t end = all ? (uint64_t)((unsigned __int128)whole * part_end / all) : 0,
		 gain = end - *done;

	*done = end;
	return gain;
}

static void credit(struct engine *engine, const struct seen *seen, const struct credit_totals *gain)
{
	struct crowdsec_told *told = told_of(engine->crowdsec->hits, seen->family, seen->by);

	credit_beside(engine, engine->crowdsec->feed.state.id, seen->counter, gain);
	told->drops += gain->drops;
	told->drop_bytes += gain->drop_bytes;
}

static struct sum sum_of(const struct crowdsec_hits *hits)
{
	struct sum all = { 0 };
	size_t i;

	for (i = 0; i < hits->n_seen; i++) {
		all.drops += hits->seen[i].sum.drops;
		all.drop_bytes += hits->seen[i].sum.drop_bytes;
		all.woulds += hits->seen[i].sum.woulds;
	}
	return all;
}

/* Shares @whole out; of what no event was seen it waits for the next settlement. */
static void share_out(struct engine *engine, struct sum *whole)
{
	struct crowdsec_hits *hits = engine->crowdsec->hits;
	struct sum all = sum_of(hits), end = { 0 }, done = { 0 };
	size_t i;

	for (i = 0; i < hits->n_seen; i++) {
		const struct seen *seen = &hits->seen[i];
		struct credit_totals gain = { 0 };

		end.drops += seen->sum.drops;
		end.drop_bytes += seen->sum.drop_bytes;
		end.woulds += seen->sum.woulds;
		gain.drops = share_of(whole->drops, end.drops, all.drops, &done.drops);
		gain.drop_bytes = share_of(whole->drop_bytes, end.drop_bytes, all.drop_bytes,
					   &done.drop_bytes);
		gain.woulds = share_of(whole->woulds, end.woulds, all.woulds, &done.woulds);
		if (seen->by[0])
			credit(engine, seen, &gain);
	}
	whole->drops -= done.drops;
	whole->drop_bytes -= done.drop_bytes;
	whole->woulds -= done.woulds;
	hits->n_seen = 0;
}

/* A counter that went back began anew: from there on it counts. */
static uint64_t gained(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : 0;
}

/* What was known of addresses is not, once decisions came or went. */
static void forget(struct engine *engine)
{
	struct crowdsec_hits *hits = engine->crowdsec->hits;

	memset(hits->known, 0, sizeof(hits->known));
	hits->revision = engine->crowdsec->revision;
	hits->asked = 0;
}

void crowdsec_hits_take(struct engine *engine)
{
	struct crowdsec_hits *hits = engine->crowdsec->hits;
	uint64_t now_ns = bans_clock().boot_ns;
	struct sum now, whole;

	if (!engine->crowdsec->config || bpf_read_refresh(&engine->read))
		return; /* partly new copies could be credited twice: the next one is whole */
	now = count(engine);
	if (hits->is_begun) {
		events_take(engine);
		hits->until_ns = now_ns;
		forget(engine);
		(void)events_after(hits->event, EVENTS_A_TICK, see, engine);
		hits->until_ns = 0;
		whole = (struct sum){gained(now.drops, hits->before.drops),
				     gained(now.drop_bytes, hits->before.drop_bytes),
				     gained(now.woulds, hits->before.woulds)};
		share_out(engine, &whole);
		now = (struct sum){now.drops - whole.drops, now.drop_bytes - whole.drop_bytes,
				   now.woulds - whole.woulds};
	}
	hits->before = now;
	hits->is_begun = true;
}

void crowdsec_hits_tick(struct engine *engine)
{
	struct crowdsec_hits *hits = engine->crowdsec->hits;

	if (!hits->is_begun)
		crowdsec_hits_take(engine); /* nothing yet: from here on it counts */
	hits->asked = 0;
	if (hits->revision != engine->crowdsec->revision)
		forget(engine);
	/* what the ring lost is lost to the sample */
	(void)events_after(hits->event, EVENTS_A_TICK, see, engine);
}

const struct crowdsec_told *crowdsec_hits_told(const struct engine *engine, size_t *ret_n)
{
	*ret_n = engine->crowdsec->hits->n_told;
	return engine->crowdsec->hits->told;
}

void crowdsec_hits_open(struct engine *engine)
{
	engine->crowdsec->hits = calloc(1, sizeof(*engine->crowdsec->hits));
	if (!engine->crowdsec->hits)
		exit(1); /* 100 kB at the start: there is nothing to keep yet */
}

void crowdsec_hits_configure(struct engine *engine)
{
	struct crowdsec_hits *hits = engine->crowdsec->hits;

	if (engine->crowdsec->config && !hits->is_begun) {
		hits->event = events_last();
		hits->n_seen = 0;
	} else if (!engine->crowdsec->config) {
		hits->is_begun = false; /* what is dropped from here on is not CrowdSec's */
	}
}
