// SPDX-License-Identifier: GPL-2.0
/*
 * The busiest sources. A row's counts grow as long as it is the same source's; its rate is what it
 * gained since an earlier look, a few seconds ago. What it may have inherited from the row's last
 * owner is its error.
 */
#include "top.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sekisho/top.h>
#include "engine.h"
#include "lib/prefix.h"

#define IDLE_NS 60000000000ull /* ns: a source silent for longer is no longer shown */
#define LATELY_NS 3600000000000ull /* ns: what top_sources() calls seen */
#define AGAIN_NS 2000000000ull /* ns between looks that a live display compares */

/* A source's counts over all CPUs. */
struct top_source {
	uint8_t addr_be[16];
	uint32_t family;
	double packets, bytes, drops, error;
};

struct top_look {
	struct top_source *source;
	size_t n;
	uint64_t time_ns;
};

struct top {
	struct sek_top_set *sets;
	unsigned n_sets;
	struct top_look looks[3]; /* two of before, the older first, and the one of now */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void top_open(struct engine *engine)
{
	struct top *top = engine->top = calloc(1, sizeof(*top));
	unsigned i, bad = 0;

	if (!top)
		exit(1); /* at the start: there is nothing to keep yet */
	top->n_sets = engine->hello.body.hello.n_cpus * SEK_TOP_SETS;
	top->sets = calloc(top->n_sets, sizeof(*top->sets));
	for (i = 0; i < 3; i++) {
		top->looks[i].source =
			calloc(top->n_sets * SEK_TOP_WAYS, sizeof(struct top_source));
		bad += !top->looks[i].source;
	}
	if (!top->sets || bad)
		exit(1);
}

static int by_address(const void *a, const void *b)
{
	const struct top_source *x = a, *y = b;

	return x->family != y->family ? (x->family < y->family ? -1 : 1)
				      : memcmp(x->addr_be, y->addr_be, sizeof(x->addr_be));
}

/*
 * @len6: an IPv6 source is the network of so many bits. Each CPU's row names another address of it.
 */
static void add_row(struct top_look *look, const struct sek_top_row *row, unsigned len6)
{
	struct top_source *source = &look->source[look->n++];
	unsigned i;

	*source = (struct top_source){.family = row->family,
				      .packets = row->packets,
				      .bytes = row->bytes,
				      .drops = row->drops,
				      .error = row->error};
	memcpy(source->addr_be, row->addr_be, sizeof(source->addr_be));
	for (i = len6 / 8; row->family == 6 && i < sizeof(source->addr_be); i++)
		source->addr_be[i] &= i == len6 / 8 ? 0xff00 >> len6 % 8 : 0;
}

/* Rows of one source on several CPUs become one. */
static void merge(struct top_look *look)
{
	size_t i, kept = 0;

	qsort(look->source, look->n, sizeof(look->source[0]), by_address);
	for (i = 0; i < look->n; i++) {
		struct top_source *last = kept ? &look->source[kept - 1] : NULL,
				  *one = &look->source[i];

		if (!last || by_address(last, one)) {
			look->source[kept++] = *one;
			continue;
		}
		last->packets += one->packets;
		last->bytes += one->bytes;
		last->drops += one->drops;
		last->error += one->error;
	}
	look->n = kept;
}

static int look_now(struct engine *engine, struct top_look *look, uint64_t idle_ns, unsigned len6)
{
	struct top *top = engine->top;
	unsigned i, way;
	int err = bpf_read_array(engine->map_fds[ROLE_FD_TOP], 0, top->n_sets, sizeof(*top->sets),
				 top->sets);

	if (err)
		return err;
	look->n = 0;
	look->time_ns = now_ns();
	for (i = 0; i < top->n_sets; i++) {
		for (way = 0; way < SEK_TOP_WAYS; way++) {
			const struct sek_top_row *row = &top->sets[i].row[way];

			if (row->family && row->last_ns + idle_ns > look->time_ns)
				add_row(look, row, len6);
		}
	}
	merge(look);
	return 0;
}

/* @look becomes the newer of those before. */
static void keep(struct top *top)
{
	struct top_look oldest = top->looks[0];

	top->looks[0] = top->looks[1];
	top->looks[1] = top->looks[2];
	top->looks[2] = oldest;
}

/* What the kernel's rows count as one IPv6 source. */
static unsigned source_len6(const struct engine *engine)
{
	const struct sek_control *control = engine->read.control;

	return 128 - __builtin_popcountll(control->top_ignore_be[0]) -
	       __builtin_popcountll(control->top_ignore_be[1]);
}

void top_tick(struct engine *engine)
{
	if (!look_now(engine, &engine->top->looks[2], IDLE_NS, source_len6(engine)))
		keep(engine->top);
}

size_t top_sources_max(const struct engine *engine)
{
	return (size_t)engine->top->n_sets * SEK_TOP_WAYS;
}

size_t top_sources(struct engine *engine, struct top_seen *ret_seen, size_t max)
{
	struct top_look *now = &engine->top->looks[2]; /* every look begins by filling it */
	size_t i;

	if (look_now(engine, now, LATELY_NS, 128))
		return 0;
	for (i = 0; i < now->n && i < max; i++) {
		const struct top_source *source = &now->source[i];

		ret_seen[i] = (struct top_seen){.family = source->family,
						.packets = source->packets,
						.drops = source->drops};
		memcpy(ret_seen[i].addr_be, source->addr_be, sizeof(ret_seen[i].addr_be));
	}
	return i;
}

struct ranked {
	struct top_source source;	 /* all since its row began */
	double packets, bytes, drops;	 /* a second */
	double rank, whole;		 /* the one of them, and of all since, that is asked for */
};

/* The busiest now; then, of those that are quiet for the moment, the busiest of before. */
static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->rank != y->rank)
		return (x->rank < y->rank) - (x->rank > y->rank);
	return (x->whole < y->whole) - (x->whole > y->whole);
}

