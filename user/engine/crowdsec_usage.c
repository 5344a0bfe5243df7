// SPDX-License-Identifier: GPL-2.0
/*
 * Usage metrics for CrowdSec's console: what the agent judged and dropped since the last push, and
 * how many decisions are in force. A push that fails is tried again with the next window's numbers
 * added; a server that knows none (before 1.6.3: 404) is asked now and then.
 * Source: the server's models of POST /v1/usage-metrics, where metrics is a list.
 */
#include "crowdsec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/channel.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/store_refs.h"

#define OS_BYTES 4096
#define UNKNOWN_MS 3600000 /* how long a server that knows no usage metrics is left alone */
#define ORIGINS_MAX 20	   /* of decisions, in one push */

struct counts {
	uint64_t processed; /* packets */
	struct crowdsec_told told[CROWDSEC_TOLD_MAX];
};

struct crowdsec_usage {
	struct counts pushed, pushing; /* up to here is told; would be by the push on its way */
	/* Unix time: the agent's start, end of the last window, of this one */
	int64_t begun_s, pushed_s, pushing_s;
	uint64_t next_ms;		      /* on the loop's clock */
	bool has_pushed, is_first;
	int fd;
	uv_poll_t *poll; /* NULL: none is on its way */
	char error[FETCH_WHY_BYTES];
};

static char os_name[64] = "linux", os_version[64] = "unknown";

/* The value of KEY="value" in os-release(5), if it is plain. */
static void read_key(const char *text, const char *key, char *value, size_t size)
{
	const char *at = text;
	size_t n;

	while (at && strncmp(at, key, strlen(key))) {
		at = strchr(at, '\n');
		at += at != NULL;
	}
	if (!at)
		return;
	at += strlen(key);
	at += *at == '"';
	n = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (n && n < size)
		snprintf(value, size, "%.*s", (int)n, at);
}

void crowdsec_usage_begin(void)
{
	char *text;
	size_t len;

	if (file_read("/etc/os-release", OS_BYTES, &text, &len))
		return; /* then it is some Linux */
	read_key(text, "ID=", os_name, sizeof(os_name));
	read_key(text, "VERSION_ID=", os_version, sizeof(os_version));
	free(text);
}

static struct counts count(const struct engine *engine)
{
	struct counts counts = { 0 };
	const struct crowdsec_told *told;
	unsigned i, v, r;
	size_t n;

	told = crowdsec_hits_told(engine, &n);
	memcpy(counts.told, told, n * sizeof(*told));
	for (i = 0; i < engine->ifaces.body.ifaces.count && i < SEK_IFACES_MAX; i++) {
		unsigned slot = engine->ifaces.body.ifaces.iface[i].slot;

		for (v = 0; v < SEK_V_MAX; v++) {
			for (r = 0; r < SEK_R_MAX; r++)
				counts.processed +=
					bpf_read_verdict(&engine->read, slot, v, r).packets;
		}
	}
	return counts;
}

static json_t *item(const char *name, uint64_t value, const char *unit, json_t *labels)
{
	return json_pack("{s:s,s:I,s:s,s:o}", "name", name, "value", (json_int_t)value, "unit", unit, "labels", labels);
}

struct active_walk {
	json_t *items;
	unsigned n;
};

static void add_active(void *arg, const char *origin, int family, uint64_t n)
{
	struct active_walk *walk = arg;

	if (walk->n++ < ORIGINS_MAX)
		json_array_append_new(walk->items,
				      item("active_decisions", n, "ip",
					   json_pack("{s:s,s:s}", "origin", origin, "ip_type",
						     family == 4 ? "ipv4" : "ipv6")));
}

/*
 * What was counted since @usage->pushed. A counter that went back began anew with the kernel's
 * maps.
 */
