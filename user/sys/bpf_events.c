// SPDX-License-Identifier: GPL-2.0
/*
 * libbpf's ring buffer, a bounded number of records a call, so that a flood of events does not stop
 * the loop.
 */
#include "bpf_events.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

struct bpf_events {
	struct ring_buffer *ring;
	bpf_event_fn fn;
	void *arg;
	unsigned left, taken;
};

int bpf_events_check(const void *data, size_t size, const struct sek_event **ret_event,
		     const struct sek_ban_event **ret_ban)
{
	const struct sek_event *event = data;
	bool is_ban;

	if (size < sizeof(*event) || event->type < SEK_EVENT_DROP || event->type > SEK_EVENT_OVER)
		return -EBADMSG;
	is_ban = event->type == SEK_EVENT_BAN;
	if (size != (is_ban ? sizeof(struct sek_ban_event) : sizeof(*event)) ||
	    event->header_bytes > SEK_EVENT_HEADER_BYTES)
		return -EBADMSG;
	if ((event->source.family != 4 && event->source.family != 6) || !event->source.len ||
	    event->source.len > (event->source.family == 4 ? 32 : 128))
		return -EBADMSG;
	*ret_event = event;
	*ret_ban = is_ban ? data : NULL;
	return 0;
}

/* Less than 0 ends the round; the record counts as read. */
static int take_one(void *arg, void *data, size_t size)
{
	struct bpf_events *events = arg;
	const struct sek_ban_event *ban;
	const struct sek_event *event;

	if (!bpf_events_check(data, size, &event, &ban))
		events->fn(events->arg, event, ban);
	events->taken++;
	return --events->left ? 0 : -EINTR;
}

int bpf_events_open(int fd, bpf_event_fn fn, void *arg, struct bpf_events **ret_events)
{
	struct bpf_events *events = calloc(1, sizeof(*events));
	int err;

	if (!events)
		return -ENOMEM;
	events->fn = fn;
	events->arg = arg;
	events->ring = ring_buffer__new(fd, take_one, events, NULL);
	if (!events->ring) {
		err = -errno;
		free(events);
		return err ? err : -EINVAL;
	}
	*ret_events = events;
	return 0;
}

int bpf_events_take(struct bpf_events *events, unsigned max)
{
	int err;

	events->left = max;
	events->taken = 0;
	err = ring_buffer__consume(events->ring);
	return err < 0 && err != -EINTR ? err : (int)events->taken;
}
