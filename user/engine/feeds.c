// SPDX-License-Identifier: GPL-2.0
/* Feeds: their schedule, their fetches, what became of each update. A bad update changes nothing but its error. */
#include "crowdsec.h"
#include "engine.h"
#include "quality.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "events.h"
#include "feed_ids.h"
#include "since.h"
#include "lib/backoff.h"
#include "lib/list_diff.h"
#include "sys/channel.h"
#include "sys/log.h"

#define AGAIN_MS 1000 /* the keeper could not start a fetcher just now */

static uint32_t random32(void)
{
	uint32_t random = 1u << 31;

	(void)getrandom(&random, sizeof(random), 0); /* the middle is a fine jitter too */
	return random;
}

static void save_state(struct engine *engine, const struct engine_feed *feed)
{
	if (store_feed_put(engine->store, &feed->state))
		log_line(LOG_ERR, "feed %s: the state cannot be written: %s", feed->state.name, store_error(engine->store));
}

/* The try is over: its error (empty: none) is kept, and the next one planned. */
static void finish(struct engine *engine, struct engine_feed *feed, const char *error)
{
	uint32_t wish_s;

	feed->is_fetching = feed->is_damaged = false;
	feed->state.last_try_s = engine_now_s();
	wish_s = feeds_keep_wish(feed, error[0]);
	snprintf(feed->state.error, sizeof(feed->state.error), "%s", error);
	if (error[0]) {
		feed->state.failures++;
		feed->state.failures_total++;
		log_line(LOG_WARNING, "feed %s: %s; %s", feed->state.name, error, feed->list.data ? "the last good list stays" : "there is no list yet");
	} else {
		feed->state.failures = 0;
	}
	save_state(engine, feed);
	feed->next_ms = uv_now(&engine->loop) + backoff_wait_ms(feed->config->interval_s, feed->state.failures, wish_s, random32());
	feed->retry_after_s = 0;
	feed->was_answered = false;
	control_poll_waiting(engine);
}

static void forget_held(struct engine *engine, struct engine_feed *feed)
{
	lists_unmap(&feed->held);
	lists_drop_held(engine->state_dir, feed->state.name);
	feed->state.held_s = 0;
	feed->state.held_why[0] = feed->state.held_etag[0] = feed->state.held_modified[0] = '\0';
}

static void copy_validators(char *etag, char *modified, const struct fetch_result *result)
{
	snprintf(etag, FETCH_ETAG_BYTES, "%s", result->etag);
	snprintf(modified, FETCH_TIME_BYTES, "%s", result->last_modified);
}

static void take_server(struct engine_feed *feed)
{
	const char *text = feed->result.server;

	if (feed->config->path || prefix_parse(text, strlen(text), &feed->server, NULL))
		feed->server.family = 0;
}

static void take(struct engine *engine, struct engine_feed *feed, struct lists_job *job)
{
	quality_updated(engine, feed, &feed->list, &job->list);
	lists_unmap(&feed->list);
	feed->list = job->list;
	memset(&job->list, 0, sizeof(job->list));
	feed->is_damaged = false;
	forget_held(engine, feed);
	copy_validators(feed->state.etag, feed->state.last_modified, &feed->result);
	feed->state.fetch_ms = feed->result.duration_ms;
	feed->state.last_success_s = engine_now_s();
	take_server(feed);
	log_line(LOG_INFO, "feed %s: %u IPv4 and %u IPv6 prefixes", feed->state.name, feed->list.view.head->n4, feed->list.view.head->n6);
	feeds_tell_names(engine, feed);
	compile_want(engine);
	finish(engine, feed, "");
}

static bool is_other(const struct engine_list *a, const struct engine_list *b)
{
	struct list_diff diff;

	list_diff(&a->view, &b->view, &diff);
	return diff.added || diff.removed;
}

/* It is not a failure: the feed is asked again at its usual time, and what comes may be taken or replace what is held. */
static void hold(struct engine *engine, struct engine_feed *feed, struct lists_job *job)
{
	if (!feed->held.data || is_other(&feed->held, &job->list))
		feed->held_number++;
	lists_unmap(&feed->held);
	feed->held = job->list;
	memset(&job->list, 0, sizeof(job->list));
	if (strcmp(feed->state.held_why, job->why)) {
		events_keep_feed(EVENTS_FEED_HELD, feed->state.name);
		log_line(LOG_WARNING, "feed %s: held: %s; the last good list stays, `sekisho feed accept %s` takes the new one", feed->state.name, job->why, feed->state.name);
	}
	snprintf(feed->state.held_why, sizeof(feed->state.held_why), "%s", job->why);
	copy_validators(feed->state.held_etag, feed->state.held_modified, &feed->result);
	feed->state.held_s = engine_now_s();
	feed->state.failures_total++;
	finish(engine, feed, "");
}

