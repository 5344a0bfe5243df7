// SPDX-License-Identifier: GPL-2.0
/* Rails against prefixes. Pure: addresses in, answers out. */
#include "rail.h"

#include <arpa/inet.h>
#include <string.h>

/* Source: RFC 1122 3.2.1.3, RFC 3927, RFC 4291 2.5.3 and 2.5.6; the same as in rail.bpf.h. */
static const struct sek_entry_key locals[] = {
    {.addr_be = {127}, .family = 4, .len = 8},
    {.addr_be = {169, 254}, .family = 4, .len = 16},
    {.addr_be = {[15] = 1}, .family = 6, .len = 128},
    {.addr_be = {0xfe, 0x80}, .family = 6, .len = 10},
};
#define N_LOCALS (sizeof(locals) / sizeof(locals[0]))

static bool holds(const struct sek_entry_key *prefix, const uint8_t *addr_be, uint32_t family)
{
	unsigned bytes = prefix->len / 8, bits = prefix->len % 8;

	if (prefix->family != family || memcmp(prefix->addr_be, addr_be, bytes))
		return false;
	return !bits || prefix->addr_be[bytes] >> (8 - bits) == addr_be[bytes] >> (8 - bits);
}

bool rail_key_parse(const char *text, struct sek_rail_key *ret_key)
{
	struct sek_rail_key key = {0};

	if (inet_pton(AF_INET, text, key.addr_be) == 1)
		key.family = 4;
	else if (inet_pton(AF_INET6, text, key.addr_be) == 1)
		key.family = 6;
	else
		return false;
	*ret_key = key;
	return true;
}

bool rail_is_local(const struct sek_rail_key *key)
{
	static const uint8_t zero[16];
	unsigned i;

	for (i = 0; i < N_LOCALS; i++) {
		if (holds(&locals[i], key->addr_be, key->family))
			return true;
	}
	return !memcmp(key->addr_be, zero, sizeof(zero));
}

bool rail_is_all_local(const struct sek_entry_key *prefix)
{
	unsigned i;

	for (i = 0; i < N_LOCALS; i++) {
		if (prefix->len >= locals[i].len &&
		    holds(&locals[i], prefix->addr_be, prefix->family))
			return true;
	}
	return false;
}

bool rail_inside(const struct role_rail *rails, unsigned n_rails,
		 const struct sek_entry_key *prefix, struct role_rail *ret_rail)
{
	unsigned i;

	for (i = 0; i < n_rails; i++) {
		if (holds(prefix, rails[i].key.addr_be, rails[i].key.family)) {
			*ret_rail = rails[i];
			return true;
		}
	}
	for (i = 0; i < N_LOCALS; i++) {
		if (!holds(prefix, locals[i].addr_be, locals[i].family) &&
		    !(prefix->len >= locals[i].len &&
		      holds(&locals[i], prefix->addr_be, prefix->family)))
			continue;
		*ret_rail = (struct role_rail){.kind = SEK_RAIL_LOCAL};
		ret_rail->key.family = locals[i].family;
		memcpy(ret_rail->key.addr_be, locals[i].addr_be, sizeof(ret_rail->key.addr_be));
		return true;
	}
	return false;
}

bool rail_is_too_wide(const struct sek_entry_key *prefix, bool is_forced)
{
	if (prefix->family == 4)
		return prefix->len < (is_forced ? 3 : 8);
	return prefix->len < (is_forced ? 7 : 16);
}

const char *rail_text(uint32_t kind)
{
	static const char *const texts[] = {
	    "a protected address",
	    "an address of this host",
	    "this host's default gateway",
	    "this host's resolver",
	    "the source of the SSH session that started the agent",
	    "loopback or link-local addresses",
	};

	return texts[kind < sizeof(texts) / sizeof(texts[0]) ? kind : 0];
}
