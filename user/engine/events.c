// SPDX-License-Identifier: GPL-2.0
/* From the kernel's ring buffer to the ring in memory, bans to bans.c, and the verb `events`. */
#include "events.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bans.h"
#include "events_file.h"
#include "sys/bpf_events.h"
#include "sys/log.h"
#include "verbs.h"

#define TAKE_MAX 512	 /* records a turn of the loop: about a millisecond, some more with bans */
/* requests that may wait at once; more are answered at once, and ask again */
#define FOLLOWERS_MAX 16
#define FOLLOW_MS 20000	 /* a request that waits is answered by then, with nothing if need be */
#define ANSWER_MAX 1000	 /* rows */
#define ANSWER_FIRST 100 /* rows, where nobody says */

static struct bpf_events *ring;
static uv_poll_t ring_poll;
static unsigned followers;

static void have_event(void *arg, const struct sek_event *event, const struct sek_ban_event *ban)
{
	struct engine *engine = arg;

	if (ban)
		bans_saw(engine, &ban->event.source, &ban->ban, &ban->evidence, event);
	events_file_add(engine,
			events_keep(event, (int64_t)event->time_ns + bans_clock().offset_ns));
}

void events_take(struct engine *engine)
{
	uint64_t before = events_last();

	if (!ring || bpf_events_take(ring, TAKE_MAX) < 0)
		return;
	bans_written(engine);
	if (followers && events_last() != before)
		control_poll_waiting(engine);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	events_take(poll->data);
}

void events_open(struct engine *engine)
{
	int err = bpf_events_open(engine->map_fds[ROLE_FD_EVENTS], have_event, engine, &ring);

	if (!err)
		err = uv_poll_init(&engine->loop, &ring_poll, engine->map_fds[ROLE_FD_EVENTS]);
	ring_poll.data = engine;
	if (!err)
		err = uv_poll_start(&ring_poll, UV_READABLE, on_readable);
	if (err)
		log_line(LOG_ERR, "events: the ring buffer cannot be read: %s; bans are found by scans", strerror(-err));
}

static bool is_of_feed(const struct sek_event *event)
{
	return event->type >= EVENTS_FEED_STALE && event->type <= EVENTS_FEED_NAMES;
}

void events_keep_feed(enum events_feed type, const char *name)
{
	struct bans_clock clock = bans_clock();
	struct sek_event event = { .type = type, .time_ns = clock.boot_ns, .limit = 0xff };

	/* header_bytes 0: no frame */
	snprintf((char *)event.header, sizeof(event.header), "%s", name);
	events_keep(&event, (int64_t)clock.boot_ns + clock.offset_ns);
}

static const char *type_of(const struct sek_event *event)
{
	static const char *const types[] = { "", "drop", "ban", "ban-refused", "over" };
	static const char *const feed_types[] = { "feed-stale", "feed-fresh", "feed-held", "feed-names" };

	if (is_of_feed(event))
		return feed_types[event->type - EVENTS_FEED_STALE];
	return event->type == SEK_EVENT_DROP && event->verdict == SEK_V_WOULD ? "would-drop"
									      : types[event->type];
}

static const char *protocol_of(const struct sek_event *event, char *buf, size_t size)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = { { 1, "icmp" }, { 6, "tcp" }, { 17, "udp" }, { 58, "icmpv6" }, { 47, "gre" }, { 132, "sctp" } };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].number == event->l4_proto)
			return names[i].name;
	}
	snprintf(buf, size, "%u", event->l4_proto);
	return buf;
}

static const char *flags_of(const struct sek_event *event, char buf[9])
{
	static const char letters[] = "FSRPAUEC";
	unsigned bit, n = 0;

	for (bit = 0; bit < 8; bit++) {
		if (event->l4_proto == 6 && event->tcp_flags & 1u << bit)
			buf[n++] = letters[bit];
	}
	buf[n] = '\0';
	return buf;
}

