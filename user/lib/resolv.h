// SPDX-License-Identifier: GPL-2.0
/* The name servers of a resolv.conf. */
#pragma once

#include <stddef.h>

#include <sekisho/maps.h>

typedef void (*resolv_fn)(void *context, const struct sek_rail_key *server);

/*
 * Calls @take for each name server of a resolv.conf of @len bytes, in order, repeats too. Lines
 * that are none are passed over: who writes the file (DHCP clients, VPNs) is not asked to be right.
 *
 * Errors: none.
 * Source: resolv.conf(5), "nameserver".
 */
void resolv_servers(const char *text, size_t len, resolv_fn take, void *context);
