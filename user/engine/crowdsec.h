// SPDX-License-Identifier: GPL-2.0
/*
 * CrowdSec's decisions in force: asked for every few seconds through a fetcher of the keeper's,
 * kept as numbered entries of origin crowdsec, each until its own end. What fails leaves everything
 * as it is; what may have been missed is found by asking for all of them and comparing.
 */
#pragma once

#include "engine.h"
#include "events.h"
#include "lib/decision.h"
#include "lib/overlap.h"

#define CROWDSEC_REFUSALS_MAX 20 /* decisions that are named; the others are counted */

/*
 * A decision that is not put in force: of what holds a protected address, a server that is asked,
 * or is too wide.
 */
struct crowdsec_refusal {
	int64_t id;
	struct prefix prefix;
	char by[STORE_USER_BYTES];
	char why[120];
};

/* What one answer means for the state; done slice by slice as an entries job (crowdsec_apply.c). */
struct crowdsec_plan {
	struct engine *engine;
	void (*done)(struct crowdsec_plan *plan); /* frees it by crowdsec_plan_free() */
	void *data; /* mapped; NULL: no decision at all */
	size_t bytes;
	struct decision_view view;
	int64_t came_s; /* Unix time: durations count from here */
	uint32_t epoch;
	bool is_full;	 /* what is in the state and not in here is over */
	bool may_shrink; /* even if that is more than half of all */
	double max_share; /* of the routable space: an answer that holds more is refused */
	double share;	  /* that it holds */
	/* on the way */
	enum { PLAN_COMPARE, PLAN_PUT, PLAN_DELETE } phase;
	size_t at;
	int64_t after; /* last number that was compared */
	uint64_t n_live, n_live_gone;
	bool *is_same; /* by place in view.fresh: it is in the state already */
	int64_t *gone; /* numbers of the state that are over */
	size_t n_gone, gone_capacity;
	/* the answer */
	int err;
	char why[ROLE_TEXT_BYTES];
	bool is_short; /* too much is missing: nothing was deleted */
	uint64_t put, deleted, refused;
	struct crowdsec_refusal refusals[CROWDSEC_REFUSALS_MAX]; /* the first of those refused */
};

/*
 * What the decisions have in common with the list of feed @name; entries are the decisions'
 * prefixes.
 */
struct crowdsec_shared {
	char name[CONFIG_FEED_NAME_BYTES];
	struct overlap v4, v6;
};

#define CROWDSEC_TOLD_MAX 42 /* rows: twenty who decide, and the others, of both families */

/* What decisions of one origin dropped since the engine began. Rows keep their place. */
struct crowdsec_told {
	char by[STORE_USER_BYTES]; /* who decided */
	uint8_t family;
	uint64_t drops, drop_bytes;
};

#define CROWDSEC_SHORT_MIN 20 /* decisions: fewer may go at once */

struct crowdsec {
	const struct config_crowdsec *config; /* the engine's; NULL: not in use */
	/* on the loop's clock: the next request; when all are asked for again */
	uint64_t next_ms, full_ms;
	bool wants_full;
	bool may_shrink;     /* the last full answer was short, too */
	bool is_busy;	     /* from the request until the answer is in force */
	bool was_full;	     /* the request on its way */
	int fetch_fd;
	uv_poll_t *fetch_poll; /* NULL: no fetcher runs */
	struct fetch_result result;
	uint32_t failures; /* since the last success */
	uint64_t failures_total, pulls_total;
	/* Unix time; 0: never, not. kept: what the state knows */
	int64_t last_success_s, kept_success_s, failing_since_s;
	uint64_t fetch_ms;
	char error[FETCH_WHY_BYTES]; /* of the last try; empty: it went well */
	/* of the routable space that the last full answer held, and what came since */
	double share;
	/* of the last full answer, and of what came since */
	uint64_t ignored[DECISION_IGNORED_MAX];
	/* Unix time it is in the config: without an answer it is stale from then on */
	int64_t since_s;
	bool is_stale;	      /* and that was said */
	struct prefix server; /* that the last answer came from; family 0: not known */
	/* of the last full answer, and of what came since */
	struct crowdsec_refusal refusals[CROWDSEC_REFUSALS_MAX];
	size_t n_refusals;
	/* as which it is credited and judged; it has no list and is not fetched */
	struct engine_feed feed;
	uint64_t n_then;	 /* decisions in the state after the last answer */
	uint64_t revision; /* grows when decisions in the state change */
	struct crowdsec_usage *usage;
	struct crowdsec_look *look;
	struct crowdsec_hits *hits;
};