static void set_rank(struct ranked *one, const char *by)
{
	one->rank = one->packets;
	one->whole = one->source.packets;
	if (!strcmp(by, "bytes")) {
		one->rank = one->bytes;
		one->whole = one->source.bytes;
	} else if (!strcmp(by, "drops")) {
		one->rank = one->drops;
		one->whole = one->source.drops;
	}
}

/* What @source gained since @before; all it has, less what it inherited, where it is new. */
static struct ranked rate(const struct top_source *source, const struct top_look *before,
			  double seconds)
{
	const struct top_source *was =
		bsearch(source, before->source, before->n, sizeof(*source), by_address);
	struct ranked one = { .source = *source };

	if (was && was->packets <= source->packets && was->bytes <= source->bytes) {
		one.packets = (source->packets - was->packets) / seconds;
		one.bytes = (source->bytes - was->bytes) / seconds;
		one.drops = source->drops > was->drops ? (source->drops - was->drops) / seconds : 0;
	} else {
		one.packets = (source->packets - source->error) / seconds;
		/* bytes and drops begin at 0 with each owner of a row */
		one.bytes = source->bytes / seconds;
		one.drops = source->drops / seconds;
	}
	return one;
}

static json_t *row_json(const struct ranked *one, unsigned len6)
{
	struct prefix prefix = {.family = one->source.family,
				.len = one->source.family == 4 ? 32 : len6};
	char text[PREFIX_TEXT_BYTES];

	memcpy(prefix.addr_be, one->source.addr_be, sizeof(prefix.addr_be));
	prefix_format(&prefix, text);
	return json_pack("{s:s,s:f,s:f,s:f,s:I,s:I,s:I,s:I}", "address", text, "packets_per_s",
			 one->packets, "bytes_per_s", one->bytes, "drops_per_s", one->drops,
			 "packets", (json_int_t)one->source.packets, "bytes",
			 (json_int_t)one->source.bytes, "drops", (json_int_t)one->source.drops,
			 "error", (json_int_t)one->source.error);
}

json_t *top_rows(struct engine *engine, const char *by, unsigned max)
{
	struct top *top = engine->top;
	struct top_look *now = &top->looks[2], *before = &top->looks[1];
	unsigned len6 = source_len6(engine);
	struct ranked *ranked;
	json_t *rows = NULL;
	size_t i;

	if (look_now(engine, now, IDLE_NS, len6))
		return NULL;
	if (now->time_ns - before->time_ns < AGAIN_NS && top->looks[0].time_ns)
		before = &top->looks[0];
	ranked = calloc(now->n + 1, sizeof(*ranked));
	if (ranked)
		rows = json_array();
	for (i = 0; i < now->n && rows; i++) {
		ranked[i] = rate(&now->source[i], before,
				 before->time_ns ? (now->time_ns - before->time_ns) / 1e9 : 1);
		set_rank(&ranked[i], by);
	}
	if (rows)
		qsort(ranked, now->n, sizeof(*ranked), by_rank);
	for (i = 0; i < now->n && i < max && rows; i++) {
		if (ranked[i].rank > 0 || ranked[i].whole > 0)
			json_array_append_new(rows, row_json(&ranked[i], len6));
	}
	if (now->time_ns - top->looks[1].time_ns >= AGAIN_NS)
		keep(top);
	free(ranked);
	return rows;
}