static uint64_t gained(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static void add_dropped(json_t *items, const struct crowdsec_told *now,
			const struct crowdsec_told *before)
{
	const char *format = "{s:s,s:s,s:s}", *type = now->family == 6 ? "ipv6" : "ipv4";

	if (now->drops == before->drops)
		return;
	json_array_append_new(items, item("dropped", now->drops - before->drops, "packet",
					  json_pack(format, "origin", now->by, "ip_type", type,
						    "remediation", "ban")));
	json_array_append_new(items, item("dropped", now->drop_bytes - before->drop_bytes, "byte",
					  json_pack(format, "origin", now->by, "ip_type", type,
						    "remediation", "ban")));
}

static json_t *items(struct engine *engine)
{
	struct crowdsec_usage *usage = engine->crowdsec->usage;
	struct active_walk walk = { .items = json_array() };
	size_t i;

	json_array_append_new(walk.items,
			      item("processed",
				   gained(usage->pushing.processed, usage->pushed.processed),
				   "packet", json_object()));
	for (i = 0; i < CROWDSEC_TOLD_MAX; i++)
		add_dropped(walk.items, &usage->pushing.told[i], &usage->pushed.told[i]);
	/* then none are told */
	(void)store_ref_counts(engine->store, CONFIG_CROWDSEC_NAME, add_active, &walk);
	return walk.items;
}

static char *make_body(struct engine *engine)
{
	struct crowdsec_usage *usage = engine->crowdsec->usage;
	json_t *metrics =
		json_pack("[{s:{s:I,s:I},s:o}]", "meta", "window_size_seconds",
			  (json_int_t)(usage->pushing_s - usage->pushed_s), "utc_now_timestamp",
			  (json_int_t)usage->pushing_s, "items", items(engine));
	json_t *body = json_pack(
		"{s:[{s:s,s:s,s:s,s:{s:s,s:s,s:s},s:[],s:I,s:o}]}", "remediation_components",
		"type", "sekisho", "name", "sekisho", "version", SEKISHO_VERSION, "os", "name",
		os_name, "family", "linux", "version", os_version, "feature_flags",
		"utc_startup_timestamp", (json_int_t)usage->begun_s, "metrics", metrics);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	return text;
}

static void free_poll(uv_handle_t *handle)
{
	free(handle);
}

static void stop_poll(struct crowdsec_usage *usage)
{
	if (!usage->poll)
		return;
	uv_poll_stop(usage->poll);
	close(usage->fd);
	uv_close((uv_handle_t *)usage->poll, free_poll);
	usage->poll = NULL;
}

static void finish(struct engine *engine, const struct fetch_result *result, const char *error)
{
	const struct config_crowdsec *config = engine->crowdsec->config;
	struct crowdsec_usage *usage = engine->crowdsec->usage;
	uint64_t wait_ms = config->usage_s * 1000ull;

	if (!error[0]) {
		usage->pushed = usage->pushing;
		usage->pushed_s = usage->pushing_s;
		usage->has_pushed = true;
	} else if (result && result->http_code == 404) {
		error = "HTTP 404: CrowdSec takes usage metrics from version 1.6.3 on";
		wait_ms = wait_ms > UNKNOWN_MS ? wait_ms : UNKNOWN_MS;
	}
	if (error[0] && strcmp(usage->error, error))
		log_line(LOG_NOTICE, "crowdsec: usage metrics were not pushed: %s; nothing else depends on them", error);
	snprintf(usage->error, sizeof(usage->error), "%s", error);
	usage->next_ms = uv_now(&engine->loop) + wait_ms;
}

static void on_result(uv_poll_t *poll, int status, int events)
{
	struct engine *engine = poll->data;
	struct crowdsec_usage *usage = engine->crowdsec->usage;
	struct fetch_result result;
	unsigned n = 0;
	size_t len = 0;
	int err = channel_recv(usage->fd, &result, sizeof(result), &len, NULL, 0, &n);

	if (err == -EAGAIN)
		return;
	stop_poll(usage);
	if (err || len != sizeof(result) || result.magic != FETCH_MAGIC) {
		finish(engine, NULL, "the fetcher died");
		return;
	}
	result.why[sizeof(result.why) - 1] = '\0';
	finish(engine, &result, result.status == FETCH_DONE ? "" : result.why[0] ? result.why : "the fetcher gave no reason");
}

/* Gives the body to a fetcher. Errors: negative errno, with a word in @why. */
static int send_body(struct engine *engine, const char *body, char *why)
{
	struct role_msg msg = {.type = ROLE_CROWDSEC,
			       .body.crowdsec = {.config_epoch = engine->config_epoch,
						 .what = FETCH_PUSH}},
			reply;
	struct crowdsec_usage *usage = engine->crowdsec->usage;
	int memfd = channel_memfd("usage-metrics", body, strlen(body)), fd = -1;

	snprintf(why, ROLE_TEXT_BYTES, "out of memory");
	if (memfd < 0)
		return memfd;
	role_call(engine, &msg, &memfd, 1, &reply, &fd);
	close(memfd);
	if (reply.err || fd < 0) {
		snprintf(why, ROLE_TEXT_BYTES, "%s", reply.text[0] ? reply.text : "the fetcher cannot be started");
		return reply.err ? reply.err : -EIO;
	}
	usage->poll = calloc(1, sizeof(*usage->poll));
	if (!usage->poll) {
		close(fd);
		return -ENOMEM;
	}
	usage->fd = fd;
	uv_poll_init(&engine->loop, usage->poll, fd);
	usage->poll->data = engine;
	uv_poll_start(usage->poll, UV_READABLE, on_result);
	return 0;
}

static void push(struct engine *engine)
{
	struct crowdsec_usage *usage = engine->crowdsec->usage;
	char why[ROLE_TEXT_BYTES];
	char *body;
	int err;

	/* and so reads the counters anew; if not, the last copy is told */
	crowdsec_hits_take(engine);
	usage->pushing = count(engine);
	usage->pushing_s = engine_now_s();
	body = make_body(engine);
	err = body ? send_body(engine, body, why) : -ENOMEM;
	if (err)
		finish(engine, NULL, body ? why : "out of memory");
	free(body);
}

/*
 * The first push comes right after the first answer, so that `cscli metrics` shows the host at
 * once.
 */
void crowdsec_usage_tick(struct engine *engine)
{
	struct crowdsec *crowdsec = engine->crowdsec;
	struct crowdsec_usage *usage = crowdsec->usage;

	/* what was counted before us is not of this window */
	if (usage->is_first && engine->ifaces.body.ifaces.count) {
		usage->pushed = count(engine);
		usage->is_first = false;
	}
	if (crowdsec->config->usage_s && !usage->poll && crowdsec->pulls_total &&
	    uv_now(&engine->loop) >= usage->next_ms)
		push(engine);
}

json_t *crowdsec_usage_json(const struct engine *engine)
{
	const struct crowdsec_usage *usage = engine->crowdsec->usage;

	if (!engine->crowdsec->config || !engine->crowdsec->config->usage_s)
		return json_null();
	return json_pack("{s:o,s:o}", "last_push",
			 usage->has_pushed ? json_integer(usage->pushed_s) : json_null(), "error",
			 usage->error[0] ? json_string(usage->error) : json_null());
}

void crowdsec_usage_configure(struct engine *engine)
{
	stop_poll(engine->crowdsec->usage);
	engine->crowdsec->usage->next_ms = 0;
}

void crowdsec_usage_open(struct engine *engine)
{
	struct crowdsec_usage *usage = calloc(1, sizeof(*usage));

	if (!usage)
		exit(1); /* at the start: there is nothing to keep yet */
	usage->is_first = true;
	usage->begun_s = usage->pushed_s = engine_now_s();
	engine->crowdsec->usage = usage;
}
