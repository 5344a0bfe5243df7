// SPDX-License-Identifier: GPL-2.0
/*
 * One answer of CrowdSec's into the state and the kernel: compared, put, deleted, a slice a turn of
 * the loop. New ones come before old ones go, so that an address which is banned anew is never free
 * in between.
 */
#include "crowdsec.h"
#include "entries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/store_refs.h"

#define COMPARE_ROWS 2000 /* of the state, a slice: some milliseconds */
/* prefixes a slice: its rows, and what they were before */
#define TOUCHED_MAX (2 * ENTRIES_SLICE_MAX)

/* The prefixes that a slice has changed. */
struct touched {
	struct prefix prefix[TOUCHED_MAX];
	int64_t ref[TOUCHED_MAX]; /* the row that was put there; 0: one went */
	size_t n;
};

struct reading {
	uv_work_t work;
	struct crowdsec_plan *plan;
	int fd;
};

static void touch(struct touched *touched, const struct prefix *prefix, int64_t ref)
{
	if (!prefix->family)
		return;
	touched->prefix[touched->n] = *prefix;
	touched->ref[touched->n++] = ref;
}

static bool is_refusal(int err)
{
	return err == -EPERM || err == -EINVAL || err == -ENOSPC || err == -E2BIG;
}

/* The keeper refuses some of them: which, is found one by one, and those rows go again. */
static int apply_each(struct crowdsec_plan *plan, const struct touched *touched)
{
	struct engine *engine = plan->engine;
	char ignored[ROLE_TEXT_BYTES];
	struct prefix was;
	size_t i;
	int err;

	for (i = 0; i < touched->n; i++) {
		err = entries_apply(engine, &touched->prefix[i], plan->why, sizeof(plan->why));
		if (!err || (is_refusal(err) && !touched->ref[i]))
			/*
			 * what is left of a prefix is protected meanwhile: that must not keep the
			 * row
			 */
			continue;
		if (!is_refusal(err))
			return err;
		err = store_ref_delete(engine->store, CONFIG_CROWDSEC_NAME, touched->ref[i], NULL,
				       &was);
		if (err)
			return err;
		/* back to what others say of it */
		(void)entries_apply(engine, &touched->prefix[i], ignored, sizeof(ignored));
		crowdsec_refuse(plan, touched->ref[i], &touched->prefix[i], "", plan->why);
	}
	plan->why[0] = '\0';
	return 0;
}

/* In force first, then on disk, or neither. */
static int finish_slice(struct crowdsec_plan *plan, const struct touched *touched, int err)
{
	struct engine *engine = plan->engine;
	char ignored[ROLE_TEXT_BYTES];

	if (!err && !touched->n) {
		store_rollback(engine->store); /* nothing was written */
		return 0;
	}
	if (!err)
		err = entries_apply_many(engine, touched->prefix, touched->n, 0, plan->why,
					 sizeof(plan->why));
	if (is_refusal(err))
		err = apply_each(plan, touched);
	if (!err) {
		err = store_commit(engine->store);
		if (!err)
			return 0;
	}
	if (!plan->why[0])
		snprintf(plan->why, sizeof(plan->why), "the state cannot be written: %s", store_error(engine->store));
	store_rollback(engine->store);
	/* back to what the state says */
	(void)entries_apply_many(engine, touched->prefix, touched->n, 0, ignored, sizeof(ignored));
	return err;
}

/* A list's decisions name it in the scenario, and are told apart by it. */
static void fill_row(const struct crowdsec_plan *plan, const struct decision *one,
		     struct store_entry *row)
{
	memset(row, 0, sizeof(*row));
	row->prefix = one->prefix;
	row->kind = SEK_A_BLOCK;
	row->ref = one->id;
	row->since_s = plan->came_s;
	row->expires_s = plan->came_s + one->left_s;
	snprintf(row->origin, sizeof(row->origin), "%s", CONFIG_CROWDSEC_NAME);
	snprintf(row->reason, sizeof(row->reason), "decision %lld: %s", (long long)one->id, one->scenario);
	if (!strcmp(one->origin, "lists"))
		snprintf(row->by_user, sizeof(row->by_user), "lists:%.32s", one->scenario);
	else
		snprintf(row->by_user, sizeof(row->by_user), "%s", one->origin[0] ? one->origin : "unknown");
}

