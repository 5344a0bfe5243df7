// SPDX-License-Identifier: GPL-2.0
/*
 * What a tried list is measured against: the lists in force on mappings of the job's own, so that a
 * reload may drop the feeds; the host's protected addresses; and the sources seen lately, from the
 * kernel's summary and its records.
 */
#include "feed_try.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crowdsec.h"
#include "sys/channel.h"
#include "sys/store_bans.h"

#define EVIDENCE_SLICE 256 /* records a read: 64 kB */
/* questions to the state: some 50 ms; the sources behind them are judged by lists alone */
#define ASKED_MAX 10000

static int copy_allow(const struct engine *engine, struct feed_try_list *list)
{
	int err = lists_copy(engine->allow.v4, engine->allow.n4, engine->allow.v6, engine->allow.n6,
			     &list->list);

	if (err)
		return err;
	/* our copy */
	qsort((void *)list->list.view.v4, engine->allow.n4, sizeof(struct prefix4),
	      prefix4_compare);
	qsort((void *)list->list.view.v6, engine->allow.n6, sizeof(struct prefix6),
	      prefix6_compare);
	strcpy(list->name, "allow: in the config");
	list->action = SEK_A_ALLOW;
	list->is_known_good = list->keep_private = true;
	return 0;
}

/* CrowdSec's decisions stand beside the lists as one more, which ends by itself. */
static int copy_decisions(struct feed_try *job)
{
	struct feed_try_list *list = &job->lists[job->n_lists];
	int err = crowdsec_look_copy(job->engine, &list->list);

	if (err)
		return err == -ENOENT ? 0 : err;
	strcpy(list->name, CONFIG_CROWDSEC_NAME);
	list->action = SEK_A_BLOCK;
	list->keep_private = true;
	job->n_lists++;
	return 0;
}

static int take_lists(struct feed_try *job)
{
	struct engine *engine = job->engine;
	size_t i;
	int err;

	job->lists = calloc(engine->n_feeds + 2, sizeof(*job->lists));
	err = job->lists ? copy_allow(engine, &job->lists[0]) : -ENOMEM;
	if (!err)
		job->n_lists = 1;
	for (i = 0; i < engine->n_feeds && !err; i++) {
		const struct engine_feed *feed = &engine->feeds[i];
		struct feed_try_list *list = &job->lists[job->n_lists];

		if (!feed->list.data)
			continue;
		memcpy(list->name, feed->state.name, sizeof(list->name));
		list->action = feed->config->action;
		list->is_known_good =
			feed->config->known_good || feed->config->action == SEK_A_ALLOW;
		list->keep_private = feed->config->keep_private;
		err = lists_share(&feed->list, &list->list);
		job->n_lists += !err;
	}
	return err ? err : copy_decisions(job);
}

static int by_address(const void *a, const void *b)
{
	const struct feed_try_seen *x = a, *y = b;

	return x->address.family != y->address.family
		       ? (int)x->address.family - y->address.family
		       : memcmp(x->address.addr_be, y->address.addr_be, 16);
}

/* A source whose record tells of connections; of a network where the limit counts by network. */
static void add_open(struct feed_try *job, const struct sek_evidence *record)
{
	struct feed_try_seen *seen = &job->seen[job->n_seen++];

	seen->address = (struct prefix){.family = record->source.family, .len = record->source.len};
	memcpy(seen->address.addr_be, record->source.addr_be, sizeof(seen->address.addr_be));
	seen->packets = (double)record->packets;
	seen->drops = record->dropped;
	seen->is_open = true;
}

/* The records that tell of connections; a kernel with no room for them has none to tell of. */
static int take_records(struct feed_try *job)
{
	struct sek_evidence *records = calloc(EVIDENCE_SLICE, sizeof(*records));
	uint32_t at, i;

	if (!records)
		return -ENOMEM;
	for (at = 0; at < SEK_EVIDENCE_MAX; at += EVIDENCE_SLICE) {
		if (bpf_read_array(job->engine->map_fds[ROLE_FD_EVIDENCE], at, EVIDENCE_SLICE,
				   sizeof(*records), records))
			break;
		for (i = 0; i < EVIDENCE_SLICE; i++) {
			if (records[i].busy && records[i].established &&
			    (records[i].source.family == 4 || records[i].source.family == 6))
				add_open(job, &records[i]);
		}
	}
	free(records);
	return 0;
}

