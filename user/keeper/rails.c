// SPDX-License-Identifier: GPL-2.0
/*
 * The never-block rails: addresses that no list, limit or command may cut off. They are in a map of their own, which
 * only the keeper writes and the program asks before every drop.
 */
#include "keeper.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/log.h"
#include "sys/netlink.h"

#define RESOLV_MAX_BYTES 65536	/* bytes: /etc/resolv.conf holds a few lines */
#define ENVIRON_MAX_BYTES (1u << 20)

struct rail_set {
	struct role_rail rail[SEK_RAILS_MAX];
	unsigned n;
};

static bool is_program_constant(const struct sek_rail_key *key)
{
	static const uint8_t zero[16], one[16] = { [15] = 1 };
	const uint8_t *a = key->addr_be;

	if (key->family == 4)
		return a[0] == 127 || (a[0] == 169 && a[1] == 254) || !memcmp(a, zero, 4);
	return !memcmp(a, zero, 16) || !memcmp(a, one, 16) || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

static void add_rail(struct rail_set *set, const struct sek_rail_key *key, enum sek_rail kind)
{
	unsigned i;

	if (is_program_constant(key))
		return;
	for (i = 0; i < set->n; i++) {
		if (!memcmp(&set->rail[i].key, key, sizeof(*key)))
			return;
	}
	if (set->n < SEK_RAILS_MAX) {
		set->rail[set->n].key = *key;
		set->rail[set->n++].kind = kind;
	}
}

static struct sek_rail_key key_of(const struct netlink_address *address)
{
	struct sek_rail_key key = { .family = address->family };

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

static bool parse_address(const char *text, struct sek_rail_key *ret_key)
{
	struct sek_rail_key key = { 0 };

	if (inet_pton(AF_INET, text, key.addr_be) == 1)
		key.family = 4;
	else if (inet_pton(AF_INET6, text, key.addr_be) == 1)
		key.family = 6;
	else
		return false;
	*ret_key = key;
	return true;
}

/* Source: resolv.conf(5), "nameserver". */
static void take_resolvers(struct rail_set *set)
{
	char *text, *line, *rest, address[64];
	struct sek_rail_key key;
	size_t len;

	if (file_read("/etc/resolv.conf", RESOLV_MAX_BYTES, &text, &len))
		return; /* a host without a resolver */
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, " nameserver %63[0-9a-fA-F:.]", address) == 1 && parse_address(address, &key))
			add_rail(set, &key, SEK_RAIL_RESOLVER);
	}
	free(text);
}

static __u32 fold(const struct sek_rail_key *key)
{
	__u32 word[4];

	memcpy(word, key->addr_be, sizeof(word));
	return word[0] ^ word[1] ^ word[2] ^ word[3];
}

/* New rails go in before old ones go out: nobody protected is unprotected in between. */
static void put_in_force(struct keeper *keeper, const struct rail_set *set)
{
	int fd = keeper->side.map_fd[BPF_MAP_RAILS];
	struct sek_rail_key key, next, *previous = NULL;
	__u64 bloom[4] = { 0 };
	unsigned i, bit;

	for (i = 0; i < set->n; i++) {
		__u32 kind = set->rail[i].kind;

		bit = sek_rail_bit(fold(&set->rail[i].key));
		bloom[bit / 64] |= 1ull << (bit % 64);
		if (bpf_map_update_elem(fd, &set->rail[i].key, &kind, BPF_ANY))
			log_line(LOG_ERR, "never-block rails: the kernel refuses an address: %s", strerror(errno));
	}
	for (i = 0; i < 4; i++)
		__atomic_store_n(&keeper->side.control->rail_bloom[i], bloom[i], __ATOMIC_SEQ_CST);
	while (!bpf_map_get_next_key(fd, previous, &next)) {
		for (i = 0; i < set->n && memcmp(&set->rail[i].key, &next, sizeof(next)); i++)
			;
		if (i < set->n) {
			key = next;
			previous = &key;
		} else if (bpf_map_delete_elem(fd, &next)) {
			return; /* cannot happen; a rail too many hurts nobody */
		} else {
			previous = NULL;
		}
	}
}

bool rails_refresh(struct keeper *keeper)
{
	struct rail_set set = { .n = 0 };

	if (keeper->ssh_client.family)
		add_rail(&set, &keeper->ssh_client, SEK_RAIL_SSH);
	if (netlink_own_addresses(take_own, &set) || netlink_default_routes(take_gateway, &set))
		log_line(LOG_ERR, "never-block rails: cannot read the host's addresses and routes; those known stay protected");
	take_resolvers(&set);
	if (set.n == keeper->n_rails && !memcmp(set.rail, keeper->rails, set.n * sizeof(set.rail[0])))
		return false;
	put_in_force(keeper, &set);
	memcpy(keeper->rails, set.rail, sizeof(set.rail));
	keeper->n_rails = set.n;
	return true;
}

static bool holds(const struct sek_entry_key *prefix, const struct sek_rail_key *rail)
{
	unsigned bytes = prefix->len / 8, bits = prefix->len % 8;

	if (prefix->family != rail->family || memcmp(prefix->addr_be, rail->addr_be, bytes))
		return false;
	return !bits || (prefix->addr_be[bytes] >> (8 - bits)) == (rail->addr_be[bytes] >> (8 - bits));
}

const struct role_rail *rails_inside(const struct keeper *keeper, const struct sek_entry_key *key)
{
	unsigned i;

	for (i = 0; i < keeper->n_rails; i++) {
		if (holds(key, &keeper->rails[i].key))
			return &keeper->rails[i];
	}
	return NULL;
}

void rails_force(struct keeper *keeper, const struct sek_entry_key *key)
{
	struct rail_set set = { .n = 0 };
	unsigned i;

	for (i = 0; i < keeper->n_rails; i++) {
		if (!holds(key, &keeper->rails[i].key))
			add_rail(&set, &keeper->rails[i].key, keeper->rails[i].kind);
		else if (keeper->rails[i].kind == SEK_RAIL_SSH)
			keeper->ssh_client.family = 0;
	}
	put_in_force(keeper, &set);
}

/* Source: proc(5), /proc/PID/stat: the parent is the second word behind the name's last parenthesis. */
static pid_t parent_of(pid_t pid)
{
	char path[64], line[512], *name_end;
	pid_t parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	name_end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!name_end || sscanf(name_end, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

static bool ssh_of(pid_t pid, struct sek_rail_key *ret_key)
{
	char path[64], address[64] = "", *entry = NULL;
	size_t size = 0, total = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && total < ENVIRON_MAX_BYTES && getdelim(&entry, &size, '\0', file) > 0) {
		total += strlen(entry);
		found = sscanf(entry, "SSH_CONNECTION=%63[0-9a-fA-F:.]", address) == 1 && parse_address(address, ret_key);
	}
	free(entry);
	fclose(file);
	return found;
}

void rails_find_ssh(struct keeper *keeper)
{
	char text[INET6_ADDRSTRLEN];
	pid_t pid = getpid();
	int depth;

	/* sudo clears the variable, so the parents are asked too; 32 is more than any chain of shells. */
	for (depth = 0; pid > 1 && depth < 32; depth++, pid = parent_of(pid)) {
		if (!ssh_of(pid, &keeper->ssh_client))
			continue;
		inet_ntop(keeper->ssh_client.family == 4 ? AF_INET : AF_INET6, keeper->ssh_client.addr_be, text, sizeof(text));
		log_line(LOG_INFO, "never-block rails: the SSH session from %s that started this is protected", text);
		return;
	}
}