static int put_slice(struct crowdsec_plan *plan, size_t slice)
{
	struct touched touched = { .n = 0 };
	enum store_ref_change change;
	struct store_entry row;
	struct prefix was;
	int err = store_begin(plan->engine->store);

	for (; !err && plan->at < plan->view.head->n_new && slice; plan->at++) {
		if (plan->is_same && plan->is_same[plan->at])
			continue;
		slice--;
		fill_row(plan, &plan->view.fresh[plan->at], &row);
		if (crowdsec_refuses(plan, &row))
			continue;
		err = store_ref_put(plan->engine->store, &row, &change, &was);
		if (err || change == STORE_REF_SAME)
			continue;
		touch(&touched, &row.prefix, row.ref);
		touch(&touched, &was, 0);
		plan->put++;
	}
	err = finish_slice(plan, &touched, err);
	if (err || plan->at < plan->view.head->n_new)
		return err ? err : 1;
	plan->phase = PLAN_DELETE;
	plan->at = 0;
	return 1;
}

static int compare_ids(const void *key, const void *one)
{
	int64_t x = *(const int64_t *)key, y = ((const struct decision *)one)->id;

	return (x > y) - (x < y);
}

/* The number of the next one that is over, and of which prefix it must be; false: there is none. */
static bool next_gone(struct crowdsec_plan *plan, int64_t *ret_ref,
		      const struct prefix **ret_prefix)
{
	if (plan->is_full) {
		if (plan->at == plan->n_gone)
			return false;
		*ret_ref = plan->gone[plan->at++];
		*ret_prefix = NULL;
		return true;
	}
	while (plan->at < plan->view.head->n_gone) {
		const struct decision_gone *one = &plan->view.gone[plan->at++];

		*ret_ref = one->id;
		*ret_prefix = &one->prefix;
		if (!bsearch(&one->id, plan->view.fresh, plan->view.head->n_new,
			     sizeof(*plan->view.fresh), compare_ids))
			return true; /* one in both parts lives, as for CrowdSec's own bouncers */
	}
	return false;
}

static int delete_slice(struct crowdsec_plan *plan, size_t slice)
{
	struct touched touched = { .n = 0 };
	const struct prefix *prefix;
	bool has_more = true;
	struct prefix was;
	int64_t ref;
	int err = store_begin(plan->engine->store);

	while (!err && slice-- && (has_more = next_gone(plan, &ref, &prefix))) {
		err = store_ref_delete(plan->engine->store, CONFIG_CROWDSEC_NAME, ref, prefix,
				       &was);
		if (!err && was.family)
			plan->deleted++;
		if (!err)
			touch(&touched, &was, 0);
	}
	err = finish_slice(plan, &touched, err);
	return err ? err : has_more;
}

struct comparison {
	struct crowdsec_plan *plan;
	unsigned n;
	int err;
};

static int add_gone(struct crowdsec_plan *plan, int64_t ref)
{
	if (plan->n_gone == plan->gone_capacity) {
		size_t capacity = plan->gone_capacity * 2 + 256;
		int64_t *more = reallocarray(plan->gone, capacity, sizeof(*more));

		if (!more)
			return -ENOMEM;
		plan->gone = more;
		plan->gone_capacity = capacity;
	}
	plan->gone[plan->n_gone++] = ref;
	return 0;
}

/* Both sides go by number: what the state alone has is over. */
static int compare_row(void *arg, const struct store_entry *row)
{
	struct comparison *comparison = arg;
	struct crowdsec_plan *plan = comparison->plan;
	uint32_t n_new = plan->view.head ? plan->view.head->n_new : 0;
	bool is_live = !row->expires_s || row->expires_s > plan->came_s;

	if (comparison->n++ == COMPARE_ROWS)
		return 1;
	plan->after = row->ref;
	plan->n_live += is_live;
	while (plan->at < n_new && plan->view.fresh[plan->at].id < row->ref)
		plan->at++;
	if (plan->at == n_new || plan->view.fresh[plan->at].id != row->ref) {
		plan->n_live_gone += is_live;
		comparison->err = add_gone(plan, row->ref);
		return comparison->err;
	}
	plan->is_same[plan->at] =
		!memcmp(&plan->view.fresh[plan->at].prefix, &row->prefix, sizeof(row->prefix)) &&
		llabs(plan->came_s + plan->view.fresh[plan->at].left_s - row->expires_s) <=
			STORE_REF_NEAR_S;
	return 0;
}

/*
 * The server answers "all of them" with a few when its database fails half way: so many are not
 * forgotten at the first word.
 */
static void judge(struct crowdsec_plan *plan)
{
	plan->is_short = plan->n_live >= CROWDSEC_SHORT_MIN && plan->n_live_gone * 2 > plan->n_live;
	if (plan->is_short && !plan->may_shrink)
		plan->n_gone = 0;
	else
		plan->is_short = false;
}

