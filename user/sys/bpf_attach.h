// SPDX-License-Identifier: GPL-2.0
/*
 * The program on an interface, so that it outlives the agent and nobody loses theirs: through
 * libxdp's dispatcher beside others where the kernel can, else alone by a pinned bpf_link. All
 * calls come from one thread: libxdp keeps state.
 */
#pragma once

#include "sys/bpf_load.h"

enum bpf_attach_want { BPF_ATTACH_AUTO, BPF_ATTACH_NATIVE, BPF_ATTACH_GENERIC };

struct bpf_attachment {
	char name[16];
	unsigned ifindex, slot;
	struct sekisho_bpf *object;
	int link_fd; /* alone: the XDP link; shared: our place in the dispatcher; -1: not attached */
	unsigned program_id;
	bool is_native;
	bool is_shared;		/* through libxdp's dispatcher */
	bool was_adopted;	/* an earlier agent's program was there, replaced without a gap */
	unsigned dispatcher_id; /* shared: the program on the interface, as last seen */
	char note[200]; /* what people should know about how it was attached; empty: nothing */
};

/*
 * Tries once whether this kernel lets one program be put into another (freplace), which the
 * dispatcher is made of. Later calls answer from memory, so the first must come before rights are
 * dropped. Errors: -EOPNOTSUPP, with the reason in @why.
 */
int bpf_attach_probe(char *why, size_t why_bytes);

/*
 * Loads the program for @slot and attaches it to @name. What an earlier agent left there is
 * replaced where it is, alone or in the dispatcher: every packet meets the old or the new one (in
 * the dispatcher a few may meet, and count in, both).
 * Errors: negative errno, and one line for people in @why: -ENODEV no such interface, -EBUSY
 * another program is there that cannot be joined (named), -EOPNOTSUPP the driver has no native mode
 * and @want insists.
 */
int bpf_attach(const struct bpf_side *side, const char *name, unsigned slot,
	       enum bpf_attach_want want, struct bpf_attachment *ret_attachment, char *why,
	       size_t why_bytes);

/*
 * Is our program still on the interface of this name? False when it went away, came back as
 * another, or somebody took our program out of the dispatcher. Follows a dispatcher that others
 * have rebuilt.
 */
bool bpf_attach_is_alive(const struct bpf_side *side, struct bpf_attachment *attachment);

/* Closes our descriptors; the pins keep the program where it is. */
void bpf_attach_release(struct bpf_attachment *attachment);

/*
 * Takes our program off the interface and removes its pins; what others have in the dispatcher runs
 * on.
 */
void bpf_attach_remove(const struct bpf_side *side, struct bpf_attachment *attachment);

/*
 * Looks for what agents of other layouts left beside @side's own folder: PINDIR/vN, with the links
 * link-* and the map
 * `control`, names that every layout keeps. From then on bpf_attach() replaces their programs like
 * an earlier agent's of our own.
 */
void bpf_former_find(struct bpf_side *side, const char *pin_dir);
/*
 * Does a program of another layout run on @name? It has every list and entry that its agent knew,
 * where our own maps may be empty yet. Then *ret_attachment says how it is attached; it holds
 * nothing open.
 */
bool bpf_former_is_on(const struct bpf_side *side, const char *name,
		      struct bpf_attachment *ret_attachment);
/*
 * Takes off what is left of them, unpins their maps and forgets them. Returns how many programs
 * were still on an interface.
 */
unsigned bpf_former_remove(struct bpf_side *side);

/* Takes off every program that uses @side's maps, whatever interface it is on. Returns how many. */
unsigned bpf_attach_remove_all(const struct bpf_side *side);
/* The same but for the interfaces of @keep. */
unsigned bpf_attach_remove_but(const struct bpf_side *side, const struct bpf_attachment *keep,
			       unsigned n_keep);
