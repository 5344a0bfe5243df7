// SPDX-License-Identifier: GPL-2.0
/*
 * Which interfaces are protected. An interface keeps its counter slot as long as the maps live,
 * over restarts too; one that went and came back is attached again; one that is not there is said
 * once, not every second.
 */
#include "keeper.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "sys/log.h"
#include "sys/netlink.h"

struct name_list {
	char name[SEK_IFACES_MAX][16];
	unsigned n;
};

static bool has_name(const struct name_list *list, const char *name)
{
	unsigned i;

	for (i = 0; i < list->n; i++) {
		if (!strcmp(list->name[i], name))
			return true;
	}
	return false;
}

static void add_name(struct name_list *list, const char *name)
{
	if (!has_name(list, name) && list->n < SEK_IFACES_MAX)
		snprintf(list->name[list->n++], sizeof(list->name[0]), "%s", name);
}

static void take_default(void *context, unsigned ifindex, const struct netlink_address *gateway)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(ifindex, name))
		add_name(context, name);
}

static void wanted(const struct keeper *keeper, struct name_list *list)
{
	const struct config *config = keeper->current.config;
	unsigned i;

	list->n = 0;
	for (i = 0; i < keeper->options.n_interfaces; i++)
		add_name(list, keeper->options.interfaces[i]);
	if (list->n)
		return;
	for (i = 0; i < config->n_interfaces; i++)
		add_name(list, config->interfaces[i]);
	if (config->interfaces_auto)
		(void)netlink_default_routes(take_default,
					     list); /* none: the caller sees an empty list */
}

/*
 * Another layout's program knows every list and entry, our maps perhaps none yet: it goes on until
 * the engine has put all of them in force.
 */
static bool leave_former(struct keeper *keeper, unsigned slot)
{
	struct bpf_attachment *attachment = &keeper->attachment[slot];
	bool was_waiting = keeper->waits[slot];
	char name[16];

	memcpy(name, attachment->name, sizeof(name));
	attachment->slot = slot;
	keeper->waits[slot] = bpf_former_is_on(&keeper->side, name, attachment);
	if (keeper->waits[slot] && !was_waiting)
		log_line(
		    LOG_NOTICE,
		    "interface %s: the program of another version (id %u) goes on until every last good list is in force",
		    name, attachment->program_id);
	return keeper->waits[slot] && !keeper->is_ready;
}

/* 0 where it waits, too. */
static int attach_slot(struct keeper *keeper, unsigned slot)
{
	static const enum bpf_attach_want want[] = { BPF_ATTACH_AUTO, BPF_ATTACH_NATIVE,
						     BPF_ATTACH_GENERIC };
	struct bpf_attachment *attachment = &keeper->attachment[slot];
	char name[16], why[300] = "";
	int err;

	memcpy(name, attachment->name, sizeof(name));
	if (leave_former(keeper, slot))
		return 0;
	err = bpf_attach(&keeper->side, name, slot, want[keeper->current.config->attach],
			 attachment, why, sizeof(why));
	if (err) {
		if (!keeper->was_told[slot])
			log_line(LOG_ERR, "%s", why);
		keeper->was_told[slot] = true;
		return err;
	}
	keeper->is_attached[slot] = true;
	keeper->waits[slot] = false;
	keeper->was_told[slot] = false;
	if (attachment->note[0])
		log_line(LOG_WARNING, "%s", attachment->note);
	if (!attachment->is_native && keeper->current.config->attach == CONFIG_ATTACH_AUTO)
		log_line(
		    LOG_WARNING,
		    "interface %s: its driver has no native XDP, attached in generic mode: protection is the same, at a higher cost a packet",
		    name);
	log_line(LOG_INFO, "interface %s: %s, %s, %s, program id %u", name,
		 attachment->was_adopted ? "adopted" : "attached",
		 attachment->is_native ? "native" : "generic",
		 attachment->is_shared ? "in a dispatcher" : "alone", attachment->program_id);
	return 0;
}

/* A slot of nobody's; else that of an interface no longer in @list, whose counters end. */
static unsigned free_slot(struct keeper *keeper, const struct name_list *list)
{
	unsigned i;

	if (keeper->n_attachments < SEK_IFACES_MAX)
		return keeper->n_attachments++;
	for (i = 0; i < SEK_IFACES_MAX; i++) {
		if (!keeper->is_attached[i] && !keeper->waits[i] &&
		    !has_name(list, keeper->attachment[i].name))
			break;
	}
	if (i < SEK_IFACES_MAX)
		bpf_side_zero_slot(&keeper->side, i);
	return i;
}

