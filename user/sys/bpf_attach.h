// SPDX-License-Identifier: GPL-2.0
/* The program on an interface: by a pinned bpf_link that outlives the agent and that nobody replaces by accident. */
#pragma once

#include "sys/bpf_load.h"

enum bpf_attach_want { BPF_ATTACH_AUTO, BPF_ATTACH_NATIVE, BPF_ATTACH_GENERIC };

struct bpf_attachment {
	char name[16];
	unsigned ifindex, slot;
	struct sekisho_bpf *object;
	int link_fd; /* -1: not attached */
	unsigned program_id;
	bool is_native;
	bool was_adopted; /* the link of an earlier agent, its program replaced without a gap */
};

/*
 * Loads the program for @slot and attaches it to @name; a link pinned by an earlier agent is updated in place.
 * Errors: negative errno, and one line for people in @why: -ENODEV no such interface, -EBUSY another program is
 * there (named), -EOPNOTSUPP the driver has no native mode and @want insists.
 */
int bpf_attach(const struct bpf_side *side, const char *name, unsigned slot, enum bpf_attach_want want,
	       struct bpf_attachment *ret_attachment, char *why, size_t why_bytes);

/*
 * Loads the program anew for @attachment's interface and slot, as bpf_program_load() makes it now, and puts it in the
 * place of the running one: every packet meets the old or the new one. From the event loop's thread, like every call here.
 * Errors: negative errno, and one line for people in @why; the running program and @attachment are as before.
 */
int bpf_attach_replace(const struct bpf_side *side, struct bpf_attachment *attachment, char *why, size_t why_bytes);

/* Is the link still on the interface of this name? False when it went away, or came back as another. */
bool bpf_attach_is_alive(const struct bpf_attachment *attachment);

/* Closes our descriptors; the pinned link keeps the program where it is. */
void bpf_attach_release(struct bpf_attachment *attachment);

/* Takes the program off the interface and removes the pin. */
void bpf_attach_remove(const struct bpf_side *side, struct bpf_attachment *attachment);

/* Removes every link pinned under @side's folder, whatever interface it is for. Returns how many. */
unsigned bpf_attach_remove_all(const struct bpf_side *side);