static const char *interface_of(const struct engine *engine, uint32_t slot)
{
	unsigned i;

	for (i = 0; i < engine->ifaces.body.ifaces.count && i < SEK_IFACES_MAX; i++) {
		if (engine->ifaces.body.ifaces.iface[i].slot == slot)
			return engine->ifaces.body.ifaces.iface[i].name;
	}
	return "";
}

json_t *events_json(const struct engine *engine, const struct events_row *row)
{
	static const char *const reasons[SEK_R_MAX] = { "none", "allow", "block", "ban", "feed", "limit", "malformed", "link", "protected", "internal" };
	const struct sek_event *event = &row->event;
	struct prefix source = bans_prefix(&event->source);
	char text[PREFIX_TEXT_BYTES], protocol[8], flags[9];

	if (is_of_feed(event))
		return json_pack("{s:I,s:f,s:s,s:s}", "number", (json_int_t)row->number, "time", row->unix_ns / 1e9,
				 "type", type_of(event), "feed", (const char *)event->header);
	return json_pack("{s:I,s:f,s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:I,s:s,s:I}", "number",
			 (json_int_t)row->number, "time", row->unix_ns / 1e9, "type",
			 type_of(event), "source", prefix_format(&source, text), "reason",
			 event->reason < SEK_R_MAX ? reasons[event->reason] : "internal", "limit",
			 limits_name_then(engine, event->limit, row->number), "protocol",
			 protocol_of(event, protocol, sizeof(protocol)), "flags",
			 flags_of(event, flags), "sport", ntohs(event->sport_be), "dport",
			 ntohs(event->dport_be), "bytes", (json_int_t)event->frame_bytes,
			 "interface", interface_of(engine, event->iface_slot), "generation",
			 (json_int_t)event->generation);
}

struct walk {
	const struct engine *engine;
	json_t *rows;
	uint64_t last;
};

static void add_row(void *arg, const struct events_row *row)
{
	struct walk *walk = arg;

	json_array_append_new(walk->rows, events_json(walk->engine, row));
	walk->last = row->number;
}

static json_t *answer(const struct engine *engine, uint64_t after, unsigned max)
{
	struct walk walk = { .engine = engine, .rows = json_array(), .last = after };
	uint64_t oldest = events_after(after, max, add_row, &walk);

	return verbs_ok(json_pack(
		"{s:o,s:I,s:I}", "events", walk.rows, "last", (json_int_t)walk.last, "missed",
		(json_int_t)(after && oldest > after + 1 ? oldest - after - 1 : 0)));
}

static void stop_following(struct engine *engine, struct verbs_wait *wait)
{
	followers--;
}

static json_t *follow(struct engine *engine, struct verbs_wait *wait)
{
	uint64_t after = (uintptr_t)wait->job;

	if (events_last() <= after && uv_now(&engine->loop) < wait->number)
		return NULL;
	stop_following(engine, wait);
	return answer(engine, after, ANSWER_MAX);
}

bool events_has_followers(void)
{
	return followers > 0;
}

/* With "wait" it is answered when there is something behind "after". "after" -1: behind what there is now. */
json_t *verbs_events(struct verbs_request *request)
{
	json_int_t limit = json_integer_value(json_object_get(request->json, "limit"));
	json_int_t after = json_integer_value(json_object_get(request->json, "after"));
	uint64_t last = events_last();

	events_take(request->engine);
	if (limit < 1 || limit > ANSWER_MAX)
		limit = ANSWER_FIRST;
	if (after < 0 || (uint64_t)after > last) /* of an engine before us */
		after = last;
	else if (!after && last > (uint64_t)limit)
		after = last - limit;
	if (!json_is_true(json_object_get(request->json, "wait")) ||
	    (uint64_t)after < events_last() || followers >= FOLLOWERS_MAX)
		return answer(request->engine, after, limit);
	followers++;
	request->wait->job = (void *)(uintptr_t)after;
	request->wait->number = uv_now(&request->engine->loop) + FOLLOW_MS;
	request->wait->poll = follow;
	request->wait->abandon = stop_following;
	return NULL;
}
