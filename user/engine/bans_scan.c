// SPDX-License-Identifier: GPL-2.0
/*
 * Once a second, if there are bans: the kernel's map is read on a worker, then told to bans.c in slices between which everyone
 * else is served. What the ring buffer lost is found here, with its evidence where that is still there.
 */
#include "bans.h"

#include <stdlib.h>
#include <string.h>

#include "sys/bpf_bans_read.h"
#include "sys/log.h"

#define SLICE_NS 10000000 /* what others wait */
#define REST 20		  /* times as long as it took, a scan rests: at most 5 % of a CPU */
#define REST_MIN_MS 900	  /* so that each tick may begin one */

static struct scan {
	uv_work_t work;
	uv_idle_t turn;
	struct engine *engine;
	bool is_under_way, has_evidence;
	struct bpf_ban *bans;
	size_t n, at;
	uint32_t swept;
	int err;
	uint64_t begun_ms, next_ms;
	struct sek_evidence *evidence; /* read when the first unknown ban is met */
} scan;

static void work(uv_work_t *request)
{
	scan.err = bpf_bans_read(scan.engine->map_fds[ROLE_FD_BANS], &scan.bans, &scan.n);
}

static const struct sek_evidence *find_evidence(struct engine *engine, const struct sek_entry_key *key)
{
	size_t i;

	if (!scan.evidence) {
		scan.evidence = calloc(SEK_EVIDENCE_MAX, sizeof(*scan.evidence));
		scan.has_evidence = scan.evidence && engine->map_fds[ROLE_FD_EVIDENCE] >= 0 && !bpf_read_array(engine->map_fds[ROLE_FD_EVIDENCE], 0, SEK_EVIDENCE_MAX, sizeof(*scan.evidence), scan.evidence);
	}
	for (i = 0; scan.has_evidence && i < SEK_EVIDENCE_MAX; i++) {
		if (scan.evidence[i].busy && !memcmp(&scan.evidence[i].source, key, sizeof(*key)))
			return &scan.evidence[i];
	}
	return NULL;
}

/* The program may have been writing a repeat while we copied its record: what is whole reads the same twice. */
static bool is_whole(struct engine *engine, const struct bpf_ban *ban)
{
	struct sek_ban again;

	return ban->ban.random && ban->ban.until_ns >= ban->ban.since_ns && !bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &ban->key, &again) &&
	       again.random == ban->ban.random && again.since_ns == ban->ban.since_ns && again.until_ns == ban->ban.until_ns;
}

static void take(struct engine *engine, const struct bpf_ban *ban)
{
	const struct bans_row *row = bans_index_find(&engine->bans->index, &ban->key);
	bool is_known = row && row->ban.random == ban->ban.random;

	if (!is_known && !is_whole(engine, ban))
		return; /* the next scan finds it */
	bans_saw(engine, &ban->key, &ban->ban, is_known ? NULL : find_evidence(engine, &ban->key), NULL);
}

/* Is @row's record really gone? The copy may be older than the row. */
static bool is_gone(struct engine *engine, const struct bans_row *row)
{
	struct sek_ban ban;

	return row->is_used && row->scan != engine->bans->scan && bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &row->key, &ban);
}

static void finish(struct engine *engine)
{
	uint64_t now_ms = uv_now(&engine->loop), rest_ms = (now_ms - scan.begun_ms) * REST;

	uv_idle_stop(&scan.turn);
	free(scan.bans);
	free(scan.evidence);
	scan.bans = NULL;
	scan.evidence = NULL;
	scan.n = scan.at = scan.swept = 0;
	scan.has_evidence = scan.is_under_way = false;
	scan.next_ms = now_ms + (rest_ms > REST_MIN_MS ? rest_ms : REST_MIN_MS);
}

static void take_turn(uv_idle_t *idle)
{
	struct engine *engine = idle->data;
	uint64_t end_ns = uv_hrtime() + SLICE_NS;
	struct bans_index *index = &engine->bans->index;

	while (scan.at < scan.n && uv_hrtime() < end_ns)
		take(engine, &scan.bans[scan.at++]);
	while (scan.at == scan.n && scan.swept < index->n_rows && uv_hrtime() < end_ns) {
		struct bans_row *row = &index->rows[scan.swept++];

		if (is_gone(engine, row))
			bans_gone(engine, row);
	}
	bans_written(engine);
	if (scan.at == scan.n && scan.swept >= index->n_rows)
		finish(engine);
}

static void after_work(uv_work_t *request, int status)
{
	if (scan.err || status) {
		log_line(LOG_ERR, "bans: the kernel's map cannot be read: %s", strerror(-scan.err));
		finish(scan.engine);
		return;
	}
	uv_idle_start(&scan.turn, take_turn);
}

void bans_scan(struct engine *engine)
{
	uint64_t now_ms = uv_now(&engine->loop);

	if (scan.is_under_way || now_ms < scan.next_ms)
		return;
	if (bpf_read_control(&engine->read) || (!engine->read.control->n_bans && !engine->bans->index.n_used))
		return;
	if (!scan.turn.data) {
		uv_idle_init(&engine->loop, &scan.turn);
		scan.turn.data = engine;
	}
	scan.engine = engine;
	scan.begun_ms = now_ms;
	engine->bans->scan++;
	engine->bans->n_updates = 0;
	scan.is_under_way = !uv_queue_work(&engine->loop, &scan.work, work, after_work);
}
