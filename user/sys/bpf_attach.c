// SPDX-License-Identifier: GPL-2.0
/*
 * Attach, adopt, watch and detach. A link's pin is named after the interface; bpffs refuses dots in names, so the name
 * is escaped. Never touches a program that is not ours.
 */
#include "bpf_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* link-NAME with every byte but letters, digits and - as _xx. Source: bpffs's bpf_lookup() refuses a dot. */
static void link_path(const struct bpf_side *side, const char *name, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/link-", side->pin_dir);

	for (; *name && n + 4 < (int)size; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			     (*name >= '0' && *name <= '9') || *name == '-';

		n += snprintf(path + n, size - n, plain ? "%c" : "_%02x", (unsigned char)*name);
	}
}

static unsigned link_ifindex(int fd)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	return info.xdp.ifindex; /* 0 once the interface is gone */
}

static void read_state(struct bpf_attachment *attachment)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (!bpf_xdp_query(attachment->ifindex, 0, &query))
		attachment->is_native = query.drv_prog_id != 0;
	if (!bpf_obj_get_info_by_fd(attachment->link_fd, &info, &len))
		attachment->program_id = info.prog_id;
}

/* The link an earlier agent left: its program becomes ours in one step. 0 where that was done. */
static int adopt_link(const struct bpf_side *side, struct bpf_attachment *attachment, int program_fd)
{
	char path[400];
	int fd, err = 0;

	link_path(side, attachment->name, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (link_ifindex(fd) != attachment->ifindex)
		err = -ENODEV;
	else if (bpf_link_update(fd, program_fd, NULL))
		err = -errno;
	if (err) {
		close(fd);
		(void)unlink(path); /* it holds nothing any more, or what we cannot update */
		return err;
	}
	attachment->link_fd = fd;
	attachment->was_adopted = true;
	return 0;
}

static void name_the_other(unsigned ifindex, const char *name, char *why, size_t why_bytes)
{
	struct bpf_prog_info info = { 0 };
	__u32 id = 0, len = sizeof(info);
	int fd;

	(void)bpf_xdp_query_id(ifindex, 0, &id); /* 0 is said as it is */
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		(void)bpf_obj_get_info_by_fd(fd, &info, &len); /* then the name stays empty */
		close(fd);
	}
	snprintf(why, why_bytes, "interface %s: another XDP program is attached (\"%.16s\", id %u); it is left alone: remove it, or run it through libxdp's dispatcher", name, info.name, id);
}

static int create_link(int program_fd, unsigned ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

static bool is_occupied(unsigned ifindex)
{
	__u32 id = 0;

	return !bpf_xdp_query_id(ifindex, 0, &id) && id != 0;
}

static int new_link(const struct bpf_side *side, struct bpf_attachment *attachment, int program_fd,
		    enum bpf_attach_want want, char *why, size_t why_bytes)
{
	char path[400];
	int fd = -EOPNOTSUPP;

	if (is_occupied(attachment->ifindex)) {
		name_the_other(attachment->ifindex, attachment->name, why, why_bytes);
		return -EBUSY;
	}
	if (want != BPF_ATTACH_GENERIC)
		fd = create_link(program_fd, attachment->ifindex, XDP_FLAGS_DRV_MODE);
	if (fd < 0 && want != BPF_ATTACH_NATIVE)
		fd = create_link(program_fd, attachment->ifindex, XDP_FLAGS_SKB_MODE);
	if (fd < 0) {
		snprintf(why, why_bytes, "interface %s: the kernel refuses the XDP program: %s%s", attachment->name, strerror(-fd),
			 want == BPF_ATTACH_NATIVE ? "; this driver may have no native mode: use attach: auto" : "");
		return fd;
	}
	link_path(side, attachment->name, path, sizeof(path));
	if (bpf_obj_pin(fd, path)) {
		snprintf(why, why_bytes, "interface %s: cannot pin the link: %s", attachment->name, strerror(errno));
		close(fd);
		return -EIO;
	}
	attachment->link_fd = fd;
	return 0;
}

int bpf_attach(const struct bpf_side *side, const char *name, unsigned slot, enum bpf_attach_want want,
	       struct bpf_attachment *ret_attachment, char *why, size_t why_bytes)
{
	struct bpf_attachment attachment = { .slot = slot, .link_fd = -1, .ifindex = if_nametoindex(name) };
	int program_fd, err;

	snprintf(attachment.name, sizeof(attachment.name), "%s", name);
	if (!attachment.ifindex) {
		snprintf(why, why_bytes, "interface %s: there is no such interface; `ip link` lists them", name);
		return -ENODEV;
	}
	err = bpf_program_load(side, slot, &attachment.object, &program_fd);
	if (err) {
		snprintf(why, why_bytes, "interface %s: the kernel refuses to load the program: %s", name, strerror(-err));
		return err;
	}
	if (adopt_link(side, &attachment, program_fd))
		err = new_link(side, &attachment, program_fd, want, why, why_bytes);
	if (err) {
		bpf_program_free(attachment.object);
		return err;
	}
	read_state(&attachment);
	*ret_attachment = attachment;
	return 0;
}

int bpf_attach_replace(const struct bpf_side *side, struct bpf_attachment *attachment, char *why, size_t why_bytes)
{
	struct sekisho_bpf *object;
	int program_fd, err = bpf_program_load(side, attachment->slot, &object, &program_fd);

	if (!err && bpf_link_update(attachment->link_fd, program_fd, NULL)) {
		err = -errno;
		bpf_program_free(object);
	}
	if (err) {
		snprintf(why, why_bytes, "interface %s: its program cannot be replaced, the old one goes on: %s", attachment->name, strerror(-err));
		return err;
	}
	bpf_program_free(attachment->object);
	attachment->object = object;
	read_state(attachment);
	return 0;
}

bool bpf_attach_is_alive(const struct bpf_attachment *attachment)
{
	return attachment->link_fd >= 0 && link_ifindex(attachment->link_fd) == attachment->ifindex &&
	       if_nametoindex(attachment->name) == attachment->ifindex;
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
	char path[400];

	link_path(side, attachment->name, path, sizeof(path));
	(void)unlink(path); /* may be gone with the interface */
	bpf_attach_release(attachment);
}

unsigned bpf_attach_remove_all(const struct bpf_side *side)
{
	DIR *dir = opendir(side->pin_dir);
	char path[600];
	struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "link-", 5))
			continue;
		snprintf(path, sizeof(path), "%s/%s", side->pin_dir, entry->d_name);
		n += unlink(path) == 0;
	}
	closedir(dir);
	return n;
}
