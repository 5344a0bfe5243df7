// SPDX-License-Identifier: GPL-2.0
/*
 * Once a second, if there are bans: the kernel's map is read on a worker, then told to bans.c in
 * slices between which everyone else is served. What the ring buffer lost is found here, with its
 * evidence where that is still there; for one address, and for who cannot wait for the next scan,
 * too.
 */
#include "bans.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "sys/bpf_bans_read.h"
#include "sys/log.h"

#define SLICE_NS 10000000 /* what others wait */
/*
 * times as long as it looked, a scan rests: at most 5 % of a CPU; recording is work that has to be
 * done
 */
#define REST 20
/* what nobody told of is known by then; a whole map is looked through in less than half a second */
#define REST_MAX_MS 10000
#define REST_MIN_MS 900	  /* so that each tick may begin one */

static struct scan {
	uv_work_t work;
	uv_idle_t turn;
	struct engine *engine;
	bool is_under_way;
	struct bpf_ban *bans;
	size_t n, at;
	uint32_t swept;
	int err;
	/* numbers of scans: the last that somebody waits for, the last that is over */
	uint32_t wanted, over;
	int over_err;
	uint32_t n_trial;
	uint64_t look_ns, record_ns, next_ms;
	struct sek_evidence *evidence; /* read when the first unknown ban is met; by source */
	size_t n_evidence;
} scan;

/* Those that drop nothing any more, and make the next ban of their source a longer one. */
static uint32_t count_trials(void)
{
	uint64_t now_ns = bans_clock().boot_ns;
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < scan.n; i++)
		n += scan.bans[i].ban.until_ns <= now_ns &&
		     scan.bans[i].ban.trial_until_ns > now_ns;
	return n;
}

static void work(uv_work_t *request)
{
	uint64_t begin_ns = uv_hrtime();

	scan.err = bpf_bans_read(scan.engine->map_fds[ROLE_FD_BANS], &scan.bans, &scan.n);
	scan.n_trial = scan.err ? 0 : count_trials();
	scan.look_ns = uv_hrtime() - begin_ns;
}

static int compare_sources(const void *a, const void *b)
{
	const struct sek_evidence *x = a, *y = b;

	return memcmp(&x->source, &y->source, sizeof(x->source));
}

static void read_evidence(const struct engine *engine)
{
	int fd = engine->map_fds[ROLE_FD_EVIDENCE];
	size_t i;

	scan.evidence = calloc(SEK_EVIDENCE_MAX, sizeof(*scan.evidence));
	if (!scan.evidence || fd < 0 ||
	    bpf_read_array(fd, 0, SEK_EVIDENCE_MAX, sizeof(*scan.evidence), scan.evidence))
		return;
	for (i = 0; i < SEK_EVIDENCE_MAX; i++) {
		if (scan.evidence[i].busy)
			scan.evidence[scan.n_evidence++] = scan.evidence[i];
	}
	qsort(scan.evidence, scan.n_evidence, sizeof(*scan.evidence), compare_sources);
}

static void forget_evidence(void)
{
	free(scan.evidence);
	scan.evidence = NULL;
	scan.n_evidence = 0;
}

static const struct sek_evidence *find_evidence(const struct engine *engine,
						const struct sek_entry_key *key)
{
	struct sek_evidence wanted = { .source = *key };

	if (!scan.evidence)
		read_evidence(engine);
	return scan.n_evidence ? bsearch(&wanted, scan.evidence, scan.n_evidence, sizeof(wanted),
					 compare_sources)
			       : NULL;
}

/*
 * The program may have been writing a repeat while we copied its record: what is whole reads the
 * same twice.
 */
static bool is_whole(struct engine *engine, const struct bpf_ban *ban)
{
	struct sek_ban again;

	return ban->ban.random && ban->ban.until_ns >= ban->ban.since_ns &&
	       !bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &ban->key, &again) &&
	       again.random == ban->ban.random && again.since_ns == ban->ban.since_ns &&
	       again.until_ns == ban->ban.until_ns;
}

static void take(struct engine *engine, const struct bpf_ban *ban)
{
	const struct bans_row *row = bans_index_find(&engine->bans->index, &ban->key);
	uint64_t begin_ns;

	if (row && row->ban.random == ban->ban.random) {
		bans_saw(engine, &ban->key, &ban->ban, NULL, NULL);
		return;
	}
	if (!is_whole(engine, ban))
		return; /* the next scan finds it */
	begin_ns = uv_hrtime();
	bans_saw(engine, &ban->key, &ban->ban, find_evidence(engine, &ban->key), NULL);
	scan.record_ns += uv_hrtime() - begin_ns;
}

/* Is @row's record really gone? The copy may be older than the row. */
static bool is_gone(struct engine *engine, const struct bans_row *row)
{
	struct sek_ban ban;

	return row->is_used && row->scan != engine->bans->scan &&
	       bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &row->key, &ban);
}

