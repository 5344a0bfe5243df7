// SPDX-License-Identifier: GPL-2.0
/* When CrowdSec is asked, what for, and what became of it. See crowdsec.h. */
#include "crowdsec.h"
#include "entries.h"
#include "quality.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/log.h"
#include "sys/store_refs.h"

#define AGAIN_MS 1000	       /* the keeper could not start a fetcher just now */
/* all are asked for once an hour: what a server forgot silently is found */
#define FULL_MS 3600000
#define WAIT_MAX_MS 60000      /* between tries while it fails */
/* without an answer for so long (and five intervals) all are asked for */
#define GAP_S 60
#define KEEP_SUCCESS_S 300     /* how often the state is told that it goes well */
#define SUCCESS_KEY "crowdsec:last_success"

static void keep_success(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;

	if (crowdsec->kept_success_s == crowdsec->last_success_s)
		return;
	if (!store_counter_put(engine->store, SUCCESS_KEY, (uint64_t)crowdsec->last_success_s, 0))
		crowdsec->kept_success_s = crowdsec->last_success_s;
}

static uint64_t interval_ms(const struct crowdsec *crowdsec)
{
	return crowdsec->config->interval_s * 1000ull;
}

/* Twice as long each time, up to a minute or the interval. */
static uint64_t failure_wait_ms(const struct crowdsec *crowdsec)
{
	uint64_t wait_ms = interval_ms(crowdsec),
		 max_ms = wait_ms > WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
	uint32_t i;

	for (i = 1; i < crowdsec->failures && wait_ms < max_ms; i++)
		wait_ms *= 2;
	return wait_ms < max_ms ? wait_ms : max_ms;
}

/* The decisions in force stay, each until its own end; the next answer must be a whole one. */
static void fail(struct engine *engine, const char *why)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	bool is_new = strcmp(crowdsec->error, why) != 0;

	crowdsec->is_busy = false;
	crowdsec->wants_full = true;
	crowdsec->failures++;
	crowdsec->feed.state.failures_total = ++crowdsec->failures_total;
	if (!crowdsec->failing_since_s) {
		crowdsec->failing_since_s = engine_now_s();
		keep_success(engine);
	}
	snprintf(crowdsec->error, sizeof(crowdsec->error), "%s", why);
	if (is_new) /* every ten seconds the same would say no more */
		log_line(LOG_WARNING, "crowdsec: %s; the decisions in force stay until their own ends", crowdsec->error);
	crowdsec->next_ms = uv_now(&engine->loop) + failure_wait_ms(crowdsec);
	control_poll_waiting(engine);
}

static void note_answer(struct crowdsec *crowdsec, const struct crowdsec_plan *plan)
{
	int i;

	for (i = 0; i < DECISION_IGNORED_MAX; i++)
		crowdsec->ignored[i] =
			(plan->is_full ? 0 : crowdsec->ignored[i]) + plan->view.head->ignored[i];
	crowdsec->ignored[DECISION_REFUSED] += plan->refused;
	crowdsec->share = plan->share + (plan->is_full ? 0 : crowdsec->share);
}

static void add_count(void *arg, const char *by, int family, uint64_t n)
{
	*(uint64_t *)arg += n;
}

static uint64_t count_decisions(const struct engine *engine)
{
	uint64_t n = 0;

	/* then as many as could be read */
	(void)store_ref_counts(engine->store, CONFIG_CROWDSEC_NAME, add_count, &n);
	return n;
}

/* How many there are; another number than before is another revision. */
static uint64_t take_count(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	uint64_t n = count_decisions(engine);

	crowdsec->revision += n != crowdsec->feed.decisions;
	crowdsec->feed.decisions = n;
	return n;
}

/*
 * What came and went since the last answer; some went by their own end. The first answer is no
 * change.
 */