static void listed(struct lists_job *job)
{
	struct engine *engine = job->context;
	struct engine_feed *feed = &engine->feeds[job->feed]; /* of the same config */

	if (job->epoch == engine->config_epoch) { /* else a reload came between, and asks again, if the feed still is */
		int err = job->outcome == LISTS_REFUSED ? 0 : lists_job_keep(job);

		if (err)
			snprintf(job->why, sizeof(job->why), "the list cannot be stored: %s", strerror(-err));
		if (err)
			finish(engine, feed, job->why);
		else if (job->outcome == LISTS_TAKEN)
			take(engine, feed, job);
		else if (job->outcome == LISTS_PUT_ASIDE)
			hold(engine, feed, job);
		else
			finish(engine, feed, job->why);
	}
	lists_job_free(job);
}

static int start_job(struct engine *engine, struct engine_feed *feed, int fd)
{
	struct lists_job *job = calloc(1, sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	job->done = listed;
	job->context = engine;
	job->state_dir = engine->state_dir;
	snprintf(job->name, sizeof(job->name), "%s", feed->state.name);
	job->epoch = engine->config_epoch;
	job->feed = feed - engine->feeds;
	job->fd = fd;
	job->serial = ++engine->list_serial;
	job->prefixes_before = lists_prefixes(&feed->list);
	job->guard = feed->config->guard;
	job->n_servers = feeds_servers(engine, feed, job->servers);
	err = lists_job_start(&engine->loop, job);
	if (err)
		free(job); /* the descriptor stays the caller's */
	return err;
}

/* The held list becomes the one in force. Errors: errno; then both are as before. */
static int take_held(struct engine *engine, struct engine_feed *feed, const char *why)
{
	int err = lists_accept(engine->state_dir, feed->state.name);

	if (err)
		return err;
	quality_updated(engine, feed, &feed->list, &feed->held);
	lists_unmap(&feed->list);
	feed->list = feed->held;
	memset(&feed->held, 0, sizeof(feed->held));
	memcpy(feed->state.etag, feed->state.held_etag, sizeof(feed->state.etag));
	memcpy(feed->state.last_modified, feed->state.held_modified, sizeof(feed->state.last_modified));
	feed->state.last_success_s = feed->state.held_s;
	forget_held(engine, feed);
	save_state(engine, feed);
	log_line(LOG_NOTICE, "feed %s: %s: %u IPv4 and %u IPv6 prefixes", feed->state.name, why, feed->list.view.head->n4, feed->list.view.head->n6);
	feeds_tell_names(engine, feed);
	compile_want(engine);
	return 0;
}

/* The guards may be others than when it came, and its server need not send it again. */
static void judge_held(struct engine *engine, struct engine_feed *feed)
{
	struct prefix servers[SEK_LISTS_MAX];
	char why[sizeof(feed->state.held_why)] = "";
	size_t n;

	if (!feed->held.data)
		return;
	n = feeds_servers(engine, feed, servers);
	if (lists_pass(&feed->held, &feed->config->guard, lists_prefixes(&feed->list), servers, n, why, sizeof(why))) {
		if (feeds_servers_are_known(engine, feed) && take_held(engine, feed, "the held list is within the guards that are now"))
			log_line(LOG_ERR, "feed %s: the held list cannot be stored: it stays held", feed->state.name);
	} else if (strcmp(feed->state.held_why, why)) {
		log_line(LOG_NOTICE, "feed %s: still held: %s", feed->state.name, why);
		snprintf(feed->state.held_why, sizeof(feed->state.held_why), "%s", why);
		save_state(engine, feed);
	}
}

static void unchanged(struct engine *engine, struct engine_feed *feed)
{
	take_server(feed);
	judge_held(engine, feed);
	if (!feed->held.data && feed->list.data)
		feed->state.last_success_s = engine_now_s();
	finish(engine, feed, feed->list.data || feed->held.data ? "" : "unchanged, but there is no list yet");
}

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void stop_poll(struct engine_feed *feed)
{
	if (!feed->fetch_poll)
		return;
	uv_poll_stop(feed->fetch_poll);
	close(feed->fetch_fd);
	uv_close((uv_handle_t *)feed->fetch_poll, free_poll);
	feed->fetch_poll = NULL;
}

/* The fetcher is a stranger's reader: every text of its answer ends where ours do. */
static void end_texts(struct fetch_result *result)
{
	result->why[sizeof(result->why) - 1] = '\0';
	result->etag[sizeof(result->etag) - 1] = '\0';
	result->last_modified[sizeof(result->last_modified) - 1] = '\0';
	result->server[sizeof(result->server) - 1] = '\0';
}

static void on_result(uv_poll_t *poll, int status, int events)
{
	struct engine_feed *feed = poll->data;
	struct engine *engine = poll->loop->data;
	struct fetch_result *result = &feed->result;
	unsigned n = 0;
	size_t len = 0;
	int fd = -1, err = channel_recv(feed->fetch_fd, result, sizeof(*result), &len, &fd, 1, &n);

	if (err == -EAGAIN)
		return;
	stop_poll(feed);
	end_texts(result);
	feed->was_answered = err || len != sizeof(*result) || result->http_code;
	if (err || len != sizeof(*result) || result->magic != FETCH_MAGIC) {
		finish(engine, feed, "the fetcher died");
	} else if (result->status == FETCH_UNCHANGED) {
		unchanged(engine, feed);
	} else if (result->status != FETCH_LIST || n != 1) {
		feed->retry_after_s = result->retry_after_s;
		finish(engine, feed, result->why[0] ? result->why : "the fetcher gave no reason");
	} else if (start_job(engine, feed, fd)) {
		finish(engine, feed, "out of memory");
	} else {
		n = 0;
	}
	if (n)
		close(fd);
	feeds_tick(engine); /* a place is free: the next feed need not wait for the second's tick */
}

/* A server that still has the held list need not send it again. */
static void set_validators(const struct engine_feed *feed, struct role_msg *msg)
{
	bool held = feed->held.data != NULL;

	if (!held && !feed->list.data)
		return;
	snprintf(msg->body.fetch.etag, sizeof(msg->body.fetch.etag), "%s", held ? feed->state.held_etag : feed->state.etag);
	snprintf(msg->body.fetch.last_modified, sizeof(msg->body.fetch.last_modified), "%s", held ? feed->state.held_modified : feed->state.last_modified);
}

static void fetch(struct engine *engine, struct engine_feed *feed)
{
	struct role_msg msg = { .type = ROLE_FETCH }, reply;
	int fd = -1;

	msg.body.fetch.config_epoch = engine->config_epoch;
	msg.body.fetch.feed = feed - engine->feeds;
	set_validators(feed, &msg);
	role_call(engine, &msg, NULL, 0, &reply, &fd);
	if (reply.err == -ESTALE || reply.err == -EAGAIN) { /* a new config is on its way, or too many run */
		feed->next_ms = uv_now(&engine->loop) + AGAIN_MS;
		return;
	}
	if (reply.err || fd < 0) {
		finish(engine, feed, reply.text[0] ? reply.text : "the fetcher cannot be started");
		return;
	}
	feed->fetch_poll = calloc(1, sizeof(*feed->fetch_poll));
	if (!feed->fetch_poll) {
		close(fd);
		finish(engine, feed, "out of memory");
		return;
	}
	feed->is_fetching = true;
	feed->fetch_fd = fd;
	uv_poll_init(&engine->loop, feed->fetch_poll, fd);
	feed->fetch_poll->data = feed;
	uv_poll_start(feed->fetch_poll, UV_READABLE, on_result);
}

/* May its open never end, on a mount that does not answer? */
static bool may_hang(const struct config_feed *config)
{
	return config->path || config->key_file;
}

void feeds_tick(struct engine *engine)
{
	size_t i, running = 0, files = 0;

	feeds_watch(engine);
	for (i = 0; i < engine->n_feeds; i++) {
		running += engine->feeds[i].is_fetching;
		files += engine->feeds[i].is_fetching && may_hang(engine->feeds[i].config);
	}
	for (i = 0; i < engine->n_feeds && running < ENGINE_FETCHES_MAX; i++) {
		struct engine_feed *feed = &engine->feeds[i];

		if (feed->is_fetching || feed->next_ms > uv_now(&engine->loop) || (may_hang(feed->config) && files >= ENGINE_FILES_MAX))
			continue;
		fetch(engine, feed);
		running++;
		files += may_hang(feed->config);
	}
}

struct engine_feed *feeds_find(struct engine *engine, const char *name)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		if (!strcmp(engine->feeds[i].state.name, name))
			return &engine->feeds[i];
	}
	return NULL;
}