/* @slot is the interface @name's, attached to nothing yet. */
static void name_slot(struct keeper *keeper, unsigned slot, const char *name)
{
	keeper->attachment[slot] = (struct bpf_attachment){.link_fd = -1};
	snprintf(keeper->attachment[slot].name, sizeof(keeper->attachment[slot].name), "%.15s",
		 name);
	memcpy(keeper->side.control->iface_name[slot], keeper->attachment[slot].name,
	       sizeof(keeper->attachment[slot].name));
	keeper->was_told[slot] = false;
}

/* The slots as an earlier agent gave them: the counters in the maps are of those interfaces. */
static void recall_slots(struct keeper *keeper)
{
	char name[16];

	for (; keeper->n_attachments < SEK_IFACES_MAX; keeper->n_attachments++) {
		memcpy(name, keeper->side.control->iface_name[keeper->n_attachments], sizeof(name));
		if (!name[0])
			return;
		name_slot(keeper, keeper->n_attachments, name);
	}
}

/* SEK_IFACES_MAX: there is no room, which is said. */
static unsigned slot_of(struct keeper *keeper, const struct name_list *list, const char *name)
{
	unsigned i;

	for (i = 0; i < keeper->n_attachments; i++) {
		if (!strcmp(keeper->attachment[i].name, name))
			return i;
	}
	i = free_slot(keeper, list);
	if (i < SEK_IFACES_MAX) {
		name_slot(keeper, i, name);
	} else if (!keeper->no_slot_was_told) {
		log_line(LOG_ERR,
			 "interface %s: not protected: %d others are, and there is room for no more",
			 name, SEK_IFACES_MAX);
		keeper->no_slot_was_told = true;
	}
	return i;
}

int interfaces_attach(struct keeper *keeper, bool is_start)
{
	struct name_list list;
	unsigned i, slot;
	int err, first = 0;
	char why[160];

	if (is_start)
		recall_slots(keeper);
	wanted(keeper, &list);
	for (i = 0; i < list.n; i++) {
		slot = slot_of(keeper, &list, list.name[i]);
		if (slot >= SEK_IFACES_MAX)
			continue;
		keeper->is_wanted[slot] = true;
		if (keeper->is_attached[slot])
			continue;
		err = attach_slot(keeper, slot);
		if (err && !first)
			first = err;
		if (err && is_start)
			return err;
	}
	if (is_start && bpf_attach_probe(why, sizeof(why)))
		log_line(
		    LOG_INFO,
		    "no XDP dispatcher (%s): interfaces are attached alone, other XDP programs cannot join",
		    why);
	return first;
}

static void say_lost(const struct bpf_attachment *attachment)
{
	if (if_nametoindex(attachment->name) == attachment->ifindex)
		log_line(
		    LOG_WARNING,
		    "interface %s: somebody has taken our program off it; it is attached again",
		    attachment->name);
	else
		log_line(LOG_WARNING,
			 "interface %s: it is gone; it is attached again when it returns",
			 attachment->name);
}

/* What is left of another layout once none of its programs is waited for. */
static void remove_former(struct keeper *keeper)
{
	unsigned i, n;

	for (i = 0; i < keeper->n_attachments; i++) {
		if (keeper->waits[i])
			return;
	}
	if (!keeper->side.n_former)
		return;
	n = bpf_former_remove(&keeper->side);
	log_line(LOG_NOTICE, "upgrade: what another version left in %s is removed",
		 keeper->options.pin_dir);
	if (n)
		log_line(
		    LOG_NOTICE,
		    "upgrade: with it %u of its programs, on interfaces that are not in the config",
		    n);
}

/* Attaches to what is wanted, there and not attached. Returns whether to any. */
static bool attach_missing(struct keeper *keeper)
{
	struct name_list list = { .n = 0 };
	bool changed = false;
	unsigned i;

	for (i = 0; i < keeper->n_attachments; i++) {
		if (keeper->is_attached[i])
			continue;
		if (!list.n)
			wanted(keeper, &list);
		if (has_name(&list, keeper->attachment[i].name) &&
		    if_nametoindex(keeper->attachment[i].name))
			changed |= attach_slot(keeper, i) == 0 && keeper->is_attached[i];
		else
			keeper->waits[i] =
			    false; /* its link went with the interface, or nobody wants it */
	}
	return changed;
}

static unsigned count_wanted(const struct keeper *keeper)
{
	unsigned i, n = 0;

	for (i = 0; i < keeper->n_attachments; i++)
		n += keeper->is_wanted[i];
	return n;
}

