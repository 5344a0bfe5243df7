// SPDX-License-Identifier: GPL-2.0
/*
 * The reader of the kernel program's ring buffer of events. Lengths are checked; what is no event
 * of ours is passed over.
 */
#pragma once

#include <sekisho/event.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_events;

/* @ban is NULL unless @event is of type SEK_EVENT_BAN. Both live until the function returns. */
typedef void (*bpf_event_fn)(void *arg, const struct sek_event *event,
			     const struct sek_ban_event *ban);

/*
 * Reads the ring buffer @fd, which stays open as long as the process; it must be writable (the
 * reader's place is in it). Errors: negative errno.
 */
int bpf_events_open(int fd, bpf_event_fn fn, void *arg, struct bpf_events **ret_events);

/* Hands over at most @max records that wait. Returns how many, or a negative errno. */
int bpf_events_take(struct bpf_events *events, unsigned max);

/* Is a record of @size bytes at @data one of ours? *ret_ban as for bpf_event_fn. -EBADMSG: no. */
int bpf_events_check(const void *data, size_t size, const struct sek_event **ret_event,
		     const struct sek_ban_event **ret_ban);