struct engine_feed *feeds_credited(const struct engine *engine, size_t i)
{
	if (i < engine->n_feeds)
		return &engine->feeds[i];
	return i == engine->n_feeds && engine->crowdsec->config ? &engine->crowdsec->feed : NULL;
}

int feeds_accept(struct engine *engine, struct engine_feed *feed)
{
	if (!feed->held.data)
		return -ENOENT;
	if (feed->held_shown && feed->held_shown != feed->held_number)
		return -ESTALE;
	if (feed_guard_is_whole(&feed->config->guard, feed->held.coverage4, feed->held.coverage6))
		return -EPERM;
	return take_held(engine, feed, "the held list is taken");
}

static void load_lists(struct engine *engine, struct engine_feed *feed)
{
	const char *why = "";
	int err = lists_load(engine->state_dir, feed->state.name, LISTS_GOOD, &feed->list, &why);

	feed->is_damaged = err && err != -ENOENT;
	if (feed->is_damaged)
		log_line(LOG_ERR, "feed %s: the stored list is damaged (%s); it is fetched again", feed->state.name, why);
	if (!feed->state.held_s) { /* or it was held of another url, or read otherwise */
		lists_drop_held(engine->state_dir, feed->state.name);
		return;
	}
	err = lists_load(engine->state_dir, feed->state.name, LISTS_HELD, &feed->held, &why);
	if (!err)
		return;
	log_line(LOG_ERR, "feed %s: the held list cannot be read (%s); the next update is judged anew", feed->state.name, why);
	forget_held(engine, feed);
}