static void note_change(struct engine *engine, const struct crowdsec_plan *plan)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	uint64_t n = take_count(engine), most = crowdsec->n_then + plan->put;

	if (crowdsec->last_success_s)
		quality_changed(engine, &crowdsec->feed, plan->put, most > n ? most - n : 0);
	crowdsec->n_then = n;
}

static void succeed(struct engine *engine, const struct crowdsec_plan *plan)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	uint64_t now_ms = uv_now(&engine->loop);

	note_answer(crowdsec, plan);
	crowdsec_tell_refusals(engine, plan);
	crowdsec->revision += plan->put || plan->deleted;
	note_change(engine, plan);
	if (crowdsec->failures)
		log_line(LOG_NOTICE, "crowdsec: answers again, after %u failures", crowdsec->failures);
	if (plan->put || plan->deleted || plan->refused)
		log_line(LOG_INFO, "crowdsec: %llu decisions came, %llu ended, %llu were refused",
			 (unsigned long long)plan->put, (unsigned long long)plan->deleted,
			 (unsigned long long)plan->refused);
	crowdsec->is_busy = false;
	crowdsec->pulls_total++;
	crowdsec->failures = 0;
	crowdsec->failing_since_s = 0;
	crowdsec->error[0] = '\0';
	crowdsec->fetch_ms = crowdsec->result.duration_ms;
	crowdsec->last_success_s = crowdsec->feed.state.last_success_s = engine_now_s();
	if (crowdsec->last_success_s - crowdsec->kept_success_s >= KEEP_SUCCESS_S)
		keep_success(engine);
	if (plan->is_full) {
		crowdsec->wants_full = crowdsec->may_shrink = false;
		crowdsec->full_ms = now_ms + FULL_MS;
	}
	crowdsec->next_ms = now_ms + interval_ms(crowdsec);
	control_poll_waiting(engine);
}

/* The answer is taken for what is new in it; what is missing goes if the next one says the same. */
static void succeed_short(struct engine *engine, const struct crowdsec_plan *plan)
{
	struct crowdsec *crowdsec = engine->crowdsec;

	succeed(engine, plan);
	crowdsec->wants_full = crowdsec->may_shrink = true;
	snprintf(crowdsec->error, sizeof(crowdsec->error), "%llu of %llu decisions are missing from the answer: they stay until the next one says the same",
		 (unsigned long long)plan->n_live_gone, (unsigned long long)plan->n_live);
	log_line(LOG_WARNING, "crowdsec: %s", crowdsec->error);
}

static void applied(struct crowdsec_plan *plan)
{
	struct engine *engine = plan->engine;
	struct crowdsec *crowdsec = engine->crowdsec;

	/* a reload came between: it asks for all again */
	if (plan->epoch != engine->config_epoch || !crowdsec->config) {
		crowdsec->is_busy = false;
		control_poll_waiting(engine);
	} else if (plan->err) {
		fail(engine, plan->why);
	} else if (plan->is_short) {
		succeed_short(engine, plan);
	} else {
		succeed(engine, plan);
	}
	crowdsec_plan_free(plan);
}

/* Hands @fd over to be read and put in force. */
static void take(struct engine *engine, int fd)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	struct crowdsec_plan *plan = calloc(1, sizeof(*plan));

	if (!plan) {
		close(fd);
		fail(engine, "out of memory");
		return;
	}
	crowdsec_hits_tick(engine); /* whose packets were dropped by a decision that may go now */
	plan->engine = engine;
	plan->done = applied;
	plan->came_s = engine_now_s();
	plan->epoch = engine->config_epoch;
	plan->is_full = crowdsec->was_full;
	plan->may_shrink = crowdsec->may_shrink;
	plan->max_share = crowdsec->config->max_coverage - (plan->is_full ? 0 : crowdsec->share);
	if (!crowdsec_plan_start(plan, fd))
		return;
	crowdsec_plan_free(plan);
	fail(engine, "out of memory");
}

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void stop_poll(struct crowdsec *crowdsec)
{
	if (!crowdsec->fetch_poll)
		return;
	uv_poll_stop(crowdsec->fetch_poll);
	close(crowdsec->fetch_fd);
	uv_close((uv_handle_t *)crowdsec->fetch_poll, free_poll);
	crowdsec->fetch_poll = NULL;
}

