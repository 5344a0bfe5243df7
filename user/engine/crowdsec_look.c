// SPDX-License-Identifier: GPL-2.0
/*
 * What CrowdSec's decisions have in common with the lists. They are no list themselves: after a
 * change they are read from the state, a slice a turn of the loop, and laid beside each list on a
 * worker. Known-good lists that they meet are told.
 */
#include "crowdsec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "events.h"
#include "lib/overlap.h"
#include "sys/log.h"
#include "sys/store_refs.h"

#define READ_ROWS 2000 /* of the state, a turn: some milliseconds */
#define REST 20	       /* times as long as it took, a look rests: at most 5 % of a CPU */
#define REST_MIN_MS 1000

/* A list on a mapping of the look's own, so that a reload may drop the feed. */
struct beside {
	struct engine_list list;
	struct crowdsec_shared shared; /* the answer */
};

struct crowdsec_look {
	uv_work_t work;
	uv_idle_t turn;
	struct engine *engine;
	bool is_under_way;
	uint64_t revision, generation; /* of decisions and lists that were looked at last */
	uint64_t begun_ms, next_ms;
	/* on the way */
	struct prefix4 *v4;
	struct prefix6 *v6;
	size_t n4, n6, room4, room6;
	int64_t after, now_s;
	unsigned rows;
	struct beside *beside;
	size_t n_beside;
	/* the decisions' prefixes, each once; no data: none, or no memory */
	struct engine_list fresh;
	/* the last answer */
	struct engine_list kept;
	struct crowdsec_shared *shared;
	size_t n_shared;
};

static int grow(void **items, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 1024;
	void *at;

	if (n < *room)
		return 0;
	at = reallocarray(*items, more, size);
	if (!at)
		return -ENOMEM;
	*items = at;
	*room = more;
	return 0;
}

static int take_row(void *arg, const struct store_entry *row)
{
	struct crowdsec_look *look = arg;
	int err;

	if (look->rows++ == READ_ROWS)
		return 1;
	look->after = row->ref;
	if (row->expires_s && row->expires_s <= look->now_s)
		return 0;
	err = row->prefix.family == 4
		      ? grow((void **)&look->v4, look->n4, &look->room4, sizeof(*look->v4))
		      : grow((void **)&look->v6, look->n6, &look->room6, sizeof(*look->v6));
	if (!err && row->prefix.family == 4)
		look->v4[look->n4++] = prefix_to4(&row->prefix);
	else if (!err)
		look->v6[look->n6++] = prefix_to6(&row->prefix);
	return err;
}

/* Several decisions may be of one prefix. */
static size_t sort_unique(void *items, size_t n, size_t size,
			  int (*compare)(const void *, const void *))
{
	char *at = items;
	size_t i, kept = 0;

	if (n)
		qsort(at, n, size, compare);
	for (i = 0; i < n; i++) {
		if (!kept || compare(at + (kept - 1) * size, at + i * size))
			memmove(at + kept++ * size, at + i * size, size);
	}
	return kept;
}

static void work(uv_work_t *request)
{
	struct crowdsec_look *look = request->data;
	size_t i;

	look->n4 = sort_unique(look->v4, look->n4, sizeof(*look->v4), prefix4_compare);
	look->n6 = sort_unique(look->v6, look->n6, sizeof(*look->v6), prefix6_compare);
	/* else a try is compared with the lists alone */
	(void)lists_copy(look->v4, look->n4, look->v6, look->n6, &look->fresh);
	for (i = 0; i < look->n_beside; i++) {
		const struct list_view *view = &look->beside[i].list.view;
		struct crowdsec_shared *shared = &look->beside[i].shared;

		overlap4(look->v4, look->n4, view->v4, view->head->n4, &shared->v4);
		overlap6(look->v6, look->n6, view->v6, view->head->n6, &shared->v6);
	}
}

static uint64_t entries_of(const struct crowdsec_shared *shared)
{
	return shared->v4.entries_touched + shared->v6.entries_touched;
}

static bool is_good(const struct engine_feed *feed)
{
	return feed->config->known_good || feed->config->action == SEK_A_ALLOW;
}

