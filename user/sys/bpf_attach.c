// SPDX-License-Identifier: GPL-2.0
/*
 * Which way a program is attached: where an earlier agent's is, stay with its way; else through the
 * dispatcher where the kernel can; else alone. Never touches a program that is not ours.
 */
#include "bpf_attach_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void read_alone(struct bpf_attachment *attachment)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (!bpf_xdp_query(attachment->ifindex, 0, &query))
		attachment->is_native = query.drv_prog_id != 0;
	if (!bpf_obj_get_info_by_fd(attachment->link_fd, &info, &len))
		attachment->program_id = info.prog_id;
}

static int name_the_other(const struct bpf_attachment *attachment, const struct attach_view *view,
			  const char *reason, char *why, size_t why_bytes)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(view->main_id);

	if (fd >= 0) {
		(void)bpf_obj_get_info_by_fd(fd, &info, &len); /* then the name stays empty */
		close(fd);
	}
	snprintf(
	    why, why_bytes,
	    "interface %s: another XDP program is attached (\"%.16s\", id %u, %s); it is left alone: %s",
	    attachment->name, info.name, view->main_id, view->is_native ? "native" : "generic",
	    reason);
	return -EBUSY;
}

static int alone(const struct bpf_side *side, struct bpf_attachment *attachment,
		 enum bpf_attach_want want, bool is_adoption, char *why, size_t why_bytes)
{
	int program_fd,
	    err = bpf_program_load(side, attachment->slot, &attachment->object, &program_fd);

	if (err) {
		snprintf(why, why_bytes, "interface %s: the kernel refuses to load the program: %s",
			 attachment->name, strerror(-err));
		return err;
	}
	if (!is_adoption) {
		err = attach_alone_new(side, attachment, program_fd, want, why, why_bytes);
	} else {
		err = attach_alone_adopt(side, attachment, program_fd);
		if (err)
			snprintf(
			    why, why_bytes,
			    "interface %s: its program cannot be replaced, the old one goes on: %s",
			    attachment->name, strerror(-err));
	}
	if (err) {
		bpf_program_free(attachment->object);
		return err;
	}
	attachment->was_adopted = is_adoption;
	read_alone(attachment);
	return 0;
}

/*
 * Nothing is on the interface: the dispatcher makes room for others later, but protection comes
 * first.
 */
static int first_there(const struct bpf_side *side, struct bpf_attachment *attachment,
		       const struct attach_view *view, enum bpf_attach_want want, char *why,
		       size_t why_bytes)
{
	char reason[160], why_alone[200];
	int err = -EOPNOTSUPP;

	why[0] = '\0';
	if (!bpf_attach_probe(reason, sizeof(reason)))
		err = attach_shared_add(side, attachment, view, want, why, why_bytes);
	if (!err)
		return 0;
	err = alone(side, attachment, want, false, why_alone, sizeof(why_alone));
	if (err)
		snprintf(why, why_bytes, "%s", why_alone);
	else if (why[0])
		snprintf(attachment->note, sizeof(attachment->note), "%.150s; attached alone", why);
	return err;
}

/* A dispatcher is there, with or without a program of ours. */
static int join(const struct bpf_side *side, struct bpf_attachment *attachment,
		const struct attach_view *view, enum bpf_attach_want want, char *why,
		size_t why_bytes)
{
	char reason[160], text[220];

	if (bpf_attach_probe(reason, sizeof(reason))) {
		snprintf(text, sizeof(text), "it is a dispatcher that cannot be joined: %s",
			 reason);
		return name_the_other(attachment, view, text, why, why_bytes);
	}
	if (!view->n_ours && want != BPF_ATTACH_AUTO &&
	    view->is_native != (want == BPF_ATTACH_NATIVE))
		return name_the_other(
		    attachment, view,
		    "its dispatcher runs in the other mode than attach: in the config says; use attach: auto",
		    why, why_bytes);
	return attach_shared_add(side, attachment, view, want, why, why_bytes);
}