static int compare_slice(struct crowdsec_plan *plan)
{
	struct comparison comparison = { .plan = plan };
	int more = store_ref_each(plan->engine->store, CONFIG_CROWDSEC_NAME, plan->after,
				  compare_row, &comparison);

	if (more < 0)
		snprintf(plan->why, sizeof(plan->why), "the state cannot be read: %s",
			 comparison.err ? strerror(-more) : store_error(plan->engine->store));
	if (more)
		return more;
	judge(plan);
	plan->phase = plan->view.head ? PLAN_PUT : PLAN_DELETE;
	plan->at = 0;
	return 1;
}

static int step(struct engine *engine, struct entries_job *job, size_t slice)
{
	struct crowdsec_plan *plan = job->memory;

	if (plan->phase == PLAN_COMPARE)
		return compare_slice(plan);
	return plan->phase == PLAN_PUT ? put_slice(plan, slice) : delete_slice(plan, slice);
}

static void steps_over(struct engine *engine, struct entries_job *job)
{
	struct crowdsec_plan *plan = job->memory;

	plan->err = job->err;
	if (plan->err && !plan->why[0])
		snprintf(plan->why, sizeof(plan->why), "%s", strerror(-plan->err));
	entries_job_free(job);
	plan->done(plan);
}

static void start_steps(struct crowdsec_plan *plan)
{
	struct entries_job *job = calloc(1, sizeof(*job));

	if (!job) {
		plan->err = -ENOMEM;
		snprintf(plan->why, sizeof(plan->why), "out of memory");
		plan->done(plan);
		return;
	}
	plan->phase = plan->is_full ? PLAN_COMPARE : PLAN_PUT;
	job->what = ENTRIES_STEPS;
	job->step = step;
	job->done = steps_over;
	job->memory = plan;
	entries_job_start(plan->engine, job);
}

/* On the worker: the records of a fetcher, which may be anybody's. */
static void read_records(uv_work_t *work)
{
	struct reading *reading = work->data;
	struct crowdsec_plan *plan = reading->plan;

	snprintf(plan->why, sizeof(plan->why), "the fetcher's decisions are refused");
	plan->err = channel_check_sealed(reading->fd, &plan->bytes);
	if (plan->err || !plan->bytes)
		return;
	plan->data = mmap(NULL, plan->bytes, PROT_READ, MAP_SHARED, reading->fd, 0);
	if (plan->data == MAP_FAILED) {
		plan->data = NULL;
		plan->err = -ENOMEM;
		return;
	}
	plan->err = decision_check(plan->data, plan->bytes, &plan->view);
	if (!plan->err && plan->is_full) {
		plan->is_same = calloc(plan->view.head->n_new + 1, sizeof(*plan->is_same));
		plan->err = plan->is_same ? 0 : -ENOMEM;
	}
	if (!plan->err)
		plan->err = decision_coverage(&plan->view, &plan->share);
	if (plan->err || plan->share <= plan->max_share) {
		plan->why[0] = plan->err ? plan->why[0] : '\0';
		return;
	}
	plan->err = -E2BIG;
	snprintf(plan->why, sizeof(plan->why), "the decisions cover %.2f %% more of the routable space than max-coverage leaves", (plan->share - plan->max_share) * 100);
}

static void records_read(uv_work_t *work, int status)
{
	struct reading *reading = work->data;
	struct crowdsec_plan *plan = reading->plan;
	bool is_idle = !plan->err && plan->view.head && !plan->is_full && !plan->view.head->n_new &&
		       !plan->view.head->n_gone;

	close(reading->fd);
	free(reading);
	if (!plan->err && !plan->view.head)
		plan->err = -EBADMSG;
	if (plan->err || is_idle)
		plan->done(plan);
	else
		start_steps(plan);
}

int crowdsec_plan_start(struct crowdsec_plan *plan, int fd)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int err;

	if (!reading) {
		close(fd);
		return -ENOMEM;
	}
	reading->work.data = reading;
	reading->plan = plan;
	reading->fd = fd;
	err = uv_queue_work(&plan->engine->loop, &reading->work, read_records, records_read);
	if (err) {
		close(fd);
		free(reading);
	}
	return err;
}

void crowdsec_plan_clear(struct crowdsec_plan *plan)
{
	plan->is_full = plan->may_shrink = true;
	start_steps(plan);
}

void crowdsec_plan_free(struct crowdsec_plan *plan)
{
	if (plan->data)
		munmap(plan->data, plan->bytes);
	free(plan->is_same);
	free(plan->gone);
	free(plan);
}