/* Says of known-good lists what was not said before: more of the decisions meet them. */
static void tell_good(const struct crowdsec_look *look)
{
	bool has_told = false;
	size_t i;

	for (i = 0; i < look->n_beside; i++) {
		const struct crowdsec_shared *shared = &look->beside[i].shared,
					     *before = crowdsec_shared_with(look->engine,
									    shared->name);
		const struct engine_feed *feed = feeds_find(look->engine, shared->name);
		uint64_t n = entries_of(shared);

		if (!feed || !is_good(feed) || !n || (before && entries_of(before) >= n))
			continue;
		log_line(LOG_WARNING, "crowdsec: %llu of its decisions' prefixes meet the known-good list %s; %s", (unsigned long long)n, shared->name,
			 feed->config->action == SEK_A_ALLOW ? "what that allows passes" : "they are dropped all the same");
		has_told = true;
	}
	if (has_told)
		crowdsec_tell(look->engine, EVENTS_FEED_NAMES);
}

static void keep_answer(struct crowdsec_look *look)
{
	struct crowdsec_shared *shared = calloc(look->n_beside + 1, sizeof(*shared));
	size_t i;

	lists_unmap(&look->kept);
	look->kept = look->fresh;
	look->fresh = (struct engine_list){ .data = NULL };
	if (!shared)
		return; /* the last answer stays */
	tell_good(look);
	for (i = 0; i < look->n_beside; i++)
		shared[i] = look->beside[i].shared;
	free(look->shared);
	look->shared = shared;
	look->n_shared = look->n_beside;
}

static void end(struct crowdsec_look *look)
{
	uint64_t now_ms = uv_now(&look->engine->loop), rest_ms = (now_ms - look->begun_ms) * REST;
	size_t i;

	for (i = 0; i < look->n_beside; i++)
		lists_unmap(&look->beside[i].list);
	free(look->beside);
	free(look->v4);
	free(look->v6);
	look->beside = NULL;
	look->v4 = NULL;
	look->v6 = NULL;
	look->n_beside = look->n4 = look->n6 = look->room4 = look->room6 = 0;
	look->next_ms = now_ms + (rest_ms > REST_MIN_MS ? rest_ms : REST_MIN_MS);
	look->is_under_way = false;
}

static void after_work(uv_work_t *request, int status)
{
	struct crowdsec_look *look = request->data;

	if (!status && look->engine->crowdsec->config)
		keep_answer(look);
	else
		lists_unmap(&look->kept);
	lists_unmap(&look->fresh);
	end(look);
}

static int take_lists(struct crowdsec_look *look)
{
	struct engine *engine = look->engine;
	size_t i;
	int err = 0;

	look->beside = calloc(engine->n_feeds + 1, sizeof(*look->beside));
	if (!look->beside)
		return -ENOMEM;
	for (i = 0; i < engine->n_feeds && !err; i++) {
		struct beside *one = &look->beside[look->n_beside];

		if (!engine->feeds[i].list.data)
			continue;
		err = lists_share(&engine->feeds[i].list, &one->list);
		if (err)
			break;
		memcpy(one->shared.name, engine->feeds[i].state.name, sizeof(one->shared.name));
		look->n_beside++;
	}
	return err;
}

static void take_turn(uv_idle_t *idle)
{
	struct crowdsec_look *look = idle->data;
	int more;

	look->rows = 0;
	more = store_ref_each(look->engine->store, CONFIG_CROWDSEC_NAME, look->after, take_row,
			      look);
	if (more == 1)
		return;
	uv_idle_stop(idle);
	if (more || take_lists(look) ||
	    uv_queue_work(&look->engine->loop, &look->work, work, after_work))
		end(look); /* the next change is looked at again */
}

