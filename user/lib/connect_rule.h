// SPDX-License-Identifier: GPL-2.0
/*
 * Where a fetch may connect to, judged in the process that connects: who asks may be in the hands
 * of a server, so nothing it says counts but the name, the port, and that it wants to be held to
 * the stricter rule.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/connect_msg.h"
#include "lib/http_addr.h"

struct connect_rule {
	char host[CONNECT_HOST_BYTES]; /* of the config's own URL */
	uint16_t port;
	/* that URL names a private address, so redirects there are no surprise */
	bool may_be_private;
	bool is_ours;  /* and that address is this host's, so neither are redirects to this host */
	bool is_alone; /* nowhere but there: no redirect is followed */
};

/*
 * May @ask's host and port be tried at all? The URL's own may; all else on ports 80 and 443 and the
 * URL's own port alone, and not where the rule is_alone. Errors: -EBADMSG @ask is none; -EPERM it
 * may not: @why (of @why_bytes) says so.
 */
int connect_rule_place(const struct connect_rule *rule, const struct connect_ask *ask, char *why,
		       size_t why_bytes);

/*
 * May @ask lead to an address of this @kind, which @is_ours, this host's? The URL's own host may be
 * private, but link-local only where the URL names a private address; what it redirects to is
 * public, or private where the URL's own address is, this host's only where that is, and never
 * link-local. Errors: -EPERM it may not: @why (of @why_bytes) says so.
 */
int connect_rule_address(const struct connect_rule *rule, const struct connect_ask *ask,
			 enum http_addr_kind kind, bool is_ours, char *why, size_t why_bytes);