/* What an earlier config of the same name has in memory need not be read again, and is newer than a disk that is full. */
static void inherit(struct engine *engine, struct engine_feed *feed)
{
	struct engine_feed *before = feeds_find(engine, feed->state.name);

	if (!before) {
		load_lists(engine, feed);
		return;
	}
	if (!strcmp(before->state.url, feed->state.url) && before->state.reading == feed->state.reading) {
		feed->state = before->state;
		feed->was_fetching = before->is_fetching;
	} else {
		forget_held(engine, before); /* nobody would know what accepting it takes */
	}
	feed->held_number = before->held_number;
	feed->held_shown = before->held_shown;
	feed->since_s = before->since_s;
	feed->is_stale = before->is_stale;
	feed->server = before->server;
	feed->list = before->list;
	feed->held = before->held;
	memset(&before->list, 0, sizeof(before->list));
	memset(&before->held, 0, sizeof(before->held));
}

/* A file is read at once; a server is not asked by every start and reload, but when its time has come. */
static void plan_first(struct engine *engine, struct engine_feed *feed)
{
	int64_t gone_s = engine_now_s() - feed->state.last_try_s, wish_s = feeds_wish_s(feed) ?: feeds_terms_s(feed);
	uint64_t wait_ms = backoff_wait_ms(feed->config->interval_s, feed->state.failures, 0, random32());

	if (feed->config->url && feed->list.data && !feed->was_fetching && feed->state.last_try_s && gone_s >= 0 && (uint64_t)gone_s * 1000 < wait_ms)
		feed->next_ms = uv_now(&engine->loop) + wait_ms - (uint64_t)gone_s * 1000;
	wait_ms = wish_s ? uv_now(&engine->loop) + backoff_wait_ms(0, 0, (uint32_t)(wish_s - engine_now_s()), random32()) : 0;
	if (feed->next_ms < wait_ms)
		feed->next_ms = wait_ms;
}

static void drop_feeds(struct engine *engine)
{
	size_t i;

	for (i = 0; i < engine->n_feeds; i++) {
		stop_poll(&engine->feeds[i]);
		lists_unmap(&engine->feeds[i].list);
		lists_unmap(&engine->feeds[i].held);
	}
	free(engine->feeds);
	config_free(engine->config);
}

int feeds_configure(struct engine *engine, struct config *config, uint32_t epoch)
{
	struct engine_feed *feeds = calloc(config->n_feeds + 1, sizeof(*feeds));
	struct allow allow;
	size_t i;
	int err;

	if (!feeds || allow_split(config->allow, config->n_allow, &allow)) {
		log_line(LOG_ERR, "config: out of memory, the old one stays");
		free(feeds);
		config_free(config);
		return -ENOMEM;
	}
	if (engine->feeds)
		credit_take(engine); /* what was counted so far is of the feeds that were */
	for (i = 0; i < config->n_feeds; i++) {
		const struct config_feed *one = feeds[i].config = &config->feeds[i];

		snprintf(feeds[i].state.name, sizeof(feeds[i].state.name), "%s", one->name);
		err = store_feed_get(engine->store, one->name, one->url ? one->url : one->path, feed_reading(one->format, &one->options), &feeds[i].state);
		if (err && err != -ENOSPC) /* no id: feed_ids_claim() */
			log_line(LOG_ERR, "feed %s: the state cannot be read: %s", one->name, store_error(engine->store));
		feeds[i].since_s = engine_now_s();
		inherit(engine, &feeds[i]);
		plan_first(engine, &feeds[i]);
	}
	drop_feeds(engine);
	engine->config = config;
	engine->config_epoch = epoch;
	engine->feeds = feeds;
	engine->n_feeds = config->n_feeds;
	allow_free(&engine->allow);
	engine->allow = allow;
	feed_ids_forget_gone(engine);
	since_forget_gone(engine);
	crowdsec_configure(engine);
	quality_configure(engine);
	limits_configure(engine);
	for (i = 0; i < engine->n_feeds; i++)
		judge_held(engine, &engine->feeds[i]);
	compile_want(engine);
	return 0;
}