/* Scan bans->scan is over; who waits for one goes on. */
static void tell(struct engine *engine, int err)
{
	scan.over = engine->bans->scan;
	scan.over_err = err;
	entries_jobs_go_on(engine);
}

static void finish(struct engine *engine)
{
	uint64_t rest_ms = (scan.look_ns > scan.record_ns ? scan.look_ns - scan.record_ns : 0) /
			   1000000 * REST;

	rest_ms = rest_ms < REST_MIN_MS   ? REST_MIN_MS
		  : rest_ms > REST_MAX_MS ? REST_MAX_MS
					  : rest_ms;
	uv_idle_stop(&scan.turn);
	free(scan.bans);
	forget_evidence();
	scan.bans = NULL;
	scan.n = scan.at = scan.swept = 0;
	scan.is_under_way = false;
	scan.next_ms = uv_now(&engine->loop) + rest_ms;
	if (!scan.err)
		engine->bans->n_trial = scan.n_trial;
	tell(engine, scan.err ? scan.err : engine->bans->is_failing ? -EIO : 0);
	if (scan.wanted > engine->bans->scan) {
		scan.next_ms = 0;
		bans_scan(engine);
	}
}

static void take_turn(uv_idle_t *idle)
{
	struct engine *engine = idle->data;
	uint64_t begin_ns = uv_hrtime(), end_ns = begin_ns + SLICE_NS;
	struct bans_index *index = &engine->bans->index;

	while (scan.at < scan.n && uv_hrtime() < end_ns)
		take(engine, &scan.bans[scan.at++]);
	while (scan.at == scan.n && scan.swept < index->n_rows && uv_hrtime() < end_ns) {
		struct bans_row *row = &index->rows[scan.swept++];

		if (is_gone(engine, row))
			bans_gone(engine, row);
	}
	scan.look_ns += uv_hrtime() - begin_ns;
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
	int err;

	if (scan.is_under_way || now_ms < scan.next_ms)
		return;
	err = bpf_read_control(&engine->read);
	if (err || (!engine->read.control->n_bans && !engine->bans->index.n_used)) {
		engine->bans->n_trial = 0;
		engine->bans->scan++;
		tell(engine, err);
		return;
	}
	if (!scan.turn.data) {
		uv_idle_init(&engine->loop, &scan.turn);
		scan.turn.data = engine;
	}
	scan.engine = engine;
	scan.look_ns = scan.record_ns = 0;
	engine->bans->scan++;
	engine->bans->n_updates = 0;
	scan.is_under_way = !uv_queue_work(&engine->loop, &scan.work, work, after_work);
}

uint32_t bans_scan_want(struct engine *engine)
{
	scan.wanted = engine->bans->scan + 1;
	if (!scan.is_under_way)
		scan.next_ms = 0;
	bans_scan(engine);
	return scan.wanted;
}

bool bans_scan_is_over(uint32_t number, int *ret_err)
{
	if (scan.over < number)
		return false;
	*ret_err = scan.over_err;
	return true;
}

void bans_look(struct engine *engine, const struct prefix *prefix)
{
	unsigned len;

	for (len = prefix->len; len > 0 && engine->map_fds[ROLE_FD_BANS] >= 0; len--) {
		struct prefix around = lists_shorten(prefix, len);
		struct bpf_ban ban = { .key = bans_key(&around) };

		if (!bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &ban.key, &ban.ban))
			take(engine, &ban);
	}
	if (!scan.is_under_way)
		forget_evidence();
	bans_written(engine);
}

int bans_in_kernel(const struct engine *engine, const struct prefix *prefix,
		   struct store_ban *ret_ban)
{
	struct bans_clock clock = bans_clock();
	struct sek_ban ban;
	unsigned len;

	for (len = prefix->len; len > 0 && engine->map_fds[ROLE_FD_BANS] >= 0; len--) {
		struct prefix around = lists_shorten(prefix, len);
		struct sek_entry_key key = bans_key(&around);

		if (bpf_bans_get(engine->map_fds[ROLE_FD_BANS], &key, &ban) || !ban.random ||
		    ban.until_ns <= clock.boot_ns)
			continue;
		memset(ret_ban, 0, sizeof(*ret_ban));
		ret_ban->source = around;
		ret_ban->ban = ban;
		ret_ban->since_s = bans_unix_s(&clock, ban.since_ns);
		ret_ban->until_s = bans_unix_s(&clock, ban.until_ns);
		snprintf(ret_ban->limit, sizeof(ret_ban->limit), "%s",
			 bans_limit_name(engine, ban.limit));
		return 0;
	}
	return -ENOENT;
}

uint32_t bans_unrecorded(const struct engine *engine)
{
	uint32_t n_kernel = engine->read.control->n_bans, n_known = engine->bans->index.n_used;

	return n_kernel > n_known ? n_kernel - n_known : 0;
}
