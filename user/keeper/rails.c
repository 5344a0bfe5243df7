// SPDX-License-Identifier: GPL-2.0
/*
 * The never-block rails: addresses that no list, limit or command may cut off. They are in a map of
 * their own, which only the keeper writes and the program asks before every drop.
 */
#include "keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/rail.h"
#include "lib/resolv.h"
#include "sys/bpf_rails.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/netlink.h"
#include "sys/ssh_source.h"

#define RESOLV_MAX_BYTES 65536 /* bytes: /etc/resolv.conf holds a few lines */
#define REFRESH_TICKS 30 /* seconds between looks that nothing asked for: netlink may lose word */

/* systemd-resolved writes 127.0.0.53 to the first and the servers it asks to the second. */
static const char *const resolv_paths[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};
#define N_RESOLV (sizeof(resolv_paths) / sizeof(resolv_paths[0]))

struct rail_set {
	struct role_rail rail[SEK_RAILS_MAX];
	unsigned n, left_out;
};

static void add_rail(struct rail_set *set, const struct sek_rail_key *key, enum sek_rail kind)
{
	unsigned i;

	if (rail_is_local(key))
		return; /* the program knows these by itself */
	for (i = 0; i < set->n; i++) {
		if (!memcmp(&set->rail[i].key, key, sizeof(*key)))
			return;
	}
	if (set->n == SEK_RAILS_MAX) {
		set->left_out++;
		return;
	}
	set->rail[set->n].key = *key;
	set->rail[set->n++].kind = kind;
}

static struct sek_rail_key key_of(const struct netlink_address *address)
{
	struct sek_rail_key key = {.family = address->family};

	memcpy(key.addr_be, address->addr_be, sizeof(key.addr_be));
	return key;
}

static void take_own(void *context, const struct netlink_address *address)
{
	struct sek_rail_key key = key_of(address);

	add_rail(context, &key, SEK_RAIL_OWN);
}

static void take_gateway(void *context, unsigned ifindex, const struct netlink_address *gateway)
{
	struct sek_rail_key key;

	if (!gateway)
		return;
	key = key_of(gateway);
	add_rail(context, &key, SEK_RAIL_GATEWAY);
}

static void take_resolver(void *context, const struct sek_rail_key *server)
{
	add_rail(context, server, SEK_RAIL_RESOLVER);
}

static void take_resolvers(struct rail_set *set, const char *path)
{
	size_t len;
	char *text;

	if (file_read(path, RESOLV_MAX_BYTES, &text, &len))
		return; /* a host without a resolver */
	resolv_servers(text, len, take_resolver, set);
	free(text);
}

/* When the resolvers' files last changed, as one number. */
static uint64_t resolv_stamp(void)
{
	uint64_t stamp = 0;
	struct stat st;
	size_t i;

	for (i = 0; i < N_RESOLV; i++) {
		if (!stat(resolv_paths[i], &st))
			stamp = stamp * 31 + st.st_ino + st.st_mtim.tv_sec * 1000000007ull +
				st.st_mtim.tv_nsec;
	}
	return stamp;
}

/* Those who would be missed most first: a host with hundreds of own addresses keeps its gateway. */
static bool find_all(const struct keeper *keeper, struct rail_set *set)
{
	size_t i;

	if (keeper->ssh_client.family)
		add_rail(set, &keeper->ssh_client, SEK_RAIL_SSH);
	if (netlink_default_routes(take_gateway, set))
		return false;
	for (i = 0; i < N_RESOLV; i++)
		take_resolvers(set, resolv_paths[i]);
	return netlink_own_addresses(take_own, set) == 0;
}

static void tell(const struct rail_set *set)
{
	unsigned count[SEK_RAIL_LOCAL + 1] = {0}, i;

	for (i = 0; i < set->n; i++)
		count[set->rail[i].kind]++;
	log_line(
	    LOG_INFO,
	    "never-block rails: protected: own addresses %u, gateways %u, resolvers %u, SSH session %u",
	    count[SEK_RAIL_OWN], count[SEK_RAIL_GATEWAY], count[SEK_RAIL_RESOLVER],
	    count[SEK_RAIL_SSH]);
	if (set->left_out)
		log_line(LOG_WARNING,
			 "never-block rails: %u own addresses are left out: there is room for %d",
			 set->left_out, SEK_RAILS_MAX);
}

bool rails_refresh(struct keeper *keeper)
{
	struct rail_set set = {.n = 0};
	int err;

	keeper->rails_are_stale = false;
	keeper->rails_ticks = 0;
	keeper->resolv_stamp = resolv_stamp();
	if (!find_all(keeper, &set)) {
		if (!keeper->rails_were_unread)
			log_line(
			    LOG_ERR,
			    "never-block rails: the host's addresses and routes cannot be read; those known stay protected");
		keeper->rails_were_unread = true;
		keeper->rails_are_stale = true; /* tried again at the next tick */
		return false;
	}
	keeper->rails_were_unread = false;
	if (keeper->rails_are_known && set.n == keeper->n_rails &&
	    !memcmp(set.rail, keeper->rails, set.n * sizeof(set.rail[0])))
		return false;
	err = bpf_rails_put(&keeper->side, set.rail, set.n);
	if (err)
		log_line(LOG_ERR, "never-block rails: the kernel refuses an address: %s",
			 strerror(-err));
	memcpy(keeper->rails, set.rail, sizeof(set.rail));
	keeper->n_rails = set.n;
	keeper->rails_are_known = !err; /* else all of them again */
	tell(&set);
	return true;
}

bool rails_tick(struct keeper *keeper)
{
	if (++keeper->rails_ticks < REFRESH_TICKS && !keeper->rails_are_stale &&
	    resolv_stamp() == keeper->resolv_stamp)
		return false;
	return rails_refresh(keeper);
}

void rails_find_ssh(struct keeper *keeper)
{
	char address[64];

	if (!ssh_source_find(address, sizeof(address)) ||
	    !rail_key_parse(address, &keeper->ssh_client))
		return;
	log_line(LOG_INFO,
		 "never-block rails: the SSH session from %s that started this is protected",
		 address);
}