void crowdsec_look_tick(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	struct crowdsec_look *look = crowdsec->look;

	if (look->is_under_way || crowdsec->is_busy || engine->is_compiling ||
	    uv_now(&engine->loop) < look->next_ms)
		return;
	if (look->revision == crowdsec->revision && look->generation == engine->swapped_generation)
		return;
	if (!look->turn.data) {
		uv_idle_init(&engine->loop, &look->turn);
		look->turn.data = look;
	}
	look->work.data = look;
	look->revision = crowdsec->revision;
	look->generation = engine->swapped_generation;
	look->begun_ms = uv_now(&engine->loop);
	look->now_s = engine_now_s();
	look->after = 0;
	look->is_under_way = !uv_idle_start(&look->turn, take_turn);
}

const struct crowdsec_shared *crowdsec_shared_with(const struct engine *engine, const char *name)
{
	const struct crowdsec_look *look = engine->crowdsec->look;
	size_t i;

	for (i = 0; i < look->n_shared; i++) {
		if (!strcmp(look->shared[i].name, name))
			return &look->shared[i];
	}
	return NULL;
}

int crowdsec_look_copy(const struct engine *engine, struct engine_list *ret_list)
{
	const struct engine_list *kept = &engine->crowdsec->look->kept;
	const struct list_view *view = &kept->view;

	if (!engine->crowdsec->config || !kept->data)
		return -ENOENT;
	return lists_copy(view->v4, view->head->n4, view->v6, view->head->n6, ret_list);
}

/* A decision that holds @address; the later end of two. */
struct find {
	struct store_entry *row;
	bool has_found;
};

static int take_live(void *arg, const struct store_entry *row)
{
	struct find *find = arg;

	if (row->ref <= 0 || strcmp(row->origin, CONFIG_CROWDSEC_NAME) ||
	    row->expires_s < engine_now_s() - 1)
		return 0; /* of what ended in this second a packet may still be told */
	if (find->has_found && find->row->prefix.len == row->prefix.len &&
	    find->row->expires_s >= row->expires_s)
		return 0;
	*find->row = *row;
	find->has_found = true;
	return 0;
}

bool crowdsec_find(const struct engine *engine, const struct prefix *address,
		   struct store_entry *ret_row)
{
	const struct sek_control *control = engine->read.control;
	const uint8_t *lens = address->family == 4 ? control->entry_lens4 : control->entry_lens6;
	struct store_entry row = { .id = 0 };
	struct find find = { &row, false };
	unsigned i;

	/* longest first, as the kernel looks */
	for (i = 0; i < SEK_ENTRY_LENS_MAX && lens[i] && !find.has_found; i++) {
		struct prefix prefix = lists_shorten(address, lens[i]);

		if (lens[i] > address->len)
			continue;
		/* then none is known */
		(void)store_entry_exact(engine->store, &prefix, take_live, &find);
	}
	if (find.has_found)
		*ret_row = row;
	return find.has_found;
}

json_t *crowdsec_names(struct engine *engine)
{
	const struct crowdsec_look *look = engine->crowdsec->look;
	json_t *servers = json_array(), *good = json_array();
	const struct prefix *server;
	char text[PREFIX_TEXT_BYTES];
	struct store_entry row;
	const char *name;
	size_t i;

	(void)bpf_read_control(&engine->read); /* else the lengths of a second ago */
	for (i = 0; (name = feeds_server_at(engine, i, &server)); i++) {
		if (server->family && crowdsec_find(engine, server, &row))
			json_array_append_new(servers,
					      json_pack("{s:s,s:s}", "address",
							prefix_format(server, text), "feed", name));
	}
	for (i = 0; i < look->n_shared; i++) {
		const struct engine_feed *feed = feeds_find(engine, look->shared[i].name);
		uint64_t n = entries_of(&look->shared[i]);

		if (feed && n && is_good(feed))
			json_array_append_new(good, json_pack("{s:s,s:I}", "feed", feed->state.name,
							      "entries", (json_int_t)n));
	}
	return json_pack("{s:o,s:o}", "servers", servers, "known_good", good);
}

void crowdsec_look_open(struct engine *engine)
{
	struct crowdsec_look *look = calloc(1, sizeof(*look));

	if (!look)
		exit(1); /* at the start: there is nothing to keep yet */
	look->engine = engine;
	engine->crowdsec->look = look;
	engine->crowdsec->revision = 1;
}