void interfaces_watch(struct keeper *keeper)
{
	bool changed = false;
	unsigned i;

	if (keeper->is_detached)
		return;
	for (i = 0; i < keeper->n_attachments; i++) {
		if (!keeper->is_attached[i] ||
		    bpf_attach_is_alive(&keeper->side, &keeper->attachment[i]))
			continue;
		say_lost(&keeper->attachment[i]);
		bpf_attach_remove(&keeper->side, &keeper->attachment[i]);
		keeper->is_attached[i] = false;
		keeper->was_told[i] = false; /* what is in the way when it returns is news */
		changed = true;
	}
	changed |= attach_missing(keeper);
	if (keeper->current.config->interfaces_auto && !keeper->options.n_interfaces) {
		unsigned before = count_wanted(keeper);

		(void)interfaces_attach(keeper, false); /* said by it */
		changed |= count_wanted(keeper) != before;
	}
	if (keeper->is_ready)
		remove_former(keeper);
	if (changed)
		engine_tell_ifaces(keeper);
}

void interfaces_take_over(struct keeper *keeper)
{
	if (keeper->side.n_former)
		interfaces_watch(keeper);
}

void interfaces_reload(struct keeper *keeper)
{
	struct name_list list;
	unsigned i;

	keeper->is_detached = false;
	keeper->no_slot_was_told = false;
	wanted(keeper, &list);
	for (i = 0; i < keeper->n_attachments; i++) {
		keeper->is_wanted[i] = has_name(&list, keeper->attachment[i].name);
		if (!keeper->is_wanted[i] && keeper->is_attached[i]) {
			log_line(LOG_INFO, "interface %s: no longer in the config, detached",
				 keeper->attachment[i].name);
			bpf_attach_remove(&keeper->side, &keeper->attachment[i]);
			keeper->is_attached[i] = false;
		}
	}
	(void)interfaces_attach(keeper, false); /* each failure is said and tried again */
	engine_tell_ifaces(keeper);
}

void interfaces_drop_others(struct keeper *keeper)
{
	struct bpf_attachment keep[SEK_IFACES_MAX];
	unsigned i, n = 0;

	/* A default route may be missing for a moment: what auto found before stays protected. */
	if (!keeper->options.n_interfaces && keeper->current.config->interfaces_auto)
		return;
	for (i = 0; i < keeper->n_attachments; i++) {
		if (keeper->is_wanted[i])
			keep[n++] = keeper->attachment[i];
	}
	n = bpf_attach_remove_but(&keeper->side, keep, n);
	if (n)
		log_line(LOG_NOTICE, "detached from %u interfaces that are no longer in the config",
			 n);
}

void interfaces_detach(struct keeper *keeper)
{
	unsigned i;

	for (i = 0; i < keeper->n_attachments; i++) {
		if (keeper->is_attached[i])
			bpf_attach_remove(&keeper->side, &keeper->attachment[i]);
		keeper->is_attached[i] = false;
		keeper->waits[i] = false;
	}
	(void)bpf_former_remove(&keeper->side); /* how many does not matter */
	(void)bpf_attach_remove_all(
	    &keeper->side); /* links of interfaces no longer in the config */
	keeper->is_detached = true;
	log_line(LOG_NOTICE, "detached: no interface is protected");
}

void interfaces_describe(const struct keeper *keeper, struct role_msg *msg)
{
	unsigned i;

	msg->body.ifaces.count = keeper->n_attachments;
	for (i = 0; i < keeper->n_attachments; i++) {
		const struct bpf_attachment *from = &keeper->attachment[i];
		struct role_iface *to = &msg->body.ifaces.iface[i];
		bool is_on = keeper->is_attached[i] || keeper->waits[i];

		memcpy(to->name, from->name, sizeof(to->name));
		to->ifindex = from->ifindex;
		to->program_id = is_on ? from->program_id : 0;
		to->slot = i;
		to->attached = is_on;
		to->native = from->is_native;
		to->shared = from->is_shared;
		to->wanted = keeper->is_wanted[i];
	}
	msg->body.ifaces.mode = keeper->side.control->mode;
	msg->body.ifaces.confirm_left_s =
	    keeper->has_confirm ? (uv_timer_get_due_in(&keeper->confirm) + 999) / 1000 : 0;
	msg->body.ifaces.entries_used = keeper->entries.used;
	msg->body.ifaces.entries_size = keeper->entries.size;
}

int interfaces_check(const struct keeper *keeper)
{
	struct name_list list;
	unsigned i;

	wanted(keeper, &list);
	if (!list.n && !getenv("NOTIFY_SOCKET")) {
		log_line(
		    LOG_ERR,
		    "no interface: there is no default route; name one with -i or interfaces: in the config");
		return -ENODEV;
	}
	for (i = 0; i < list.n; i++) {
		if (if_nametoindex(list.name[i]))
			continue;
		log_line(LOG_ERR, "interface %s: there is no such interface; `ip link` lists them",
			 list.name[i]);
		return -ENODEV;
	}
	return 0;
}