/* crowdsec.c */
/* Before the first config. Ends the process where there is no memory. */
void crowdsec_open(struct engine *engine);
/* A new config is in force: without the key what CrowdSec decided is over. */
void crowdsec_configure(struct engine *engine);
void crowdsec_tick(struct engine *engine);
/* Asks for all decisions now. -ENOENT: CrowdSec is not in the config. */
int crowdsec_update(struct engine *engine);
bool crowdsec_is_busy(const struct engine *engine);
/* Writes down what a later life wants to know. */
void crowdsec_close(struct engine *engine);

/* crowdsec_apply.c */
/*
 * Checks the decisions in @fd, which it takes over, on a worker, and puts them in force; then calls
 * plan->done. Errors: -ENOMEM.
 */
int crowdsec_plan_start(struct crowdsec_plan *plan, int fd);
/* Every decision in the state is over. */
void crowdsec_plan_clear(struct crowdsec_plan *plan);
void crowdsec_plan_free(struct crowdsec_plan *plan);

/* crowdsec_usage.c */
/* Before the sandbox closes: reads what system this is. */
void crowdsec_usage_begin(void);
void crowdsec_usage_open(struct engine *engine);
/* Another URL or key, or none. */
void crowdsec_usage_configure(struct engine *engine);
void crowdsec_usage_tick(struct engine *engine);
/* Of the last push, or of the first one to come: null or an object. */
json_t *crowdsec_usage_json(const struct engine *engine);

/* crowdsec_watch.c */
/*
 * The alarm of CrowdSec without a good answer for longer than stale-after, in @buf; NULL: there is
 * none.
 */
char *crowdsec_alarm(const struct engine *engine, char *buf, size_t size);
/* Once a second: says that the alarm begins or ends. */
void crowdsec_watch(struct engine *engine);
/* May @row of @plan not be put in force? Then that is noted. */
bool crowdsec_refuses(struct crowdsec_plan *plan, const struct store_entry *row);
/* Notes that decision @id of @plan is not put in force, and @why. */
void crowdsec_refuse(struct crowdsec_plan *plan, int64_t id, const struct prefix *prefix,
		     const char *by, const char *why);
/* The answer is in force: says what of it is not and was not said before. */
void crowdsec_tell_refusals(struct engine *engine, const struct crowdsec_plan *plan);
json_t *crowdsec_refused_json(const struct crowdsec *crowdsec);
/* Keeps an event of CrowdSec as a feed; who follows the events is told at once. */
void crowdsec_tell(struct engine *engine, enum events_feed type);

/* crowdsec_look.c */
/* Before the first config. Ends the process where there is no memory. */
void crowdsec_look_open(struct engine *engine);
/*
 * Once a second: looks at the lists again where they or the decisions have changed, and says which
 * known-good ones are met.
 */
void crowdsec_look_tick(struct engine *engine);
/* Of the last look at the list of feed @name; NULL: there was none. Holds until the next tick. */
const struct crowdsec_shared *crowdsec_shared_with(const struct engine *engine, const char *name);
/*
 * A copy of the decisions' prefixes at the last look, for lists_unmap(). Errors: -ENOENT CrowdSec
 * is not in the config, or was not looked at yet; -ENOMEM.
 */
int crowdsec_look_copy(const struct engine *engine, struct engine_list *ret_list);
/*
 * The live decision of the longest prefix that holds @address, of two the one that ends later.
 * False: there is none.
 */
bool crowdsec_find(const struct engine *engine, const struct prefix *address,
		   struct store_entry *ret_row);
/*
 * The member "names" of feed.show: servers that decisions in force hold, known-good lists that they
 * meet.
 */
json_t *crowdsec_names(struct engine *engine);

/* crowdsec_hits.c */
/* Before the first config. Ends the process where there is no memory. */
void crowdsec_hits_open(struct engine *engine);
void crowdsec_hits_configure(struct engine *engine);
/* Once a second, and before decisions go: asks whose entries dropped the packets of new events. */
void crowdsec_hits_tick(struct engine *engine);
/*
 * Reads the counters, and shares out what they gained: to the feed's and lists' totals, and to
 * crowdsec_hits_told().
 */
void crowdsec_hits_take(struct engine *engine);
const struct crowdsec_told *crowdsec_hits_told(const struct engine *engine, size_t *ret_n);

/* crowdsec_show.c */
struct openmetrics;
/* A row of feed.list, or with @is_long what feed.show tells; NULL: not in the config. */
json_t *crowdsec_json(struct engine *engine, bool is_long);
void metrics_add_crowdsec(struct engine *engine, struct openmetrics *om);