/* Of one address in both only the record with the connections is kept, with the larger counts. */
static void merge_seen(struct feed_try *job)
{
	size_t i, kept = 0;

	qsort(job->seen, job->n_seen, sizeof(job->seen[0]), by_address);
	for (i = 0; i < job->n_seen; i++) {
		struct feed_try_seen *last = kept ? &job->seen[kept - 1] : NULL,
				     *one = &job->seen[i];

		if (!last || by_address(last, one)) {
			job->seen[kept++] = *one;
			continue;
		}
		last->is_open |= one->is_open;
		last->packets = last->packets > one->packets ? last->packets : one->packets;
		last->drops = last->drops > one->drops ? last->drops : one->drops;
	}
	job->n_seen = kept;
}

static int take_seen(struct feed_try *job)
{
	size_t max = top_sources_max(job->engine), n, i;
	struct top_seen *top = calloc(max + 1, sizeof(*top));
	int err = top ? 0 : -ENOMEM;

	job->seen = calloc(max + SEK_EVIDENCE_MAX, sizeof(*job->seen));
	if (!job->seen)
		err = -ENOMEM;
	if (!err)
		err = take_records(job);
	n = err ? 0 : top_sources(job->engine, top, max);
	for (i = 0; i < n; i++) {
		struct feed_try_seen *seen = &job->seen[job->n_seen++];

		*seen = (struct feed_try_seen){.packets = top[i].packets,
					       .drops = top[i].drops,
					       .address = {.family = (uint8_t)top[i].family,
							   .len = top[i].family == 4 ? 32 : 128}};
		memcpy(seen->address.addr_be, top[i].addr_be, sizeof(seen->address.addr_be));
	}
	free(top);
	return err;
}

int feed_try_gather(struct feed_try *job)
{
	const struct engine_feed fresh = { .config = &job->config->feeds[0] };
	int err = take_lists(job);

	job->n_servers = feeds_servers(job->engine, &fresh, job->servers);
	memcpy(job->rails, job->engine->rails, sizeof(job->rails));
	job->n_rails = job->engine->n_rails;
	return err ? err : take_seen(job);
}

static int map_list(struct feed_try *job, const char **ret_why)
{
	struct policy_list policy = { .id = 0 };
	struct engine_list *list = &job->list;
	size_t bytes;
	void *data;

	*ret_why = "the fetcher's list is not sealed";
	if (channel_check_sealed(job->list_fd, &bytes))
		return -EBADMSG;
	*ret_why = "the list cannot be mapped";
	data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, job->list_fd, 0);
	if (data == MAP_FAILED)
		return -ENOMEM;
	list->data = data;
	list->bytes = bytes;
	if (list_file_check(data, bytes, &list->view, ret_why))
		return -EBADMSG;
	policy = (struct policy_list){.v4 = list->view.v4,
				      .n4 = list->view.head->n4,
				      .v6 = list->view.v6,
				      .n6 = list->view.head->n6};
	list->coverage4 = policy_coverage(&policy, 4);
	list->coverage6 = policy_coverage(&policy, 6);
	return 0;
}

static void measure_private(struct feed_try *job)
{
	const struct list_view *view = &job->list.view;
	struct prefix4 v4[POLICY_PRIVATE_MAX];
	struct prefix6 v6[POLICY_PRIVATE_MAX];
	size_t n4 = policy_private4(v4), n6 = policy_private6(v6);

	overlap4(view->v4, view->head->n4, v4, n4, &job->private4);
	overlap6(view->v6, view->head->n6, v6, n6, &job->private6);
}

/* Does @list, by its action, decide about @address? */
static bool is_about(const struct feed_try_list *list, const struct prefix *address)
{
	struct prefix unused;

	if (!list->keep_private && list->action != SEK_A_ALLOW && policy_is_private(address))
		return false;
	return lists_find(&list->list, address, &unused);
}

static bool is_protected(const struct feed_try *job, const struct prefix *address)
{
	unsigned i;

	for (i = 0; i < job->n_rails; i++) {
		if (address->family == job->rails[i].key.family &&
		    !memcmp(address->addr_be, job->rails[i].key.addr_be, 16))
			return true;
	}
	return false;
}