static int attach(const struct bpf_side *side, struct bpf_attachment *attachment,
		  enum bpf_attach_want want, char *why, size_t why_bytes)
{
	struct attach_view view;
	char reason[160], text[220] = "remove it, or run it through libxdp's dispatcher";
	int err;

	if (attach_alone_is_there(side, attachment))
		return alone(side, attachment, want, true, why, why_bytes);
	err = attach_shared_look(side, attachment->ifindex, &view);
	switch (err) {
	case 0:
		return join(side, attachment, &view, want, why, why_bytes);
	case -ENOENT:
		return first_there(side, attachment, &view, want, why, why_bytes);
	default:
		if (bpf_attach_probe(reason, sizeof(reason)))
			snprintf(text, sizeof(text),
				 "remove it; there is no dispatcher to share with it (%s)", reason);
		return name_the_other(attachment, &view, text, why, why_bytes);
	}
}

int bpf_attach(const struct bpf_side *side, const char *name, unsigned slot,
	       enum bpf_attach_want want, struct bpf_attachment *ret_attachment, char *why,
	       size_t why_bytes)
{
	struct bpf_attachment attachment = { .slot = slot,
					     .link_fd = -1,
					     .ifindex = if_nametoindex(name) };
	int err;

	snprintf(attachment.name, sizeof(attachment.name), "%s", name);
	if (!attachment.ifindex) {
		snprintf(why, why_bytes,
			 "interface %s: there is no such interface; `ip link` lists them", name);
		return -ENODEV;
	}
	attach_shared_forget_gone(side);
	attach_shared_forget_unused(side);
	err = attach(side, &attachment, want, why, why_bytes);
	if (err)
		return err;
	if (want != BPF_ATTACH_AUTO && attachment.is_native != (want == BPF_ATTACH_NATIVE))
		snprintf(
		    attachment.note, sizeof(attachment.note),
		    "interface %s: stays in %s mode without a gap; `sekisho detach`, then `sekisho reload`, change it",
		    name, attachment.is_native ? "native" : "generic");
	*ret_attachment = attachment;
	return 0;
}

bool bpf_attach_is_alive(const struct bpf_side *side, struct bpf_attachment *attachment)
{
	if (if_nametoindex(attachment->name) != attachment->ifindex)
		return false;
	return attachment->is_shared ? attach_shared_is_alive(side, attachment)
				     : attach_alone_is_alive(attachment);
}

void bpf_attach_release(struct bpf_attachment *attachment)
{
	if (attachment->link_fd >= 0)
		close(attachment->link_fd);
	attachment->link_fd = -1;
	bpf_program_free(attachment->object);
	attachment->object = NULL;
}

void bpf_attach_remove(const struct bpf_side *side, struct bpf_attachment *attachment)
{
	if (!attachment->is_shared)
		attach_alone_remove(side, attachment);
	else if (if_nametoindex(attachment->name) == attachment->ifindex)
		(void)attach_shared_remove(
		    side, attachment->ifindex); /* none: somebody else took it out */
	attach_shared_forget_gone(side);
	bpf_attach_release(attachment);
}

unsigned bpf_attach_remove_all(const struct bpf_side *side)
{
	return attach_alone_remove_but(side->pin_dir, NULL, 0) + attach_shared_remove_all(side);
}

static bool is_kept(unsigned ifindex, const struct bpf_attachment *keep, unsigned n_keep)
{
	unsigned i;

	for (i = 0; i < n_keep && keep[i].ifindex != ifindex; i++)
		;
	return i < n_keep;
}

unsigned bpf_attach_remove_but(const struct bpf_side *side, const struct bpf_attachment *keep,
			       unsigned n_keep)
{
	unsigned n = attach_alone_remove_but(side->pin_dir, keep, n_keep);
	struct if_nameindex *all, *one;
	char why[160];

	all = bpf_attach_probe(why, sizeof(why)) ? NULL : if_nameindex();
	for (one = all; one && one->if_index; one++) {
		if (!is_kept(one->if_index, keep, n_keep))
			n += attach_shared_remove(side, one->if_index);
	}
	if (all)
		if_freenameindex(all);
	return n;
}
