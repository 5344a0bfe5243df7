// SPDX-License-Identifier: GPL-2.0
/* What bpf_attach.c shares with its two ways of attaching. */
#pragma once

#include "sys/bpf_attach.h"

#define ATTACH_PROGRAMS_MAX 10 /* places in a dispatcher. Source: libxdp's MAX_DISPATCHER_ACTIONS */

/* Alone: a bpf_link pinned in the agent's own folder. */

/*
 * Is the link pinned for @attachment's name on its interface, by us or by an agent of another
 * layout?
 */
bool attach_alone_is_there(const struct bpf_side *side, const struct bpf_attachment *attachment);
/* Is it one of another layout? *ret_program_id is what it runs. */
bool attach_alone_is_former(const struct bpf_side *side, const struct bpf_attachment *attachment,
			    unsigned *ret_program_id);
/*
 * Makes @program_fd the program of that link in one step, then moves the pin to our folder: killed
 * between the two, the link runs the new program and is found where it was. Errors: negative errno;
 * the link goes on as it was.
 */
int attach_alone_adopt(const struct bpf_side *side, struct bpf_attachment *attachment,
		       int program_fd);
/* A new link, pinned, on an interface that has no program. Errors: as bpf_attach(). */
int attach_alone_new(const struct bpf_side *side, struct bpf_attachment *attachment, int program_fd,
		     enum bpf_attach_want want, char *why, size_t why_bytes);
bool attach_alone_is_alive(const struct bpf_attachment *attachment);
void attach_alone_remove(const struct bpf_side *side, const struct bpf_attachment *attachment);
/* Unpins every link in @pin_dir but those of @keep. Returns how many were on an interface. */
unsigned attach_alone_remove_but(const char *pin_dir, const struct bpf_attachment *keep,
				 unsigned n_keep);

/* Shared: a component of libxdp's dispatcher. */

/* What is on an interface. */
struct attach_view {
	unsigned main_id; /* the program the interface itself runs */
	bool is_native;
	unsigned n_programs;
	unsigned n_ours;
	unsigned our_id[ATTACH_PROGRAMS_MAX], our_place[ATTACH_PROGRAMS_MAX];
	bool our_is_former[ATTACH_PROGRAMS_MAX]; /* it is of an agent of another layout */
};

/*
 * Reads the dispatcher on @ifindex. Ours are the components that use @side's control map or a
 * former one.
 * Errors: -ENOENT no program at all; -EBUSY a program that is no dispatcher, or one that cannot be
 * read; @ret_view holds main_id and is_native then; others: negative errno.
 */
int attach_shared_look(const struct bpf_side *side, unsigned ifindex, struct attach_view *ret_view);
/*
 * Adds our program to the dispatcher that @view shows, or makes one where main_id is 0, and then
 * takes older ones of ours out. Errors: as bpf_attach(); what was there is as before.
 */
int attach_shared_add(const struct bpf_side *side, struct bpf_attachment *attachment,
		      const struct attach_view *view, enum bpf_attach_want want, char *why,
		      size_t why_bytes);
bool attach_shared_is_alive(const struct bpf_side *side, struct bpf_attachment *attachment);
/* Takes ours out of the dispatcher on @ifindex. Returns how many. */
unsigned attach_shared_remove(const struct bpf_side *side, unsigned ifindex);
unsigned attach_shared_remove_all(const struct bpf_side *side);
/* Takes those of other layouts out of every dispatcher, and only those. Returns how many. */
unsigned attach_shared_remove_former(const struct bpf_side *side);
/* Unpins ours of interfaces that are gone, which no call of libxdp reaches. */
void attach_shared_forget_gone(const struct bpf_side *side);
/*
 * Unpins ours in dispatchers that are not on their interface: an agent was killed between libxdp's
 * pins and its attach. Ours are in this network namespace, so a dispatcher that is not here is
 * nowhere.
 */
void attach_shared_forget_unused(const struct bpf_side *side);