/* Before the decisions are judged: they must not cut it off. */
static void take_server(struct crowdsec *crowdsec)
{
	char *text = crowdsec->result.server;

	text[sizeof(crowdsec->result.server) - 1] = '\0';
	if (text[0] && prefix_parse(text, strlen(text), &crowdsec->server, NULL))
		crowdsec->server.family = 0;
}

static void on_result(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct crowdsec *crowdsec = engine->crowdsec;
	struct fetch_result *result = &crowdsec->result;
	unsigned n = 0;
	size_t len = 0;
	int fd = -1,
	    err = channel_recv(crowdsec->fetch_fd, result, sizeof(*result), &len, &fd, 1, &n);

	if (err == -EAGAIN)
		return;
	stop_poll(crowdsec);
	result->why[sizeof(result->why) - 1] = '\0';
	if (!err && len == sizeof(*result))
		take_server(crowdsec);
	if (err || len != sizeof(*result) || result->magic != FETCH_MAGIC)
		fail(engine, "the fetcher died");
	else if (result->status != FETCH_DONE || n != 1)
		fail(engine, result->why[0] ? result->why : "the fetcher gave no reason");
	else
		take(engine, fd);
	if (n == 1 && (err || len != sizeof(*result) || result->magic != FETCH_MAGIC ||
		       result->status != FETCH_DONE))
		close(fd);
}

static bool is_gap(const struct crowdsec *crowdsec)
{
	int64_t gone_s = engine_now_s() - crowdsec->last_success_s,
		max_s = 5ll * crowdsec->config->interval_s;

	return gone_s < 0 || gone_s > (max_s > GAP_S ? max_s : GAP_S);
}

static void ask(struct engine *engine)
{
	struct role_msg msg = { .type = ROLE_CROWDSEC }, reply;
	struct crowdsec *crowdsec = engine->crowdsec;
	int fd = -1;

	crowdsec->was_full = crowdsec->wants_full || is_gap(crowdsec) ||
			     uv_now(&engine->loop) >= crowdsec->full_ms;
	msg.body.crowdsec.config_epoch = engine->config_epoch;
	msg.body.crowdsec.what = crowdsec->was_full ? FETCH_DECISIONS_ALL : FETCH_DECISIONS;
	role_call(engine, &msg, NULL, 0, &reply, &fd);
	/* a new config is on its way, or too many run */
	if (reply.err == -ESTALE || reply.err == -EAGAIN) {
		crowdsec->next_ms = uv_now(&engine->loop) + AGAIN_MS;
		return;
	}
	if (reply.err || fd < 0) {
		fail(engine, reply.text[0] ? reply.text : "the fetcher cannot be started");
		return;
	}
	crowdsec->fetch_poll = calloc(1, sizeof(*crowdsec->fetch_poll));
	if (!crowdsec->fetch_poll) {
		close(fd);
		fail(engine, "out of memory");
		return;
	}
	crowdsec->is_busy = true;
	crowdsec->fetch_fd = fd;
	uv_poll_init(&engine->loop, crowdsec->fetch_poll, fd);
	crowdsec->fetch_poll->data = engine;
	uv_poll_start(crowdsec->fetch_poll, UV_READABLE, on_result);
}

void crowdsec_tick(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;

	crowdsec_watch(engine);
	if (!crowdsec->config)
		return;
	if (!crowdsec->is_busy && uv_now(&engine->loop) >= crowdsec->next_ms)
		ask(engine);
	(void)take_count(engine); /* some may have ended by themselves */
	crowdsec_hits_tick(engine);
	crowdsec_look_tick(engine);
	crowdsec_usage_tick(engine);
}

