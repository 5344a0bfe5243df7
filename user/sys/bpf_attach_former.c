// SPDX-License-Identifier: GPL-2.0
/*
 * What an agent of another layout left: PINDIR/vN of another N, with maps that ours must not read
 * and programs that know every list and entry that agent knew. They run until ours know as much;
 * this file finds them and takes away what is left.
 */
#include "bpf_attach_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sekisho/maps.h>

/* The number of a folder vN; 0: it is none. */
static unsigned layout_of(const char *name)
{
	unsigned layout = 0;
	char text[20];

	if (sscanf(name, "v%u", &layout) != 1)
		return 0;
	snprintf(text, sizeof(text), "v%u", layout);
	return strcmp(text, name) ? 0 : layout;
}

static unsigned control_id_in(const char *pin_dir)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/control", pin_dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.id = 0;
	close(fd);
	return info.id;
}

void bpf_former_find(struct bpf_side *side, const char *pin_dir)
{
	DIR *dir = opendir(pin_dir);
	struct bpf_former *former;
	struct dirent *entry;
	unsigned layout;

	side->n_former = 0;
	while (dir && side->n_former < BPF_FORMER_MAX && (entry = readdir(dir))) {
		layout = layout_of(entry->d_name);
		if (!layout || layout == SEK_LAYOUT)
			continue;
		former = &side->former[side->n_former];
		if (snprintf(former->pin_dir, sizeof(former->pin_dir), "%s/v%u", pin_dir, layout) >=
		    (int)sizeof(former->pin_dir))
			continue;
		former->control_id = control_id_in(former->pin_dir);
		side->n_former++;
	}
	if (dir)
		closedir(dir);
}

static bool is_former_in_dispatcher(const struct bpf_side *side, struct bpf_attachment *attachment)
{
	struct attach_view view;
	unsigned i;

	if (attach_shared_look(side, attachment->ifindex, &view))
		return false;
	for (i = 0; i < view.n_ours; i++) {
		if (!view.our_is_former[i])
			continue;
		attachment->program_id = view.our_id[i];
		attachment->is_native = view.is_native;
		attachment->is_shared = true;
		return true;
	}
	return false;
}

bool bpf_former_is_on(const struct bpf_side *side, const char *name,
		      struct bpf_attachment *ret_attachment)
{
	struct bpf_attachment attachment = { .slot = ret_attachment->slot,
					     .link_fd = -1,
					     .ifindex = if_nametoindex(name) };
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!side->n_former || !attachment.ifindex)
		return false;
	snprintf(attachment.name, sizeof(attachment.name), "%s", name);
	if (attach_alone_is_former(side, &attachment, &attachment.program_id))
		attachment.is_native =
		    !bpf_xdp_query(attachment.ifindex, 0, &query) && query.drv_prog_id;
	else if (!is_former_in_dispatcher(side, &attachment))
		return false;
	*ret_attachment = attachment;
	return true;
}

/* Every pin but the links, which are gone by then. */
static void remove_pins(const char *pin_dir)
{
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name,
				       0); /* tried again at the next start */
	}
	if (dir)
		closedir(dir);
	(void)rmdir(pin_dir); /* as above */
}

unsigned bpf_former_remove(struct bpf_side *side)
{
	unsigned i, n = 0;

	if (!side->n_former)
		return 0;
	n = attach_shared_remove_former(side);
	for (i = 0; i < side->n_former; i++) {
		n += attach_alone_remove_but(side->former[i].pin_dir, NULL, 0);
		remove_pins(side->former[i].pin_dir);
	}
	side->n_former = 0;
	return n;
}
