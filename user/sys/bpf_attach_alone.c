// SPDX-License-Identifier: GPL-2.0
/*
 * Attached alone: a bpf_link that nobody else can replace, pinned under the interface's name. bpffs
 * refuses dots in names, so the name is escaped. A link that an agent of another layout pinned in
 * its own folder is taken over and moved.
 */
#include "bpf_attach_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * link-NAME with every byte but letters, digits and - as _xx. Source: bpffs's bpf_lookup() refuses
 * a dot.
 */
static void link_path(const char *pin_dir, const char *name, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/link-", pin_dir);

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

/*
 * Is the link pinned in @pin_dir for @attachment's name on its interface? *ret_fd: the link, the
 * caller's to close.
 */
static bool is_there(const char *pin_dir, const struct bpf_attachment *attachment, int *ret_fd,
		     unsigned *ret_program_id)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info), id = 0;
	char path[400];
	int fd;

	link_path(pin_dir, attachment->name, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return false;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.prog_id = 0;
	/* The program too: another network namespace may have an interface of the same index. */
	if (!info.prog_id || info.xdp.ifindex != attachment->ifindex ||
	    bpf_xdp_query_id(attachment->ifindex, 0, &id) || id != info.prog_id) {
		close(fd);
		return false;
	}
	*ret_fd = fd;
	*ret_program_id = id;
	return true;
}

/* The folder that holds the link on @attachment's interface, ours first; NULL: none does. */
static const char *find_link(const struct bpf_side *side, const struct bpf_attachment *attachment,
			     int *ret_fd, unsigned *ret_program_id)
{
	unsigned i;

	if (is_there(side->pin_dir, attachment, ret_fd, ret_program_id))
		return side->pin_dir;
	for (i = 0; i < side->n_former; i++) {
		if (is_there(side->former[i].pin_dir, attachment, ret_fd, ret_program_id))
			return side->former[i].pin_dir;
	}
	return NULL;
}

bool attach_alone_is_there(const struct bpf_side *side, const struct bpf_attachment *attachment)
{
	unsigned program_id;
	int fd;

	if (!find_link(side, attachment, &fd, &program_id))
		return false;
	close(fd);
	return true;
}

bool attach_alone_is_former(const struct bpf_side *side, const struct bpf_attachment *attachment,
			    unsigned *ret_program_id)
{
	unsigned program_id;
	const char *pin_dir;
	int fd;

	pin_dir = find_link(side, attachment, &fd, &program_id);
	if (!pin_dir)
		return false;
	close(fd);
	if (pin_dir == side->pin_dir)
		return false;
	*ret_program_id = program_id;
	return true;
}

int attach_alone_adopt(const struct bpf_side *side, struct bpf_attachment *attachment,
		       int program_fd)
{
	char path[400], former_path[400];
	const char *pin_dir;
	unsigned program_id;
	int fd, err;

	pin_dir = find_link(side, attachment, &fd, &program_id);
	if (!pin_dir)
		return -ENOENT;
	if (bpf_link_update(fd, program_fd, NULL)) {
		err = -errno;
		close(fd);
		return err;
	}
	if (pin_dir != side->pin_dir) {
		link_path(pin_dir, attachment->name, former_path, sizeof(former_path));
		link_path(side->pin_dir, attachment->name, path, sizeof(path));
		if (rename(former_path, path)) {
			err =
			    -errno; /* the link runs the new program, and is found there by the next try */
			close(fd);
			return err;
		}
	}
	attachment->link_fd = fd;
	return 0;
}

static int create_link(int program_fd, unsigned ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

int attach_alone_new(const struct bpf_side *side, struct bpf_attachment *attachment, int program_fd,
		     enum bpf_attach_want want, char *why, size_t why_bytes)
{
	char path[400];
	int fd = -EOPNOTSUPP;

	if (want != BPF_ATTACH_GENERIC)
		fd = create_link(program_fd, attachment->ifindex, XDP_FLAGS_DRV_MODE);
	if (fd < 0 && want != BPF_ATTACH_NATIVE)
		fd = create_link(program_fd, attachment->ifindex, XDP_FLAGS_SKB_MODE);
	if (fd < 0) {
		snprintf(why, why_bytes, "interface %s: the kernel refuses the XDP program: %s%s",
			 attachment->name, strerror(-fd),
			 want == BPF_ATTACH_NATIVE
			     ? "; this driver may have no native mode: use attach: auto"
			     : "");
		return fd;
	}
	link_path(side->pin_dir, attachment->name, path, sizeof(path));
	(void)unlink(path); /* what an interface of this name that is gone has left */
	if (bpf_obj_pin(fd, path)) {
		snprintf(why, why_bytes, "interface %s: cannot pin the link: %s", attachment->name,
			 strerror(errno));
		close(fd);
		return -EIO;
	}
	attachment->link_fd = fd;
	return 0;
}

bool attach_alone_is_alive(const struct bpf_attachment *attachment)
{
	return attachment->link_fd >= 0 && link_ifindex(attachment->link_fd) == attachment->ifindex;
}

void attach_alone_remove(const struct bpf_side *side, const struct bpf_attachment *attachment)
{
	char path[400];

	link_path(side->pin_dir, attachment->name, path, sizeof(path));
	(void)unlink(path); /* may be gone with the interface */
}

/* Is @path the pin of one of @keep? */
static bool is_kept(const char *pin_dir, const char *path, const struct bpf_attachment *keep,
		    unsigned n_keep)
{
	char kept[400];
	unsigned i;

	for (i = 0; i < n_keep; i++) {
		link_path(pin_dir, keep[i].name, kept, sizeof(kept));
		if (!strcmp(kept, path))
			return true;
	}
	return false;
}

unsigned attach_alone_remove_but(const char *pin_dir, const struct bpf_attachment *keep,
				 unsigned n_keep)
{
	DIR *dir = opendir(pin_dir);
	char path[600];
	struct dirent *entry;
	unsigned n = 0;
	bool is_on;
	int fd;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "link-", 5))
			continue;
		snprintf(path, sizeof(path), "%s/%s", pin_dir, entry->d_name);
		if (is_kept(pin_dir, path, keep, n_keep))
			continue;
		fd = bpf_obj_get(path);
		is_on = fd >= 0 && link_ifindex(fd) != 0;
		n += unlink(path) == 0 && is_on;
		/* the last hold on the link, so that it is off now: what a pin held goes in the kernel's own time */
		if (fd >= 0)
			close(fd);
	}
	closedir(dir);
	return n;
}