int crowdsec_update(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;

	if (!crowdsec->config)
		return -ENOENT;
	crowdsec->wants_full = true;
	crowdsec->next_ms = 0;
	crowdsec_tick(engine);
	return 0;
}

bool crowdsec_is_busy(const struct engine *engine)
{
	const struct crowdsec *crowdsec = engine->crowdsec;

	return crowdsec->config &&
	       (crowdsec->is_busy || crowdsec->next_ms <= uv_now(&engine->loop));
}

static void cleared(struct crowdsec_plan *plan)
{
	if (plan->err)
		log_line(LOG_ERR, "crowdsec: what it decided before it left the config cannot be deleted: %s; it ends by itself", plan->why);
	else if (plan->deleted)
		log_line(LOG_NOTICE, "crowdsec: no longer in the config: %llu decisions are lifted", (unsigned long long)plan->deleted);
	crowdsec_plan_free(plan);
}

static int is_any(void *arg, const struct store_entry *row)
{
	return 1;
}

/* Decisions of an earlier config that had the key. */
static void clear(struct engine *engine)
{
	struct crowdsec_plan *plan;

	if (store_ref_each(engine->store, CONFIG_CROWDSEC_NAME, 0, is_any, NULL) != 1)
		return;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return; /* the next reload or start; they end by themselves */
	plan->engine = engine;
	plan->done = cleared;
	plan->came_s = engine_now_s();
	crowdsec_plan_clear(plan);
}

/*
 * As which its packets are credited and its quality is told: with a list's id, but without a list.
 */
static void be_a_feed(struct engine *engine)
{
	static const struct config_feed as_feed = {
		.name = CONFIG_CROWDSEC_NAME, .action = SEK_A_BLOCK, .keep_private = true};
	struct crowdsec *crowdsec = engine->crowdsec;
	struct engine_feed *feed = &crowdsec->feed;
	uint64_t failures = feed->state.failures_total;

	feed->config = &as_feed;
	snprintf(feed->state.name, sizeof(feed->state.name), "%s", as_feed.name);
	if (store_feed_get(engine->store, as_feed.name, crowdsec->config->url, 0, &feed->state))
		feed->state.id = 0; /* all ids are taken: its packets are credited to nobody */
	feed->state.last_success_s = crowdsec->last_success_s;
	feed->state.failures_total = failures;
	crowdsec->n_then = feed->decisions = count_decisions(engine);
}

void crowdsec_configure(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;

	if (crowdsec->fetch_poll) {
		stop_poll(crowdsec);
		crowdsec->is_busy = false;
	}
	if (!crowdsec->config || !crowdsec->since_s)
		crowdsec->since_s = engine_now_s();
	crowdsec->config = engine->config->crowdsec.url ? &engine->config->crowdsec : NULL;
	crowdsec->server.family = 0;
	if (crowdsec->config)
		be_a_feed(engine);
	crowdsec_hits_configure(engine);
	crowdsec->wants_full = true;
	crowdsec->next_ms = 0;
	crowdsec_usage_configure(engine);
	if (!crowdsec->config)
		clear(engine);
}

void crowdsec_open(struct engine *engine)
{
	uint64_t success_s = 0, unused;

	engine->crowdsec = calloc(1, sizeof(*engine->crowdsec));
	if (!engine->crowdsec)
		exit(1); /* at the start: there is nothing to keep yet */
	/* then it is not known */
	(void)store_counter_get(engine->store, SUCCESS_KEY, &success_s, &unused);
	engine->crowdsec->last_success_s = engine->crowdsec->kept_success_s = (int64_t)success_s;
	crowdsec_usage_open(engine);
	crowdsec_look_open(engine);
	crowdsec_hits_open(engine);
}

void crowdsec_close(struct engine *engine)
{
	keep_success(engine);
}