static void judge_seen(const struct feed_try *job, struct feed_try_seen *seen)
{
	size_t i;

	seen->is_beyond = is_protected(job, &seen->address);
	if (!job->config->feeds[0].keep_private && policy_is_private(&seen->address)) {
		seen->is_beyond = true; /* left out of the list */
		return;
	}
	seen->is_named = lists_find(&job->list, &seen->address, &seen->entry);
	for (i = 0; i < job->n_lists && seen->is_named; i++) {
		if (job->lists[i].action == SEK_A_ALLOW)
			seen->is_allowed |= is_about(&job->lists[i], &seen->address);
		else if (job->lists[i].action == SEK_A_BLOCK)
			seen->is_dropped |= is_about(&job->lists[i], &seen->address);
	}
	seen->is_allowed |= seen->is_named && seen->is_beyond;
}

void feed_try_measure(struct feed_try *job)
{
	const struct list_view *view = &job->list.view;
	const char *why = "";
	struct prefix unused;
	size_t i;

	if (map_list(job, &why)) {
		snprintf(job->why, sizeof(job->why), "the fetcher's list is refused: %s", why);
		return;
	}
	for (i = 0; i < job->n_lists; i++) {
		const struct list_view *other = &job->lists[i].list.view;

		overlap4(view->v4, view->head->n4, other->v4, other->head->n4, &job->lists[i].v4);
		overlap6(view->v6, view->head->n6, other->v6, other->head->n6, &job->lists[i].v6);
	}
	measure_private(job);
	/* it says why not */
	(void)lists_pass(&job->list, &job->config->feeds[0].guard, 0, job->servers, job->n_servers,
			 job->held_why, sizeof(job->held_why));
	for (i = 0; i < job->n_rails; i++) {
		struct prefix host = {.family = job->rails[i].key.family,
				      .len = job->rails[i].key.family == 4 ? 32 : 128};

		memcpy(host.addr_be, job->rails[i].key.addr_be, sizeof(host.addr_be));
		job->names_rail[i] = lists_find(&job->list, &host, &unused);
	}
	merge_seen(job);
	for (i = 0; i < job->n_seen; i++)
		judge_seen(job, &job->seen[i]);
}

static int take_entry(void *arg, const struct store_entry *row)
{
	struct feed_try_seen *seen = arg;

	if (row->expires_s && row->expires_s <= engine_now_s())
		return 0;
	if (row->kind == SEK_A_ALLOW)
		seen->is_allowed = true;
	else
		seen->is_dropped = true;
	return 0;
}

static int take_ban(void *arg, const struct store_ban *ban)
{
	struct feed_try_seen *seen = arg;

	seen->is_dropped |= ban->state == STORE_BAN_LIVE && ban->until_s > engine_now_s();
	return 0;
}

/*
 * Asks the state for each of the @n lengths at @lens, 0 behind the last. Returns how often it
 * asked. Where it fails nothing is known.
 */
static unsigned ask_lens(struct feed_try *job, struct feed_try_seen *seen, const uint8_t *lens,
			 unsigned n, bool bans)
{
	unsigned i;

	for (i = 0; i < n && lens[i]; i++) {
		struct prefix prefix = lists_shorten(&seen->address, lens[i]);
		struct store_ban_query query = { .source = &prefix, .max = 1 };

		if (lens[i] > seen->address.len)
			continue;
		if (bans)
			(void)store_ban_each(job->engine->store, &query, take_ban, seen);
		else
			(void)store_entry_exact(job->engine->store, &prefix, take_entry, seen);
	}
	return i;
}

void feed_try_ask_state(struct feed_try *job)
{
	const struct sek_control *control = job->engine->read.control;
	unsigned asked = 0;
	size_t i;

	if (bpf_read_control(&job->engine->read))
		return; /* then by lists alone */

	for (i = 0; i < job->n_seen && asked < ASKED_MAX; i++) {
		struct feed_try_seen *seen = &job->seen[i];
		bool is4 = seen->address.family == 4;

		if (!seen->is_named || seen->is_allowed)
			continue;
		asked += ask_lens(job, seen, is4 ? control->entry_lens4 : control->entry_lens6,
				  SEK_ENTRY_LENS_MAX, false);
		if (control->n_bans)
			asked += ask_lens(job, seen, is4 ? control->ban_lens4 : control->ban_lens6,
					  SEK_BAN_LENS_MAX, true);
	}
}

void feed_try_forget(struct feed_try *job)
{
	size_t i;

	for (i = 0; i < job->n_lists; i++)
		lists_unmap(&job->lists[i].list);
	lists_unmap(&job->list);
	if (job->fetch_fd >= 0)
		close(job->fetch_fd);
	if (job->list_fd >= 0)
		close(job->list_fd);
	config_free(job->config);
	free(job->lists);
	free(job->seen);
}
